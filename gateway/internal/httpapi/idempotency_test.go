package httpapi_test

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/idempotency"
)

// lonely is the store of a gateway without others.
type lonely struct {
	mu      sync.Mutex
	answers map[idempotency.Hash]*idempotency.Answer
}

func newLonely() *lonely { return &lonely{answers: map[idempotency.Hash]*idempotency.Answer{}} }

func (l *lonely) Claim(_ context.Context, key, _ idempotency.Hash, _ string) (idempotency.State, *idempotency.Answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.answers[key]; known != nil {
		return idempotency.Answered, known, nil
	}
	return idempotency.Owned, nil, nil
}

func (l *lonely) Finish(_ context.Context, key idempotency.Hash, _ string, answer *idempotency.Answer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[key] = answer
	return nil
}

// remembering is an edge whose relay counts what reaches it.
func remembering(t *testing.T, answers relay) (*edge, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	counted := relay(func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
		asked.Add(1)
		answers(ctx, req, yield)
	})
	return newEdge(t, counted, func(deps *httpapi.Deps) {
		deps.Answers = idempotency.New(newLonely(), slog.New(slog.DiscardHandler))
	}), &asked
}

func keyed(t *testing.T, authorization, idempotencyKey, body string) *http.Request {
	t.Helper()
	r := request(t, http.MethodPost, "/v1/chat/completions", authorization, body)
	r.Header.Set("Idempotency-Key", idempotencyKey)
	return r
}

func TestARepeatedKeyGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	for _, body := range []string{hello, helloStream} {
		e, asked := remembering(t, says(nil, greeting...))
		first, second := do(t, e, keyed(t, key, "k", body)), do(t, e, keyed(t, key, "k", body))
		if first.Code != 200 || second.Code != 200 || first.Body.String() != second.Body.String() || !strings.Contains(first.Body.String(), "Hel") {
			t.Errorf("%d %s\nthen %d %s", first.Code, first.Body, second.Code, second.Body)
		}
		if first.Header().Get("Content-Type") != second.Header().Get("Content-Type") ||
			first.Header().Get("Idempotent-Replayed") != "" || second.Header().Get("Idempotent-Replayed") != "true" {
			t.Errorf("%v\nthen %v", first.Header(), second.Header())
		}
		if asked.Load() != 1 {
			t.Errorf("%d requests were made", asked.Load())
		}
		do(t, e, keyed(t, key, "another", body))
		do(t, e, request(t, http.MethodPost, "/v1/chat/completions", key, body))
		if asked.Load() != 3 {
			t.Errorf("%d requests were made with another key and without one", asked.Load()-1)
		}
	}
}

func TestAnErrorIsNotRepeated(t *testing.T) {
	t.Parallel()
	e, asked := remembering(t, says(chat.Errorf(chat.RateLimited, "slow down")))
	for range 2 {
		if w := do(t, e, keyed(t, key, "k", hello)); w.Code != 429 || !strings.Contains(w.Body.String(), "slow down") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	cut, _ := remembering(t, says(chat.Errorf(chat.UpstreamProtocol, "cut"), greeting[:2]...))
	for range 2 {
		if w := do(t, cut, keyed(t, key, "k", helloStream)); w.Header().Get("Idempotent-Replayed") != "" {
			t.Error("half an answer is repeated")
		}
	}
	if asked.Load() != 2 {
		t.Errorf("%d requests were made", asked.Load())
	}
}

func TestAKeyThatIsTooLongIsRefused(t *testing.T) {
	t.Parallel()
	e, asked := remembering(t, says(nil, greeting...))
	if w := do(t, e, keyed(t, key, strings.Repeat("k", 256), hello)); w.Code != 400 || asked.Load() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// With a key, a client that hangs up means to come back: the answer goes on.
func TestAHangUpDoesNotEndAnAnswerWithAKey(t *testing.T) {
	t.Parallel()
	leaving, leave := context.WithCancel(t.Context())
	e, asked := remembering(t, func(ctx context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
		for i, event := range greeting {
			if i == 2 {
				leave()
			}
			if ctx.Err() != nil || !yield(event, nil) {
				t.Error("the answer was ended")
				return
			}
		}
	})
	e.ServeHTTP(httptest.NewRecorder(), keyed(t, key, "k", helloStream).WithContext(leaving))
	w := do(t, e, keyed(t, key, "k", helloStream))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "[DONE]") || !strings.Contains(w.Body.String(), `"lo"`) || asked.Load() != 1 {
		t.Errorf("%d %s after %d requests", w.Code, w.Body, asked.Load())
	}
}

// unread is a writer whose client does not read until it is let.
type unread struct {
	*httptest.ResponseRecorder
	once  sync.Once
	begun chan bool
	read  chan bool
}

func (s *unread) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.begun); <-s.read })
	return s.ResponseRecorder.Write(p)
}

