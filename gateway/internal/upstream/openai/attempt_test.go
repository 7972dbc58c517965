package openai

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
	"carousel.internal/proto/service/secret"
)

func unix(n int64) string { return strconv.FormatInt(n, 10) }

func newTestCall(stream bool) *upstream.Call {
	body := fmt.Sprintf(`{"model":"up/m","messages":[{"role":"user","content":"hi"}],"stream":%t}`, stream)
	return &upstream.Call{
		Request: &chat.Request{
			Model: "up/m", Stream: stream, Source: chat.Source{Dialect: dialect, JSON: []byte(body)},
			Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: "hi"}}}},
		},
		Model:      "m",
		Credential: upstream.Credential{Secret: secret.New(testKey)},
	}
}

func classOf(err error) upstream.Class {
	var failure *upstream.Failure
	if errors.As(err, &failure) {
		return failure.Class
	}
	return ""
}

// gather collects the events of a call, with raw bytes of their own.
func gather(ctx context.Context, t testing.TB, driver upstream.Driver, call *upstream.Call) ([]chat.Event, *upstream.Failure) {
	t.Helper()
	var events []chat.Event
	var failure *upstream.Failure
	for event, err := range driver.Chat(ctx, call) {
		if failure != nil {
			t.Fatal("the iteration goes on after an error")
		}
		if err != nil {
			if !errors.As(err, &failure) {
				t.Fatalf("got %T: %v", err, err)
			}
			continue
		}
		event.Raw.JSON = append([]byte(nil), event.Raw.JSON...)
		events = append(events, event)
	}
	return events, failure
}

// answering serves one answer to everybody.
func answering(t testing.TB, contentType, body string) *Driver {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return newTestDriver(t, server.URL, nil)
}

func eventsOf(chunks ...string) string {
	var stream strings.Builder
	for _, chunk := range chunks {
		stream.WriteString("data: " + chunk + "\n\n")
	}
	return stream.String()
}

const (
	said     = `{"choices":[{"index":0,"delta":{"content":"x"}}]}`
	finished = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	counts   = `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}`
)

