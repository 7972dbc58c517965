package tokens

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// load sends requests at a steady rate for a time; each holds its lease for 2 ms.
func (r *rig) load(perSecond int, during time.Duration) {
	r.t.Helper()
	var requests sync.WaitGroup
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	for range int(during.Seconds() * float64(perSecond)) {
		<-ticker.C
		requests.Go(func() {
			held, err := r.Acquire(r.t.Context(), demand)
			if err != nil {
				r.t.Error(err)
				return
			}
			<-time.After(2 * time.Millisecond)
			r.Settle(held, lease.Outcome{})
		})
	}
	requests.Wait()
}

// pause lets a bubble's time pass, and what is due then happen.
func pause(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// Few requests ask, each of them; under a steady load those that follow find a lease. What the
// store is told of them travels together.
func TestUnderASteadyLoadALeaseIsThereBeforeItIsAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		rate                int
		during              time.Duration
		asked, trips, ahead int
	}{
		"five a second": {5, 10 * time.Second, 50, 16, 1},
		"80 a second":   {80, 10 * time.Second, 200, 32, spare + 30},
		"300 a second":  {300, 5 * time.Second, 150, 36, spare + 90},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				store := newAutomatic("a", "b", "c")
				go store.serve(r.nextSession())
				r.store.mute.Store(true)
				r.load(c.rate, c.during)
				if asked := int(r.counts.asked.Load()); asked > c.asked {
					t.Errorf("%d requests waited for the store", asked)
				}
				if trips := float64(r.counts.roundTrips.Load()) / c.during.Seconds(); trips > float64(c.trips) {
					t.Errorf("%.1f round trips a second", trips)
				}
				if ready := store.outstanding(); ready > c.ahead {
					t.Errorf("%d leases are out", ready)
				}
				pause(forgottenAfter + time.Second)
				if out, ready := store.outstanding(), r.counts.ready.Load(); out != 0 || ready != 0 || len(store.twice) != 0 {
					t.Errorf("%d leases are still out, %d ready; settled more than once: %v", out, ready, store.twice)
				}
			})
		})
	}
}

// A message tells how several requests have ended and takes leases for several.
func TestReportsAndLeasesAheadTravelTogether(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		store := newAutomatic("a", "b", "c")
		go store.serve(r.nextSession())
		r.load(300, 2*time.Second) // the rate is learnt
		before := r.counts.roundTrips.Load()
		r.load(300, 2*time.Second)
		if trips := r.counts.roundTrips.Load() - before; trips > 2*int64(time.Second/flushEvery)+2 {
			t.Errorf("%d round trips in two seconds", trips)
		}
	})
}

// Where a lease keeps others waiting, each request asks, unless there are very many.
func TestWhatOthersMayNeedIsNotTakenAheadAtTheRatesOfPeople(t *testing.T) {
	for name, c := range map[string]struct {
		cap   bool
		rate  int
		ahead bool
	}{
		"of tokens with room for any number": {false, 100, true},
		"of tokens with room for few":        {true, 100, false},
		"those at load":                      {true, 2000, true},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				store := newAutomatic("a", "b", "c")
				store.capped = c.cap
				go store.serve(r.nextSession())
				r.load(c.rate, 3*time.Second)
				if got := r.counts.ahead.Load() > 0; got != c.ahead {
					t.Errorf("leases came from the stock: %v", got)
				}
			})
		})
	}
}

// What turns out to keep others waiting goes back at once.
func TestALeaseTakenAheadThatOthersMayNeedGoesBack(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.stocks.mu.Lock()
		r.ahead().steady, r.ahead().asked = 2*steadyRate, time.Now()
		r.stocks.mu.Unlock()
		r.Settle(r.take(s, leaseOf("a", 1)), lease.Outcome{})
		m := s.said(2 * flushEvery)
		if len(m.GetDemands()) != 1 || !m.GetDemands()[0].GetAhead() {
			t.Fatalf("asked with %v", m.GetDemands())
		}
		s.grant(t, m.GetDemands()[0], leaseOf("a", 2), capped(leaseOf("b", 3)))
		back := s.said(tick).GetReports()
		if len(back) != 1 || back[0].GetLeaseId() != "1-3" || back[0].GetOutcome() != tokenstorev1.Outcome_OUTCOME_UNUSED {
			t.Errorf("came back: %v", back)
		}
		// So does the rest, since it is the turn of that token: the next requests ask.
		if back = s.said(2 * tendEvery).GetReports(); len(back) != 1 || back[0].GetLeaseId() != "1-2" {
			t.Errorf("then came back: %v", back)
		}
		for i := range 3 {
			r.acquire(t.Context(), demand)
			if asked := s.said(deniedPause / 10).GetDemands(); len(asked) != 1 || asked[0].GetAhead() {
				t.Fatalf("request %d asked with %v", i, asked)
			} else {
				s.grant(t, asked[0], leaseOf("b", 10+i))
			}
		}
	})
}

