package tokens

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const degradedTime = time.Minute

// runReserved is run with a gateway that keeps a reserve, and has it: a and b with
// one slot each, c without a cap.
func runReserved(t *testing.T, test func(t *testing.T, r *rig, s *fakeSession)) {
	t.Helper()
	runWith(t, ReserveOptions{Time: degradedTime, Instance: "instance-1"}, func(t *testing.T, r *rig) {
		s := r.nextSession()
		if asked := s.message(t).GetReservation(); asked.GetInstance() != "instance-1" || asked.GetTtl().AsDuration() != degradedTime || len(asked.GetHolds()) > 0 {
			t.Errorf("the first reservation: %v", asked)
		}
		s.reserve(t, &tokenstorev1.Reserve{Added: []*tokenstorev1.Reserved{reserved("a", 1), reserved("b", 1), reserved("c", 0)}})
		test(t, r, s)
	})
}

func reserved(token string, slots uint32) *tokenstorev1.Reserved {
	of := leaseOf(token, 0)
	of.Id, of.Ttl = "", nil
	return &tokenstorev1.Reserved{Lease: of, Upstream: demand.Upstream, Slots: slots}
}

func (s *fakeSession) reserve(t *testing.T, answer *tokenstorev1.Reserve) {
	t.Helper()
	s.send(t, &tokenstorev1.SessionResponse{Reserve: answer})
}

// away makes the store go away for good: the session breaks, and others are refused.
func (r *rig) away(s *fakeSession) {
	r.store.gone.Store(true)
	s.breakOff()
	synctest.Wait()
}

// must takes a lease at once.
func (r *rig) must(demand lease.Demand) *lease.Lease {
	r.t.Helper()
	began := time.Now()
	got := soon(r.t, r.acquire(r.t.Context(), demand), "a lease")
	if got.err != nil {
		r.t.Fatal(got.err)
	}
	if waited := time.Since(began); waited > 0 {
		r.t.Errorf("it took %s", waited)
	}
	return got.lease
}

func TestReserveServesWhileTheStoreIsAway(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.away(s)
		if err := r.Ready(t.Context()); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if _, until, degraded := r.Degraded(); !degraded || time.Until(until) > degradedTime-time.Second {
			t.Errorf("degraded: %v, until %v", degraded, until)
		}
		used := map[string]int{}
		for range 6 {
			taken := r.must(demand)
			used[taken.TokenID]++
			if taken.Credential.Secret.Reveal() != "secret of "+taken.TokenID || taken.Credential.Proxy.Reveal() != "proxy of "+taken.TokenID || !taken.Credential.Renewable || taken.Alias != "alias of "+taken.TokenID {
				t.Errorf("lease %+v", taken)
			}
			r.Settle(taken, lease.Outcome{})
		}
		if used["a"] != 2 || used["b"] != 2 || used["c"] != 2 {
			t.Errorf("not in turn: %v", used)
		}
		if r.counts.reserved.Load() != 6 || !r.counts.degraded.Load() {
			t.Errorf("counted %d, degraded %v", r.counts.reserved.Load(), r.counts.degraded.Load())
		}
	})
}

func TestReserveKeepsCaps(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.away(s)
		capped := lease.Demand{Upstream: demand.Upstream, Model: demand.Model, MaxWait: time.Second, Exclude: []string{"c"}}
		first, second := r.must(capped), r.must(capped)
		third := r.acquire(t.Context(), capped)
		fourth := r.acquire(t.Context(), capped)
		r.Settle(first, lease.Outcome{})
		synctest.Wait()
		if got := soon(t, third, "who waited longest"); got.err != nil || got.lease.TokenID != first.TokenID {
			t.Errorf("got %+v", got)
		}
		began := time.Now()
		var err *chat.Error
		if got := soon(t, fourth, "a refusal"); !errors.As(got.err, &err) || err.Kind != chat.StoreUnavailable || !strings.Contains(err.Message, "2 busy") || strings.Contains(err.Message, "0 ") {
			t.Errorf("got %+v", got)
		}
		if waited := time.Since(began); waited != time.Second+answerSlack {
			t.Errorf("it waited %s", waited)
		}
		r.Settle(second, lease.Outcome{})
	})
}