func TestStream(t *testing.T) {
	t.Parallel()
	type event struct {
		text, reasoning, refusal string
		calls                    []upstream.CallPiece
		finish                   chat.FinishReason
		prompt                   int
	}
	tests := map[string]struct {
		stream string
		want   []event
		class  upstream.Class
	}{
		"as OpenAI does it": {
			eventsOf(`{"choices":[{"delta":{"role":"assistant","content":"","refusal":null}}],"usage":null}`, said, finished, counts, "[DONE]"),
			[]event{{}, {text: "x"}, {finish: "stop"}, {prompt: 3}},
			"",
		},
		"the end of the connection after the finish": {eventsOf(said, finished), []event{{text: "x"}, {finish: "stop"}}, ""},
		"the end of the connection before it":        {eventsOf(said), []event{{text: "x"}}, upstream.Truncated},
		"done without a finish":                      {eventsOf(said, "[DONE]"), []event{{text: "x"}, {finish: "stop"}}, ""},
		"done without anything":                      {eventsOf("[DONE]"), nil, upstream.Truncated},
		"a finish without anything":                  {eventsOf(finished, "[DONE]"), nil, upstream.Truncated},
		"filtered before anything":                   {eventsOf(`{"choices":[{"finish_reason":"content_filter"}]}`, "[DONE]"), []event{{finish: "content_filter"}}, ""},
		"the finish twice":                           {eventsOf(said, finished, finished, "[DONE]"), []event{{text: "x"}, {finish: "stop"}, {}}, ""},
		"counts with the finish":                     {eventsOf(said, `{"choices":[{"finish_reason":"length"}],"usage":{"prompt_tokens":3}}`, "[DONE]"), []event{{text: "x"}, {finish: "length", prompt: 3}}, ""},
		"counts in every chunk": {
			eventsOf(`{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1}}`, finished, counts, counts, "[DONE]"),
			[]event{{text: "x"}, {finish: "stop"}, {prompt: 3}, {}},
			"",
		},
		"counts only before the finish": {
			eventsOf(`{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1}}`, finished, "[DONE]"),
			[]event{{text: "x"}, {finish: "stop"}, {prompt: 1}},
			"",
		},
		"reasoning by both its names": {
			eventsOf(`{"choices":[{"delta":{"reasoning_content":"a"}}]}`, `{"choices":[{"delta":{"reasoning":"b","content":null}}]}`, `{"choices":[{"delta":{"reasoning":"c","reasoning_content":"c"}}]}`, said, finished, "[DONE]"),
			[]event{{reasoning: "a"}, {reasoning: "b"}, {reasoning: "c"}, {text: "x"}, {finish: "stop"}},
			"",
		},
		"tool calls": {
			eventsOf(`{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}}]}`,
				`{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"a\":"}}]}}]}`, `{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}`, "[DONE]"),
			[]event{
				{}, // the name may go on
				{calls: []upstream.CallPiece{{ID: "c", Name: "f", Arguments: `{"a":`}}},
				{finish: "tool_calls"},
			},
			"",
		},
		"the old kind of call":    {eventsOf(`{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{}"}},"finish_reason":"function_call"}]}`), []event{{calls: []upstream.CallPiece{{Name: "f", Arguments: "{}"}}, finish: "tool_calls"}}, ""},
		"a refusal":               {eventsOf(`{"choices":[{"delta":{"refusal":"no"}}]}`, finished), []event{{refusal: "no"}, {finish: "stop"}}, ""},
		"content in parts":        {eventsOf(`{"choices":[{"delta":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]}`, finished), []event{{text: "ab"}, {finish: "stop"}}, ""},
		"unexpected types":        {eventsOf(`{"choices":[1,{"delta":[],"finish_reason":{}}],"usage":7,"error":null}`, said, `{"choices":{}}`, finished), []event{{}, {text: "x"}, {finish: "stop"}}, ""},
		"a strange finish":        {eventsOf(said, `{"choices":[{"finish_reason":"eos"}]}`), []event{{text: "x"}, {finish: "stop"}}, ""},
		"an error in the middle":  {eventsOf(said, `{"error":{"message":"broken","type":"server_error"}}`, "[DONE]"), []event{{text: "x"}}, upstream.Broken},
		"a limit in the middle":   {eventsOf(said, `{"error":{"message":"slow","code":429}}`), []event{{text: "x"}}, upstream.RateLimit},
		"an error event":          {eventsOf(said) + "event: error\ndata: {\"message\":\"broken\"}\n\n", []event{{text: "x"}}, upstream.Broken},
		"an error event in words": {eventsOf(said) + "event: error\ndata: it broke\n\n", []event{{text: "x"}}, upstream.Broken},
		"an error first":          {eventsOf(`{"error":{"message":"quota","code":"insufficient_quota"}}`), nil, upstream.Quota},
		"garbage":                 {eventsOf(said, `{"id": what`, "[DONE]"), []event{{text: "x"}}, upstream.Truncated},
		"many lines":              {"data: {\"choices\":[{\r\ndata: \"delta\":{\"content\":\"x\"}}]}\r\n\r\n" + eventsOf(finished), []event{{text: "x"}, {finish: "stop"}}, ""},
		"two choices":             {eventsOf(`{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}`, finished, "[DONE]"), []event{{text: "ab"}, {finish: "stop"}}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, failure := gather(t.Context(), t, answering(t, "text/event-stream; charset=utf-8", test.stream), newTestCall(true))
			var got []event
			for _, ev := range events {
				if ev.Raw.Dialect == "" || ev.Raw.JSON != nil || len(got) == 0 {
					got = append(got, event{})
				}
				seen := &got[len(got)-1] // what was said at once
				seen.finish = ev.Finish
				switch {
				case ev.Kind == chat.CallBlock && ev.Open != nil:
					seen.calls = append(seen.calls, upstream.CallPiece{ID: ev.Open.ID, Name: ev.Open.Name, Arguments: ev.Text})
				case ev.Kind == chat.CallBlock && ev.Text != "":
					seen.calls = append(seen.calls, upstream.CallPiece{Arguments: ev.Text})
				case ev.Kind == chat.RefusalBlock:
					seen.refusal += ev.Text
				case ev.Kind == chat.ReasoningBlock:
					seen.reasoning += ev.Text
				default:
					seen.text += ev.Text
				}
				if ev.Usage != nil {
					seen.prompt = ev.Usage.Prompt
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			if (failure == nil) != (test.class == "") || failure != nil && (failure.Class != test.class || failure.Message == "") {
				t.Errorf("got %v, want %s", failure, test.class)
			}
		})
	}
}

func TestRawAndMore(t *testing.T) {
	t.Parallel()
	events, failure := gather(t.Context(), t, answering(t, "text/event-stream", eventsOf(said, finished, "[DONE]")), newTestCall(true))
	if failure != nil || len(events) != 2 {
		t.Fatalf("got %+v, %v", events, failure)
	}
	for i, want := range []string{said, finished} {
		if raw := events[i].Raw; raw.Dialect != dialect || string(raw.JSON) != want || raw.Whole || !events[i].More {
			t.Errorf("event %d: %+v", i, events[i])
		}
	}
}

// Chunks that differ in nothing but their text have a shape in common.
func TestShapes(t *testing.T) {
	t.Parallel()
	const other = `{"choices":[{"index":0,"delta":{"content":"x"},"padding":"x"}]}`
	texts := func(text string) string { return strings.Replace(said, `"x"`, `"`+text+`"`, 1) }
	events, failure := gather(t.Context(), t, answering(t, "", eventsOf(
		texts("a"), texts("b"), texts("c\\n"), other, texts(""), other, other, texts("d"), texts("e"), finished, "[DONE]")), newTestCall(true))
	var shapes []int
	for _, event := range events {
		shapes = append(shapes, event.Raw.Shape)
		if raw := event.Raw; raw.Shape != 0 && (raw.TextFrom >= raw.TextTo || !strings.Contains(string(raw.JSON), `"content":"`+string(raw.JSON[raw.TextFrom:raw.TextTo])+`"`)) {
			t.Errorf("%s: %d to %d", raw.JSON, raw.TextFrom, raw.TextTo)
		}
	}
	if want := []int{0, 1, 1, 0, 0, 2, 2, 0, 3, 0}; failure != nil || !reflect.DeepEqual(shapes, want) {
		t.Errorf("got %v, %v, want %v", shapes, failure, want)
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	const answer = `{"id":"u","choices":[{"index":0,"message":{"role":"assistant","content":"hello","reasoning_content":"hm"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}`
	events, failure := gather(t.Context(), t, answering(t, "application/json", answer), newTestCall(false))
	if failure != nil || len(events) != 2 {
		t.Fatalf("got %+v, %v", events, failure)
	}
	thought, ev := events[0], events[1]
	if ev.Text != "hello" || thought.Text != "hm" || thought.Kind != chat.ReasoningBlock || ev.Finish != chat.Length || *ev.Usage != (chat.Usage{Prompt: 3, Completion: 4, Source: chat.UsageReported}) {
		t.Errorf("got %+v", ev)
	}
	if !thought.Raw.Whole || string(thought.Raw.JSON) != answer || ev.Raw.JSON != nil {
		t.Errorf("got %s", thought.Raw.JSON)
	}
	for name, test := range map[string]struct {
		body  string
		class upstream.Class
	}{
		"no finish reason":  {`{"choices":[{"message":{"content":"x"},"finish_reason":null}]}`, ""},
		"calls":             {`{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}`, ""},
		"audio":             {`{"choices":[{"message":{"content":null,"audio":{"id":"a"}},"finish_reason":"stop"}]}`, ""},
		"all thought away":  {`{"choices":[{"message":{"content":""},"finish_reason":"length"}]}`, ""},
		"empty":             {`{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}`, upstream.Truncated},
		"no choices":        {`{"choices":[]}`, upstream.Truncated},
		"an error":          {`{"error":{"message":"limit","code":429}}`, upstream.RateLimit},
		"not an object":     {`[]`, upstream.Truncated},
		"larger than 32 MB": {`{"choices":[{"message":{"content":"` + strings.Repeat("x", wire.MaxAnswer) + `"}}]}`, upstream.Truncated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, failure := gather(t.Context(), t, answering(t, "application/json", test.body), newTestCall(false))
			if (failure == nil) != (test.class == "") || failure != nil && failure.Class != test.class {
				t.Errorf("got %v, want %s", failure, test.class)
			}
			if failure == nil && (len(events) != 1 || events[0].Finish == chat.Unfinished) {
				t.Errorf("got %+v", events)
			}
		})
	}
}

func TestUpstreamsThatAnswerInTheOtherForm(t *testing.T) {
	t.Parallel()
	const (
		whole  = `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}`
		joined = `{"object":"chat.completion","choices":[{"index":0,"message":{"content":"x","role":"assistant"},"finish_reason":"stop"}]}`
	)
	stream := eventsOf(said, finished, "[DONE]")
	for _, media := range []string{"text/event-stream", "application/json", "text/plain", "text/html", ""} {
		events, failure := gather(t.Context(), t, answering(t, media, whole), newTestCall(true))
		if failure != nil || len(events) != 2 || events[0].Raw.Whole || events[0].Text != "x" || events[1].Finish != chat.Stop {
			t.Errorf("%q: an object for a stream: %+v, %v", media, events, failure)
		}
		events, failure = gather(t.Context(), t, answering(t, media, stream), newTestCall(false))
		if failure != nil || len(events) != 1 || !events[0].Raw.Whole || events[0].Text != "x" || string(events[0].Raw.JSON) != joined {
			t.Errorf("%q: a stream for an object: %+v, %v", media, events, failure)
		}
		events, failure = gather(t.Context(), t, answering(t, media, stream), newTestCall(true))
		if failure != nil || len(events) != 2 || string(events[0].Raw.JSON) != said {
			t.Errorf("%q: a stream: %+v, %v", media, events, failure)
		}
	}
}

// A pooled connection that the upstream has closed in the meantime is no failure.
func TestDeadConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() { answerOnce(connection) })
		}
	})
	driver := newTestDriver(t, "http://"+listener.Addr().String(), nil)
	for calls := 0; calls < 20; {
		began := time.Now()
		events, failure := gather(t.Context(), t, driver, newTestCall(false))
		switch {
		case failure != nil && time.Since(began) >= time.Second: // the connection did not show it at once
		case failure != nil || len(events) != 1:
			t.Fatalf("got %+v, %v", events, failure)
		default:
			calls++
		}
	}
	driver.Close()
	_ = listener.Close()
	served.Wait()
}

