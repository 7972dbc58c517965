package openai

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
	"carousel.internal/gateway/internal/upstream/wire"
	"carousel.internal/proto/service/secret"
)

// asResponses asks in the Responses API whatever it is asked.
type asResponses struct{ *Driver }

func (d asResponses) Chat(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
	asked, request := *call, *call.Request
	request.Source = chat.Source{Dialect: responsesDialect, JSON: fmt.Appendf(nil, `{"model":"x","input":%s}`, quoted(request.Messages[0].Text()))}
	asked.Request = &request
	return d.Driver.Chat(ctx, &asked)
}

func TestConformanceOfResponses(t *testing.T) {
	t.Parallel()
	stream := http.Header{"Content-Type": {"text/event-stream"}}
	event := func(json string) []byte { return []byte("data: " + json + "\n\n") }
	harness := upstreamtest.Harness{
		New: func(baseURL string, settings map[string]string) (upstream.Driver, error) {
			settings = maps.Clone(settings)
			if settings == nil {
				settings = map[string]string{}
			}
			settings["responses"] = "on"
			driver, err := New(upstream.Config{Name: "test", Driver: Name, BaseURL: baseURL + "/v1", Settings: settings})
			if err != nil {
				return nil, err
			}
			return asResponses{driver.(*Driver)}, nil
		},
		Wire: upstreamtest.Wire{
			Header: stream,
			Text: func(text string) []byte {
				return event(`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":` + quoted(text) + `}`)
			},
			End:    event(`{"type":"response.completed","response":{"object":"response","status":"completed","output":[],"usage":{"input_tokens":1,"output_tokens":0}}}`),
			Silent: []byte(": keep-alive\n\n"),
			Fail: func(class upstream.Class, message string) upstreamtest.Answer {
				status, code := refusalOf(class)
				if class == upstream.SealRefused {
					status, code = 400, "invalid_encrypted_content"
				}
				if status == 0 {
					return upstreamtest.Answer{}
				}
				return upstreamtest.Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: errorBody(code, message)}
			},
			FailLate: func(class upstream.Class, message string) []byte {
				status, code := refusalOf(class)
				if class == upstream.CallerFault {
					code = "invalid_prompt"
				}
				if status == 0 {
					return nil
				}
				return event(`{"type":"response.failed","response":{"status":"failed","error":{"code":"` + code + `","message":` + quoted(message) + `}}}`)
			},
			Whole: func(text string) upstreamtest.Answer {
				return upstreamtest.Answer{
					Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
					Body: []byte(`{"object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":` + quoted(text) +
						`}]}],"usage":{"input_tokens":1,"output_tokens":0}}`),
				}
			},
		},
	}
	upstreamtest.Run(t, harness)
	upstreamtest.RunProxies(t, harness)
}

// responsesCall asks in the Responses API.
func responsesCall(body string, stream bool) *upstream.Call {
	return &upstream.Call{
		Request: &chat.Request{
			Model: "up/m", Stream: stream, Source: chat.Source{Dialect: responsesDialect, JSON: []byte(body)},
			Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: "hi"}}}},
		},
		Model:      "m",
		Credential: upstream.Credential{Secret: secret.New(testKey)},
	}
}

const asked = `{"model":"up/m","input":"hi"}`

// serves answers requests by their paths, and keeps what each was.
type serves struct {
	mu       sync.Mutex
	requests []string
	answers  map[string]http.HandlerFunc
}

func (s *serves) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests = append(s.requests, r.URL.Path+" "+string(body))
	s.mu.Unlock()
	if answer := s.answers[r.URL.Path]; answer != nil {
		answer(w, r)
		return
	}
	http.NotFound(w, r)
}

// seen are the requests since it was asked last.
func (s *serves) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.requests
	s.requests = nil
	return seen
}

func (s *serves) driver(t testing.TB, settings map[string]string) *Driver {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return newTestDriver(t, server.URL+"/v1", settings)
}

const (
	completed = `{"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","output":[],"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":2},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":7}}}`
	greeting  = `{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"hello"}`
)

func refuse(status int, body string) http.HandlerFunc {
	return answerWith(status, "application/json", body)
}

// Complete items wait for the one before them up to a bound.
func TestItemsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	large := []byte(`{"type":"of_tomorrow","x":"` + strings.Repeat("x", wire.MaxAnswer/2) + `"}`)
	var a responsesAnswer
	a.take(&responseFrame{kind: itemAdded, output: 0, item: []byte(`{"type":"message"}`)})
	for i, want := range []string{"", itemsTooLarge} {
		if a.take(&responseFrame{kind: itemDone, output: i + 1, item: large}); a.fault != want {
			t.Errorf("item %d: the fault is %q, want %q", i, a.fault, want)
		}
	}
}