// A burst of requests is spread exactly, as few are: only a load that lasts is taken ahead of.
func TestABurstIsNoSteadyLoad(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &stock{free: true}
	for range steadyRate*int(steadyMemory/time.Second) - 1 {
		s.ask(now)
	}
	if got := s.target(now); got != 0 {
		t.Errorf("%d leases ahead of a burst", got)
	}
	for range 2 * steadyRate * int(steadyMemory/time.Second) {
		s.ask(now)
		now = now.Add(time.Second / (2 * steadyRate))
	}
	if s.target(now) < spare {
		t.Error("none ahead of a load that lasts")
	}
	if got := s.target(now.Add(steadyMemory)); got != 0 {
		t.Errorf("%d leases when it has ended", got)
	}
}

func TestAtLoadLeasesAreTakenAhead(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		store := newAutomatic("a", "b", "c")
		go store.serve(r.nextSession())
		r.load(2000, time.Second) // the rate is learnt
		before, askedBefore := r.counts.roundTrips.Load(), r.counts.asked.Load()
		r.load(2000, time.Second)
		if each := float64(r.counts.roundTrips.Load()-before) / 2000; each >= 0.2 {
			t.Errorf("%.3f round trips per request", each)
		}
		if asked := r.counts.asked.Load() - askedBefore; asked > 200 {
			t.Errorf("%d of 2000 requests waited for the store", asked)
		}
		// Load stops: little stays out, and nothing for long.
		pause(shelfLife + flushEvery + 2*tendEvery)
		if out := store.outstanding(); out > 16*spare {
			t.Errorf("%d leases are still out a second after the load", out)
		}
		pause(forgottenAfter)
		if out := store.outstanding(); out != 0 {
			t.Errorf("%d leases are still out", out)
		}
		if done := store.endedWith(tokenstorev1.Outcome_OUTCOME_SUCCESS); done != 4000 {
			t.Errorf("%d requests reported", done)
		}
		if len(store.twice) != 0 {
			t.Errorf("settled more than once: %v", store.twice)
		}
		// And what is known of the load is forgotten.
		pause(5 * time.Second)
		r.stocks.mu.Lock()
		defer r.stocks.mu.Unlock()
		r.session.mu.Lock()
		defer r.session.mu.Unlock()
		if n, open, waiting := len(r.stocks.all), len(r.session.open), len(r.session.waiting); n != 0 || open != 0 || waiting != 0 {
			t.Errorf("left over: %d stocks, %d leases, %d demands", n, open, waiting)
		}
	})
}

func TestALoadIsNoticedAtOnce(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		store := newAutomatic("a", "b", "c")
		go store.serve(r.nextSession())
		for range 2 * steadyRate { // in no time
			soon(t, r.acquire(t.Context(), demand), "a lease")
		}
		if n := store.aheadSince(time.Time{}); n == 0 {
			t.Error("no demand for the stock")
		}
	})
}

func TestStockIsToppedUpWithTheReports(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		store := newAutomatic("a", "b", "c")
		go store.serve(r.nextSession())
		r.load(2000, time.Second)
		before := r.counts.roundTrips.Load()
		r.load(2000, time.Second)
		if trips := r.counts.roundTrips.Load() - before; trips > int64(time.Second/flushEvery)+5 {
			t.Errorf("%d round trips in a second", trips)
		}
	})
}

func TestSlowStoreIsNotAskedForEachRequest(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		store := newAutomatic("a", "b", "c")
		store.slow = 60 * time.Millisecond // longer than a stock lasts
		r.store.mute.Store(true)
		go store.serve(r.nextSession())
		r.load(2000, time.Second)
		before := r.counts.roundTrips.Load()
		r.load(2000, time.Second)
		if each := float64(r.counts.roundTrips.Load()-before) / 2000; each >= 0.2 {
			t.Errorf("%.3f round trips per request", each)
		}
		pause(forgottenAfter + time.Second)
		if out := store.outstanding(); out != 0 || len(store.twice) != 0 {
			t.Errorf("%d leases are still out, settled more than once: %v", out, store.twice)
		}
	})
}

