package tokens

import (
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var elsewhere = lease.Demand{Upstream: "another", Model: "m", MaxWait: 2 * time.Second}

// runPoolAway is runReserved up to where the store has denied a request because the pool alone of
// its upstream is away.
func runPoolAway(t *testing.T, test func(t *testing.T, r *rig, s *fakeSession, taken *lease.Lease)) {
	t.Helper()
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		answer := r.acquire(t.Context(), demand)
		s.denyPool(t, s.message(t).GetDemands()[0])
		got := soon(t, answer, "a lease")
		if got.err != nil {
			t.Fatal(got.err)
		}
		test(t, r, s, got.lease)
	})
}

func (s *fakeSession) denyPool(t *testing.T, denied *tokenstorev1.Demand) {
	t.Helper()
	s.send(t, &tokenstorev1.SessionResponse{Denials: []*tokenstorev1.Denial{{
		DemandId: denied.GetId(), Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, PartAway: true, Message: "its server is away",
	}}})
}

// reservation is the next message with one.
func (s *fakeSession) reservation(t *testing.T) *tokenstorev1.SessionRequest {
	t.Helper()
	for {
		m := s.message(t)
		if m.GetReservation() != nil {
			return m
		}
		s.acknowledge(t, m)
	}
}

// acknowledgedReport is report that acknowledges what comes before.
func (s *fakeSession) acknowledgedReport(t *testing.T) *tokenstorev1.SessionRequest {
	t.Helper()
	for {
		m := s.message(t)
		if len(m.GetReports()) > 0 {
			return m
		}
		s.acknowledge(t, m)
	}
}

// A pool is away: its requests are served from the reserve, all others are asked of the store.
func TestAPoolThatIsAwayIsServedFromTheReserve(t *testing.T) {
	runPoolAway(t, func(t *testing.T, r *rig, s *fakeSession, taken *lease.Lease) {
		if taken.Source != lease.Reserved {
			t.Errorf("the lease is %+v", taken)
		}
		r.Settle(taken, lease.Outcome{})
		other := r.acquire(t.Context(), elsewhere)
		s.grant(t, s.message(t).GetDemands()[0], leaseOf("x", 1))
		if got := soon(t, other, "a lease"); got.err != nil || got.lease.Source != lease.Asked {
			t.Errorf("of another upstream: %+v", got)
		}
		r.Settle(r.must(demand), lease.Outcome{})
		if away := r.PoolsAway(); !slices.Equal(away, []string{demand.Upstream}) || r.Outage() != nil || r.Ready(t.Context()) != nil {
			t.Errorf("away are %v, outage %v, ready: %v", away, r.Outage(), r.Ready(t.Context()))
		}
	})
}

// A request that waits for another upstream does not notice.
func TestWhoWaitsForAnotherPoolWaitsOn(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		other := r.acquire(t.Context(), elsewhere)
		asked := s.message(t).GetDemands()[0]
		answer := r.acquire(t.Context(), demand)
		s.denyPool(t, s.message(t).GetDemands()[0])
		r.Settle(soon(t, answer, "a lease").lease, lease.Outcome{})
		s.grant(t, asked, leaseOf("x", 1))
		if got := soon(t, other, "a lease"); got.err != nil || got.lease.TokenID != "x" {
			t.Errorf("got %+v", got)
		}
	})
}

// The store says with each reservation which pools are away: one begins to be, goes on, and is
// back. What the reserve was used for it hears only then; and what is held of it lasts no longer
// meanwhile.
func TestAPoolIsBackWhenTheStoreSaysSo(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		away := &tokenstorev1.Reserve{AwayUpstreams: []string{demand.Upstream}}
		for range 3 {
			s.acknowledge(t, s.reservation(t))
			s.reserve(t, away)
			taken := r.must(demand)
			if left := taken.Term; left.Covers(time.Now().Add(degradedTime)) {
				t.Error("a lease lasts longer than what was held when the pool went away")
			}
			r.Settle(taken, lease.Outcome{})
		}
		if !r.counts.degraded.Load() {
			t.Error("it is not counted")
		}
		m := s.reservation(t)
		if len(m.GetReserveReports()) > 0 {
			t.Errorf("said while it is away: %v", m.GetReserveReports())
		}
		s.acknowledge(t, m)
		s.reserve(t, &tokenstorev1.Reserve{})
		if away := r.PoolsAway(); len(away) > 0 || r.counts.degraded.Load() {
			t.Errorf("still away: %v", away)
		}
		for m = s.message(t); len(m.GetReserveReports()) == 0; m = s.message(t) {
			s.acknowledge(t, m)
		}
		s.acknowledge(t, m)
		if len(m.GetReserveReports()) != 3 || m.GetReserveReports()[0].GetReport().GetUpstream() != demand.Upstream {
			t.Errorf("then it says %v", m.GetReserveReports())
		}
		answer := r.acquire(t.Context(), demand)
		s.grant(t, s.said(time.Millisecond).GetDemands()[0], leaseOf("a", 1))
		if got := soon(t, answer, "a lease"); got.err != nil || got.lease.Source != lease.Asked {
			t.Errorf("got %+v", got)
		}
	})
}