// Beyond its time nobody knows who else has the tokens.
func TestReserveEnds(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.away(s)
		<-time.After(degradedTime - 2*time.Second)
		r.Settle(r.must(demand), lease.Outcome{})
		<-time.After(2 * time.Second)
		var err *chat.Error
		got := soon(t, r.acquire(t.Context(), demand), "a refusal")
		if !errors.As(got.err, &err) || err.Kind != chat.StoreUnavailable || !strings.Contains(err.Message, "longer than") {
			t.Errorf("got %+v", got)
		}
		if r.Ready(t.Context()) == nil {
			t.Error("ready")
		}
	})
}

func TestFailuresInReserve(t *testing.T) {
	cases := map[string]struct {
		outcome lease.Outcome
		// rests for the same demand, restsForOthers for another model.
		rests, restsForOthers bool
	}{
		"success":       {},
		"caller":        {outcome: lease.Outcome{Class: upstream.CallerFault}},
		"rate limit":    {outcome: lease.Outcome{Class: upstream.RateLimit}, rests: true, restsForOthers: true},
		"quota":         {outcome: lease.Outcome{Class: upstream.Quota}, rests: true, restsForOthers: true},
		"auth":          {outcome: lease.Outcome{Class: upstream.Auth}, rests: true, restsForOthers: true},
		"not its model": {outcome: lease.Outcome{Class: upstream.ModelNotAllowed, Model: demand.Model}, rests: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
				r.away(s)
				only := demand
				only.Alias = "alias of c"
				r.Settle(r.must(only), c.outcome)
				other := only
				other.Model = "another"
				r.reserve.mu.Lock()
				defer r.reserve.mu.Unlock()
				now := time.Now()
				if rests := r.reserve.take(only, now) == nil; rests != c.rests {
					t.Errorf("rests: %v", rests)
				}
				if rests := r.reserve.take(other, now) == nil; rests != c.restsForOthers {
					t.Errorf("rests for another model: %v", rests)
				}
			})
		})
	}
}

// Whoever waits for the store when it goes away turns to the reserve.
func TestOutagesAreNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(r *rig, s *fakeSession, d *tokenstorev1.Demand)
		within  time.Duration
	}{
		"the session breaks": {happens: func(r *rig, s *fakeSession, _ *tokenstorev1.Demand) { r.away(s) }},
		"the store says so": {happens: func(r *rig, s *fakeSession, d *tokenstorev1.Demand) {
			s.send(r.t, &tokenstorev1.SessionResponse{Denials: []*tokenstorev1.Denial{{DemandId: d.GetId(), Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE}}})
		}},
		"the store says nothing": {happens: func(*rig, *fakeSession, *tokenstorev1.Demand) {}, within: patience + 2*tick},
	} {
		t.Run(name, func(t *testing.T) {
			runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
				r.store.mute.Store(true)
				began := time.Now()
				waiting := r.acquire(t.Context(), demand)
				c.happens(r, s, s.message(t).GetDemands()[0])
				got := soon(t, waiting, "a lease")
				if got.err != nil {
					t.Fatal(got.err)
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("it took %s", took)
				}
				r.Settle(got.lease, lease.Outcome{})
			})
		})
	}
}

// A session that a dead network has left is given up, and its connection with it.
func TestStalledSessionIsGivenUp(t *testing.T) {
	var resets atomic.Int64
	runWith(t, ReserveOptions{Time: degradedTime, Instance: "i", Reset: func(net.Addr) { resets.Add(1) }}, func(t *testing.T, r *rig) {
		s := r.welcomed()
		s.reserve(t, &tokenstorev1.Reserve{Added: []*tokenstorev1.Reserved{reserved("c", 0)}})
		r.store.mute.Store(true)
		began := time.Now()
		r.nextSession()
		if took := time.Since(began); resets.Load() != 1 || took > stallLimit+2*reserveEvery {
			t.Errorf("%d resets, another session after %s", resets.Load(), took)
		}
	})
}

