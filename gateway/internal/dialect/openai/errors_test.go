package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/objects"
)

func TestEveryKindHasARendering(t *testing.T) {
	t.Parallel()
	for _, kind := range chat.Kinds() {
		as, ok := renderings[kind]
		if !ok {
			t.Errorf("%s has no row", kind)
			continue
		}
		if as.status < 400 || as.status > 599 || as.kind == "" || as.code == "" {
			t.Errorf("%s: %+v", kind, as)
		}
		if (as.status == 401 || as.status == 403) && kind != chat.Unauthenticated && kind != chat.Forbidden && kind != chat.OwnTokenRefused {
			t.Errorf("%s has status %d, which speaks of the client's own key", kind, as.status)
		}
		limit := as.kind == objects.LimitError || as.kind == objects.QuotaError && kind == chat.KeySpent
		if (as.status == 429) != limit || (as.status >= 500) != (as.kind == objects.ServerError) {
			t.Errorf("%s: status %d and type %s don't fit", kind, as.status, as.kind)
		}
	}
	if len(renderings) != len(chat.Kinds()) {
		t.Errorf("%d rows for %d kinds", len(renderings), len(chat.Kinds()))
	}
}

func TestEncodeError(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err        error
		status     int
		retryAfter string
		body       string
	}{
		"with a field": {
			&chat.Error{Kind: chat.EmptyMessages, Message: `no "messages"`, Param: "messages"}, 400, "",
			`{"error":{"message":"no \"messages\"","type":"invalid_request_error","param":"messages","code":"empty_messages"}}`,
		},
		"with a wait": {
			&chat.Error{Kind: chat.NoTokenAvailable, Message: "busy", RetryAfter: 1200 * time.Millisecond, Err: errors.New("secret cause")}, 429, "2",
			`{"error":{"message":"busy","type":"rate_limit_error","param":null,"code":"no_token_available"}}`,
		},
		"a limit of the key's": {
			&chat.Error{Kind: chat.KeyLimited, Message: "5 requests a minute", RetryAfter: 20 * time.Second}, 429, "20",
			`{"error":{"message":"5 requests a minute","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`,
		},
		"a budget of the key's": {
			&chat.Error{Kind: chat.KeySpent, Message: "1.00 USD a day", RetryAfter: time.Hour}, 429, "3600",
			`{"error":{"message":"1.00 USD a day","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
		},
		"a client key that may not": {
			&chat.Error{Kind: chat.Forbidden, Message: "from there"}, 403, "",
			`{"error":{"message":"from there","type":"invalid_request_error","param":null,"code":"forbidden"}}`,
		},
		"with what the pool is short of": {
			&chat.Error{
				Kind: chat.NoTokens, Message: "none",
				Pool: &chat.Pool{Total: 9, Busy: 1, Cooling: 2, Probing: 3, Quarantined: 4, Tried: 5, Parked: 6, Disabled: 7, Expired: 8},
			}, 503, "",
			`{"error":{"message":"none","type":"server_error","param":null,"code":"no_tokens","pool":{"total":9,"busy":1,"cooling":2,"probing":3,"quarantined":4,"tried":5,"parked":6,"disabled":7,"expired":8}}}`,
		},
		"with the upstream's own names": {
			&chat.Error{
				Kind: chat.UpstreamRejected, Message: "too high", Param: "temperature",
				Upstream: &chat.UpstreamError{Status: 400, Code: "decimal_above_max_value", Type: "invalid_request_error", Param: "temperature"},
			}, 400, "",
			`{"error":{"message":"too high","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value","upstream":{"status":400,"code":"decimal_above_max_value","type":"invalid_request_error","param":"temperature"}}}`,
		},
		"a number is no code": {
			&chat.Error{Kind: chat.UpstreamRejected, Message: "no", Upstream: &chat.UpstreamError{Status: 400, Code: "400"}}, 400, "",
			`{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"upstream_rejected","upstream":{"status":400,"code":"400","type":null,"param":null}}}`,
		},
		"what the upstream says of its own token": {
			&chat.Error{Kind: chat.UpstreamAuth, Message: "no", Upstream: &chat.UpstreamError{Status: 401, Code: "invalid_api_key"}}, 503, "",
			`{"error":{"message":"no","type":"server_error","param":null,"code":"upstream_auth","upstream":{"status":401,"code":"invalid_api_key","type":null,"param":null}}}`,
		},
		"unknown route": {
			chat.Errorf(chat.NotFound, "no such route"), 404, "",
			`{"error":{"message":"no such route","type":"invalid_request_error","param":null,"code":"not_found"}}`,
		},
		"unknown kind": {
			chat.Errorf("new", "what?"), 500, "",
			`{"error":{"message":"what?","type":"server_error","param":null,"code":"internal_error"}}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := EncodeError(test.err)
			judgeError(t, got)
			if got.Status != test.status || got.Header.Get("Retry-After") != test.retryAfter || string(got.JSON) != test.body {
				t.Errorf("got %d, %q, %s", got.Status, got.Header.Get("Retry-After"), got.JSON)
			}
		})
	}
}

