package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
)

// holder is a replica with its reserve, as a gateway keeps it.
type holder struct {
	p        *leasePool
	name     string
	instance string
	holds    map[string]leasing.AddedHold
}

func (p *leasePool) holder(name string) *holder {
	p.t.Helper()
	p.barrier.Barrier = BarrierFunc(func(context.Context) error { return nil })
	p.must(p.client.HSet(p.t.Context(), upstreamsKey(), somewhere, "{}").Err())
	return &holder{p: p, name: name, instance: "i-" + name, holds: map[string]leasing.AddedHold{}}
}

// beat renews the reserve and answers the ids that it was told to drop.
func (h *holder) beat(busy ...string) []string {
	h.p.t.Helper()
	reservation := leasing.Reservation{Replica: h.name, Instance: h.instance, TTL: time.Minute, Wanted: busy}
	for _, each := range h.holds {
		reservation.Holds = append(reservation.Holds, each.Hold)
	}
	reserve, err := h.p.Reserve(h.p.t.Context(), reservation)
	h.p.must(err)
	for _, id := range reserve.Dropped {
		delete(h.holds, id)
	}
	for _, each := range reserve.Added {
		h.holds[each.TokenID] = each
	}
	return reserve.Dropped
}

func (h *holder) slots() int {
	sum := 0
	for _, each := range h.holds {
		sum += each.Slots
	}
	return sum
}

func (h *holder) ids() []string {
	var ids []string
	for id := range h.holds {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// fall makes it as if the replica had been silent for so long.
func (h *holder) fall(silent time.Duration) {
	h.p.t.Helper()
	now, err := h.p.client.Time(h.p.t.Context()).Result()
	h.p.must(err)
	heard := fmt.Sprintf("%d %s", now.Add(-silent).UnixMilli(), h.instance)
	h.p.must(h.p.client.HSet(h.p.t.Context(), holdersKey(somewhere), h.name, heard).Err())
}

// Each token is in the reserve of one replica, and all replicas have as many.
func TestReservesShareThePool(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for i := range 10 {
			p.add(fmt.Sprint("t", i))
		}
		a, b := p.holder("a"), p.holder("b")
		a.beat()
		if len(a.holds) != 10 {
			t.Errorf("alone it holds %v", a.ids())
		}
		b.beat() // nothing is free yet
		for range 3 {
			a.beat()
			b.beat()
		}
		if len(a.holds) < 5 || len(a.holds) > 6 || len(a.holds)+len(b.holds) != 10 {
			t.Errorf("%v and %v", a.ids(), b.ids())
		}
		for id := range a.holds {
			if _, twice := b.holds[id]; twice {
				t.Errorf("both hold %s", id)
			}
		}
	})
}

// The slots of a reserve count as taken; half of what is idle is left to others.
func TestReservedSlotsCountUnderTheCap(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for i := range 4 {
			p.add(fmt.Sprint("t", i), "cap", 2)
		}
		a := p.holder("a")
		a.beat()
		if got := a.slots(); got != 4 {
			t.Errorf("%d of 8 slots are held, want 4", got)
		}
		a.beat() // what it has is not idle: it does not grow
		if got := a.slots(); got != 4 {
			t.Errorf("%d of 8 slots are held after another beat, want 4", got)
		}
		for range 4 {
			p.take(leasing.Wanted{})
		}
		if taken, short := p.ask(leasing.Wanted{}); len(taken) > 0 || short.Capped != 4 || short.Reserved != 4 {
			t.Errorf("took %v beside the reserve; %+v", taken, short)
		}
		a.holds = map[string]leasing.AddedHold{}
		a.beat(somewhere)
		if len(a.holds) != 0 {
			t.Errorf("it took %v of an upstream whose demands wait", a.ids())
		}
		for range 4 {
			p.take(leasing.Wanted{})
		}
	})
}

func TestReserveIsFreed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		happens func(a, b *holder)
		frees   bool
	}{
		"silence of its holder does not": {happens: func(a, b *holder) { a.fall(30 * time.Second); b.beat() }},
		"its holder goes": {frees: true, happens: func(a, _ *holder) {
			_, err := a.p.Reserve(a.p.t.Context(), leasing.Reservation{Replica: a.name, Instance: a.instance})
			a.p.must(err)
		}},
		"its holder's end":     {frees: true, happens: func(a, b *holder) { a.fall(10 * time.Second); b.instance = a.instance; b.beat() }},
		"a running one's twin": {happens: func(a, b *holder) { b.instance = a.instance; b.beat() }},
		"the time that it has": {frees: true, happens: func(a, b *holder) {
			a.p.set("t", "held_until", never)
			a.p.must(a.p.client.ZAdd(a.p.t.Context(), inflightKey(somewhere, "t"), redis.Z{Score: never, Member: "hold-1"}).Err())
			b.beat()
		}},
		"an answer that is lost": {frees: true, happens: func(a, b *holder) { a.holds = nil; a.beat(somewhere); b.beat() }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.add("t", "cap", 1)
				a, b := p.holder("a"), p.holder("b")
				if a.beat(); a.slots() != 1 {
					t.Fatalf("%d slots are held, want the one", a.slots())
				}
				c.happens(a, b)
				taken, _ := p.ask(leasing.Wanted{})
				if free := len(taken) > 0 || b.slots() > 0; free != c.frees {
					t.Errorf("free: %v, want %v", free, c.frees)
				}
			})
		})
	}
}