// Nothing is in reserve of a pool that is away: its request is refused, and told why.
func TestAPoolThatIsAwayWithoutReserve(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		answer := r.acquire(t.Context(), elsewhere)
		s.denyPool(t, s.message(t).GetDemands()[0])
		pause(reconnectTime)
		got := soon(t, answer, "a refusal")
		if err := chat.AsError(got.err); err == nil || err.Kind != chat.StoreUnavailable || !strings.Contains(err.Message, "the store of this upstream's tokens can't be reached") {
			t.Errorf("got %+v", got)
		}
	})
}

// Uses of the reserve that the store has deferred are said again, in their order, when the pool is
// back; meanwhile it counts as away. Those of other pools are not said again.
func TestDeferredUsesAreSaidAgain(t *testing.T) {
	runPoolAway(t, func(t *testing.T, r *rig, s *fakeSession, first *lease.Lease) {
		r.store.mute.Store(true)
		second := r.must(demand)
		s.send(t, &tokenstorev1.SessionResponse{Acknowledged: s.reservation(t).GetSequence(), Reserve: &tokenstorev1.Reserve{}})
		r.Settle(first, lease.Outcome{})
		use := func() *tokenstorev1.SessionRequest {
			m := s.message(t)
			for ; len(m.GetReserveReports()) == 0; m = s.message(t) {
				s.acknowledge(t, m)
			}
			return m
		}
		numbers := func(of *tokenstorev1.SessionRequest) (numbers []uint64) {
			for _, each := range of.GetReserveReports() {
				numbers = append(numbers, each.GetNumber())
			}
			return numbers
		}
		one := use()
		r.Settle(second, lease.Outcome{})
		two := use()
		s.send(t, &tokenstorev1.SessionResponse{Acknowledged: one.GetSequence(), DeferredUses: []uint64{1}})
		if away := r.PoolsAway(); !slices.Equal(away, []string{demand.Upstream}) {
			t.Errorf("away are %v", away)
		}
		s.send(t, &tokenstorev1.SessionResponse{Acknowledged: two.GetSequence(), DeferredUses: []uint64{2}})
		m := s.reservation(t)
		if len(m.GetReserveReports()) > 0 {
			t.Errorf("said while the pool is away: %v", m.GetReserveReports())
		}
		s.send(t, &tokenstorev1.SessionResponse{Acknowledged: m.GetSequence(), Reserve: &tokenstorev1.Reserve{}})
		if got := numbers(use()); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("said again: %v", got)
		}
		s.breakOff()
		if got := numbers(r.nextSession().message(t)); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("another session begins with %v", got)
		}
	})
}

// What waits for a pool that is away when the process ends is lost, and counted.
func TestReportsOfAPoolThatIsAwayAreCountedAtTheEnd(t *testing.T) {
	runPoolAway(t, func(t *testing.T, r *rig, _ *fakeSession, taken *lease.Lease) {
		r.Settle(taken, lease.Outcome{})
		r.stop()
		<-r.ended
		if lost := r.counts.reportsLost.Load(); lost != 1 {
			t.Errorf("%d reports are lost, want 1", lost)
		}
	})
}

// takes takes a lease, and acknowledges all that comes before.
func (r *rig) takes(s *fakeSession, wanted lease.Demand, granted *tokenstorev1.Lease) *lease.Lease {
	r.t.Helper()
	answer := r.acquire(r.t.Context(), wanted)
	m := s.message(r.t)
	for ; len(m.GetDemands()) == 0; m = s.message(r.t) {
		s.acknowledge(r.t, m)
	}
	s.send(r.t, &tokenstorev1.SessionResponse{Acknowledged: m.GetSequence(), Grants: []*tokenstorev1.Grant{{
		DemandId: m.GetDemands()[0].GetId(), Upstream: wanted.Upstream, Leases: []*tokenstorev1.Lease{granted},
	}}})
	return soon(r.t, answer, "a lease").lease
}