// Who follows an answer and can't keep up with it gets an error, and no [DONE].
func TestAFollowerThatFallsBehindIsTold(t *testing.T) {
	t.Parallel()
	begun, on := make(chan bool), make(chan bool)
	begin := sync.OnceFunc(func() { close(begun) })
	e, _ := remembering(t, func(_ context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
		yield(chat.Event{Text: "first"}, nil)
		begin()
		<-on
		for range 40 {
			yield(chat.Event{Text: strings.Repeat("x", 100_000)}, nil)
		}
		yield(chat.Event{Finish: chat.Stop}, nil)
	})
	var done sync.WaitGroup
	first := httptest.NewRecorder()
	done.Go(func() { e.ServeHTTP(first, keyed(t, key, "k", helloStream)) })
	<-begun
	follower := &unread{ResponseRecorder: httptest.NewRecorder(), begun: make(chan bool), read: make(chan bool)}
	followed := make(chan bool)
	go func() {
		e.ServeHTTP(follower, keyed(t, key, "k", helloStream))
		close(followed)
	}()
	<-follower.begun
	close(on)
	done.Wait()
	close(follower.read)
	<-followed
	if !strings.Contains(first.Body.String(), "[DONE]") {
		t.Error("the first answer has no end")
	}
	got := follower.Body.String()
	if !strings.Contains(got, `{"error":{"message":`) || strings.Contains(got, "[DONE]") || !strings.HasSuffix(got, "}}\n\n") {
		t.Errorf("%d bytes that end in %q", len(got), got[max(len(got)-200, 0):])
	}
	late := do(t, e, keyed(t, key, "k", helloStream)) // by now it is answered anew
	if late.Code != 200 || late.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("%d %v", late.Code, late.Header())
	}
}

// hesitant is a store that takes its time to hear of an end.
type hesitant struct {
	*lonely
	finish chan bool
}

func (h hesitant) Finish(ctx context.Context, key idempotency.Hash, owner string, answer *idempotency.Answer) error {
	<-h.finish
	return h.lonely.Finish(ctx, key, owner, answer)
}

// The client has the whole answer, and its end, before the store has heard of it.
func TestTheStoreDoesNotDelayTheEnd(t *testing.T) {
	t.Parallel()
	store := hesitant{newLonely(), make(chan bool)}
	answers := idempotency.New(store, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(newEdge(t, says(nil, greeting...), func(deps *httpapi.Deps) { deps.Answers = answers }))
	t.Cleanup(server.Close)
	for _, body := range []string{hello, helloStream} {
		r := keyed(t, key, "k"+body, body)
		r.RequestURI = ""
		r.URL.Scheme, r.URL.Host = "http", server.Listener.Addr().String()
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, answer); !strings.Contains(got, "Hel") {
			t.Errorf("%s", got)
		}
	}
	close(store.finish)
	answers.Wait()
	if len(store.answers) != 2 {
		t.Errorf("%d answers are remembered", len(store.answers))
	}
}