// answerOnce promises to keep the connection, reads a second request and hangs up.
func answerOnce(connection net.Conn) {
	defer func() { _ = connection.Close() }()
	requests := bufio.NewReader(connection)
	const answer = `{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`
	for answered := false; ; answered = true {
		request, err := http.ReadRequest(requests)
		if err != nil || answered {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		_, _ = fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	}
}

// White space that keeps a connection alive is no progress, but does no harm.
func TestWholeAnswerThatMurmurs(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for count := 0; r.Context().Err() == nil; count++ {
			<-tick.C
			_, _ = w.Write([]byte("\n"))
			_ = http.NewResponseController(w).Flush()
			if count == 10 && r.Header.Get("Authorization") == "" {
				_, _ = w.Write([]byte(`{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`))
				return
			}
		}
	}))
	defer server.Close()
	driver := newTestDriver(t, server.URL, map[string]string{"answer_timeout": "150ms", "idle_timeout": "1m"})
	if _, failure := gather(t.Context(), t, driver, newTestCall(false)); failure == nil || failure.Class != upstream.Broken {
		t.Errorf("got %v", failure)
	}
	driver = newTestDriver(t, server.URL, map[string]string{"answer_timeout": "1m", "idle_timeout": "10ms"})
	call := newTestCall(false)
	call.Credential = upstream.Credential{}
	if events, failure := gather(t.Context(), t, driver, call); failure != nil || len(events) != 1 {
		t.Errorf("got %+v, %v", events, failure)
	}
	driver.Close()
}

