package tokens

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A request for which there is nothing in reserve is refused at once; a store that has
// just gone away is given a moment, for it may be restarted.
func TestRequestWithNothingInReserveIsRefusedAtOnce(t *testing.T) {
	other := lease.Demand{Upstream: "another", Model: "m", MaxWait: 30 * time.Second}
	unknown := lease.Demand{Upstream: demand.Upstream, Alias: "of no token", MaxWait: 30 * time.Second}
	for name, c := range map[string]struct {
		demand lease.Demand
		after  time.Duration
		waits  time.Duration
		says   string
	}{
		"of another upstream, later":         {other, time.Minute / 2, 0, `no token of upstream "another" in reserve`},
		"of another upstream, right then":    {other, 0, reconnectTime, `no token of upstream "another" in reserve`},
		"of another alias, later":            {unknown, time.Minute / 2, 0, `that has the alias "of no token"`},
		"when the reserve's time is over":    {demand, 2 * degradedTime, 0, "longer than this gateway may go on by itself (1m0s)"},
		"when its time is over, of no token": {other, 2 * degradedTime, 0, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
				r.away(s)
				pause(c.after)
				began := time.Now()
				var err *chat.Error
				got := soon(t, r.acquire(t.Context(), c.demand), "a refusal")
				if !errors.As(got.err, &err) || err.Kind != chat.StoreUnavailable || !strings.Contains(err.Message, c.says) || err.RetryAfter <= 0 {
					t.Errorf("got %+v", got)
				}
				if waited := time.Since(began); waited != c.waits {
					t.Errorf("it waited %v", waited)
				}
			})
		})
	}
}

// A request that waits for a token of the reserve does not wait beyond the reserve's time.
func TestRequestWaitsForTheReserveNoLongerThanItMayServe(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.away(s)
		only := lease.Demand{Upstream: demand.Upstream, Alias: "alias of a", MaxWait: time.Hour}
		busy := r.must(only)
		_, until, _ := r.Degraded()
		if got := <-r.acquire(t.Context(), only); chat.AsError(got.err).Kind != chat.StoreUnavailable || !strings.Contains(got.err.Error(), "longer than") {
			t.Errorf("got %+v", got)
		}
		if late := time.Since(until); late != 0 {
			t.Errorf("refused %v after the reserve's end", late)
		}
		r.Settle(busy, lease.Outcome{})
	})
}

// Requests wait for a store that is restarted, and are served when it is back in time.
func TestRequestOutlivesARestartOfTheStore(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.away(s)
		answer := r.acquire(t.Context(), lease.Demand{Upstream: "another", Model: "m", MaxWait: time.Second})
		pause(reconnectTime / 4)
		r.store.gone.Store(false)
		again := r.nextSession()
		again.message(t)
		again.reserve(t, &tokenstorev1.Reserve{})
		d := again.said(time.Millisecond).GetDemands()
		if len(d) != 1 || d[0].GetUpstream() != "another" {
			t.Fatalf("asked with %v", d)
		}
		again.grant(t, d[0], leaseOf("x", 1))
		if got := soon(t, answer, "a lease"); got.err != nil || got.lease.TokenID != "x" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestOutageTellsWhichUpstreamsAreServed(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		if outage := r.Outage(); outage != nil {
			t.Errorf("before: %+v", outage)
		}
		further := reserved("d", 1)
		further.Upstream = "another"
		s.reserve(t, &tokenstorev1.Reserve{})
		pause(reserveEvery + calmTick)
		s.said(time.Millisecond)
		s.reserve(t, &tokenstorev1.Reserve{Added: []*tokenstorev1.Reserved{further}})
		r.away(s)
		outage := r.Outage()
		if outage == nil || !slices.Equal(outage.Upstreams, []string{"another", demand.Upstream}) || !outage.Until.After(outage.Since) {
			t.Fatalf("got %+v", outage)
		}
		pause(2 * degradedTime)
		if outage := r.Outage(); outage != nil {
			t.Errorf("when the reserve's time is over: %+v", outage)
		}
	})
}

// A tokenstore ends sessions now and then, so that they spread: the next one takes over
// at once, no request notices, and no lease is lost.
func TestSessionMovesWithoutAnOutage(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		pause(time.Second)
		s.said(time.Millisecond)
		running := r.take(s, leaseOf("a", 1))
		waiting := r.acquire(t.Context(), demand)
		s.said(time.Millisecond)
		began := time.Now()
		s.end()
		s = r.nextSession()
		hello := s.message(t)
		if len(hello.GetRenewals()) != 1 || hello.GetRenewals()[0].GetLeaseId() != "1-1" || len(hello.GetDemands()) != 1 || !hello.GetComplete() {
			t.Errorf("the next session begins with %v", hello)
		}
		if holds := slotsOf(hello); len(holds) != 3 {
			t.Errorf("the reserve is %v", holds)
		}
		s.grant(t, hello.GetDemands()[0], leaseOf("b", 2))
		if got := soon(t, waiting, "a lease"); got.err != nil || got.lease.TokenID != "b" {
			t.Errorf("got %+v", got)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		if r.counts.outages.Load() != 0 || r.Ready(t.Context()) != nil {
			t.Errorf("%d outages, ready: %v", r.counts.outages.Load(), r.Ready(t.Context()))
		}
		if !running.Covers(time.Now().Add(9 * time.Second)) {
			t.Error("the open lease is not renewed")
		}
	})
}

// A request that waits keeps its place in the tokenstore's queue when the session moves,
// and does not wait longer for that.
func TestDemandKeepsItsPlaceWhenTheSessionMoves(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		patient := demand
		patient.MaxWait = 30 * time.Second
		began := time.Now()
		waiting := r.acquire(t.Context(), patient)
		first := s.message(t).GetDemands()[0]
		if first.GetWaited() != nil || first.GetMaxWait().AsDuration() != patient.MaxWait {
			t.Errorf("at first: %v", first)
		}
		pause(20 * time.Second)
		s.said(time.Millisecond)
		s.end()
		s = r.nextSession()
		again := s.message(t).GetDemands()[0]
		waited := time.Since(began)
		if again.GetWaited().AsDuration() != waited || again.GetMaxWait().AsDuration() != patient.MaxWait-waited {
			t.Errorf("in the next session, after %v: %v", waited, again)
		}
		s.grant(t, again, leaseOf("b", 2))
		if got := soon(t, waiting, "a lease"); got.err != nil {
			t.Error(got.err)
		}
	})
}

// Where the next session does not come about, requests turn to the reserve.
func TestMoveThatFailsIsAnOutage(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*rig)
		within  time.Duration
	}{
		"no store takes it":        {func(r *rig) { r.store.gone.Store(true) }, 0},
		"a store that is silent":   {func(r *rig) { r.store.deaf.Store(true) }, moveTime},
		"a store that says little": {func(r *rig) { r.store.mute.Store(true) }, moveTime},
	} {
		t.Run(name, func(t *testing.T) {
			runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
				pause(time.Second)
				c.happens(r)
				began := time.Now()
				s.end()
				synctest.Wait()
				held := soon(t, r.acquire(t.Context(), demand), "a lease")
				if took := time.Since(began); held.err != nil || took > c.within {
					t.Errorf("%v after %v", held.err, took)
				}
				r.Settle(held.lease, lease.Outcome{})
			})
		})
	}
}
