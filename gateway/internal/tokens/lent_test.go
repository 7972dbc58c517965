package tokens

import (
	"testing"
	"time"

	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// goesOut tells after how long the next report goes out.
func (s *fakeSession) goesOut(t *testing.T) (lease string, after time.Duration) {
	t.Helper()
	began := time.Now()
	m := s.report(t)
	s.acknowledge(t, m)
	return m.GetReports()[0].GetLeaseId(), time.Since(began)
}

// takeAnother is take on a session that goes on: what the message says is acknowledged.
func (r *rig) takeAnother(s *fakeSession, of lease.Demand, granted *tokenstorev1.Lease) *lease.Lease {
	r.t.Helper()
	answer := r.acquire(r.t.Context(), of)
	m := s.message(r.t)
	s.acknowledge(r.t, m)
	s.grant(r.t, m.GetDemands()[0], granted)
	return soon(r.t, answer, "a lease").lease
}

// Slots that others wait for go back at once: those that were taken ahead, those of which the end
// has not been told yet, and for a second each that is used no more. Those of other upstreams wait
// for others to travel with.
func TestSlotsThatOthersWaitForGoBack(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		elsewhere := demand
		elsewhere.Upstream = "elsewhere"
		ended, used, later := r.takeAnother(s, demand, leaseOf("a", 1)), r.takeAnother(s, demand, leaseOf("a", 2)), r.takeAnother(s, demand, leaseOf("a", 3))
		of := r.takeAnother(s, elsewhere, leaseOf("c", 4))
		r.shelve(leaseOf("a", 5), leaseOf("b", 6))
		r.Settle(ended, lease.Outcome{})
		s.send(t, &tokenstorev1.SessionResponse{Wanted: []string{"cursor"}})
		m := s.said(tick)
		back := map[string]tokenstorev1.Outcome{}
		for _, report := range m.GetReports() {
			back[report.GetLeaseId()] = report.GetOutcome()
		}
		if len(back) != 3 || back["1-1"] != tokenstorev1.Outcome_OUTCOME_SUCCESS || back["1-5"] != tokenstorev1.Outcome_OUTCOME_UNUSED || back["1-6"] != tokenstorev1.Outcome_OUTCOME_UNUSED {
			t.Errorf("back at once: %v", back)
		}
		s.acknowledge(t, m)
		pause(flushEvery)
		r.Settle(used, lease.Outcome{})
		if id, after := s.goesOut(t); id != "1-2" || after != 0 {
			t.Errorf("%s after %v", id, after)
		}
		r.Settle(of, lease.Outcome{})
		if id, after := s.goesOut(t); id != "1-4" || after == 0 {
			t.Errorf("of another upstream: %s after %v", id, after)
		}
		pause(hurryFor)
		r.Settle(later, lease.Outcome{})
		if id, after := s.goesOut(t); id != "1-3" || after == 0 {
			t.Errorf("a second later: %s after %v", id, after)
		}
	})
}

// What was on its way when others began to wait goes back, too, and nothing is asked for ahead for
// a second.
func TestNothingIsTakenAheadWhileOthersWait(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		s := r.welcomed()
		s.send(t, &tokenstorev1.SessionResponse{Wanted: []string{"cursor"}})
		r.shelve(leaseOf("a", 1))
		if id, _ := s.goesOut(t); id != "1-1" || r.aheadNow() != 0 {
			t.Errorf("%s went back, %d are left", id, r.aheadNow())
		}
		r.stocks.mu.Lock()
		defer r.stocks.mu.Unlock()
		of, now := r.ahead(), time.Now()
		if of.free || !of.pausedUntil.Equal(now.Add(hurryFor)) {
			t.Errorf("it is filled again after %v", of.pausedUntil.Sub(now))
		}
	})
}

// Where the store lends fewer than are asked for, it needs the rest for others: for a second a
// stock is no larger than that.
func TestAStockIsNoLargerThanWhatIsLent(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &stock{free: true, rate: 300, steady: 300, asked: now}
	full := s.target(now)
	granted := func(n, asked int) {
		var leases []*held
		for i := range n {
			leases = append(leases, heldFrom(leaseOf("a", i), "u", now, now))
		}
		s.granted(leases, asked, now)
	}
	granted(3, full)
	if got := s.target(now); got != 3 {
		t.Errorf("the target is %d, of %d", got, full)
	}
	s.leases = s.leases[:1]
	granted(2, 2)
	if got := s.target(now); got != 3 {
		t.Errorf("filled up, the target is %d", got)
	}
	s.rate, s.asked = 300, now.Add(scarceFor)
	if got := s.target(now.Add(scarceFor)); got != full {
		t.Errorf("later the target is %d, not %d", got, full)
	}
}
