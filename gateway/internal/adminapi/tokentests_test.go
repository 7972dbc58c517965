package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/tokentest"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// testDesk tests tokens of which all answer but t1, which is disabled.
func testDesk() *tokentest.Desk {
	return tokentest.New(tokentest.Params{
		Chat: func(_ context.Context, _ *chat.Request, from caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error] {
			return func(yield func(chat.Event, error) bool) {
				if choice.TokenID == "t1" || from.Kind != caller.Admin {
					yield(chat.Event{}, chat.Errorf(chat.NoTokens, "it is disabled"))
					return
				}
				yield(chat.Event{Usage: &chat.Usage{Prompt: 10, Completion: 2, Source: chat.UsageReported}}, nil)
			}
		},
		Models: func(string) []string { return []string{"gpt-4o"} }, Prices: &pricing.Table{}, LookPause: 1,
	})
}

// byIDs is a pool that lists the tokens that are asked for by their ids, too.
type byIDs struct{ *pool }

func (p byIDs) ListTokens(ctx context.Context, r *tokenstorev1.ListTokensRequest, _ ...grpc.CallOption) (*tokenstorev1.ListTokensResponse, error) {
	if len(r.GetIds()) == 0 {
		return p.pool.ListTokens(ctx, r)
	}
	return &tokenstorev1.ListTokensResponse{Tokens: p.tokens}, nil
}

func TestTokensAreTested(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		status int
		says   []string
		// audited is what the audit log says of how many there were and work.
		audited string
	}{
		"by ids": {`{"ids":["t2","t1"]}`, 200, []string{
			`"requests":2,"estimated_usd":"0.00`, `"unpriced_requests":0`, `{"token_id":"t1","upstream":"cursor","model":"gpt-4o","works":false,"class":"rests","message":"it is disabled","advice":"It serves nothing now.`,
			`{"token_id":"t2","upstream":"cursor","model":"gpt-4o","works":true,"class":null,"message":null,"advice":null,"request_id":"`, `"prompt_tokens":10,"completion_tokens":2,"cost_usd":"0.000045"`,
		}, "2 1"},
		"by a filter":           {`{"filter":{"upstream":"cursor"},"count":3}`, 200, []string{`"requests":3`}, "3 2"},
		"without a price":       {`{"ids":["t2"],"model":"unheard-of"}`, 200, []string{`"estimated_usd":null,"at_most_usd":null,"unpriced_requests":1`, `"cost_usd":null`}, "1 1"},
		"what it would cost":    {`{"ids":["t2"],"dry_run":true}`, 200, []string{`"upstreams":[{"upstream":"cursor","model":"gpt-4o","requests":1,"estimated_usd":"0.0002","at_most_usd":"0.01004"}]`, `"results":null`}, ""},
		"more than were shown":  {`{"filter":{"upstream":"cursor"},"count":2}`, 409, []string{"3 tokens by now"}, ""},
		"one that is not there": {`{"ids":["t2","gone"]}`, 400, []string{`there is no token \"gone\"; no request was sent`}, ""},
		"none":                  {`{}`, 400, []string{"the ids of 1 to 200 tokens wanted"}, ""},
		"a member that is none": {`{"ids":["t2"],"models":[]}`, 400, []string{"models"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPool(3)
			w := sendTo(t, p.store, byIDs{p}, "POST", "/admin/api/tokens/test", key, c.body)
			if w.Code != c.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			for _, said := range c.says {
				if !strings.Contains(w.Body.String(), said) {
					t.Errorf("%s is not said: %s", said, w.Body)
				}
			}
			audited := ""
			for _, entry := range p.kept {
				audited += entry.GetDetails()["count"] + " " + entry.GetDetails()["works"]
			}
			if audited != c.audited {
				t.Errorf("audited %q", audited)
			}
		})
	}
}

// Results are streamed as lines of JSON, and all of them are one entry of the audit log.
func TestResultsOfTestsAreStreamed(t *testing.T) {
	t.Parallel()
	p := newPool(3)
	w := sendTo(t, p.store, byIDs{p}, "POST", "/admin/api/tokens/test", key, `{"ids":["t0","t1","t2"],"stream":true}`)
	works := map[string]bool{}
	for line := range strings.Lines(w.Body.String()) {
		var result struct {
			TokenID string `json:"token_id"`
			Works   bool   `json:"works"`
		}
		if err := json.Unmarshal([]byte(line), &result); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		works[result.TokenID] = result.Works
	}
	if want := map[string]bool{"t0": true, "t1": false, "t2": true}; !maps.Equal(works, want) || w.Header().Get("Content-Type") != "application/x-ndjson" || !w.Flushed {
		t.Errorf("%s: %s", w.Header().Get("Content-Type"), w.Body)
	}
	if len(p.kept) != 1 || p.kept[0].GetDetails()["count"] != "3" || p.kept[0].GetDetails()["works"] != "2" {
		t.Errorf("audited %v", p.kept)
	}
}

// Who hangs up ends the tests. All that have had their turn are in the audit log, also those whose
// results could not be sent.
func TestStreamedTestsOfAClientThatHangsUp(t *testing.T) {
	t.Parallel()
	const many, atOnce = 30, 8
	for _, sent := range []int{0, 2} {
		t.Run(fmt.Sprintf("after %d results", sent), func(t *testing.T) {
			t.Parallel()
			p := newPool(many)
			var asked atomic.Int32
			full := make(chan struct{})
			p.tests = tokentest.New(tokentest.Params{
				Chat: func(ctx context.Context, _ *chat.Request, _ caller.Caller, _ lease.Choice) iter.Seq2[chat.Event, error] {
					return func(yield func(chat.Event, error) bool) {
						n := int(asked.Add(1))
						if n == atOnce {
							close(full)
						}
						if n > sent+1 { // the one more is what can't be sent
							<-ctx.Done()
							yield(chat.Event{}, ctx.Err())
							return
						}
						<-full
					}
				},
				Models: func(string) []string { return []string{"gpt-4o"} }, Prices: &pricing.Table{}, LookPause: 1,
			})
			w := &hungUp{httptest.NewRecorder(), sent}
			sendFrom(t.Context(), t, w, p.store, byIDs{p}, "POST", "/admin/api/tokens/test", key, `{"filter":{"upstream":"cursor"},"stream":true}`)
			if len(p.kept) != 1 || p.kept[0].GetDetails()["count"] != fmt.Sprint(asked.Load()) || p.kept[0].GetDetails()["works"] != fmt.Sprint(sent+1) {
				t.Errorf("%d had their turn, %d work; audited %v", asked.Load(), sent+1, p.kept)
			}
			if asked.Load() == many || strings.Count(w.Body.String(), "\n") != sent {
				t.Errorf("%d had their turn, sent %s", asked.Load(), w.Body)
			}
		})
	}
}

// hungUp takes so many writes, and no more.
type hungUp struct {
	*httptest.ResponseRecorder
	takes int
}

func (w *hungUp) Write(p []byte) (int, error) {
	if w.takes--; w.takes < 0 {
		return 0, syscall.EPIPE
	}
	return w.ResponseRecorder.Write(p)
}

// A refusal is an error object, also where lines are wanted.
func TestTestsThatAreRefusedAreNotStreamed(t *testing.T) {
	t.Parallel()
	p := newPool(3)
	w := sendTo(t, p.store, byIDs{p}, "POST", "/admin/api/tokens/test", key, `{"ids":["gone"],"stream":true}`)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "no request was sent") || len(p.kept) > 0 {
		t.Errorf("%d %s; audited %v", w.Code, w.Body, p.kept)
	}
}
