package grammar_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
)

// given is an answer over HTTP.
type given struct {
	status int
	header http.Header
	body   string
	cut    bool // the connection breaks after the body
}

func (g given) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for name, values := range g.header {
		w.Header()[name] = values
	}
	w.WriteHeader(g.status)
	_, _ = io.WriteString(w, g.body)
	if g.cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func head(media string, more ...string) http.Header {
	header := http.Header{"Content-Type": {media}, "Request-Id": {"req_1"}}
	for i := 0; i < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return header
}

const (
	streamType = "text/event-stream"
	jsonType   = "application/json"
	asked      = `{"stream":true}`
	counted    = `{"stream":true,"stream_options":{"include_usage":true}}`
)

var exchanges = map[string]struct {
	path, request string
	answer        given
	want          []grammar.Rule
}{
	"a stream":                   {"/v1/messages", asked, given{200, head(streamType), goodMessages, false}, nil},
	"a stream, query and slash":  {"/v1//messages?beta=true", asked, given{200, head(streamType), messageStart, false}, []grammar.Rule{grammar.NoEnd}},
	"a message":                  {"/v1/messages", `{}`, given{200, head(jsonType), wholeMessage, false}, nil},
	"a bad message":              {"/v1/messages", `{}`, given{200, head(jsonType), strings.Replace(wholeMessage, "msg_1", "", 1), false}, []grammar.Rule{grammar.MessageShape}},
	"an error":                   {"/v1/messages", asked, given{404, head(jsonType), messageErrorBody, false}, nil},
	"an error of counting":       {"/v1/messages/count_tokens", asked, given{400, head(jsonType), messageErrorBody, false}, []grammar.Rule{grammar.ErrorStatus}},
	"a count":                    {"/v1/messages/count_tokens", `{}`, given{200, head(jsonType), `{"input_tokens":1}`, false}, nil},
	"without an id":              {"/v1/messages", asked, given{200, http.Header{"Content-Type": {streamType}}, goodMessages, false}, []grammar.Rule{grammar.RequestID}},
	"chunks":                     {"/v1/chat/completions", counted, given{200, head(streamType), goodChat, false}, nil},
	"usage that nobody wants":    {"/v1/chat/completions", asked, given{200, head(streamType), goodChat, false}, []grammar.Rule{grammar.UsageUnasked}},
	"a request that can't be":    {"/v1/chat/completions", `{`, given{200, head(streamType), goodChat, false}, nil},
	"a completion":               {"/v1/chat/completions", `{}`, given{200, head(jsonType), wholeChat, false}, nil},
	"cut":                        {"/v1/chat/completions", counted, given{200, head(streamType), roleChunk + texts, true}, nil},
	"cut after what was wrong":   {"/v1/chat/completions", counted, given{200, head(streamType), texts, true}, []grammar.Rule{grammar.RoleFirst}},
	"a stream as JSON":           {"/v1/chat/completions", counted, given{200, head(jsonType), wholeChat, false}, []grammar.Rule{grammar.ContentType}},
	"an error as a page":         {"/v1/chat/completions", `{}`, given{502, head("text/html"), "<html>", false}, []grammar.Rule{grammar.ContentType, grammar.JSONObject}},
	"a wait in parts of seconds": {"/v1/chat/completions", `{}`, given{429, head(jsonType, "Retry-After", "1.5"), chatErrorBody, false}, []grammar.Rule{grammar.RetryAfter}},
	"events of responses":        {"/v1/responses", asked, given{200, head(streamType), numbered(goodResponses), false}, nil},
	"events without an end":      {"/v1/responses", asked, given{200, head(streamType), numbered(brokenResponses), false}, []grammar.Rule{grammar.NoEnd}},
	"a response":                 {"/v1/responses", `{}`, given{200, head(jsonType), wholeResponse, false}, nil},
	"an error of responses":      {"/v1/responses", asked, given{400, head(jsonType), messageErrorBody, false}, []grammar.Rule{grammar.ErrorShape}},
	"a compaction":               {"/v1/responses/compact", `{}`, given{200, head(jsonType), `{"object":"response.compaction"}`, false}, nil},
	"an error of compaction":     {"/v1/responses/compact", `{}`, given{400, head(jsonType), messageErrorBody, false}, []grammar.Rule{grammar.ErrorShape}},
	"another route":              {"/v1/models", `{}`, given{200, head("text/plain"), "x", false}, nil},
}

// The same verdict is reached at the client's end and in the server.
func TestExchanges(t *testing.T) {
	t.Parallel()
	for name, c := range exchanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reported := make(chan []grammar.Violation, 2)
			report := func(_ *http.Request, found []grammar.Violation) { reported <- found }
			inside := httptest.NewServer(&grammar.Handler{Handler: c.answer, Report: report})
			defer inside.Close()
			plain := httptest.NewServer(c.answer)
			defer plain.Close()
			send(t, http.DefaultTransport, inside.URL+c.path, c.request)
			send(t, &grammar.Transport{Report: report}, plain.URL+c.path, c.request)
			if c.path == "/v1/models" {
				return
			}
			for range 2 {
				if found := <-reported; !slices.Equal(rulesOf(found), c.want) {
					t.Errorf("%v, want %v", found, c.want)
				}
			}
		})
	}
}

func rulesOf(found []grammar.Violation) []grammar.Rule {
	var rules []grammar.Rule
	for _, violation := range found {
		if !slices.Contains(rules, violation.Rule) {
			rules = append(rules, violation.Rule)
		}
	}
	return rules
}

func send(t *testing.T, through http.RoundTripper, url, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := through.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

// Who hangs up is not told that the stream has no end.
func TestClientThatHangsUp(t *testing.T) {
	t.Parallel()
	reported := make(chan []grammar.Violation, 1)
	transport := &grammar.Transport{Report: func(_ *http.Request, found []grammar.Violation) { reported <- found }}
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	waiting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given{status: 200, header: head(streamType), body: roleChunk}.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(waiting)
	defer server.Close()
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/chat/completions", strings.NewReader(asked))
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(response.Body, make([]byte, len(roleChunk)))
	_ = response.Body.Close()
	if found := <-reported; len(found) > 0 {
		t.Error(found)
	}
}

// A request is judged by the options of its own, or not at all.
func TestOptionsOfARequest(t *testing.T) {
	t.Parallel()
	for want, judged := range map[int]bool{1: true, 0: false} {
		reports := 0
		handler := &grammar.Handler{
			Handler: given{200, head(streamType), goodMessages, false},
			Options: func(*http.Request) (grammar.Options, bool) {
				return grammar.Options{Except: []grammar.Rule{grammar.NoEnd}}, judged
			},
			Report: func(*http.Request, []grammar.Violation) { reports++ },
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/messages", strings.NewReader(asked)))
		if reports != want || w.Body.String() != goodMessages {
			t.Errorf("judged %t: %d reports", judged, reports)
		}
	}
}
