package tokens

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// reserveEvery is how often the reserve is renewed; it also shows that the store
// answers. quietReserveEvery is how often while nothing else is said.
const (
	reserveEvery      = 500 * time.Millisecond
	quietReserveEvery = 2 * time.Second
)

// due implements sessionReserve.
func (r *reserve) due(now time.Time, quiet bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	early := quiet && !r.degraded() && !r.urgent && now.Sub(r.said) < quietReserveEvery
	return !early && r.mayAsk(now)
}

// say implements sessionReserve.
func (r *reserve) say(now time.Time) (*tokenstorev1.Reservation, []*tokenstorev1.ReserveReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.reports, r.isSayable) {
		return r.reservation(now), nil // all that wait, which may be many, stay where they are
	}
	sayable, later := r.sayable()
	said := takeMessages(&sayable)
	r.reports = sayable
	if len(later) > 0 {
		r.reports = slices.Concat(sayable, later)
	}
	return r.reservation(now), said
}

// sayable are the reports that can be said now, and those of pools that are away, which wait; mu is
// held. The order within a pool is kept.
func (r *reserve) sayable() (now, later []*tokenstorev1.ReserveReport) {
	if len(r.pools) == 0 {
		return r.reports, nil
	}
	for _, each := range r.reports {
		if r.isSayable(each) {
			now = append(now, each)
		} else {
			later = append(later, each)
		}
	}
	return now, later
}

// isSayable tells whether a report can be said now: its pool is not away; mu is held.
func (r *reserve) isSayable(each *tokenstorev1.ReserveReport) bool {
	return r.pools[each.GetReport().GetUpstream()] == nil
}

// unsaid implements sessionReserve.
func (r *reserve) unsaid() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.reports, r.isSayable)
}

// left implements sessionReserve.
func (r *reserve) left() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.reports)
}

// renew implements sessionReserve.
func (r *reserve) renew(again []*tokenstorev1.ReserveReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.putBack(again)
	r.asked, r.urgent = time.Time{}, true
}

// again implements sessionReserve. The pools count as away until a reservation's answer leaves them
// out.
func (r *reserve) again(uses []*tokenstorev1.ReserveReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.putBack(uses)
	for _, each := range uses {
		r.beginPool(each.GetReport().GetUpstream(), errPoolAway)
	}
}

// putBack has reports that have been sent be sent again, in their order; mu is held.
func (r *reserve) putBack(again []*tokenstorev1.ReserveReport) {
	r.reports = append(slices.Clone(again), r.reports...)
	slices.SortFunc(r.reports, func(a, b *tokenstorev1.ReserveReport) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
	var lost int
	if r.reports, lost = bounded(r.reports); lost > 0 {
		r.observe.ReportsLost(lost)
	}
}

// mayAsk reports whether it is time for a reservation; mu is held.
func (r *reserve) mayAsk(now time.Time) bool {
	return r.Time > 0 && r.asked.IsZero() && (r.urgent || now.Sub(r.said) >= reserveEvery-tick)
}

// reservation is what is to be said to the store about the reserve; nil for
// nothing now. mu is held.
func (r *reserve) reservation(now time.Time) *tokenstorev1.Reservation {
	if !r.mayAsk(now) {
		return nil
	}
	r.asked, r.said, r.urgent = now, now, false
	asked := &tokenstorev1.Reservation{Instance: r.Instance, Ttl: durationpb.New(r.Time), Leaving: r.leaving}
	for id, each := range r.holds {
		asked.Holds = append(asked.Holds, &tokenstorev1.Slots{TokenId: id, Upstream: each.upstream, Slots: uint32(each.slots)}) //nolint:gosec // as the store said
	}
	return asked
}

// leave implements sessionReserve: the next reservation gives everything up.
func (r *reserve) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds, r.leaving, r.asked, r.urgent = map[string]*hold{}, true, time.Time{}, true
}

// answered takes in what the store says of the reserve; mu is held.
func (r *reserve) answered(answer *tokenstorev1.Reserve) {
	if r.asked.IsZero() || r.leaving {
		return
	}
	// Counted from when it was asked, and a bit less: the store's clock began later.
	r.until, r.asked = r.asked.Add(r.Time-min(time.Second, r.Time/10)), time.Time{}
	for _, id := range answer.GetDroppedTokenIds() {
		r.retire(id)
	}
	for _, added := range answer.GetAdded() {
		r.holds[added.GetLease().GetTokenId()] = &hold{
			lease: reservedFrom(added), upstream: added.GetUpstream(), epoch: added.GetLease().GetEpoch(),
			slots: int(added.GetSlots()), models: map[string]time.Time{},
		}
	}
}

func reservedFrom(added *tokenstorev1.Reserved) lease.Lease {
	made := leaseFrom(added.GetLease())
	made.Upstream = added.GetUpstream()
	return made
}

// retire ends the use of a token; mu is held.
func (r *reserve) retire(id string) {
	if each := r.holds[id]; each != nil {
		each.retired = true
		r.tidy(each)
	}
}

// tidy lets a retired hold go when nothing uses it; mu is held.
func (r *reserve) tidy(each *hold) {
	if each.retired && each.used == 0 {
		delete(r.holds, each.lease.TokenID)
		r.urgent = r.urgent || each.slots > 0
	}
}

// recall implements sessionReserve: a token that is not what it was is retired.
func (r *reserve) recall(id string, below uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if each := r.holds[id]; each != nil && each.epoch < below {
		r.retire(id)
	}
}

// giveUp gives up half of an upstream's slots that nothing uses, one at least, for
// demands that wait for them. If that is not enough the store asks again. mu is held.
func (r *reserve) giveUp(upstream string) {
	var idle []*hold
	for _, each := range r.holds {
		if each.upstream == upstream && each.slots > each.used {
			idle = append(idle, each)
		}
	}
	for _, each := range idle[:(len(idle)+1)/2] {
		r.urgent = true
		if each.slots = each.used; each.used == 0 {
			delete(r.holds, each.lease.TokenID)
		}
	}
}
