package keys_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// leaseTTL is what the tests give the tokenstores, so that they need not wait for long. A gateway
// that the machine keeps from its work for so long has lost what it had set aside.
const leaseTTL = 10 * time.Second

// What a gateway that is killed has set aside is free again within the time of its leases.
func TestAGatewayDies(t *testing.T) {
	f := start(t, stack.Options{TokenstoreEnv: []string{"LEASE_TTL=" + leaseTTL.String()}})
	const limit = 10
	for name, more := range map[string]map[string]any{
		"parallel requests": {"limits": map[string]any{"parallel": limit}},
		"requests in all":   {"budgets": []map[string]any{{"unit": "requests", "amount": "10", "period": "total"}}},
	} {
		k := f.create(t, more)
		victim := f.StartGateway()
		f.WaitReady(victim.Ops)
		var asking sync.WaitGroup
		before := f.Sim.Ledger().Held
		for range limit {
			asking.Go(func() { f.ask(t.Context(), victim.URL, k.Secret, body("openai/sim-hold", 10)) })
		}
		stack.Eventually(t, name+": the victim has all", 10*time.Second, func() bool { return f.Sim.Ledger().Held >= before+limit })
		if got := f.ask(t.Context(), f.address(), k.Secret, body(model, 10)); got.status != http.StatusTooManyRequests {
			t.Errorf("%s: while it has all of it: %s", name, outcome(got))
		}
		victim.Kill()
		died := time.Now()
		asking.Wait()
		stack.Eventually(t, name+": another gateway serves the key", leaseTTL+3*time.Second, func() bool {
			return f.ask(t.Context(), f.address(), k.Secret, body(model, 10)).status == http.StatusOK
		})
		t.Logf("%s: free again after %s", name, time.Since(died))
		f.Sim.Release()
	}
}

// While the tokenstores are away a gateway serves a key from the allowance that it has in hand;
// then it says that it can't check the key's limits. What was used meanwhile is told afterwards.
func TestTheStoreIsAway(t *testing.T) {
	f := start(t, stack.Options{TokenstoreEnv: []string{"LEASE_TTL=" + (2 * leaseTTL).String()}})
	k := f.create(t, map[string]any{"budgets": []map[string]any{{"unit": "requests", "amount": "1000000", "period": "total"}}})
	gateway := f.Gateways[0]
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		counts = map[string]int{}
		away   bool
		after  = map[string]int{}
	)
	stop := make(chan struct{})
	for range 32 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := outcome(f.ask(t.Context(), gateway.URL, k.Secret, body(model, 10)))
				mu.Lock()
				counts[got]++
				if away {
					after[got]++
				}
				mu.Unlock()
			}
		})
	}
	tally := func(of map[string]int, what string) int {
		mu.Lock()
		defer mu.Unlock()
		return of[what]
	}
	const refused = "503 store_unavailable"
	stack.Eventually(t, "there is load", 20*time.Second, func() bool { return tally(counts, served) > 1000 })
	for _, tokenstore := range f.Tokenstores {
		tokenstore.Freeze()
	}
	mu.Lock()
	away = true
	mu.Unlock()
	stack.Eventually(t, "the allowance is used up", 20*time.Second, func() bool { return tally(after, refused) > 100 })
	for _, tokenstore := range f.Tokenstores {
		tokenstore.Thaw()
	}
	begin := tally(counts, served)
	stack.Eventually(t, "the key is served again", 20*time.Second, func() bool { return tally(counts, served) > begin+100 })
	close(stop)
	asking.Wait()
	if after[served] == 0 {
		t.Error("nothing was served from the allowance")
	}
	t.Logf("%v; from when the stores were away: %v", counts, after)
	for each := range counts {
		if each != served && each != refused {
			t.Errorf("another answer: %s", each)
		}
	}
	stack.Eventually(t, "what was used is told", 10*time.Second, func() bool {
		now := f.at(t, gateway, k.ID)
		return now.Left[0].Reserved == "0" && now.Left[0].Used == strconv.Itoa(counts[served])
	})
}
