package redisstore

import (
	"fmt"
	"testing"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/token"
)

// seen is what a failure has shown.
type seen struct {
	Shared, Tripped bool
	leasing.Pardoned
}

// fail ends a lease with a failure of the class, as the desk does, and returns what was
// seen of its cause. Where that is the token's own, it cools.
func (p *leasePool) fail(taken leasing.Taken, class, request string) seen {
	p.t.Helper()
	p.end(leasing.Failed, taken)
	settled, err := p.judge(p.t.Context(), taken.LeaseRef, leasing.Verdict{
		Class: class, Shareable: true, CoolFor: []time.Duration{20 * time.Minute},
		Evidence: leasing.Evidence{RequestID: request, AskedModel: someModel},
	})
	p.must(err)
	shown := seen{Shared: settled.Became == leasing.Blameless, Tripped: settled.Wronged}
	if settled.Wronged {
		pardoned, err := p.Pardon(p.t.Context(), somewhere, "guard")
		p.must(err)
		shown.Pardoned = *pardoned
	}
	return shown
}

// holdStep has the present step of a cause go on for longer than a test takes, and returns how long
// it was to last.
func (p *leasePool) holdStep(class string) time.Duration {
	p.t.Helper()
	var since, began, ends int64
	var failures, allow, left int
	about := class + " " + someModel
	state := p.client.HGet(p.t.Context(), causesKey(somewhere), about).Val()
	if _, err := fmt.Sscan(state, &since, &began, &ends, &failures, &allow, &left); err != nil {
		p.t.Fatal(state, err)
	}
	longer := time.Now().Add(50 * time.Second).UnixMilli() // one that lasts for a minute is of no clock
	p.must(p.client.HSet(p.t.Context(), causesKey(somewhere), about, fmt.Sprint(since, " ", began, " ", longer, " ", failures, " ", allow, " ", left)).Err())
	return time.Duration(ends-began) * time.Millisecond
}

func (p *leasePool) cooling() int {
	p.t.Helper()
	return int(p.client.ZCard(p.t.Context(), coolingKey(somewhere)).Val())
}

func guardedPool(p *leasePool, tokens int) {
	for i := range tokens {
		p.add(fmt.Sprint("t", i))
	}
}

// When tokens fail alike, none is blamed, also not those that were, before it was
// seen; few requests find out whether it is over, and a success ends it.
func TestTokensThatFailAlike(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		guardedPool(p, 20)
		p.set("t1", "phase", token.Quarantined, "streak", 0)
		flying := p.take(leasing.Wanted{Count: 20})
		for i := range 2 {
			if shown := p.fail(flying[i], "auth", fmt.Sprint("r", i)); shown.Shared {
				t.Fatalf("%d failures: %+v", i+1, shown)
			}
		}
		if p.cooling() != 2 {
			t.Fatalf("%d cool before anything was seen", p.cooling())
		}
		shown := p.fail(flying[2], "auth", "r2")
		if !shown.Tripped || !shown.News || len(shown.Tokens) != 3 || time.Since(shown.From).Abs() > time.Minute {
			t.Fatalf("the third: %+v", shown)
		}
		if p.cooling() != 0 || p.field("t0", "phase") != "" || p.field("t1", "phase") != token.Quarantined || p.field("t1", "cooling") != "" {
			t.Errorf("%d cool; t0 %q, t1 %q", p.cooling(), p.field("t0", "phase"), p.field("t1", "phase"))
		}
		for _, lease := range flying[3:] { // what was under way makes it no worse
			if shown := p.fail(lease, "auth", lease.LeaseID); !shown.Shared || shown.Tripped {
				t.Fatalf("%+v", shown)
			}
		}

		probe := p.atOnce(someModel)
		if len(probe) != 1 {
			t.Fatalf("%d requests find out whether it is over", len(probe))
		}
		if lasts := p.holdStep("auth"); lasts != 2*time.Second {
			t.Errorf("they have %v", lasts)
		}
		taken, shortage := p.ask(leasing.Wanted{})
		if len(taken) > 0 || shortage.Cause != "auth" || shortage.Soonest <= 0 || shortage.Soonest > 50*time.Second {
			t.Errorf("%v, %+v", taken, shortage)
		}
		if others := p.atOnce("other"); len(others) != 100 {
			t.Errorf("%d of another model", len(others))
		}
		if ahead, _ := p.ask(leasing.Wanted{Ahead: true}); len(ahead) > 0 {
			t.Error("leases are taken ahead")
		}
		explained, err := p.Explain(t.Context(), somewhere, someModel)
		p.must(err)
		if explained.Chosen != "" || explained.Cause != "auth" || explained.CauseUntil.IsZero() {
			t.Errorf("%+v", explained)
		}
		causes, err := p.causes(t.Context(), somewhere)
		p.must(err)
		if len(causes) != 1 || causes[0].GetClass() != "auth" || causes[0].GetModel() != someModel {
			t.Errorf("%v", causes)
		}

		p.end(leasing.Succeeded, flying[3]) // reported already: says nothing
		settled, err := p.Settle(t.Context(), []leasing.Settlement{{LeaseRef: probe[0].LeaseRef, Effect: leasing.Succeeded, Model: someModel}})
		if err != nil || !settled[0].Live {
			t.Fatal(settled, err)
		}
		if open := p.atOnce(someModel); len(open) != 100 || p.cooling() != 0 {
			t.Errorf("%d at once when it is over, %d cool", len(open), p.cooling())
		}
		// Whoever fails now, while others don't, is to blame.
		for range 4 {
			if shown := p.fail(p.take(leasing.Wanted{})[0], "auth", "another"); shown.Shared {
				t.Errorf("seen again at once: %+v", shown)
			}
		}
	})
}