// filling has n requests wait for a stock that is being filled; d is the demand.
func (r *rig) filling(ctx context.Context, s *fakeSession, n int) (d *tokenstorev1.Demand, answers []<-chan acquired) {
	r.t.Helper()
	r.stocks.mu.Lock()
	r.ahead().rate, r.ahead().asked = 10_000, time.Now()
	r.stocks.mu.Unlock()
	for range n {
		answers = append(answers, r.acquire(ctx, demand))
	}
	m := s.message(r.t)
	if len(m.GetDemands()) != 1 || !m.GetDemands()[0].GetAhead() {
		r.t.Fatalf("asked with %v", m)
	}
	return m.GetDemands()[0], answers
}

func TestRequestsWaitForAStockThatIsBeingFilled(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		d, answers := r.filling(t.Context(), s, 3)
		s.grant(t, d, leaseOf("a", 1), leaseOf("b", 2))
		for i, answer := range answers[:2] {
			if got := soon(t, answer, "a lease"); got.err != nil || got.lease.ID != leaseOf("", i+1).GetId() {
				t.Errorf("request %d got %v", i, got)
			}
		}
		// It did not suffice: the third waits for the next.
		next := s.said(flushEvery / 2).GetDemands()
		if len(next) != 1 || !next[0].GetAhead() {
			t.Fatalf("asked on with %v", next)
		}
		s.grant(t, next[0], leaseOf("c", 3))
		if got := soon(t, answers[2], "a lease"); got.err != nil || got.lease.ID != "1-3" {
			t.Errorf("the third got %v", got)
		}
	})
}

func TestRequestsAskForThemselvesWhenTheStockIsDenied(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		d, answers := r.filling(t.Context(), s, 2)
		s.send(t, &tokenstorev1.SessionResponse{Denials: []*tokenstorev1.Denial{{
			DemandId: d.GetId(), Reason: tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE,
		}}})
		own := s.said(flushEvery / 2).GetDemands()
		if len(own) != 2 || own[0].GetAhead() || own[0].GetMaxWait().AsDuration() != demand.MaxWait {
			t.Fatalf("asked with %v", own)
		}
		for i, each := range own {
			s.grant(t, each, capped(leaseOf("a", i)))
			if got := soon(t, answers[i], "a lease"); got.err != nil || got.lease.ID != leaseOf("", i).GetId() {
				t.Errorf("request %d got %v", i, got)
			}
		}
	})
}

func TestRequestsThatWaitForAStockOutliveTheSession(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		_, answers := r.filling(t.Context(), s, 1)
		s.breakOff()
		s = r.nextSession()
		again := s.message(t).GetDemands()
		if len(again) != 1 {
			t.Fatalf("asked again with %v", again)
		}
		s.grant(t, again[0], leaseOf("a", 1))
		if got := soon(t, answers[0], "a lease"); got.err != nil || got.lease.ID != "1-1" {
			t.Errorf("got %v", got)
		}
	})
}

func TestRequestThatLeavesTheQueueOfAStockTakesNothing(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		ctx, cancel := context.WithCancel(t.Context())
		d, gone := r.filling(ctx, s, 1)
		stays := r.acquire(t.Context(), demand)
		cancel()
		if got := soon(t, gone[0], "the error"); got.err == nil {
			t.Errorf("got %v", got)
		}
		s.grant(t, d, leaseOf("a", 1))
		if got := soon(t, stays, "a lease"); got.err != nil || got.lease.ID != "1-1" {
			t.Errorf("got %v", got)
		}
	})
}

func TestRequestThatHasTriedTokensDoesNotWaitForTheStock(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.filling(t.Context(), s, 1)
		r.acquire(t.Context(), lease.Demand{Upstream: demand.Upstream, Model: demand.Model, Exclude: []string{"a"}})
		if own := s.said(flushEvery / 2).GetDemands(); len(own) != 1 || own[0].GetAhead() || len(own[0].GetExcludeTokenIds()) != 1 {
			t.Errorf("asked with %v", own)
		}
	})
}

func TestStockIsLeftAloneForASecondAfterADenial(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		store := newAutomatic("a")
		store.refused = true
		go store.serve(r.nextSession())
		r.load(500, 3*time.Second)
		store.mu.Lock()
		defer store.mu.Unlock()
		if n := len(store.aheadDemands); n < 2 || n > 3 {
			t.Errorf("%d demands for the stock in three seconds", n)
		}
		for i := 1; i < len(store.aheadDemands); i++ {
			if gap := store.aheadDemands[i].Sub(store.aheadDemands[i-1]); gap < deniedPause {
				t.Errorf("asked again after %v", gap)
			}
		}
	})
}