// A stream that has said its last is read to its end, so that the next request goes over the same
// connection.
func TestResponsesLeaveTheirConnection(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	heard := make(chan struct{}, 1) // the client has had the last event
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: "+greeting+"\n\ndata: "+completed+"\n\n")
		_ = http.NewResponseController(w).Flush()
		<-heard
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	driver := newTestDriver(t, server.URL+"/v1", map[string]string{"responses": "on"})
	const requests = 5
	for range requests {
		for event, err := range driver.Chat(t.Context(), responsesCall(asked, true)) {
			if err != nil {
				t.Fatal(err)
			}
			if event.Finish != chat.Unfinished {
				heard <- struct{}{}
			}
		}
	}
	if n := connections.Load(); n == requests { // a slow machine may need more than one
		t.Errorf("each request has one of its own")
	}
}

// Whether an upstream serves the Responses API is found out once.
func TestWhoServesResponses(t *testing.T) {
	t.Parallel()
	const wantsModel = `{"error":{"message":"you must provide a model parameter","type":"invalid_request_error","param":null,"code":null}}`
	for name, test := range map[string]struct {
		status int
		body   string
		want   routeState
	}{
		"OpenAI":                       {400, wantsModel, served},
		"vLLM":                         {422, `{"detail":[{"loc":["body","input"],"msg":"Field required"}]}`, served},
		"lacks the model of no name":   {404, `{"error":{"message":"The model '' does not exist","code":"model_not_found"}}`, served},
		"is content with nothing":      {200, `{"object":"response","output":[]}`, served},
		"FastAPI without the route":    {404, `{"detail":"Not Found"}`, missing},
		"Go without the route":         {404, "404 page not found\n", missing},
		"OpenAI without the route":     {404, `{"error":{"message":"Unknown request URL: POST /v1/responses.","type":"invalid_request_error","code":"unknown_url"}}`, missing},
		"another method":               {405, ``, missing},
		"not implemented":              {501, ``, missing},
		"a gateway without the route":  {400, `{"error":{"message":"Invalid URL (POST /v1/responses)"}}`, missing},
		"refuses the token":            {401, `{"error":{"message":"no"}}`, untold},
		"forbids":                      {403, ``, untold},
		"has had enough":               {429, `{"error":{"message":"slow down"}}`, untold},
		"is broken":                    {502, `<html>`, untold},
		"has a proxy with a page":      {400, `<html>bad request</html>`, untold},
		"answers everything with 200":  {200, `{"object":"list","data":[]}`, untold},
		"hangs up":                     {0, ``, untold},
		"has no words for what it has": {400, ``, untold},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstreams := &serves{answers: map[string]http.HandlerFunc{
				"/v1/models": refuse(200, `{"data":[{"id":"m"}]}`),
				"/v1/responses": func(w http.ResponseWriter, r *http.Request) {
					if test.status == 0 {
						panic(http.ErrAbortHandler)
					}
					refuse(test.status, test.body)(w, r)
				},
			}}
			driver := upstreams.driver(t, nil)
			if !driver.Speaks(responsesDialect) {
				t.Error("nobody will find out")
			}
			for range 2 {
				if _, err := driver.Models(t.Context(), upstream.Credential{}); err != nil {
					t.Fatal(err)
				}
			}
			if got := driver.responses.state(); got != test.want || driver.Speaks(responsesDialect) != (test.want != missing) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			probes := 0
			for _, request := range upstreams.seen() {
				if request == "/v1/responses {}" {
					probes++
				}
			}
			if known := test.want != untold; known != (probes == 1) {
				t.Errorf("%d probes", probes)
			}
		})
	}
	for base, want := range map[string]routeState{
		"https://api.openai.com/v1": served, "https://eu.api.openai.com/v1": served, "https://x.openai.azure.com/openai/v1": untold, "https://api.example.com/v1": untold,
	} {
		for setting, set := range map[string]routeState{"auto": want, "on": served, "off": missing} {
			if got := newTestDriver(t, base, map[string]string{"responses": setting}).responses.state(); got != set {
				t.Errorf("%s, %s: %v, want %v", base, setting, got, set)
			}
		}
	}
}