// A probe that fails opens the breaker for longer, once for all that were let out
// together, and never for long.
func TestACauseThatLasts(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		guardedPool(p, 5)
		for i, lease := range p.take(leasing.Wanted{Count: 3}) {
			p.fail(lease, "upstream", fmt.Sprint(i))
		}
		about := "upstream " + someModel
		step := func() (failures, allow, left int, pause time.Duration) {
			t.Helper()
			var since, began, ends int64
			state := p.client.HGet(t.Context(), causesKey(somewhere), about).Val()
			if _, err := fmt.Sscan(state, &since, &began, &ends, &failures, &allow, &left); err != nil {
				t.Fatal(state, err)
			}
			return failures, allow, left, time.Duration(ends-began) * time.Millisecond
		}
		// due ends the present step, as time would.
		due := func(allow int) {
			failures, _, _, _ := step()
			p.must(p.client.HSet(t.Context(), causesKey(somewhere), about, fmt.Sprintf("1 1 1 %d %d 0", failures, allow)).Err())
		}
		for i, want := range []int64{250, 500, 1000, 2000, 4000, 5000, 5000} {
			due(1)
			probes := p.atOnce(someModel)
			if len(probes) != 2 {
				t.Fatalf("%d let out", len(probes))
			}
			for _, probe := range probes {
				p.fail(probe, "upstream", "r")
			}
			if failures, allow, left, pause := step(); failures != i+1 || allow != 0 || left != 0 || pause.Milliseconds() != want {
				t.Errorf("after %d: %d failures, %d let out, %d left, pause %v", i+1, failures, allow, left, pause)
			}
		}
		// Nobody has failed for a while, nobody has ended: ever more are let out.
		for _, want := range []int{1, 2, 4, 8, 16, 32, 64, 100} {
			due(want / 2)
			if want == 100 {
				due(64)
			}
			if let := p.atOnce(someModel); len(let) != want {
				t.Errorf("%d let out, want %d", len(let), want)
			}
		}
		if p.client.HExists(t.Context(), causesKey(somewhere), about).Val() {
			t.Error("not over")
		}
	})
}

// What served until just before they failed, and is told only now, says nothing against a cause.
func TestSuccessesOfBeforeTheFirstFailure(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		guardedPool(p, 10)
		leases := p.take(leasing.Wanted{Count: 10})
		p.fail(leases[0], "auth", "0")
		for _, lease := range leases[3:] {
			_, err := p.Settle(t.Context(), []leasing.Settlement{{LeaseRef: lease.LeaseRef, Effect: leasing.Succeeded, Model: someModel, Age: time.Minute}})
			p.must(err)
		}
		p.fail(leases[1], "auth", "1")
		if shown := p.fail(leases[2], "auth", "2"); !shown.Tripped || p.cooling() > 0 {
			t.Errorf("%+v, %d cool", shown, p.cooling())
		}
	})
}

