package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/idempotency"
)

// lonely is the store of a gateway without others: it forgets.
type lonely struct {
	answers map[idempotency.Hash]*idempotency.Answer
}

func (l lonely) Claim(_ context.Context, key, _ idempotency.Hash, _ string) (idempotency.State, *idempotency.Answer, error) {
	if known := l.answers[key]; known != nil {
		return idempotency.Answered, known, nil
	}
	return idempotency.Owned, nil, nil
}

func (l lonely) Finish(_ context.Context, key idempotency.Hash, _ string, answer *idempotency.Answer) error {
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
		deps.Answers = idempotency.New(lonely{map[idempotency.Hash]*idempotency.Answer{}}, slog.New(slog.DiscardHandler))
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
