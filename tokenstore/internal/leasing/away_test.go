package leasing

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var errAway = &rpcerr.Error{Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, Message: "away"}

// partlyAway is a store that has two pools, of which the one of "u2" is on a server that is silent
// until it is told, and then away.
type partlyAway struct {
	*fakeStore
	silent chan struct{}
}

func (s *partlyAway) Acquire(ctx context.Context, wanted Wanted) ([]Taken, Shortage, error) {
	if wanted.Upstream == "u2" {
		<-s.silent
		return nil, Shortage{}, &PoolAway{Upstream: "u2", Err: errAway}
	}
	return s.fakeStore.Acquire(ctx, wanted)
}

func (s *partlyAway) Settle(ctx context.Context, settlements []Settlement) ([]Settled, error) {
	settled, _ := s.fakeStore.Settle(ctx, settlements[:1])
	later := &Deferred{}
	later.Add(&PoolAway{Upstream: "u2", Err: errAway}, settlements[1].LeaseRef)
	return append(settled, Settled{}), later.OrNil()
}

func (s *partlyAway) Reconcile(ctx context.Context, replica string, uses []ReservedUse) ([]Settled, error) {
	settled, _ := s.fakeStore.Reconcile(ctx, replica, uses[:1])
	later := &Deferred{Uses: []uint64{uses[1].Number}}
	later.Add(&PoolAway{Upstream: "u2", Err: errAway})
	return append(settled, Settled{}), later.OrNil()
}

// Of a reserve's uses only those of the pool that is away are deferred: the others are judged, and
// its pool alone waits for renewals.
func TestUsesOfAPoolThatIsAwayAreDeferred(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.Desk.store = &partlyAway{fakeStore: d.store}
		d.store.add("a", 1)
		err := d.Reconcile(t.Context(), "g1", []uint64{4, 5}, []Report{
			{LeaseRef: LeaseRef{TokenID: "a", LeaseID: "1-0"}, Outcome: tokenstorev1.Outcome_OUTCOME_RATE_LIMIT}, {LeaseRef: LeaseRef{TokenID: "z", LeaseID: "1-0"}},
		})
		if part, is := errors.AsType[*Deferred](err); !is || !slices.Equal(part.Uses, []uint64{5}) || len(d.store.transitions()) != 1 {
			t.Errorf("%v, %v", err, d.store.transitions())
		}
		if d.Settling() || d.settling("u") || !d.settling("u2") {
			t.Errorf("settling: all %v, u %v, u2 %v", d.Settling(), d.settling("u"), d.settling("u2"))
		}
	})
}

// A server that is silent holds up the demands for its own pools, and no others. Those are refused
// as what is away while others are not; after that its capped tokens alone wait for renewals.
func TestAPoolThatIsAwayHoldsUpNoOther(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		store := &partlyAway{fakeStore: d.store, silent: make(chan struct{})}
		d.Desk.store = store
		d.store.add("a", 1)
		var stuck Answer
		d.Ask(Demand{Upstream: "u2", Count: 1}, func(answer Answer) bool { stuck = answer; return true })
		synctest.Wait()
		first := d.ask(Demand{})
		synctest.Wait()
		if len(first.answers) != 1 || len(first.answers[0].Leases) != 1 {
			t.Fatalf("while another pool's server is silent: %+v", first.answers)
		}
		close(store.silent)
		synctest.Wait()
		if stuck.Refused == nil || stuck.Refused.Reason != tokenstorev1.Reason_REASON_STORE_UNAVAILABLE || !stuck.PartAway {
			t.Errorf("its own demand: %+v", stuck)
		}
		if d.Settling() || d.settling("u") || !d.settling("u2") || !slices.Equal(d.settlingPools(), []string{"u2"}) {
			t.Errorf("settling: all %v, u %v, u2 %v", d.Settling(), d.settling("u"), d.settling("u2"))
		}
		lease := first.answers[0].Leases[0].LeaseRef
		other := LeaseRef{TokenID: "z", LeaseID: "1-9"}
		err := d.Settle(t.Context(), []Report{{LeaseRef: lease, Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS}, {LeaseRef: other}})
		if part, is := errors.AsType[*Deferred](err); !is || !slices.Equal(part.Leases, []LeaseRef{other}) || d.store.open("a") != 0 {
			t.Errorf("settled %v, %d open", err, d.store.open("a"))
		}
		<-time.After(settleFor)
		if d.settling("u2") || len(d.settlingPools()) != 0 {
			t.Error("it settles for longer than it takes to renew leases")
		}
	})
}