// A sign of life is no progress: who waits for a word waits no longer because of it.
func TestSignsOfLifeAreNoProgress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first    string
		settings map[string]string
	}{
		"before the first word": {"", map[string]string{"first_byte_timeout": "150ms", "idle_timeout": "1m"}},
		"after it":              {eventsOf(said), map[string]string{"first_byte_timeout": "1m", "idle_timeout": "150ms"}},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, c.first)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "data: null\n\n")
				_ = http.NewResponseController(w).Flush()
				<-tick.C
			}
		}))
		driver := newTestDriver(t, server.URL, c.settings)
		events, failure := gather(t.Context(), t, driver, newTestCall(true))
		if failure == nil || failure.Rule != "silent" || len(rawOf(events)) != min(len(c.first), 1) {
			t.Errorf("%s: %+v, %v", name, events, failure)
		}
		driver.Close()
		server.Close()
	}
}

// A chunk is not kept back for one that turns out to be none.
func TestNothingWaitsForASignOfLife(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, eventsOf(said, `{"type":"ping"}`))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-seen:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, eventsOf(finished, "[DONE]"))
	}))
	defer server.Close()
	driver := newTestDriver(t, server.URL, nil)
	defer driver.Close()
	count := 0
	for event, err := range driver.Chat(t.Context(), newTestCall(true)) {
		if err != nil {
			t.Fatal(err)
		}
		if count++; !event.More && event.Finish == chat.Unfinished {
			close(seen) // whoever keeps chunks back sends them now
		}
	}
	if count != 3 {
		t.Errorf("%d events", count)
	}
}