// What a token was last counts: those that served after the first failure, and fail then, speak for
// a cause, also where a success of before is told after the failure.
func TestTokensThatServedAndFailThen(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		guardedPool(p, 10)
		before, last := p.take(leasing.Wanted{Count: 10}), p.take(leasing.Wanted{Count: 10})
		served := func(lease leasing.Taken) {
			_, err := p.Settle(t.Context(), []leasing.Settlement{{LeaseRef: lease.LeaseRef, Effect: leasing.Succeeded, Model: someModel}})
			p.must(err)
		}
		tripped := 0
		p.fail(last[0], "upstream", "0")
		for _, lease := range before[2:] {
			served(lease)
		}
		for i, lease := range last[1:] {
			if p.fail(lease, "upstream", lease.LeaseID).Tripped {
				tripped = i + 2
				break
			}
			if i == 0 {
				served(before[1]) // its token has failed meanwhile
			}
		}
		if tripped != 8 { // 8 fail, 2 serve
			t.Errorf("a cause is seen after %d failures", tripped)
		}
	})
}

// What does not look like a shared cause is each token's own.
func TestTokensThatFailByThemselves(t *testing.T) {
	t.Parallel()
	cases := map[string]func(p *leasePool, leases []leasing.Taken) (last seen){
		"one token, again and again": func(p *leasePool, leases []leasing.Taken) (last seen) {
			for i := range 9 {
				last = p.fail(leases[0], "auth", fmt.Sprint(i))
			}
			return last
		},
		"two tokens": func(p *leasePool, leases []leasing.Taken) (last seen) {
			for i := range 2 {
				last = p.fail(leases[i], "auth", fmt.Sprint(i))
			}
			return last
		},
		"three, each in its way": func(p *leasePool, leases []leasing.Taken) (last seen) {
			for i, class := range []string{"auth", "rate_limit", "upstream"} {
				last = p.fail(leases[i], class, fmt.Sprint(i))
			}
			return last
		},
		"all that one request has tried": func(p *leasePool, leases []leasing.Taken) (last seen) {
			for i := range 5 {
				last = p.fail(leases[i], "auth", "the same")
			}
			return last
		},
		"three, while two others serve": func(p *leasePool, leases []leasing.Taken) (last seen) {
			last = p.fail(leases[0], "auth", "0") // from here on it is looked at
			for i := range 2 {
				_, err := p.Settle(p.t.Context(), []leasing.Settlement{{LeaseRef: leases[7+i].LeaseRef, Effect: leasing.Succeeded, Model: someModel}})
				p.must(err)
			}
			for i := range 2 {
				last = p.fail(leases[1+i], "auth", fmt.Sprint(1+i))
			}
			return last
		},
		"three, but not within the time": func(p *leasePool, leases []leasing.Taken) (last seen) {
			for i := range 3 {
				last = p.fail(leases[i], "auth", fmt.Sprint(i))
				p.must(p.client.Del(p.t.Context(), windowKey(somewhere)).Err()) // as its expiry does
			}
			return last
		},
	}
	for name, failing := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				guardedPool(p, 10)
				if last := failing(p, p.take(leasing.Wanted{Count: 10})); last.Shared || p.cooling() == 0 {
					t.Errorf("%+v, %d cool", last, p.cooling())
				}
			})
		})
	}
}

// All that the guard writes expires.
func TestTheGuardForgets(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		guardedPool(p, 4)
		leases := p.take(leasing.Wanted{Count: 4})
		p.fail(leases[0], "upstream", "0")
		if ttl := p.client.PTTL(t.Context(), windowKey(somewhere)).Val(); ttl <= 0 || ttl > guardWindow {
			t.Errorf("the window lasts %v", ttl)
		}
		p.fail(leases[1], "upstream", "1")
		p.fail(leases[2], "upstream", "2")
		if ttl := p.client.PTTL(t.Context(), causesKey(somewhere)).Val(); ttl <= 0 || ttl > causeTTL {
			t.Errorf("the causes last %v", ttl)
		}
		if shown := p.fail(leases[3], "upstream", "3"); !shown.Shared || shown.Tripped {
			t.Errorf("%+v", shown)
		}
	})
}
