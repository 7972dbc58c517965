package e2e_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// chats sends n requests over the gateways, from that many clients, and answers
// how many failed.
func chats(t *testing.T, gateways []*stack.Gateway, model string, n, clients int) (failed int64) {
	t.Helper()
	var next, failures atomic.Int64
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			gateway := gateways[client%len(gateways)]
			sdk := gateway.SDK(option.WithRequestTimeout(time.Minute))
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				want := fmt.Sprintf("request %d", i)
				answer, err := sdk.Chat.Completions.New(t.Context(), ask(model, want))
				if err != nil || answer.Choices[0].Message.Content != want {
					failures.Add(1)
					t.Errorf("request %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	return failures.Load()
}

func TestEqualTokensGetEqualShares(t *testing.T) {
	for name, c := range map[string]struct {
		requests, clients int
		delay             time.Duration // of each answer
		cap               int           // far from reached; 0: none
	}{
		"at load":                      {requests: 3000, clients: 24},
		"at load, of tokens with caps": {requests: 3000, clients: 24, cap: 1000},
		"at the rates of people":       {requests: 2000, clients: 24, delay: 60 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := stack.Start(t, stack.Options{Gateways: 3})
			tokens := s.AddTokens("openai", "o", 10, c.cap)
			if failed := chats(t, s.Gateways, "gpt-test", 60, 3); failed > 0 { // none is new any more
				t.Fatalf("%d requests failed", failed)
			}
			s.Sim.Reset()
			if err := s.Sim.SetRule(upstreamsim.Rule{Delay: c.delay}); err != nil {
				t.Fatal(err)
			}
			if failed := chats(t, s.Gateways, "gpt-test", c.requests, c.clients); failed > 0 {
				t.Fatalf("%d requests failed", failed)
			}
			ledger := s.Sim.Ledger()
			for _, token := range tokens {
				got := ledger.Tokens[upstreamsim.Fingerprint(token.Secret)].Requests
				t.Logf("%s: %d", token.Alias, got)
				if share := int64(c.requests / 10); got < share-3 || got > share+3 {
					t.Errorf("%s got %d of %d requests, not %d ± 3", token.Alias, got, c.requests, share)
				}
			}
		})
	}
}

func TestCapsHoldAndNobodyWaitsForNothing(t *testing.T) {
	s := stack.Start(t, stack.Options{Gateways: 3})
	tokens := s.AddTokens("openai", "o", 3, 1)
	s.Sim.Reset()
	if err := s.Sim.SetRule(upstreamsim.Rule{Delay: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	const requests = 300
	began := time.Now()
	if failed := chats(t, s.Gateways, "gpt-test", requests, 30); failed > 0 {
		t.Fatalf("%d requests failed", failed)
	}
	took := time.Since(began)
	ledger := s.Sim.Ledger()
	for _, token := range tokens {
		counts := ledger.Tokens[upstreamsim.Fingerprint(token.Secret)]
		t.Logf("%s: %d requests, at most %d at once", token.Alias, counts.Requests, counts.MaxInFlight)
		if counts.MaxInFlight != 1 {
			t.Errorf("%s had %d requests at once", token.Alias, counts.MaxInFlight)
		}
		// A third each, but for the others' while one request takes long.
		if counts.Requests < requests/6 || counts.Requests > requests/2 {
			t.Errorf("%s got %d of %d requests", token.Alias, counts.Requests, requests)
		}
	}
	// 300 requests of 20 ms on 3 tokens take 2 s if no token is ever idle.
	t.Logf("%s for 2 s of work a token", took)
}

// What a gateway under load holds ahead of a cap keeps no other gateway's requests out: together
// they use all slots that there are, and no more.
func TestSlotsHeldAheadAreThereForOthers(t *testing.T) {
	s := stack.Start(t, stack.Options{Gateways: 2})
	const tokens, slots = 2, 8
	added := s.AddTokens("openai", "o", tokens, slots)
	if failed := chats(t, s.Gateways, "gpt-test", 20, 1); failed > 0 { // none is new any more
		t.Fatalf("%d requests failed", failed)
	}
	s.Sim.Reset()
	if err := s.Sim.SetRule(upstreamsim.Rule{Delay: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	const each, few = 1500, 4
	running.Go(func() { chats(t, s.Gateways[:1], "gpt-test", each, few) })
	running.Go(func() { chats(t, s.Gateways[1:], "gpt-test", each, tokens*slots-few) })
	running.Wait()
	ledger, all := s.Sim.Ledger(), int64(0)
	for _, token := range added {
		counts := ledger.Tokens[upstreamsim.Fingerprint(token.Secret)]
		t.Logf("%s: %d requests, at most %d at once", token.Alias, counts.Requests, counts.MaxInFlight)
		all += counts.Requests
		if counts.MaxInFlight > slots {
			t.Errorf("%s had %d requests at once, its cap is %d", token.Alias, counts.MaxInFlight, slots)
		}
	}
	if all != 2*each {
		t.Errorf("the upstream had %d requests, not %d", all, 2*each)
	}
}

func TestDeletedTokenGetsNoRequestASecondLater(t *testing.T) {
	s := stack.Start(t, stack.Options{Gateways: 3})
	tokens := s.AddTokens("openai", "o", 4, 0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, gateway := range s.Gateways {
		for range 4 {
			wg.Go(func() {
				sdk := gateway.SDK()
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := sdk.Chat.Completions.New(t.Context(), ask("gpt-test", "x")); err != nil {
						t.Errorf("a request failed: %v", err)
						return
					}
				}
			})
		}
	}
	deleted := upstreamsim.Fingerprint(tokens[0].Secret)
	s.Eventually("the token is in use", 10*time.Second, func() bool { return s.Sim.Ledger().Tokens[deleted].Requests > 100 })
	s.Gateways[1].MustAdmin(t, http.StatusNoContent, http.MethodDelete, "/admin/api/tokens/"+tokens[0].ID, nil)
	<-time.After(time.Second) // what is promised, on a machine that lets a gateway hear of it in time
	before := s.Sim.Ledger()
	s.Eventually("it has none of 1000 requests", 30*time.Second, func() bool {
		now := s.Sim.Ledger()
		if now.Tokens[deleted].Requests != before.Tokens[deleted].Requests {
			before = now
		}
		return now.Total.Requests > before.Total.Requests+1000
	})
	close(stop)
	wg.Wait()
	if after := s.Sim.Ledger().Tokens[deleted].Requests; after != before.Tokens[deleted].Requests {
		t.Errorf("it got %d requests later on", after-before.Tokens[deleted].Requests)
	}
}

// One bad token fails no request while a good one exists.
func TestBadTokenFailsNoRequest(t *testing.T) {
	s := stack.Start(t, stack.Options{Gateways: 2})
	tokens := s.AddTokens("cursor", "c", 4, 0)
	if err := s.Sim.SetRule(upstreamsim.Rule{Token: upstreamsim.Fingerprint(tokens[2].Secret), Scenario: "error-2"}); err != nil {
		t.Fatal(err)
	}
	if failed := chats(t, s.Gateways, "gpt-4o", 200, 8); failed > 0 {
		t.Errorf("%d of 200 requests failed", failed)
	}
	for _, token := range s.Gateways[0].Tokens(t) {
		want := "ready"
		if token.ID == tokens[2].ID {
			want = "cooling"
		}
		if token.State != want {
			t.Errorf("%s is %s, want %s", token.Alias, token.State, want)
		}
	}
}