// The first request finds out where nobody has asked for models; the next ones don't ask.
func TestTheFirstRequestFindsOut(t *testing.T) {
	t.Parallel()
	chats := answerWith(200, "text/event-stream", eventsOf(said, finished, "[DONE]"))
	upstreams := &serves{answers: map[string]http.HandlerFunc{
		"/v1/responses": func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength == 2 {
				refuse(422, `{"detail":"model is missing"}`)(w, r)
				return
			}
			answerWith(200, "text/event-stream", eventsOf(greeting, completed))(w, r)
		},
		"/v1/chat/completions": chats,
	}}
	driver := upstreams.driver(t, nil)
	for range 2 {
		if _, failure := gather(t.Context(), t, driver, responsesCall(asked, true)); failure != nil {
			t.Fatal(failure)
		}
	}
	native := `/v1/responses {"model":"m","input":"hi","stream":true}`
	if got := upstreams.seen(); !reflect.DeepEqual(got, []string{"/v1/responses {}", native, native}) {
		t.Errorf("got %q", got)
	}
	unwilling := &serves{answers: map[string]http.HandlerFunc{"/v1/responses": refuse(503, ``), "/v1/chat/completions": chats}}
	driver = unwilling.driver(t, nil)
	for range 2 {
		if _, failure := gather(t.Context(), t, driver, responsesCall(asked, true)); failure != nil {
			t.Fatal(failure)
		}
	}
	got := unwilling.seen()
	if len(got) != 3 || got[0] != "/v1/responses {}" || !strings.HasPrefix(got[1], "/v1/chat/completions") || !strings.HasPrefix(got[2], "/v1/chat/completions") {
		t.Errorf("what tells nothing is asked again only after a while: %q", got)
	}
}

