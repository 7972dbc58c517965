package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/idempotency"
)

// silent says nothing for a time, and then what answers says.
func silent(silence time.Duration, answers relay) relay {
	return func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
		time.Sleep(silence)
		answers(ctx, req, yield)
	}
}

// A stream's client hears of it also while nothing has come yet. What fails after that is
// an error event; what fails before, an ordinary error.
func TestSilenceBeforeTheFirstEvent(t *testing.T) {
	t.Parallel()
	busy := chat.Errorf(chat.NoTokenAvailable, "all are busy")
	first := greeting[0]
	first.Begin = &chat.Beginning{FallbackModel: "small"}
	for _, test := range []struct {
		name    string
		relay   relay
		status  int
		beats   int
		want    string
		failed  bool
		withKey bool
	}{
		{"an answer", silent(40*time.Second, says(nil, greeting...)), 200, 2, "[DONE]", false, false},
		{"an answer, with a key", silent(40*time.Second, says(nil, greeting...)), 200, 2, "[DONE]", false, true},
		{"of a fallback", silent(40*time.Second, says(nil, append([]chat.Event{first}, greeting[1:]...)...)), 200, 2, "[DONE]", false, false},
		{"a failure", silent(40*time.Second, says(busy)), 200, 2, `"code":"no_token_available"`, true, false},
		{"a failure, with a key", silent(40*time.Second, says(busy)), 200, 2, `"code":"no_token_available"`, true, true},
		{"nothing", silent(40*time.Second, says(nil)), 200, 2, `"error":{`, true, false},
		{"a failure in time", silent(14*time.Second, says(busy)), 429, 0, `"code":"no_token_available"`, true, false},
		{"a failure in time, with a key", silent(14*time.Second, says(busy)), 429, 0, `"code":"no_token_available"`, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answers := idempotency.New(newLonely(), slog.New(slog.DiscardHandler))
				e := newEdge(t, test.relay, func(deps *httpapi.Deps) { deps.Answers = answers })
				r := keyed(t, key, "k", helloStream)
				if !test.withKey {
					r.Header.Del("Idempotency-Key")
				}
				w := do(t, e, r)
				answers.Wait()
				body := w.Body.String()
				if w.Code != test.status || strings.Count(body, ": still here\n") != test.beats || !strings.Contains(body, test.want) {
					t.Errorf("%d %q", w.Code, body)
				}
				if test.failed == strings.Contains(body, "[DONE]") {
					t.Errorf("failed: %t, %q", test.failed, body)
				}
			})
		})
	}
}

// elsewhere is a store by which another gateway is at the answer, for a minute.
type elsewhere struct {
	*lonely
	until time.Time
	then  *idempotency.Answer
}

func (e elsewhere) Claim(ctx context.Context, key, request idempotency.Hash, owner string) (idempotency.State, *idempotency.Answer, error) {
	switch {
	case time.Now().Before(e.until):
		return idempotency.Running, nil, nil
	case e.then != nil:
		return idempotency.Answered, e.then, nil
	default: // the other gateway has failed
		return e.lonely.Claim(ctx, key, request, owner)
	}
}

// The same while another gateway is at the answer to the request's key.
func TestSilenceOfAnotherGateway(t *testing.T) {
	t.Parallel()
	whole := &idempotency.Answer{
		Header: map[string]string{"Content-Type": "text/event-stream"}, Body: []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":` +
			`[{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}]}` + "\n\n" +
			`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":` +
			`[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"),
	}
	for _, test := range []struct {
		name  string
		then  *idempotency.Answer
		relay relay
		want  string
	}{
		{"its answer", whole, nil, "data: [DONE]"},
		{"our answer", nil, says(nil, greeting...), "data: [DONE]"},
		{"our failure", nil, says(chat.Errorf(chat.RateLimited, "slow down")), "slow down"},
	} {
		synctest.Test(t, func(t *testing.T) {
			answers := idempotency.New(elsewhere{newLonely(), time.Now().Add(time.Minute), test.then}, slog.New(slog.DiscardHandler))
			e := newEdge(t, test.relay, func(deps *httpapi.Deps) { deps.Answers = answers })
			w := do(t, e, keyed(t, key, "k", helloStream))
			answers.Wait()
			body := w.Body.String()
			if w.Code != http.StatusOK || strings.Count(body, ": still here\n") < 3 || !strings.Contains(body, test.want) {
				t.Errorf("%s: %d %q", test.name, w.Code, body)
			}
			if strings.Contains(body, "slow down") && strings.Contains(body, "[DONE]") {
				t.Errorf("%s: %q", test.name, body)
			}
		})
	}
}