// A server that comes back may have lost what it was told last: of its pools all open leases are
// renewed, until that succeeds, whether a reserve is kept or not; of others none is.
func TestOpenLeasesOfAPoolThatWasAwayAreRenewed(t *testing.T) {
	for name, kept := range map[string]bool{"with a reserve": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			reserve := ReserveOptions{}
			if kept {
				reserve = ReserveOptions{Time: degradedTime, Instance: "instance-1"}
			}
			runWith(t, reserve, func(t *testing.T, r *rig) {
				r.store.mute.Store(true)
				s := r.nextSession()
				s.acknowledge(t, s.message(t))
				if kept {
					s.reserve(t, &tokenstorev1.Reserve{})
				}
				ended := r.takes(s, demand, leaseOf("a", 1))
				r.takes(s, demand, leaseOf("b", 2))
				r.takes(s, elsewhere, leaseOf("x", 3))
				if !kept {
					r.Settle(ended, lease.Outcome{})
				}
				renewed := func() (ids []string) {
					said := s.said(renewEvery + 4*tick)
					for _, each := range said.GetRenewals() {
						ids = append(ids, each.GetLeaseId())
					}
					s.acknowledge(t, said)
					slices.Sort(ids)
					return ids
				}
				want := []string{"1-2"}
				if kept {
					want = []string{"1-1", "1-2"}
					s.send(t, &tokenstorev1.SessionResponse{
						Acknowledged: s.reservation(t).GetSequence(), Reserve: &tokenstorev1.Reserve{AwayUpstreams: []string{demand.Upstream}},
					})
				} else {
					s.send(t, &tokenstorev1.SessionResponse{Acknowledged: s.acknowledgedReport(t).GetSequence(), DeferredLeaseIds: []string{"1-1"}})
				}
				for _, want := range [][]string{want, nil} {
					if got := renewed(); !slices.Equal(got, want) {
						t.Errorf("renewed %v, want %v", got, want)
					}
				}
			})
		})
	}
}

// What is ahead of a pool that is away goes back: a server that comes back may not know of it.
func TestAStockOfAPoolThatIsAwayGoesBack(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		d, answers := r.filling(t.Context(), s, 1)
		s.grant(t, d, leaseOf("a", 1), leaseOf("b", 2), leaseOf("c", 3))
		soon(t, answers[0], "a lease")
		if r.aheadNow() != 2 {
			t.Fatalf("%d are ahead", r.aheadNow())
		}
		s.reserve(t, &tokenstorev1.Reserve{AwayUpstreams: []string{demand.Upstream}})
		if r.aheadNow() != 0 {
			t.Errorf("%d are ahead", r.aheadNow())
		}
	})
}

// A report, and a lease to be renewed, that the store has deferred are said again, a little later;
// the lease is not taken for renewed.
func TestWhatIsDeferredIsSaidAgain(t *testing.T) {
	runReserved(t, func(t *testing.T, r *rig, s *fakeSession) {
		r.store.mute.Store(true)
		ended, open := r.takes(s, demand, leaseOf("a", 1)), r.takes(s, elsewhere, leaseOf("b", 2))
		r.Settle(ended, lease.Outcome{})
		for range 3 {
			m := s.acknowledgedReport(t)
			if reports := m.GetReports(); len(reports) != 1 || reports[0].GetLeaseId() != "1-1" || reports[0].GetUpstream() != demand.Upstream {
				t.Fatalf("reports %v", reports)
			}
			s.send(t, &tokenstorev1.SessionResponse{Acknowledged: m.GetSequence(), DeferredLeaseIds: []string{"1-1"}})
		}
		m := s.acknowledgedReport(t)
		s.acknowledge(t, m)
		for len(m.GetRenewals()) == 0 {
			m = s.message(t)
			if len(m.GetReports()) > 0 {
				t.Errorf("said again, though it is carried out: %v", m.GetReports())
			}
			if len(m.GetRenewals()) == 0 {
				s.acknowledge(t, m)
			}
		}
		term := open.Term
		s.send(t, &tokenstorev1.SessionResponse{Acknowledged: m.GetSequence(), DeferredLeaseIds: []string{"1-2"}})
		if term.Covers(time.Now().Add(9 * time.Second)) {
			t.Error("a renewal that was deferred counts")
		}
		for m = s.message(t); len(m.GetRenewals()) == 0; m = s.message(t) {
			s.acknowledge(t, m)
		}
		s.acknowledge(t, m)
		if !term.Covers(time.Now().Add(9 * time.Second)) {
			t.Error("it is not renewed")
		}
	})
}