func TestADenialIsRememberedWhileTheLoadPauses(t *testing.T) {
	t.Parallel()
	s, now := &stock{}, time.Now()
	s.denied(now)
	if s.idle(now.Add(deniedPause - time.Millisecond)) {
		t.Error("forgotten within the pause")
	}
	if !s.idle(now.Add(deniedPause + time.Millisecond)) {
		t.Error("kept for ever")
	}
}

func TestRecalledLeasesAreReturnedAndNeverHandedOut(t *testing.T) {
	for name, recall := range map[string]*tokenstorev1.Recall{
		"of a token": {TokenId: "a", Epoch: 2},
		"of all":     {},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				s := r.welcomed()
				used := r.take(s, leaseOf("a", 1)) // stays its request's
				newer := leaseOf("a", 4)
				newer.Epoch = 2
				r.shelve(leaseOf("a", 2), leaseOf("b", 3), newer)
				s.send(t, &tokenstorev1.SessionResponse{Recalls: []*tokenstorev1.Recall{recall}})
				back := s.said(2 * flushEvery).GetReports()
				want := 1
				if recall.GetTokenId() == "" {
					want = 3
				}
				if len(back) != want || int(r.counts.recalled.Load()) != want {
					t.Fatalf("%d leases came back, %d counted", len(back), r.counts.recalled.Load())
				}
				for _, report := range back {
					if report.GetOutcome() != tokenstorev1.Outcome_OUTCOME_UNUSED {
						t.Errorf("%v", report)
					}
				}
				for range 3 - want {
					if got := soon(t, r.acquire(t.Context(), demand), "a lease"); got.lease.ID == "1-2" {
						t.Error("the recalled lease was handed out")
					}
				}
				r.Settle(used, lease.Outcome{})
			})
		})
	}
}

// Who has seen a token fail, or has changed the pool, does not wait for the store's recall.
func TestWhatIsKnownHereIsNotTakenFromTheStock(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(r *rig, used *lease.Lease)
		back    []string
	}{
		"its quota is used up":   {func(r *rig, used *lease.Lease) { r.Settle(used, lease.Outcome{Class: upstream.Quota}) }, []string{"1-2"}},
		"it served":              {func(r *rig, used *lease.Lease) { r.Settle(used, lease.Outcome{}) }, nil},
		"the upstream is broken": {func(r *rig, used *lease.Lease) { r.Settle(used, lease.Outcome{Class: upstream.Broken}) }, nil},
		"the pool has changed":   {func(r *rig, _ *lease.Lease) { r.PoolChanged() }, []string{"1-2", "1-3"}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				s := r.welcomed()
				used := r.take(s, leaseOf("a", 1))
				r.shelve(leaseOf("a", 2), leaseOf("b", 3))
				c.happens(r, used)
				var back []string
				for _, report := range s.said(2 * flushEvery).GetReports() {
					if report.GetOutcome() == tokenstorev1.Outcome_OUTCOME_UNUSED {
						back = append(back, report.GetLeaseId())
					}
				}
				if !slices.Equal(back, c.back) {
					t.Errorf("came back: %v, want %v", back, c.back)
				}
			})
		})
	}
}

func TestGrantThatARecallOvertookIsReturned(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		answer := r.acquire(t.Context(), demand)
		d := s.message(t).GetDemands()[0]
		s.send(t, &tokenstorev1.SessionResponse{Recalls: []*tokenstorev1.Recall{{TokenId: "a", Epoch: 2}}})
		s.grant(t, d, leaseOf("a", 1))
		m := s.message(t)
		if len(m.GetReports()) != 1 || m.GetReports()[0].GetOutcome() != tokenstorev1.Outcome_OUTCOME_UNUSED {
			t.Errorf("the lease came back as %v", m.GetReports())
		}
		if len(m.GetDemands()) != 1 || m.GetDemands()[0].GetId() == d.GetId() || m.GetDemands()[0].GetMaxWait().AsDuration() != demand.MaxWait {
			t.Fatalf("asked again with %v", m.GetDemands())
		}
		s.grant(t, m.GetDemands()[0], leaseOf("b", 2))
		if got := soon(t, answer, "a lease"); got.err != nil || got.lease.TokenID != "b" {
			t.Errorf("got %v", got)
		}
		r.shelve(leaseOf("a", 3))
		if out := r.aheadNow(); out != 0 {
			t.Errorf("%d recalled leases in the stock", out)
		}
		// A while later no such grant can be on its way.
		pause(recallMemory + time.Second)
		r.session.mu.Lock()
		defer r.session.mu.Unlock()
		if len(r.session.recalled) != 0 {
			t.Error("the recall is remembered for ever")
		}
	})
}

