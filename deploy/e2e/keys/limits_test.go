package keys_test

import (
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// crowd is how many requests come at once.
const crowd = 1000

const (
	limited = "429 rate_limit_exceeded"
	spent   = "429 insufficient_quota"
)

// All of these share a stack: three gateways, two tokenstores.
//
// Of limits: a thousand requests come at once, and then one after the other. A limit is never
// exceeded, and when a request is refused in the end there is no room for it.
func TestKeysOverReplicas(t *testing.T) {
	f := start(t, stack.Options{})
	t.Run("budget of dollars", f.budget)
	t.Run("requests a minute", f.requestsAMinute)
	t.Run("tokens a minute", f.tokensAMinute)
	t.Run("parallel requests", f.parallel)
	t.Run("budget under load", f.load)
	t.Run("changes of a key", f.changes)
	t.Run("what official clients see", f.refusals)
}

// most is how many tokens of an answer a request reserves: twice what it gets.
func (f *fleet) most() int { return 2 * f.answer }

func (f *fleet) budget(t *testing.T) {
	k := f.create(t, map[string]any{"budgets": []map[string]any{{"unit": "usd", "amount": "1.00", "period": "total"}}})
	reserved := uint64(f.most()) * f.price
	counts := f.burst(t, crowd, k.Secret, body(model, f.most()))
	// Each of those that were let in had set aside no more than that.
	if least := int(dollar / reserved); counts[served] < least {
		t.Errorf("%d were served, there was room for %d at once", counts[served], least)
	}
	all := counts[served]
	only(t, counts, served, spent, limited)
	used := pico(t, f.settled(t, k, 10*time.Second))
	for used+reserved <= dollar { // there is room for one more
		if got := f.ask(t.Context(), f.address(), k.Secret, body(model, f.most())); got.status != http.StatusOK {
			t.Fatalf("%s is refused while %d of %d are left: %s", outcome(got), dollar-used, reserved, got.text)
		}
		all++
		used += uint64(f.answer) * f.price
	}
	if used = pico(t, f.settled(t, k, 10*time.Second)); used > dollar || used != uint64(all*f.answer)*f.price {
		t.Errorf("%d pico-dollars are used by %d answers", used, all)
	}
	if got := f.ask(t.Context(), f.address(), k.Secret, body(model, f.most())); outcome(got) != spent {
		t.Errorf("beyond the budget: %s %s", outcome(got), got.text)
	}
	t.Logf("%d requests for $1.00, %d pico-dollars left", all, dollar-used)
}

func (f *fleet) requestsAMinute(t *testing.T) {
	const limit = 500
	k := f.create(t, map[string]any{"limits": map[string]any{"requests_per_minute": limit}})
	counts := f.burst(t, crowd, k.Secret, body(model, f.most()))
	if counts[served] > limit || counts[served] < limit-1 {
		t.Errorf("%d were served, %d may be", counts[served], limit)
	}
	only(t, counts, served, limited)
	refused := f.ask(t.Context(), f.address(), k.Secret, body(model, f.most()))
	wait, err := strconv.Atoi(refused.header.Get("Retry-After"))
	if outcome(refused) != limited || err != nil || wait < 1 || wait > 60 {
		t.Errorf("%s, Retry-After %q", outcome(refused), refused.header.Get("Retry-After"))
	}
}

func (f *fleet) tokensAMinute(t *testing.T) {
	each := f.answer + f.prompt
	limit := 400 * each
	k := f.create(t, map[string]any{"limits": map[string]any{"tokens_per_minute": limit}})
	counts := f.burst(t, crowd, k.Secret, body(model, f.most()))
	all := counts[served]
	only(t, counts, served, limited)
	f.settled(t, k, 10*time.Second)
	for all*each <= limit {
		got := f.ask(t.Context(), f.address(), k.Secret, body(model, f.most()))
		if got.status != http.StatusOK {
			if left := limit - all*each; left > 4*each {
				t.Errorf("%s while %d tokens are left", outcome(got), left)
			}
			break
		}
		all++
	}
	if all*each > limit {
		t.Errorf("%d tokens in a minute, %d may be", all*each, limit)
	}
	t.Logf("%d of %d tokens", all*each, limit)
}

func (f *fleet) parallel(t *testing.T) {
	const limit = 50
	f.slowed(t, 100*time.Millisecond)
	f.Sim.Reset()
	k := f.create(t, map[string]any{"limits": map[string]any{"parallel": limit}})
	counts := f.burst(t, crowd, k.Secret, body(model, f.most()))
	if counts[served] < limit {
		t.Errorf("%d were served, %d fit in at once", counts[served], limit)
	}
	only(t, counts, served, limited)
	if most := f.Sim.Ledger().Models[model].MaxInFlight; most > limit {
		t.Errorf("%d at once, %d may be", most, limit)
	}
	f.settled(t, k, 10*time.Second)
	if again := f.burst(t, limit, k.Secret, body(model, f.most())); again[served] != limit {
		t.Errorf("there is room for %d: %v", limit, again)
	}
}

// budgetUnderLoad is how many dollars the load test spends. More of them take longer, and are asked
// for faster: the first second goes by before gateways hold anything ahead.
var budgetUnderLoad = flag.Uint64("budget", 4, "US dollars that the load test spends")

// load has clients ask without a pause, so that gateways hold allowances and leases ahead, until
// the budget is spent or time is up.
func (f *fleet) load(t *testing.T) {
	const clients, long = 64, 20 * time.Second
	all := *budgetUnderLoad * dollar
	k := f.create(t, map[string]any{"budgets": []map[string]any{{"unit": "usd", "amount": fmt.Sprintf("%d.00", *budgetUnderLoad), "period": "day"}}})
	var (
		asking                    sync.WaitGroup
		answered, refused, others atomic.Int64
	)
	began := time.Now()
	for range clients {
		asking.Go(func() {
			c, err := dial(f.address(), k.Secret, body(model, f.most()))
			if err != nil {
				others.Add(1)
				t.Log(err)
				return
			}
			defer c.Close()
			for time.Since(began) < long {
				switch got := c.ask(); outcome(got) {
				case served:
					answered.Add(1)
				case limited:
					refused.Add(1)
				case spent:
					refused.Add(1)
					return
				default:
					others.Add(1)
					t.Logf("%s: %s", outcome(got), got.text)
					return
				}
			}
		})
	}
	asking.Wait()
	if others.Load() > 0 {
		t.Errorf("%d clients gave up", others.Load())
	}
	took := time.Since(began)
	used := pico(t, f.settled(t, k, 10*time.Second))
	t.Logf("%d served in %s, %.0f/s; %d refused, %d pico-dollars left", answered.Load(), took, float64(answered.Load())/took.Seconds(), refused.Load(), all-used)
	if used > all || used != uint64(answered.Load()*int64(f.answer))*f.price {
		t.Errorf("%d pico-dollars are used by %d answers", used, answered.Load())
	}
	// The refused may have met what others had set aside; what these have not used is there now.
	reserved := uint64(f.most()) * f.price
	for ; refused.Load() > 0 && used+reserved <= all; used += uint64(f.answer) * f.price {
		if got := f.ask(t.Context(), f.address(), k.Secret, body(model, f.most())); got.status != http.StatusOK {
			t.Fatalf("%s is refused while %d of %d are left: %s", outcome(got), all-used, reserved, got.text)
		}
	}
}