// When the store is back, it hears what the reserve was used for, each use once.
func TestReserveIsReconciled(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.away(s)
		running := r.must(lease.Demand{Upstream: demand.Upstream, Alias: "alias of a"})
		for range 2 {
			r.Settle(r.must(lease.Demand{Upstream: demand.Upstream, Alias: "alias of c"}), lease.Outcome{Class: upstream.RateLimit, RequestID: "r", RetryAfter: time.Nanosecond})
			<-time.After(restShort)
		}
		r.store.mute.Store(true)
		r.store.gone.Store(false)
		again := r.nextSession()
		m := again.message(t)
		if uses := m.GetReserveReports(); len(uses) != 2 || uses[0].GetNumber() != 1 || uses[1].GetNumber() != 2 || uses[0].GetReport().GetTokenId() != "c" ||
			uses[0].GetReport().GetLeaseId() != "1-0" || uses[0].GetReport().GetOutcome() != tokenstorev1.Outcome_OUTCOME_RATE_LIMIT {
			t.Errorf("reports %v", uses)
		}
		if _, _, degraded := r.Degraded(); !degraded {
			t.Error("normal before the store has said so")
		}
		again.reserve(t, &tokenstorev1.Reserve{DroppedTokenIds: []string{"a", "b"}, Settling: true})
		if _, _, degraded := r.Degraded(); !degraded {
			t.Error("normal before all have renewed their leases")
		}
		again.breakOff() // without having acknowledged anything
		r.store.mute.Store(false)
		last := r.nextSession()
		m = last.message(t)
		if len(m.GetReserveReports()) != 2 {
			t.Errorf("unacknowledged reports are not repeated: %v", m)
		}
		// b is gone; a is in use, and nobody else may have its slot.
		if holds := slotsOf(m); holds["a"] != 1 || len(holds) != 2 {
			t.Errorf("holds %v", holds)
		}
		last.reserve(t, &tokenstorev1.Reserve{DroppedTokenIds: []string{"a"}})
		if _, _, degraded := r.Degraded(); degraded {
			t.Error("still degraded")
		}
		if r.ServedAlone() <= 0 {
			t.Error("the time of the outage is not counted")
		}
		r.Settle(running, lease.Outcome{})
		m = last.said(2 * reserveEvery)
		if uses := m.GetReserveReports(); len(uses) != 1 || uses[0].GetNumber() != 3 {
			t.Errorf("the last report: %v", uses)
		}
		if holds := slotsOf(m); len(holds) != 1 {
			t.Errorf("holds %v", holds)
		}
	})
}

func slotsOf(m *tokenstorev1.SessionRequest) map[string]uint32 {
	slots := map[string]uint32{}
	for _, each := range m.GetReservation().GetHolds() {
		slots[each.GetTokenId()] = each.GetSlots()
	}
	return slots
}

// A token that is disabled, deleted or changed goes from the reserve at once; slots
// that others wait for are given up, unless they are in use.
func TestReserveGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		says *tokenstorev1.SessionResponse
		left int
	}{
		"a token that is recalled": {says: &tokenstorev1.SessionResponse{Recalls: []*tokenstorev1.Recall{{TokenId: "c", Epoch: 2}}}, left: 2},
		"an older recall":          {says: &tokenstorev1.SessionResponse{Recalls: []*tokenstorev1.Recall{{TokenId: "c", Epoch: 1}}}, left: 3},
		"slots that are wanted":    {says: &tokenstorev1.SessionResponse{Wanted: []string{demand.Upstream}}, left: 2},
		"of another upstream":      {says: &tokenstorev1.SessionResponse{Wanted: []string{"another"}}, left: 3},
	} {
		t.Run(name, func(t *testing.T) {
			runReserved(t, func(t *testing.T, _ *rig, s *fakeSession) {
				s.send(t, c.says)
				if holds := slotsOf(s.said(2 * reserveEvery)); len(holds) != c.left {
					t.Errorf("holds %v", holds)
				}
			})
		})
	}
}

func TestReserveIsGivenUpAtShutdown(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.stop()
		for {
			m := s.message(t)
			if m.GetReservation().GetLeaving() && len(m.GetReservation().GetHolds()) == 0 {
				return
			}
		}
	})
}

// Without a reserve there is nothing to wait for but a store that is restarted.
func TestWithoutReserve(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		r.away(s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		var err *chat.Error
		if got := soon(t, r.acquire(ctx, demand), "a refusal"); !errors.As(got.err, &err) || err.Kind != chat.StoreUnavailable {
			t.Errorf("got %+v", got)
		}
		if waited := time.Since(began); waited != reconnectTime {
			t.Errorf("it waited %s", waited)
		}
		if r.Ready(ctx) == nil {
			t.Error("ready")
		}
		r.store.gone.Store(false)
		r.nextSession().said(time.Millisecond)
		if err := r.Ready(ctx); err != nil {
			t.Errorf("when it is back: %v", err)
		}
	})
}