// An upstream whose route goes is translated for within the same call, if that can be.
func TestARouteThatIsGone(t *testing.T) {
	t.Parallel()
	chats := answerWith(200, "text/event-stream", eventsOf(said, finished, "[DONE]"))
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   routeState
	}{
		"as the API says it":  {refuse(404, `{"error":{"message":"Unknown request URL: POST /v1/responses.","type":"invalid_request_error","param":null,"code":"unknown_url"}}`), missing},
		"another method":      {refuse(405, ``), missing},
		"as a proxy may do":   {answerWith(404, "text/html", "<html>404</html>"), untold},
		"as a Go server does": {http.NotFound, untold},
	} {
		upstreams := &serves{answers: map[string]http.HandlerFunc{"/v1/responses": test.answer, "/v1/chat/completions": chats}}
		driver := upstreams.driver(t, nil)
		driver.responses.learn(served)
		for _, requests := range []int{2, 1} { // the second one does not ask again
			events, failure := gather(t.Context(), t, driver, responsesCall(asked, true))
			if got := len(upstreams.seen()); failure != nil || textOfEvents(events) != "x" || got != requests {
				t.Errorf("%s: %q, %v, %d requests", name, textOfEvents(events), failure, got)
			}
		}
		if got := driver.responses.state(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	upstreams := &serves{answers: map[string]http.HandlerFunc{"/v1/chat/completions": chats}}
	driver := upstreams.driver(t, nil)
	driver.responses.learn(served)
	call := responsesCall(asked, true)
	call.Request.Asks = []chat.Ask{{Field: "prompt", Need: chat.State}}
	if _, failure := gather(t.Context(), t, driver, call); failure == nil || failure.Class != upstream.CallerFault || failure.Param != "prompt" || len(upstreams.seen()) != 1 {
		t.Errorf("got %+v", failure)
	}
	// What is not there may be something else than the route.
	for _, body := range []string{
		`{"error":{"message":"Item with id 'rs_1' not found.","type":"invalid_request_error","param":"input","code":null}}`,
		`{"error":{"message":"Previous response with id 'resp_1' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`,
		`{"error":{"message":"The model does not exist.","type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
		`{"error":{"message":"Vector store vs_1 not found","type":"invalid_request_error","param":null,"code":null}}`,
	} {
		upstreams := &serves{answers: map[string]http.HandlerFunc{"/v1/responses": refuse(404, body)}}
		driver := upstreams.driver(t, nil)
		driver.responses.learn(served)
		_, failure := gather(t.Context(), t, driver, responsesCall(asked, true))
		if failure == nil || failure.Status != 404 || !driver.Speaks(responsesDialect) || len(upstreams.seen()) != 1 {
			t.Errorf("%s: %v", body, failure)
		}
	}
}

func textOfEvents(events []chat.Event) string {
	var text strings.Builder
	for _, event := range events {
		text.WriteString(event.Text)
	}
	return text.String()
}

// native is an upstream that answers in the Responses API.
func native(t testing.TB, media, body string) *Driver {
	t.Helper()
	return (&serves{answers: map[string]http.HandlerFunc{"/v1/responses": answerWith(200, media, body)}}).driver(t, map[string]string{"responses": "on"})
}

// What is sent, and with which headers.
func TestResponsesRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	upstreams := &serves{answers: map[string]http.HandlerFunc{"/v1/responses": func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("X-Request-Id", "req_1")
		w.Header().Set("X-Codex-Turn-State", "t")
		w.Header().Set("Openai-Organization", "org")
		w.Header().Set("X-Ratelimit-Remaining-Requests", "1")
		answerWith(200, "text/event-stream", eventsOf(greeting, completed))(w, r)
	}}}
	driver := upstreams.driver(t, map[string]string{"responses": "on"})
	call := responsesCall(asked, true)
	call.Request.Source.Query = "a=b"
	call.Request.Source.Header = http.Header{"Session-Id": {"s"}, "User-Agent": {"codex"}}
	events, failure := gather(t.Context(), t, driver, call)
	if failure != nil || len(events) == 0 {
		t.Fatal(failure)
	}
	if want := (http.Header{"X-Upstream-Request-Id": {"req_1"}, "X-Codex-Turn-State": {"t"}}); events[0].Begin == nil || !reflect.DeepEqual(http.Header(events[0].Begin.Header), want) {
		t.Errorf("the answer's headers: %+v", events[0].Begin)
	}
	for name, want := range map[string]string{
		"Session-Id": "s", "User-Agent": "codex", "Authorization": "Bearer " + testKey, "Accept": "text/event-stream", "Accept-Encoding": "identity", "Content-Type": "application/json",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q", name, got.Header.Get(name))
		}
	}
	if got.URL.RawQuery != "a=b" || len(call.Request.Source.Header) != 2 {
		t.Errorf("query %q, the client's header %v", got.URL.RawQuery, call.Request.Source.Header)
	}
}

// Bodies keep their bytes but for what has to be changed.
func TestEditResponses(t *testing.T) {
	t.Parallel()
	own, other := chat.ForeignSeal("anthropic", "s"), "gAAAAAB"
	thought := func(seal string, more string) string {
		return `{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"` + seal + `"` + more + `}`
	}
	const (
		user    = `{"role":"user","content":"a"}`
		called  = `{"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":"{}"}`
		unnamed = `{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}`
		output  = `{"type":"function_call_output","call_id":"c","output":"b"}`
		spoken  = `{"type":"message","id":"msg_1","role":"assistant","content":[]}`
	)
	for name, test := range map[string]struct {
		settings     map[string]string
		source, want string
		stream       bool
		withoutSeals bool
	}{
		"the model and the stream": {source: `{ "model" : "up/m", "input":[1.50, {"b":"\u00e9"}],"x":null}`, stream: true, want: `{ "model" : "m", "input":[1.50, {"b":"\u00e9"}],"x":null,"stream":true}`},
		"no stream":                {source: `{"model":"m","stream":true,"input":""}`, want: `{"model":"m","stream":false,"input":""}`},
		"a null stream":            {source: `{"stream":null,"model":"m"}`, want: `{"stream":null,"model":"m"}`},
		"members that are left out": {
			source: `{"client_metadata":{"a":1},"model":"m","prompt_cache_retention":"24h","store":false}`, want: `{"model":"m","store":false}`,
		},
		"members that are wanted": {
			settings: map[string]string{"responses_without": ""},
			source:   `{"client_metadata":{"a":1},"model":"m"}`, want: `{"client_metadata":{"a":1},"model":"m"}`,
		},
		"other members that are not": {
			settings: map[string]string{"responses_without": "truncation, user"},
			source:   `{"model":"m","truncation":"auto","user":"u","client_metadata":{}}`, want: `{"model":"m","client_metadata":{}}`,
		},
		"another upstream's seals": {
			source: `{"model":"m","input":[` + user + `, ` + thought(own, ``) + `,` + called + `,` + output + `,` + thought(other, ``) + `,` + spoken + `]}`,
			want:   `{"model":"m","input":[` + user + `,` + unnamed + `,` + output + `,` + thought(other, ``) + `,` + spoken + `]}`,
		},
		"another upstream's, in words": {
			source: `{"model":"m","input":[` + thought(own, `,"content":[{"type":"reasoning_text","text":"hm"}]`) + `,` + spoken + `]}`,
			want:   `{"model":"m","input":[{"type":"message","role":"assistant","content":[]}]}`,
		},
		"without seals": {
			source: `{"model":"m","input":[` + thought(other, `,"content":[{"text":"hm"}]`) + `,` + called + `,` + output + `,` + spoken + `]}`, withoutSeals: true,
			want: `{"model":"m","input":[` + unnamed + `,` + output + `,` + spoken + `]}`,
		},
		"a conversation in short": {
			source: `{"model":"m","input":[{"type":"compaction","id":"cmp_1","encrypted_content":"` + chat.SealSummary("a \"b\"") + `"}, ` + user + `]}`,
			want:   `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"The conversation so far, in short:\n\na \"b\""}]},` + user + `]}`,
		},
		"own seals stay": {
			source: `{"model":"m","input":[` + thought(other, ``) + `, ` + called + `]}`,
			want:   `{"model":"m","input":[` + thought(other, ``) + `, ` + called + `]}`,
		},
		"a mark in a text is none": {
			source: `{"model":"m","input":[{"role":"user","content":"carousel:x:y"}, ` + called + `]}`,
			want:   `{"model":"m","input":[{"role":"user","content":"carousel:x:y"}, ` + called + `]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := newTestDriver(t, "http://host/v1", test.settings)
			call := responsesCall(test.source, test.stream)
			call.WithoutSeals = test.withoutSeals
			got, ok := driver.editResponses(call)
			if !ok || string(got) != test.want {
				t.Errorf("%t\ngot  %s\nwant %s", ok, got, test.want)
			}
			if string(call.Request.Source.JSON) != test.source {
				t.Error("the client's bytes have changed")
			}
		})
	}
	for _, source := range []string{`[]`, `{}`, `{"model":"m"`, `{"input":1}`} {
		if got, ok := newTestDriver(t, "http://host/v1", nil).editResponses(responsesCall(source, true)); ok {
			t.Errorf("%s became %s", source, got)
		}
	}
}

func itemEvents(index int, added string, deltas []string, done string) []string {
	events := []string{fmt.Sprintf(`{"type":"response.output_item.added","output_index":%d,"item":%s}`, index, added)}
	for _, delta := range deltas {
		events = append(events, fmt.Sprintf(`{"output_index":%d,%s}`, index, delta))
	}
	return append(events, fmt.Sprintf(`{"type":"response.output_item.done","output_index":%d,"item":%s}`, index, done))
}

// Events go on as they came, and say in blocks what they mean.
func TestResponsesInBlocks(t *testing.T) {
	t.Parallel()
	const (
		message    = `{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"hello","annotations":[]}]}`
		empty      = `{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}`
		called     = `{"id":"fc_1","type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":1}"}`
		calling    = `{"id":"fc_1","type":"function_call","call_id":"c1","name":"f","arguments":""}`
		patched    = `{"id":"ctc_1","type":"custom_tool_call","call_id":"c2","name":"apply_patch","input":"*** Begin\n"}`
		patching   = `{"id":"ctc_1","type":"custom_tool_call","call_id":"c2","name":"apply_patch","input":""}`
		thought    = `{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"one"},{"type":"summary_text","text":"two"}],"encrypted_content":"gAAA"}`
		silent     = `{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"gAAA"}`
		searched   = `{"id":"ws_1","type":"web_search_call","status":"completed","action":{"query":"q"}}`
		cut        = `{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[],"usage":null}}`
		filtered   = `{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}}`
		refusing   = `"type":"response.refusal.delta","content_index":0,"delta":"no"`
		refused    = `{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"refusal","refusal":"no"}]}`
		wholeInEnd = `{"type":"response.completed","response":{"status":"completed","output":[` + message + `,` + called + `]}}`
	)
	argument := func(piece string) string {
		return `"type":"response.function_call_arguments.delta","item_id":"fc_1","delta":` + quoted(piece)
	}
	join := func(lists ...[]string) (all []string) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	begun := []string{`{"type":"response.created","response":{"id":"resp_1"},"sequence_number":0}`, `{"type":"response.in_progress","response":{"id":"resp_1"}}`}
	for name, test := range map[string]struct {
		events []string
		want   string
	}{
		"a text": {
			join(begun, itemEvents(0, empty, []string{
				`"type":"response.content_part.added","content_index":0,"part":{"type":"output_text","text":""}`,
				`"type":"response.output_text.delta","content_index":0,"delta":"hel"`, `"type":"response.output_text.delta","content_index":0,"delta":"lo"`,
				`"type":"response.output_text.done","content_index":0,"text":"hello"`,
			}, message), []string{completed}),
			"text(hello) stop",
		},
		"thoughts, a text and two calls": {
			join(begun,
				itemEvents(0, `{"type":"reasoning","summary":[]}`, []string{
					`"type":"response.reasoning_summary_text.delta","summary_index":0,"delta":"o"`, `"type":"response.reasoning_summary_text.delta","summary_index":0,"delta":"ne"`,
					`"type":"response.reasoning_summary_text.delta","summary_index":1,"delta":"two"`,
				}, thought),
				itemEvents(1, empty, []string{`"type":"response.output_text.delta","content_index":0,"delta":"hello"`}, message),
				itemEvents(2, calling, []string{argument(`{"a"`), argument(`:1}`)}, called),
				itemEvents(3, patching, []string{`"type":"response.custom_tool_call_input.delta","delta":"*** Begin\n"`}, patched), []string{completed}),
			"thought(one\n\ntwo)[gAAA responses]text(hello)call c1 f({\"a\":1})custom c2 apply_patch(*** Begin\n) tool_calls",
		},
		"a seal alone":                         {join(itemEvents(0, silent, nil, silent), itemEvents(1, empty, nil, message), []string{completed}), "thought()[gAAA responses]text(hello) stop"},
		"no deltas":                            {join(itemEvents(0, empty, nil, message), itemEvents(1, calling, nil, called), itemEvents(2, patching, nil, patched), []string{completed}), "text(hello)call c1 f({\"a\":1})custom c2 apply_patch(*** Begin\n) tool_calls"},
		"nothing but an end":                   {[]string{wholeInEnd}, "text(hello)call c1 f({\"a\":1}) tool_calls"},
		"deltas alone":                         {[]string{greeting, completed}, "text(hello) stop"},
		"a refusal":                            {join(itemEvents(0, empty, []string{refusing}, refused), []string{completed}), "refusal(no) stop"},
		"a hosted tool":                        {join(itemEvents(0, searched, []string{`"type":"response.web_search_call.searching"`}, searched), itemEvents(1, empty, nil, message), []string{completed}), "opaque web_search_call()text(hello) stop"},
		"cut at the limit":                     {[]string{greeting, cut}, "text(hello) length"},
		"cut by a filter":                      {[]string{greeting, filtered}, "text(hello) content_filter"},
		"nothing but thinking up to the limit": {[]string{cut}, " length"},
		"items in turns": {
			[]string{
				`{"type":"response.output_item.added","output_index":0,"item":` + calling + `}`, `{"type":"response.output_item.added","output_index":1,"item":` + patching + `}`,
				`{"output_index":0,` + argument(`{"a"`) + `}`, `{"type":"response.custom_tool_call_input.delta","output_index":1,"delta":"*** Begin\n"}`,
				`{"type":"response.output_item.done","output_index":1,"item":` + patched + `}`, `{"output_index":0,` + argument(`:1}`) + `}`,
				`{"type":"response.output_item.done","output_index":0,"item":` + called + `}`, completed,
			},
			"call c1 f({\"a\":1})custom c2 apply_patch(*** Begin\n) tool_calls",
		},
		"after the end": {[]string{greeting, completed, "[DONE]", greeting}, "text(hello) stop"},
		"signs of life": {[]string{`{"type":"keepalive","sequence_number":3}`, greeting, `{"type":"response.new_thing","x":1}`, completed}, "text(hello) stop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, failure := gather(t.Context(), t, native(t, "text/event-stream", eventsOf(test.events...)), responsesCall(asked, true))
			if failure != nil {
				t.Fatal(failure)
			}
			if got := blocksOf(t, events); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			var raw []string
			for _, event := range events {
				if event.Raw.Dialect != responsesDialect || event.Raw.Name == "" || event.Raw.Whole {
					t.Errorf("the event is in no dialect, or has no name: %+v", event.Raw)
				}
				if len(event.Raw.JSON) > 0 {
					raw = append(raw, string(event.Raw.JSON))
				}
			}
			want := test.events
			if name == "after the end" {
				want = want[:2]
			}
			if !reflect.DeepEqual(raw, want) {
				t.Errorf("went on as\n%s", strings.Join(raw, "\n"))
			}
		})
	}
	events, _ := gather(t.Context(), t, native(t, "text/event-stream", eventsOf(greeting, completed)), responsesCall(asked, true))
	if usage := events[len(events)-1].Usage; usage == nil || *usage != (chat.Usage{Prompt: 3, CacheRead: 2, Completion: 4, Reasoning: 1, Source: chat.UsageReported}) {
		t.Errorf("counts: %+v", usage)
	}
}

// An answer in the other form than the one that was asked for.
func TestResponsesInTheOtherForm(t *testing.T) {
	t.Parallel()
	const object = `{"id":"resp_1","object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}],"usage":{"input_tokens":1,"output_tokens":2}}`
	for name, test := range map[string]struct {
		media, body string
		stream      bool
		whole       string
	}{
		"whole":                  {"application/json", object, false, object},
		"a stream, not asked":    {"text/event-stream", eventsOf(`{"type":"response.created","response":{}}`, greeting, `{"type":"response.completed","response":`+object+`}`), false, object},
		"whole, not asked for":   {"application/json", object, true, ""},
		"whole, called a stream": {"text/event-stream", object, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, failure := gather(t.Context(), t, native(t, test.media, test.body), responsesCall(asked, test.stream))
			if failure != nil {
				t.Fatal(failure)
			}
			if got := blocksOf(t, events); got != "text(hello) stop" {
				t.Errorf("got %q", got)
			}
			if raw := events[0].Raw; string(raw.JSON) != test.whole || raw.Whole != (test.whole != "") || !test.stream != (raw.Dialect == responsesDialect) {
				t.Errorf("got %+v, %s", raw, raw.JSON)
			}
		})
	}
	queued := `{"id":"resp_1","object":"response","status":"queued","background":true,"output":[]}`
	if events, failure := gather(t.Context(), t, native(t, "application/json", queued), responsesCall(asked, false)); failure != nil || string(events[0].Raw.JSON) != queued {
		t.Errorf("an answer that is made in the background: %v", failure)
	}
}

