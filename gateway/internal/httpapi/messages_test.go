package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/lease"
)

// counts answers every question for tokens alike.
type counts int

func (c counts) CountTokens(context.Context, *chat.Request, caller.Caller, lease.Choice) (int, error) {
	return int(c), nil
}

// newMessagesEdge is the public port with both dialects.
func newMessagesEdge(t *testing.T, relay httpapi.Relay) *edge {
	t.Helper()
	return newEdge(t, relay, func(d *httpapi.Deps) {
		d.Dialects = []dialect.Dialect{openai.API{}, anthropic.API{}}
		d.Tokens = counts(7)
	})
}

const message = `{"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}`

var messageStream = strings.Replace(message, "{", `{"stream":true,`, 1)

// The routes of Anthropic's clients, with every error that they document in their form.
// Their id of a request is in each answer.
func TestMessagesRoutes(t *testing.T) {
	t.Parallel()
	answer := []string{"content", "id", "model", "role", "stop_reason", "stop_sequence", "type", "usage"}
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		keys                     []string // of a good answer
		kind                     string   // of a bad one
	}{
		{"a message", "POST", "/v1/messages", message, []string{"Authorization", key}, 200, answer, ""},
		{"with its other key", "POST", "/v1/messages", message, []string{"X-Api-Key", "right"}, 200, answer, ""},
		{"with both", "POST", "/v1/messages", message, []string{"Authorization", "Bearer sk-own", "X-Api-Key", "right"}, 200, answer, ""},
		{"with a query", "POST", "/v1/messages?beta=true", message, []string{"X-Api-Key", "right"}, 200, answer, ""},
		{"without a key", "POST", "/v1/messages", message, nil, 401, nil, "authentication_error"},
		{"with a wrong key", "POST", "/v1/messages", message, []string{"X-Api-Key", "wrong"}, 401, nil, "authentication_error"},
		{"of nothing", "POST", "/v1/messages", "", []string{"X-Api-Key", "right"}, 400, nil, "invalid_request_error"},
		{"without a limit", "POST", "/v1/messages", hello, []string{"X-Api-Key", "right"}, 400, nil, "invalid_request_error"},
		{"by another method", "GET", "/v1/messages", "", nil, 405, nil, "invalid_request_error"},
		{"in batches", "POST", "/v1/messages/batches", "{}", []string{"X-Api-Key", "right"}, 404, nil, "not_found_error"},

		{"trap 33: a question for tokens", "POST", "/v1/messages/count_tokens", hello, []string{"X-Api-Key", "right"}, 200, []string{"input_tokens"}, ""},
		{"trap 33: with a query", "POST", "/v1/messages/count_tokens?beta=true", hello, []string{"Authorization", key}, 200, []string{"input_tokens"}, ""},
		{"trap 33: without a key", "POST", "/v1/messages/count_tokens", hello, nil, 401, nil, "authentication_error"},
		{"trap 33: of nothing", "POST", "/v1/messages/count_tokens", "{}", []string{"X-Api-Key", "right"}, 400, nil, "invalid_request_error"},

		{"trap 34: discovery", "GET", "/v1/models?limit=1000", "", []string{"Anthropic-Version", "2023-06-01", "X-Api-Key", "right"}, 200, []string{"data", "first_id", "has_more", "last_id"}, ""},
		{"trap 34: with its other key", "GET", "/v1/models?limit=1000", "", []string{"Anthropic-Version", "2026-10-21", "Authorization", key}, 200, []string{"data", "first_id", "has_more", "last_id"}, ""},
		{"trap 34: a page of no size", "GET", "/v1/models?limit=0", "", []string{"Anthropic-Version", "2023-06-01"}, 400, nil, "invalid_request_error"},
		{"a model", "GET", "/v1/models/gpt-4o", "", []string{"Anthropic-Version", "2023-06-01"}, 200, []string{"created_at", "display_name", "id", "type"}, ""},
		{"a model that is unknown", "GET", "/v1/models/nope", "", []string{"Anthropic-Version", "2023-06-01"}, 404, nil, "not_found_error"},
		{"the list of another client", "GET", "/v1/models?limit=1000", "", []string{"X-Api-Key", "right"}, 200, []string{"data", "object"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newMessagesEdge(t, says(nil, greeting...))
			r := request(t, c.method, c.path, "", c.body)
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			w := do(t, e, r)
			if w.Code != c.status || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("%d, want %d: %s", w.Code, c.status, w.Body)
			}
			named := strings.Contains(c.path, "/messages") || r.Header.Get("Anthropic-Version") != ""
			if id := w.Header().Get("Request-Id"); (id != "") != named || named && id != w.Header().Get("X-Request-Id") {
				t.Errorf("the request's id %q", id)
			}
			if c.keys != nil {
				if got := keysOf(t, w.Body.Bytes()); !slices.Equal(got, c.keys) {
					t.Errorf("keys %v, want %v", got, c.keys)
				}
				return
			}
			var got struct {
				Type  string
				Error struct{ Type, Message string }
				ID    string `json:"request_id"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Type != "error" || got.Error.Type != c.kind || got.ID != w.Header().Get("X-Request-Id") {
				t.Errorf("%v: %s", err, w.Body)
			}
		})
	}
}

// Where nobody counts tokens, clients are told so, and count for themselves.
func TestNobodyCountsTokens(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil, func(d *httpapi.Deps) { d.Dialects = []dialect.Dialect{openai.API{}, anthropic.API{}} })
	if w := do(t, e, request(t, "POST", "/v1/messages/count_tokens", key, hello)); w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// trap 35: what Claude Code asks at its start is answered at once, and is no news.
func TestTrap35Probes(t *testing.T) {
	t.Parallel()
	e := newMessagesEdge(t, nil)
	for _, method := range []string{"HEAD", "GET"} {
		if w := do(t, e, request(t, method, "/api/hello", "", "")); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	if e.log.String() != "" {
		t.Errorf("logged: %s", e.log)
	}
}

func TestMessagesStream(t *testing.T) {
	t.Parallel()
	w := do(t, newMessagesEdge(t, says(nil, greeting...)), request(t, "POST", "/v1/messages", key, messageStream))
	if got := w.Body.String(); w.Header().Get("Content-Type") != "text/event-stream" || !strings.HasSuffix(got, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") {
		t.Errorf("%v %s", w.Header(), got)
	}
}

// An answer that breaks off ends with an error, and never as if it were complete.
func TestMessagesStreamBreaks(t *testing.T) {
	t.Parallel()
	broken := says(chat.Errorf(chat.UpstreamUnavailable, "it broke"), greeting[:3]...)
	w := do(t, newMessagesEdge(t, broken), request(t, "POST", "/v1/messages", key, messageStream))
	id := w.Header().Get("X-Request-Id")
	end := "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"it broke\"},\"request_id\":\"" + id + "\"}\n\n"
	if got := w.Body.String(); !strings.HasSuffix(got, end) || strings.Contains(got, "message_delta") || strings.Contains(got, "message_stop") {
		t.Errorf("%s", got)
	}
}

// trap 16: while the upstream is silent the client hears pings, and then what became of it:
// they keep no one alive but the client.
func TestTrap16Silence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stalls := func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
			says(nil, greeting[:3]...)(ctx, req, yield)
			time.Sleep(2 * time.Minute) // the driver's patience
			yield(chat.Event{}, chat.Errorf(chat.UpstreamUnavailable, "the upstream was silent"))
		}
		w := do(t, newMessagesEdge(t, relay(stalls)), request(t, "POST", "/v1/messages", key, messageStream))
		got := w.Body.String()
		_, rest, _ := strings.Cut(got, `"text":"lo"`)
		if pings := strings.Count(rest, "event: ping\n"); pings < 2 || !strings.Contains(rest, "event: error\n") || strings.Contains(rest, "message_delta") || strings.Contains(rest, "message_stop") {
			t.Errorf("%d pings: %s", pings, got)
		}
	})
}

// What the upstream calls a request has the vendor's header, the gateway's own name has its
// own.
func TestTheUpstreamsRequestID(t *testing.T) {
	t.Parallel()
	begin := &chat.Beginning{Header: map[string][]string{"Request-Id": {"req_own"}}}
	own := &chat.UpstreamError{
		Status: 400, Type: "invalid_request_error", Dialect: anthropic.Dialect, Header: begin.Header,
		JSON: []byte(`{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":"req_own"}`),
	}
	for name, relay := range map[string]relay{
		"an answer": says(nil, append([]chat.Event{{Begin: begin}}, greeting...)...),
		"an error":  says(&chat.Error{Kind: chat.UpstreamRejected, Message: "no", Upstream: own}),
	} {
		for _, body := range []string{message, messageStream} {
			w := do(t, newMessagesEdge(t, relay), request(t, "POST", "/v1/messages", key, body))
			if w.Header().Get("Request-Id") != "req_own" || len(w.Header().Get("X-Request-Id")) != 32 {
				t.Errorf("%s: %v", name, w.Header())
			}
		}
	}
}

// Whoever finds a failure, it is told in the dialect of the path, with what its clients look
// for beside the body.
func TestEveryFailureIsToldInTheDialect(t *testing.T) {
	t.Parallel()
	fails := func(kind chat.Kind, wait time.Duration) relay {
		return says(&chat.Error{Kind: kind, Message: "it failed", RetryAfter: wait})
	}
	panics := relay(func(context.Context, *chat.Request, func(chat.Event, error) bool) { panic("odd") })
	for name, c := range map[string]struct {
		relay             relay
		body, coding      string
		status            int
		kind, wait, again string
	}{
		"a panic":               {panics, message, "", 500, "api_error", "", ""},
		"a panic, streaming":    {panics, messageStream, "", 500, "api_error", "", ""},
		"an unknown coding":     {nil, message, "br", 415, "invalid_request_error", "", ""},
		"not what it says":      {nil, message, "gzip", 400, "invalid_request_error", "", ""},
		"too large":             {nil, strings.Repeat(" ", 1<<20+1), "", 413, "request_too_large", "", ""},
		"half of a body":        {nil, message[:20], "", 400, "invalid_request_error", "", ""},
		"no token":              {fails(chat.NoTokens, 0), message, "", 503, "api_error", "", "false"},
		"no token for a while":  {fails(chat.NoTokenAvailable, 90*time.Second), message, "", 429, "rate_limit_error", "90", ""},
		"the end of the server": {fails(chat.ShuttingDown, time.Second), messageStream, "", 503, "api_error", "1", "true"},
		"no time left":          {fails(chat.Timeout, 0), messageStream, "", 504, "timeout_error", "", ""},
		"too much in hand":      {fails(chat.Overloaded, time.Second), message, "", 529, "overloaded_error", "1", ""},
		"no store":              {fails(chat.StoreUnavailable, time.Second), message, "", 503, "api_error", "1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, c.relay, func(d *httpapi.Deps) {
				d.Dialects = []dialect.Dialect{openai.API{}, anthropic.API{}}
				d.Options.BodyLimit, d.Options.BodyLimitChosen = 1<<20, true
			})
			r := request(t, "POST", "/v1/messages", key, c.body)
			if c.coding != "" {
				r.Header.Set("Content-Encoding", c.coding)
			}
			w := do(t, e, r)
			id := w.Header().Get("Request-Id")
			if w.Code != c.status || !strings.HasPrefix(w.Body.String(), `{"type":"error","error":{"type":"`+c.kind+`"`) ||
				id == "" || !strings.HasSuffix(w.Body.String(), `"request_id":"`+id+`"}`) {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if wait, again := w.Header().Get("Retry-After"), w.Header().Get("X-Should-Retry"); wait != c.wait || again != c.again {
				t.Errorf("Retry-After %q, X-Should-Retry %q", wait, again)
			}
		})
	}
}