// Tokens whose pool goes away before they are pardoned are when their reports are repeated; nothing
// of another pool waits for that.
func TestAPoolThatGoesAwayIsPardonedLater(t *testing.T) {
	t.Parallel()
	for _, part := range []bool{false, true} {
		atDesk(t, func(t *testing.T, d *desk) {
			if part {
				d.Desk.store = &partlyAway{fakeStore: d.store}
			}
			d.store.add("a", 1)
			granted := d.ask(Demand{})
			expect(t, "a lease", granted, "a")
			lease := granted.lease().LeaseRef
			d.store.wronged = []Pardoned{{Class: "auth"}}
			d.store.downForPardon = &PoolAway{Upstream: "u", Err: errAway}
			reports := []Report{{LeaseRef: lease, Outcome: success}}
			deferred, upstreams := []LeaseRef{lease}, []string{"u"}
			if part {
				other := LeaseRef{TokenID: "z", LeaseID: "1-9"}
				reports, deferred, upstreams = append(reports, Report{LeaseRef: other}), []LeaseRef{other, lease}, []string{"u2", "u"}
			}
			err := d.Settle(t.Context(), reports)
			later, is := errors.AsType[*Deferred](err)
			if !is || !slices.Equal(later.Leases, deferred) || !slices.Equal(later.Upstreams, upstreams) || d.Settling() || !d.settling("u") {
				t.Errorf("settled %v, all settle: %v", err, d.Settling())
			}
			d.Desk.store, d.store.downForPardon = d.store, nil
			if err := d.Settle(t.Context(), reports[:1]); err != nil || len(d.store.pardoned) != 1 {
				t.Errorf("then %v, pardoned %v", err, d.store.pardoned)
			}
		})
	}
}

// So are those of which a reserve's uses tell, which have numbers in the place of leases.
func TestAPoolThatGoesAwayIsPardonedWhenUsesAreRepeated(t *testing.T) {
	t.Parallel()
	for _, part := range []bool{false, true} {
		atDesk(t, func(t *testing.T, d *desk) {
			if part {
				d.Desk.store = &partlyAway{fakeStore: d.store}
			}
			d.store.add("a", 1)
			d.store.wronged = []Pardoned{{Class: "auth"}}
			d.store.downForPardon = &PoolAway{Upstream: "u", Err: errAway}
			reports := []Report{{LeaseRef: LeaseRef{TokenID: "a", LeaseID: "1-0"}, Outcome: success}}
			numbers, deferred, upstreams := []uint64{4}, []uint64{4}, []string{"u"}
			if part {
				reports, numbers = append(reports, Report{LeaseRef: LeaseRef{TokenID: "z", LeaseID: "1-0"}}), append(numbers, 5)
				deferred, upstreams = []uint64{5, 4}, []string{"u2", "u"}
			}
			err := d.Reconcile(t.Context(), "g1", numbers, reports)
			later, is := errors.AsType[*Deferred](err)
			if !is || !slices.Equal(later.Uses, deferred) || len(later.Leases) > 0 || !slices.Equal(later.Upstreams, upstreams) || !d.settling("u") {
				t.Fatalf("reconciled %v: %+v", err, later)
			}
			d.Desk.store, d.store.downForPardon = d.store, nil
			if err := d.Reconcile(t.Context(), "g1", numbers[:1], reports[:1]); err != nil || len(d.store.pardoned) != 1 {
				t.Errorf("then %v, pardoned %v", err, d.store.pardoned)
			}
		})
	}
}

// muteStore is one over which nobody can be told anything: the server for that is silent.
type muteStore struct{ *fakeStore }

func (muteStore) Want(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func (muteStore) Announce(ctx context.Context, _ Waiting) error {
	<-ctx.Done()
	return ctx.Err()
}

// A pool is served while others can't be told that demands wait for it; the sessions of this
// tokenstore are.
func TestNobodyWaitsForOthersToBeTold(t *testing.T) {
	reserving(t, func(t *testing.T, d *Desk, store *fakeStore, only *fakeToken) {
		told := make(chan string, 10)
		d.store = muteStore{store}
		d.TellHere(func(upstream string) { told <- upstream })
		only.held = 1
		answers := make(chan Answer, 1)
		d.Ask(Demand{Upstream: "u", Count: 1, Until: time.Now().Add(time.Minute)}, func(a Answer) bool { answers <- a; return true })
		<-time.After(tick / 2) // it is being told
		began := time.Now()
		store.mu.Lock()
		only.held = 0
		store.mu.Unlock()
		d.Freed("u")
		if answer := <-answers; len(answer.Leases) != 1 || time.Since(began) > 0 {
			t.Errorf("after %s: %+v", time.Since(began), answer)
		}
		if upstream := <-told; upstream != "u" || time.Since(began) > tellTimeout {
			t.Errorf("after %s the sessions of this one are told of %q", time.Since(began), upstream)
		}
	})
}