// Where its request is at fault, a client gets the upstream's own error as it came, if that
// is in this dialect; never one that speaks of a key.
func TestErrorsOfTheUpstream(t *testing.T) {
	t.Parallel()
	body := `{"error":{"message":"no","x":"` + strings.Repeat("long ", 1000) + `"}}`
	for _, c := range []struct {
		kind    chat.Kind
		status  int
		code    string
		dialect string
		native  bool
	}{
		{chat.UpstreamRejected, 422, "x", Dialect, true},
		{chat.ContextTooLong, 400, "context_length_exceeded", Dialect, true},
		{chat.ContextTooLong, 400, "400", Dialect, false}, // vLLM's, by which no client knows what to do
		{chat.UpstreamRejected, 422, "", "another", false},
		{chat.UpstreamRejected, 403, "", Dialect, false},
		{chat.UpstreamRejected, 429, "", Dialect, false},
		{chat.UpstreamRejected, 200, "", Dialect, false},
		{chat.UpstreamAuth, 401, "", Dialect, false},
		{chat.UpstreamUnavailable, 500, "", Dialect, false},
	} {
		got := EncodeError(&chat.Error{Kind: c.kind, Message: "wrapped", Upstream: &chat.UpstreamError{
			Status: c.status, Code: c.code, Dialect: c.dialect, JSON: []byte(body), Header: map[string][]string{"x-upstream-request-id": {"r"}},
		}})
		if native := string(got.JSON) == body && got.Status == c.status && got.Header.Get("X-Upstream-Request-Id") == "r"; native != c.native {
			t.Errorf("%s with status %d of %s: %d %s", c.kind, c.status, c.dialect, got.Status, got.JSON)
		}
	}
}

// Codes and headers by which clients decide what to do next.
func TestWhatClientsDecideBy(t *testing.T) {
	t.Parallel()
	for kind, want := range map[chat.Kind]string{
		chat.ContextTooLong: "400 context_length_exceeded ", chat.RateLimited: "429 rate_limit_exceeded ", chat.ModelNotFound: "404 model_not_found ",
		chat.NoTokens: "503 no_tokens false", chat.Conflict: "409 conflict false", chat.TooManyAttempts: "429 too_many_attempts false",
		chat.UpstreamUnavailable: "503 request_failed ", chat.KeySpent: "429 insufficient_quota false",
		chat.KeyLimited: "429 rate_limit_exceeded false", // of a request that may fit later the error tells when
	} {
		got := EncodeError(chat.Errorf(kind, "why"))
		var body struct{ Error struct{ Code string } }
		if err := json.Unmarshal(got.JSON, &body); err != nil {
			t.Fatal(err)
		}
		if said := fmt.Sprintf("%d %s %s", got.Status, body.Error.Code, got.Header.Get("X-Should-Retry")); said != want {
			t.Errorf("%s: %s, want %s", kind, said, want)
		}
	}
}

func TestForeignErrorsTellNothing(t *testing.T) {
	t.Parallel()
	if got := EncodeError(errors.New("dial 10.0.0.7: refused")); got.Status != 500 || strings.Contains(string(got.JSON), "10.0.0.7") {
		t.Errorf("got %d %s", got.Status, got.JSON)
	}
	if got := EncodeError(context.DeadlineExceeded); got.Status != 504 {
		t.Errorf("a deadline became %d", got.Status)
	}
}