// How answers fail, and that nothing counts as an answer that is none.
func TestResponsesThatFail(t *testing.T) {
	t.Parallel()
	failed := func(code, message string) string {
		return `{"type":"response.failed","response":{"status":"failed","error":{"code":"` + code + `","message":"` + message + `"}}}`
	}
	for name, test := range map[string]struct {
		body  string
		class upstream.Class
		code  string
	}{
		"an error before anything":  {eventsOf(`{"type":"error","code":"rate_limit_exceeded","message":"slow down, try again in 2s","param":null,"sequence_number":0}`), upstream.RateLimit, "rate_limit_exceeded"},
		"an error in an object":     {eventsOf(`{"type":"error","error":{"type":"server_error","message":"oops"}}`), upstream.Broken, "server_error"},
		"named so alone":            {"event: error\ndata: {\"message\":\"oops\"}\n\n", upstream.Broken, ""},
		"failed":                    {eventsOf(`{"type":"response.created","response":{}}`, failed("server_error", "oops")), upstream.Broken, "server_error"},
		"failed without a word":     {eventsOf(greeting, `{"type":"response.failed","response":{"status":"failed","error":null}}`), upstream.Truncated, ""},
		"cancelled":                 {eventsOf(greeting, `{"type":"response.cancelled","response":{"status":"cancelled"}}`), upstream.Truncated, ""},
		"too long":                  {eventsOf(failed("context_length_exceeded", "too long")), upstream.TooLarge, "context_length_exceeded"},
		"quota":                     {eventsOf(greeting, failed("insufficient_quota", "no more")), upstream.Quota, "insufficient_quota"},
		"prompt":                    {eventsOf(failed("invalid_prompt", "no")), upstream.CallerFault, "invalid_prompt"},
		"overloaded":                {eventsOf(failed("server_is_overloaded", "no")), upstream.Broken, "server_is_overloaded"},
		"seal":                      {eventsOf(failed("invalid_encrypted_content", "no")), upstream.SealRefused, "invalid_encrypted_content"},
		"no end":                    {eventsOf(`{"type":"response.created","response":{}}`, greeting), upstream.Truncated, ""},
		"only an end mark":          {eventsOf(greeting, "[DONE]"), upstream.Truncated, ""},
		"an end of nothing":         {eventsOf(`{"type":"response.completed","response":{"status":"completed","output":[],"usage":{"output_tokens":0}}}`), upstream.Truncated, ""},
		"an end without the answer": {eventsOf(greeting, `{"type":"response.completed"}`), upstream.Truncated, ""},
		"half an event":             {eventsOf(greeting, `{"type":`), upstream.Truncated, ""},
		"words":                     {eventsOf("Insufficient balance"), upstream.Quota, ""},
		"whole and failed":          {`{"object":"response","status":"failed","error":{"code":"server_error","message":"oops"},"output":[]}`, upstream.Broken, "server_error"},
		"an error object":           {`{"error":{"message":"slow","code":"rate_limit_exceeded"}}`, upstream.RateLimit, "rate_limit_exceeded"},
		"another object":            {`{"object":"list","data":[]}`, upstream.Truncated, ""},
		"a list":                    {`[]`, upstream.Truncated, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, failure := gather(t.Context(), t, native(t, "text/event-stream", test.body), responsesCall(asked, !strings.HasPrefix(name, "whole")))
			if failure == nil || failure.Class != test.class || failure.Code != test.code || failure.Message == "" {
				t.Errorf("got %+v", failure)
			}
		})
	}
}