// An upstream that keeps a stream open after [DONE] costs its connection, not the
// answer.
func TestStreamThatIsNotClosed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(eventsOf(said, finished, "[DONE]")))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	driver := newTestDriver(t, server.URL, nil)
	events, failure := gather(t.Context(), t, driver, newTestCall(true))
	if failure != nil || len(events) != 2 || events[1].More {
		t.Errorf("got %+v, %v", events, failure)
	}
	driver.Close()
}

// What is kept of one chunk's beginning changes nothing in the next.
func FuzzChunkAfterAnother(f *testing.F) {
	f.Add([]byte(`{"id":"a","choices":[{"delta":{"content":"x"}}]}`), []byte(`{"id":"a","choices":[],"usage":{"prompt_tokens":1}}`))
	f.Add([]byte(`{"choices":[]}`), []byte(`{"choices": [{"delta":{"content":"x"}}],"choices":[{}],"error":{}} `))
	f.Add([]byte(`{"choices":[]}`), []byte(`{"choices":`))
	f.Add([]byte(`{"usage":{"prompt_tokens":1},"choices":[]}`), []byte(`{"usage":{"prompt_tokens":1},"choices":[]}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var chunks chunkParser
		for _, data := range [][]byte{first, second, first} {
			if got, want := chunks.parse(data), parsePiece(data); !reflect.DeepEqual(got, want) {
				t.Fatalf("%q after %q: got %+v, want %+v", data, first, got, want)
			}
		}
	})
}

// Nor does what is kept of what stands around one chunk's text.
func FuzzChunkTextAfterText(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"role":"a","content":"`, "a", `b\n`, `"}}]}`)
	f.Add(`{"choices":[{"delta":{"content":"`, "a", `","refusal":"x`, `"}}]}`)
	f.Add(`{"choices":[{"delta":{"content":"`, "aa", "a", `a"}}]}`)
	f.Add(`{"choices":[{"delta":{"content":"x","content":"`, "a", "b", `"},"finish_reason":"stop"}]}`)
	f.Fuzz(func(t *testing.T, before, first, second, after string) {
		var chunks chunkParser
		for _, text := range []string{first, second, first} {
			data := []byte(before + text + after)
			got, want := chunks.parse(data), parsePiece(data)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q after %q: got %+v, want %+v", data, first, got, want)
			}
		}
	})
}

// FuzzPiece holds that no chunk, however strange, is mistaken or does harm.
func FuzzPiece(f *testing.F) {
	f.Add([]byte(said))
	f.Add([]byte(`{"choices":[{"delta":{"content":"\ud83d\ude00","tool_calls":[{"index":0,"function":{"arguments":"{"}}]},"finish_reason":null}],"usage":{"prompt_tokens":1}}`))
	f.Add([]byte(`{"error":[{"error":{"message":"x"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := parsePiece(data)
		if !p.malformed && p.failure != nil {
			parseError(p.failure)
		}
		if u := p.event.Usage; u != nil && (u.Prompt < 0 || u.Completion < 0) {
			t.Fatalf("%q: %+v", data, u)
		}
	})
}

// benchUpstream streams fifty events, or answers at once.
func benchUpstream(b *testing.B) *httptest.Server {
	b.Helper()
	stream := strings.Repeat(benchChunk, 50) + eventsOf(finished, counts, "[DONE]")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"stream":false`) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"choices":[{"index":0,"message":{"content":"hello"},"finish_reason":"stop"}]}`))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		controller := http.NewResponseController(w)
		for rest := stream; rest != ""; {
			end := strings.Index(rest, "\n\n") + 2
			_, _ = io.WriteString(w, rest[:end])
			_ = controller.Flush()
			rest = rest[end:]
		}
	}))
	b.Cleanup(server.Close)
	return server
}

func benchmarkChat(b *testing.B, stream bool) {
	driver := newTestDriver(b, benchUpstream(b).URL, nil)
	call := newTestCall(stream)
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range driver.Chat(b.Context(), call) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkChatStream(b *testing.B) { benchmarkChat(b, true) }
func BenchmarkChatWhole(b *testing.B)  { benchmarkChat(b, false) }

// BenchmarkReverseProxyStream is what the same stream costs through the standard
// library's proxy, for comparison; its server side is included, as is the cost
// of a client.
func BenchmarkReverseProxyStream(b *testing.B) {
	target, err := url.Parse(benchUpstream(b).URL)
	if err != nil {
		b.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		FlushInterval: -1,
	}
	call := newTestCall(true)
	b.ReportAllocs()
	for b.Loop() {
		request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", strings.NewReader(string(call.Request.Source.JSON)))
		proxy.ServeHTTP(httptest.NewRecorder(), request)
	}
}