// When the gateway ends, so do the requests with a key, also those whose client has left;
// who is still there is told that it was the gateway.
func TestAShutdownEndsRequestsWithAKey(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, idempotencyKey string
		hangsUp              bool
	}{{"with a key", "k", false}, {"with a key and no client", "k", true}, {"without", "", false}} {
		serving, shutDown := context.WithCancelCause(context.Background())
		begun := make(chan bool)
		e, _ := remembering(t, func(ctx context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
			yield(chat.Event{Text: "half"}, nil)
			close(begun)
			<-ctx.Done()
			yield(chat.Event{}, chat.AsError(context.Cause(ctx)))
		})
		client, hangUp := context.WithCancel(httpapi.Serving(serving))
		w, done := httptest.NewRecorder(), make(chan bool)
		r := keyed(t, key, test.idempotencyKey, helloStream).WithContext(client)
		go func() {
			e.ServeHTTP(w, r)
			close(done)
		}()
		<-begun
		if test.hangsUp {
			hangUp()
		}
		shutDown(chat.Errorf(chat.ShuttingDown, "shutting down"))
		<-done
		hangUp()
		got := w.Body.String()
		if told := strings.Contains(got, `"type":"server_error"`) && strings.Contains(got, "shutting_down"); told == test.hangsUp {
			t.Errorf("%s: %s", test.name, got)
		}
		if strings.Contains(got, "[DONE]") {
			t.Errorf("%s: it ends as if it were whole: %s", test.name, got)
		}
		if gone := e.counted(t)["carousel_gateway_client_gone_total"]; gone != 0 {
			t.Errorf("%s: %v clients are gone", test.name, gone)
		}
	}
}

// A repetition gets the answer under the upstream's own name for it, and another name of
// this gateway's.
func TestAReplayHasTheUpstreamsID(t *testing.T) {
	t.Parallel()
	begin := chat.Event{Begin: &chat.Beginning{Header: map[string][]string{"Request-Id": {"req_own"}}}}
	for name, c := range map[string]struct {
		events []chat.Event
		want   string // empty: this gateway's
	}{
		"named by the upstream": {append([]chat.Event{begin}, greeting...), "req_own"},
		"not named":             {greeting, ""},
	} {
		for _, body := range []string{message, messageStream} {
			e := newEdge(t, says(nil, c.events...), func(d *httpapi.Deps) {
				d.Dialects = []dialect.Dialect{openai.API{}, anthropic.API{}}
				d.Answers = idempotency.New(newLonely(), slog.New(slog.DiscardHandler))
			})
			r := request(t, http.MethodPost, "/v1/messages", key, body)
			r.Header.Set("Idempotency-Key", "k")
			do(t, e, r.Clone(t.Context()))
			r = request(t, http.MethodPost, "/v1/messages", key, body)
			r.Header.Set("Idempotency-Key", "k")
			w := do(t, e, r)
			want := cmp.Or(c.want, w.Header().Get("X-Request-Id"))
			if w.Header().Get("Idempotent-Replayed") != "true" || w.Header().Get("Request-Id") != want || len(w.Header().Get("X-Request-Id")) != 32 {
				t.Errorf("%s: %v", name, w.Header())
			}
		}
	}
}

// The query is part of what is asked.
func TestTheSameKeyWithAnotherQuery(t *testing.T) {
	t.Parallel()
	begun, end := make(chan bool), make(chan bool)
	e, _ := remembering(t, func(_ context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
		close(begun)
		<-end
		for _, event := range greeting {
			yield(event, nil)
		}
	})
	done := make(chan bool)
	go func() {
		e.ServeHTTP(httptest.NewRecorder(), keyed(t, key, "k", hello))
		close(done)
	}()
	<-begun
	r := keyed(t, key, "k", hello)
	r.URL.RawQuery = "beta=true"
	if w := do(t, e, r); w.Code != http.StatusConflict {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	close(end)
	<-done
}