// What the upstream says is wrong with a request goes on in its own words.
func TestResponsesErrorsVerbatim(t *testing.T) {
	t.Parallel()
	const body = `{"error":{"message":"Previous response with id 'resp_9' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`
	upstreams := &serves{answers: map[string]http.HandlerFunc{"/v1/responses": refuse(400, body)}}
	_, failure := gather(t.Context(), t, upstreams.driver(t, map[string]string{"responses": "on"}), responsesCall(asked, true))
	if failure == nil || failure.Class != upstream.CallerFault || failure.Rule != "earlier answer unknown" || failure.Dialect != responsesDialect || string(failure.JSON) != body {
		t.Errorf("got %+v", failure)
	}
}

// What a client was given here in the place of what its maker alone reads goes to no upstream.
func TestWhatNobodyReadsIsTranslated(t *testing.T) {
	t.Parallel()
	upstreams := &serves{answers: map[string]http.HandlerFunc{"/v1/chat/completions": answerWith(200, "text/event-stream", eventsOf(said, finished, "[DONE]"))}}
	body := `{"model":"m","input":[{"type":"compaction","encrypted_content":"` + chat.ForeignSeal("", "x") + `"}]}`
	if _, failure := gather(t.Context(), t, upstreams.driver(t, map[string]string{"responses": "on"}), responsesCall(body, true)); failure != nil {
		t.Error(failure)
	}
	if got := upstreams.seen(); len(got) != 1 || !strings.HasPrefix(got[0], "/v1/chat/completions ") {
		t.Errorf("got %q", got)
	}
}