// What may not be used by anybody may not be used from a reserve.
func TestReserveDropsWhatIsNotToBeUsed(t *testing.T) {
	t.Parallel()
	now := fmt.Sprint(time.Now().Add(30 * time.Second).UnixMilli())
	for name, fields := range map[string][]any{
		"disabled": {"enabled", 0}, "cooling": {"cooling", ever}, "parked": {"phase", "parked"}, "probed": {"phase", "1"},
		"expires before the reserve does": {"expires", now}, "has no cap any more": {"cap", 0}, "has another holder": {"holder", "x"},
		"has another access token": {"grants", 1}, "its access token ends before": {"expires", ever, "access_ends", now},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.add("t", "cap", 2)
				a := p.holder("a")
				a.beat()
				p.set("t", fields...)
				if diff := cmp.Diff([]string{"t"}, a.beat()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// A report counts once, however often it comes.
func TestReconcileCountsOnce(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("t", "streak", 3)
		use := func(number uint64, effect leasing.Effect) leasing.ReservedUse {
			return leasing.ReservedUse{Number: number, Settlement: leasing.Settlement{LeaseRef: leasing.LeaseRef{TokenID: "t", LeaseID: "1-0"}, Effect: effect, Error: "evidence"}}
		}
		reconcile := func(uses ...leasing.ReservedUse) []leasing.Settled {
			settled, err := p.Reconcile(t.Context(), "a", uses)
			p.must(err)
			return settled
		}
		settled := reconcile(use(1, leasing.Succeeded), use(2, leasing.Failed))
		if !settled[0].Live || !settled[1].Live || settled[0].Upstream != somewhere {
			t.Errorf("settled %+v", settled)
		}
		if settled = reconcile(use(1, leasing.Succeeded), use(2, leasing.Failed), use(3, leasing.Failed)); settled[1].Live || !settled[2].Live {
			t.Errorf("settled again: %+v", settled)
		}
		if requests, failures, evidence := p.field("t", "requests"), p.field("t", "failures"), p.field("t", "last_error"); requests != "3" || failures != "2" || evidence != "evidence" {
			t.Errorf("%s requests, %s failures, %q", requests, failures, evidence)
		}
		gone := use(4, leasing.Failed)
		gone.TokenID = "gone"
		if settled = reconcile(gone); settled[0].Live {
			t.Errorf("a token that is gone: %+v", settled)
		}
	})
}

// A hold that is not about to end is not written again: a reserve that is kept costs
// Redis's disk next to nothing.
func TestReserveIsRenewedInTime(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("t", "cap", 1)
		a := p.holder("a")
		a.beat()
		until := p.field("t", "held_until")
		a.beat()
		if again := p.field("t", "held_until"); again != until {
			t.Errorf("written again: %s, then %s", until, again)
		}
		now, err := p.client.Time(t.Context()).Result()
		p.must(err)
		soon := fmt.Sprint(now.Add(50 * time.Second).UnixMilli())
		p.set("t", "held_until", soon)
		if a.beat(); p.field("t", "held_until") <= soon {
			t.Error("not renewed")
		}
		if score, err := p.client.ZScore(t.Context(), inflightKey(somewhere, "t"), "hold-1").Result(); err != nil || score < float64(now.Add(time.Minute).UnixMilli()) {
			t.Errorf("its slot ends at %v, %v", score, err)
		}
	})
}

// A server that can't save, for want of a replica, keeps renewing what a replica holds.
// Nothing is added, and no token stays held for nobody.
func TestNothingIsAddedThatIsNotSaved(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		h := p.holder("r")
		h.beat()
		if len(h.holds) != 1 {
			t.Fatalf("it holds %v", h.ids())
		}
		p.add("b")
		p.barrier.Barrier = BarrierFunc(func(context.Context) error { return errors.New("no replica") })
		for range 3 {
			if dropped := h.beat(); len(dropped) > 0 || !slices.Equal(h.ids(), []string{"a"}) {
				t.Fatalf("it dropped %v and holds %v", dropped, h.ids())
			}
		}
		if held := p.field("b", "holder"); held != "" {
			t.Errorf("the token that was not added is held by %q", held)
		}
		p.barrier.Barrier = BarrierFunc(func(context.Context) error { return nil })
		p.reservesAgain.Store(0) // the pause is over
		h.beat()
		if len(h.holds) != 2 {
			t.Errorf("afterwards it holds %v", h.ids())
		}
	})
}
