package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/dialect/responses"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/sse"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// payloads are the data lines of a stream.
func payloads(t *testing.T, body string) []string {
	t.Helper()
	var found []string
	for block := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		payload, ok := strings.CutPrefix(block, "data: ")
		if !ok || strings.Contains(payload, "\n") {
			t.Fatalf("not a data event: %q", block)
		}
		found = append(found, payload)
	}
	return found
}

type chunk struct {
	ID, Object, Model string
	Created           int64
	Choices           []struct {
		Delta struct {
			Role    string
			Content *string
		}
		FinishReason *string `json:"finish_reason"`
	}
	Usage *struct {
		TotalTokens int `json:"total_tokens"`
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body string
		settings   *tokenstorev1.Settings
		finish     bool
		usage      bool
	}{
		{"plain", helloStream, nil, true, false},
		{"usage", strings.Replace(helloStream, `{`, `{"stream_options":{"include_usage":true},`, 1), nil, true, true},
		{"no finish", helloStream, &tokenstorev1.Settings{IncludeStopStream: false}, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) {
				d.Settings = func() *tokenstorev1.Settings { return c.settings }
			})
			w := do(t, e, request(t, "POST", "/v1/chat/completions", key, c.body))
			if w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
				t.Fatalf("%d %s", w.Code, w.Header())
			}
			events := payloads(t, w.Body.String())
			if last := events[len(events)-1]; last != "[DONE]" {
				t.Fatalf("the stream ends in %q", last)
			}
			var text string
			var finish, usage bool
			for i, payload := range events[:len(events)-1] {
				var got chunk
				if err := json.Unmarshal([]byte(payload), &got); err != nil {
					t.Fatal(err)
				}
				if got.ID != "chatcmpl-"+w.Header().Get("X-Request-Id") || got.Model != "gpt-4o" || got.Object != "chat.completion.chunk" {
					t.Errorf("chunk %d: %s", i, payload)
				}
				for _, choice := range got.Choices {
					if (choice.Delta.Role == "assistant") != (i == 0) {
						t.Errorf("role in chunk %d: %s", i, payload)
					}
					if choice.Delta.Content != nil {
						text += *choice.Delta.Content
					}
					finish = finish || choice.FinishReason != nil
				}
				usage = usage || got.Usage != nil
			}
			if text != "Hello" || finish != c.finish || usage != c.usage {
				t.Errorf("text %q, finish %v, usage %v", text, finish, usage)
			}
		})
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	w := do(t, newEdge(t, says(nil, greeting...), nil), request(t, "POST", "/v1/chat/completions", key, hello))
	var got struct {
		ID, Object, Model string
		Choices           []struct {
			Message      struct{ Role, Content string }
			FinishReason string `json:"finish_reason"`
		}
		Usage struct {
			TotalTokens int `json:"total_tokens"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "chatcmpl-"+w.Header().Get("X-Request-Id") || got.Object != "chat.completion" || got.Model != "gpt-4o" ||
		len(got.Choices) != 1 || got.Choices[0].Message.Content != "Hello" || got.Choices[0].Message.Role != "assistant" ||
		got.Choices[0].FinishReason != "stop" || got.Usage.TotalTokens != 5 {
		t.Errorf("%s", w.Body)
	}
}

// An error before the first event is an ordinary HTTP error, of every kind and
// whether a stream was asked for or not.
func TestErrorBeforeTheFirstEvent(t *testing.T) {
	t.Parallel()
	for _, kind := range chat.Kinds() {
		for name, body := range map[string]string{"whole": hello, "stream": helloStream} {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				t.Parallel()
				failure := &chat.Error{Kind: kind, Message: "because", RetryAfter: 1500 * time.Millisecond, Err: errors.New("hidden")}
				w := do(t, newEdge(t, says(failure), nil), request(t, "POST", "/v1/chat/completions", key, body))
				if w.Code < 400 || w.Header().Get("Content-Type") != "application/json" {
					t.Fatalf("%d %s", w.Code, w.Header())
				}
				if w.Header().Get("Retry-After") != "2" {
					t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
				}
				if object := errorOf(t, w.Body.Bytes()); object.Error.Message != "because" {
					t.Errorf("%s", w.Body)
				}
				if (w.Code == 401 || w.Code == 403) != (kind == chat.Unauthenticated || kind == chat.Forbidden || kind == chat.OwnTokenRefused) {
					t.Errorf("%s looks like a wrong key of the client's", kind)
				}
			})
		}
	}
}

func TestErrorAfterTheFirstEvent(t *testing.T) {
	t.Parallel()
	broken := says(chat.Errorf(chat.UpstreamProtocol, "cut short"), chat.Event{}, chat.Event{Text: "Hel", More: true})

	w := do(t, newEdge(t, broken, nil), request(t, "POST", "/v1/chat/completions", key, helloStream))
	events := payloads(t, w.Body.String())
	if w.Code != 200 || strings.Contains(w.Body.String(), "[DONE]") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if object := errorOf(t, []byte(events[len(events)-1])); object.Error.Message != "cut short" {
		t.Errorf("last event %q", events[len(events)-1])
	}

	w = do(t, newEdge(t, broken, nil), request(t, "POST", "/v1/chat/completions", key, hello))
	if w.Code != 502 || strings.Contains(w.Body.String(), "Hel") {
		t.Errorf("not streamed: %d %s", w.Code, w.Body)
	}
}

func TestNothingIsAnError(t *testing.T) {
	t.Parallel()
	for _, body := range []string{hello, helloStream} {
		if w := do(t, newEdge(t, says(nil), nil), request(t, "POST", "/v1/chat/completions", key, body)); w.Code != 502 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

func TestWhatTheRelayGets(t *testing.T) {
	t.Parallel()
	var got *chat.Request
	e := newEdge(t, relay(func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
		got = req
		says(nil, greeting...)(ctx, req, yield)
	}), nil)
	w := do(t, e, request(t, "POST", "/v1/chat/completions", key, hello))
	if got.ID != "chatcmpl-"+w.Header().Get("X-Request-Id") || got.Model != "gpt-4o" || got.Stream ||
		got.Source.Dialect != "openai" || string(got.Source.JSON) != hello || time.Since(got.Created) > time.Minute {
		t.Errorf("%+v", got)
	}
}

// A panic after the first byte must not look like the end of an answer.
func TestPanicInAStreamCutsTheConnection(t *testing.T) {
	t.Parallel()
	e := newEdge(t, relay(func(_ context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
		yield(chat.Event{Text: "Hel"}, nil)
		panic("a bug")
	}), nil)
	server := httptest.NewServer(e)
	defer server.Close()
	answer := send(t, server, "POST", "/v1/chat/completions", strings.NewReader(helloStream))
	defer func() { _ = answer.Body.Close() }()
	scanner := bufio.NewScanner(answer.Body)
	for scanner.Scan() {
		if strings.Contains(scanner.Text(), "[DONE]") {
			t.Error("[DONE] after a panic")
		}
	}
	if scanner.Err() == nil {
		t.Error("the answer ended as if it were whole")
	}
}

// A client that hangs up ends the request's context at once, streamed or not.
func TestHangUpCancels(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"whole": hello, "stream": helloStream} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, ended := make(chan struct{}), make(chan error, 1)
			e := newEdge(t, relay(func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
				if req.Stream && !yield(chat.Event{Text: "Hel"}, nil) {
					return
				}
				close(begun)
				<-ctx.Done()
				ended <- ctx.Err()
				yield(chat.Event{}, chat.AsError(ctx.Err()))
			}), nil)
			server := httptest.NewServer(e)
			defer server.Close()
			ctx, hangUp := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/v1/chat/completions", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", key)
			go func() {
				<-begun
				hangUp()
			}()
			answer, err := server.Client().Do(r)
			if err == nil {
				_ = answer.Body.Close()
			}
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Fatal("the request goes on without its client")
			}
			server.Close()
			if !strings.Contains(e.log.String(), `"error_kind":"canceled"`) {
				t.Errorf("log: %s", e.log)
			}
		})
	}
}

// slow is a ResponseWriter whose deadline can be watched through everything that
// is wrapped around it.
type slow struct {
	*httptest.ResponseRecorder
	deadlines int
}

func (s *slow) SetWriteDeadline(time.Time) error { s.deadlines++; return nil }

func TestHeartbeatsAndDeadlinesPassTheWholeChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, relay(func(_ context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
			_ = yield(chat.Event{Text: "Hel"}, nil)
			time.Sleep(40 * time.Second)
			_ = yield(chat.Event{Text: "lo", Finish: chat.Stop}, nil)
		}), func(d *httpapi.Deps) { d.Options.Stream = sse.Options{Heartbeat: 15 * time.Second} })
		w := &slow{ResponseRecorder: httptest.NewRecorder()}
		e.ServeHTTP(w, request(t, "POST", "/v1/chat/completions", key, helloStream))
		if beats := strings.Count(w.Body.String(), ": still here\n"); beats != 2 {
			t.Errorf("%d heartbeats in 40 s of silence", beats)
		}
		if w.deadlines < 3 || !w.Flushed {
			t.Errorf("%d deadlines, flushed: %v", w.deadlines, w.Flushed)
		}
		if !strings.HasSuffix(w.Body.String(), "data: [DONE]\n\n") {
			t.Error("no end")
		}
	})
}

// Events must reach the client when they happen, not when the answer ends.
func TestEventsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	e := newEdge(t, relay(func(_ context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
		_ = yield(chat.Event{Text: "first"}, nil)
		<-next
		_ = yield(chat.Event{Text: "second", Finish: chat.Stop}, nil)
	}), nil)
	server := httptest.NewServer(e)
	defer server.Close()
	answer := send(t, server, "POST", "/v1/chat/completions", strings.NewReader(helloStream))
	defer func() { _ = answer.Body.Close() }()
	reader := bufio.NewReader(answer.Body)
	line, err := reader.ReadString('\n')
	if err != nil || !strings.Contains(line, "first") {
		t.Errorf("%q, %v", line, err)
	}
	close(next)
	for {
		line, err = reader.ReadString('\n')
		if err != nil {
			t.Fatal("no [DONE]")
		}
		if line == "data: [DONE]\n" {
			return
		}
	}
}

// The header says what a request belongs to, before the body does.
func TestTheSessionOfARequest(t *testing.T) {
	t.Parallel()
	withKey := strings.Replace(hello, "{", `{"prompt_cache_key":"from the body",`, 1)
	for _, c := range []struct{ body, header, want string }{
		{hello, "", ""}, {withKey, "", "from the body"}, {hello, "from the header", "from the header"}, {withKey, "from the header", "from the header"},
	} {
		var got *chat.Request
		e := newEdge(t, relay(func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
			got = req
			says(nil, greeting...)(ctx, req, yield)
		}), nil)
		asked := request(t, "POST", "/v1/chat/completions", key, c.body)
		if c.header != "" {
			asked.Header.Set("X-Session-Id", c.header)
		}
		do(t, e, asked)
		if got.Session != c.want {
			t.Errorf("session %q, want %q", got.Session, c.want)
		}
	}
}

// Trap 61: a body in the form of the Responses API is answered in chunks.
func TestAResponsesBodyOnTheChatRoute(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) {
		d.Dialects = []dialect.Dialect{openai.API{Input: responses.API{BesideChat: true}}}
	})
	w := do(t, e, request(t, http.MethodPost, "/v1/chat/completions", key,
		`{"model":"gpt-4o","stream":true,"instructions":"Be brief","input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]}],"tools":[{"type":"function","name":"f"}]}`))
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, `"object":"chat.completion.chunk"`) || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("%d %s", w.Code, body)
	}
}