// Nobody asks twice at a time, and nobody waits for who asks.
func TestOneProbeAtATime(t *testing.T) {
	t.Parallel()
	asking, answer := make(chan struct{}), make(chan struct{})
	upstreams := &serves{answers: map[string]http.HandlerFunc{
		"/v1/responses": func(w http.ResponseWriter, r *http.Request) {
			close(asking) // a second one would panic
			<-answer
			refuse(404, "")(w, r)
		},
		"/v1/chat/completions": answerWith(200, "text/event-stream", eventsOf(said, finished, "[DONE]")),
	}}
	driver := upstreams.driver(t, nil)
	first := make(chan error, 1)
	go func() {
		for _, err := range driver.Chat(t.Context(), responsesCall(asked, true)) {
			if err != nil {
				first <- err
			}
		}
		close(first)
	}()
	<-asking
	if _, failure := gather(t.Context(), t, driver, responsesCall(asked, true)); failure != nil {
		t.Error(failure)
	}
	close(answer)
	if err := <-first; err != nil || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What can't be translated is refused, also while nobody can tell whether it has to be.
func TestNothingIsLostWhereTheRouteIsNotKnown(t *testing.T) {
	t.Parallel()
	silent := &serves{answers: map[string]http.HandlerFunc{"/v1/responses": refuse(503, ``)}}
	for name, change := range map[string]func(*chat.Request){
		"background": func(r *chat.Request) { r.Asks = []chat.Ask{{Field: "background", Need: chat.State}} },
		"input[0]": func(r *chat.Request) {
			r.HistoryFault = chat.Errorf(chat.InvalidRequest, "no")
			r.HistoryFault.Param = "input[0]"
		},
		"messages[0].content[0]": func(r *chat.Request) {
			r.Messages[0].Parts = []chat.Part{{Document: &chat.Document{URL: "https://host/a.pdf"}}}
		},
		"input[1]": func(r *chat.Request) { // its documents are no problem, but the summary is ours
			r.Source.JSON = []byte(`{"model":"m","input":[{"type":"compaction","encrypted_content":"` + chat.ForeignSeal("summary", "x") + `"}]}`)
			r.Asks = []chat.Ask{{Field: "input[1]", Need: chat.State}}
		},
	} {
		call := responsesCall(asked, true)
		change(call.Request)
		_, failure := gather(t.Context(), t, silent.driver(t, map[string]string{"documents": "file"}), call)
		if failure == nil || failure.Class != upstream.CallerFault || failure.Param != name || failure.Message == "" {
			t.Errorf("%s: got %+v", name, failure)
		}
	}
}

// Whatever comes in whatever order, it is told in blocks.
func FuzzResponsesAnswer(f *testing.F) {
	frames := []string{greeting}
	for index := range 3 {
		for _, item := range []string{
			`{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"b"}]}`, `{"type":"reasoning","summary":[{"text":"c"}],"encrypted_content":"s"}`,
			`{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}`, `{"type":"custom_tool_call","call_id":"c","name":"p","input":"x"}`, `{"type":"web_search_call"}`, `{}`,
		} {
			frames = append(frames, itemEvents(index, item, nil, item)...)
		}
		for _, kind := range []string{textDelta, refusalDelta, summaryDelta, thoughtDelta} {
			frames = append(frames, fmt.Sprintf(`{"type":%q,"output_index":%d,"summary_index":1,"delta":"w"}`, kind, index))
		}
		for _, kind := range []string{argumentsDelta, customDelta} {
			frames = append(frames, fmt.Sprintf(`{"type":%q,"output_index":%d,"delta":"w"}`, kind, index))
		}
	}
	f.Add([]byte{1, 0, 2, 30, 7, 9, 20})
	f.Fuzz(func(t *testing.T, order []byte) {
		var following responsesAnswer
		var blocks upstreamtest.BlockOrder
		check := func(events []chat.Event) {
			for i := range events {
				if err := blocks.Check(&events[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, at := range order {
			frame, ok := readResponseFrame([]byte(frames[int(at)%len(frames)]))
			if !ok {
				t.Fatal("not valid JSON")
			}
			check(following.take(&frame))
		}
		response, _ := readResponse([]byte(`{"status":"completed","output":[{"type":"message","content":[{"text":"z"}]}]}`))
		check(following.end(&response))
	})
}