func (r *rig) aheadNow() int {
	r.stocks.mu.Lock()
	defer r.stocks.mu.Unlock()
	return len(r.ahead().leases)
}

func TestStockServesWhileTheStoreIsAwayButNotForLong(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.welcomed().breakOff()
		r.server.Stop()
		synctest.Wait()
		r.shelve(leaseOf("a", 1), leaseOf("b", 2))
		if got := soon(t, r.acquire(t.Context(), demand), "a lease"); got.err != nil || got.lease.TokenID != "a" {
			t.Errorf("got %v", got)
		}
		pause(shelfLife) // by now it may have been recalled
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if got, err := r.Acquire(ctx, demand); err == nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestNewSessionBeginsWithoutAStock(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.shelve(leaseOf("a", 1))
		s.breakOff()
		m := r.nextSession().message(t)
		if len(m.GetReports()) != 1 || m.GetReports()[0].GetOutcome() != tokenstorev1.Outcome_OUTCOME_UNUSED || len(m.GetRenewals()) != 0 {
			t.Errorf("the first message is %v", m)
		}
	})
}

func TestStockKeepsAwayFromTriedTokens(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.welcomed()
		r.shelve(leaseOf("a", 1), leaseOf("b", 2), leaseOf("a", 3))
		for _, want := range []struct{ tried, lease string }{{"a", "1-2"}, {"b", "1-1"}, {"", "1-3"}} {
			got, err := r.Acquire(t.Context(), lease.Demand{Upstream: demand.Upstream, Model: demand.Model, Exclude: []string{want.tried}})
			if err != nil || got.ID != want.lease {
				t.Errorf("not %q: got %v, %v", want.tried, got, err)
			}
		}
	})
}

// Whatever happens to a stock, a lease is in it, taken or removed, never two of
// them, and it never holds more than twice what the load needs after surplus.
func TestStockLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, now, put, gone := &stock{}, time.Unix(0, 0), 0, map[string]int{}
		remove := func(removed []*held) {
			for _, each := range removed {
				gone[each.lease.ID]++
			}
		}
		token := rapid.SampledFrom([]string{"a", "b", "c"})
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				put++
				each := heldFrom(leaseOf(token.Draw(t, "token"), put), "", now, now)
				each.epoch = rapid.Uint64Range(1, 3).Draw(t, "epoch")
				s.put(each, now)
			},
			"take": func(t *rapid.T) {
				tried := token.Draw(t, "tried")
				if taken := s.take([]string{tried}, now); taken != nil {
					if taken.lease.TokenID == tried {
						t.Fatalf("took %+v", taken)
					}
					gone[taken.lease.ID]++
				}
			},
			"recall": func(t *rapid.T) {
				id, epoch := token.Draw(t, "token"), rapid.Uint64Range(1, 4).Draw(t, "epoch")
				remove(s.recall(id, epoch))
				for _, each := range s.leases {
					if each.lease.TokenID == id && each.epoch < epoch {
						t.Fatal("a recalled lease is left")
					}
				}
			},
			"tend": func(t *rapid.T) {
				for range rapid.IntRange(0, 1000).Draw(t, "asked") {
					s.ask(now)
				}
				target := s.target(now)
				remove(s.surplus(now, target))
				if len(s.leases) > 2*target {
					t.Fatalf("%d leases, needs %d", len(s.leases), target)
				}
			},
			"heard": func(t *rapid.T) { s.free = rapid.Bool().Draw(t, "free") },
			"in use no more": func(t *rapid.T) {
				now = now.Add(10 * steadyMemory)
				if s.target(now) != 0 {
					t.Fatal("there is a target")
				}
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {
				if len(s.leases)+len(gone) != put {
					t.Fatalf("%d in, %d out, of %d", len(s.leases), len(gone), put)
				}
				for id, times := range gone {
					if times != 1 {
						t.Fatalf("%s left %d times", id, times)
					}
				}
				if target := s.target(now); target > maxAhead || target > 0 && !s.free && s.load(now) < loadRate {
					t.Fatalf("target %d", target)
				}
			},
		})
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := backoff{}
		for i, least := range []time.Duration{
			50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
			800 * time.Millisecond, time.Second, time.Second,
		} {
			began := time.Now()
			b.wait(t.Context())
			if waited := time.Since(began); waited < least || waited >= least*3/2 {
				t.Errorf("wait %d took %v, want %v and up to half as much again", i, waited, least)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		b.wait(ctx)
		if time.Since(began) != 0 {
			t.Error("waits though its context has ended")
		}
	})
}
