package tokens

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// reserveEvery is how often the reserve is renewed; it also shows that the store
	// answers.
	reserveEvery = 500 * time.Millisecond
	// How long a token rests after a failure that the reserve saw, where the
	// upstream gave no hint. The store decides for good when it is back.
	restShort = 5 * time.Second
	restLong  = 30 * time.Minute
)

// reserve has the tokens with which this replica goes on while the store is away:
// no other replica has them in its own, and the store counts the slots of those
// with a cap as taken. So caps hold whoever can reach whom. The Leases' mutex
// guards it.
type reserve struct {
	ReserveOptions
	holds map[string]*hold
	// asked is when the reservation that is under way was sent; zero: none is.
	asked time.Time
	// said is when the last one was sent; due: the next one can't wait.
	said time.Time
	due  bool
	// leaving: the process ends.
	leaving bool
	// until is when the reserve must not be used any more; zero: there is none yet.
	until time.Time
	// turns counts what it served: the token that has waited longest is next.
	turns uint64
	// queue has the requests that wait for a token of it, oldest first.
	queue []*reserveWaiter
	// reports are those that have not been sent; number is the last one's.
	reports []*tokenstorev1.ReserveReport
	number  uint64
}

// hold is a token in the reserve.
type hold struct {
	lease    lease.Lease // without an id
	upstream string
	epoch    uint64
	// slots is how many requests may have it at a time; 0: no limit.
	slots, used int
	// turn is when it was used last.
	turn uint64
	// retired: it is not to be used any more, and goes when nothing uses it.
	retired bool
	rests   time.Time
	// models are those for which it rests.
	models map[string]time.Time
}

type reserveWaiter struct {
	demand lease.Demand
	answer chan *lease.Lease // buffered
}

// mayAsk tells whether it is time for a reservation.
func (r *reserve) mayAsk(now time.Time) bool {
	return r.Time > 0 && r.asked.IsZero() && (r.due || now.Sub(r.said) >= reserveEvery)
}

// reservation is what is to be said to the store about the reserve; nil for
// nothing now.
func (r *reserve) reservation(now time.Time) *tokenstorev1.Reservation {
	if !r.mayAsk(now) {
		return nil
	}
	r.asked, r.said, r.due = now, now, false
	asked := &tokenstorev1.Reservation{Instance: r.Instance, Ttl: durationpb.New(r.Time), Leaving: r.leaving}
	for id, each := range r.holds {
		asked.Holds = append(asked.Holds, &tokenstorev1.Slots{TokenId: id, Slots: uint32(each.slots)}) //nolint:gosec // as the store said
	}
	return asked
}

// leave has the next reservation give everything up.
func (r *reserve) leave() {
	r.holds, r.leaving, r.asked, r.due = map[string]*hold{}, true, time.Time{}, true
}

// answered takes in what the store says of the reserve.
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
			lease: heldFrom(added.GetLease(), time.Time{}).lease, upstream: added.GetUpstream(), epoch: added.GetLease().GetEpoch(),
			slots: int(added.GetSlots()), models: map[string]time.Time{},
		}
	}
}

func (r *reserve) retire(id string) {
	if each := r.holds[id]; each != nil {
		each.retired = true
		r.tidy(each)
	}
}

// tidy lets a retired hold go when nothing uses it.
func (r *reserve) tidy(each *hold) {
	if each.retired && each.used == 0 {
		delete(r.holds, each.lease.TokenID)
		r.due = r.due || each.slots > 0
	}
}

// recall retires a token that is not what it was.
func (r *reserve) recall(id string, below uint64) {
	if each := r.holds[id]; each != nil && each.epoch < below {
		r.retire(id)
	}
}

// giveUp gives up half of an upstream's slots that nothing uses, one at least, for
// demands that wait for them. If that is not enough the store asks again.
func (r *reserve) giveUp(upstream string) {
	var idle []*hold
	for _, each := range r.holds {
		if each.upstream == upstream && each.slots > each.used {
			idle = append(idle, each)
		}
	}
	for _, each := range idle[:(len(idle)+1)/2] {
		r.due = true
		if each.slots = each.used; each.used == 0 {
			delete(r.holds, each.lease.TokenID)
		}
	}
}

// usable tells whether the reserve may be used at all.
func (r *reserve) usable(now time.Time) bool { return !lease.Passed(r.until, now) && len(r.holds) > 0 }

// take answers a token for the demand, the one that has waited longest; nil when
// none is free.
func (r *reserve) take(demand lease.Demand, now time.Time) *held {
	if lease.Passed(r.until, now) {
		return nil
	}
	var best *hold
	for _, each := range r.holds {
		if each.free(demand, now) && (best == nil || each.turn < best.turn || each.turn == best.turn && each.lease.TokenID < best.lease.TokenID) {
			best = each
		}
	}
	if best == nil {
		return nil
	}
	r.turns++
	best.turn = r.turns
	best.used++
	taken := &held{lease: best.lease, epoch: best.epoch, from: best}
	taken.lease.Term = &taken.term
	taken.term.Extend(r.until)
	taken.lease.ID = strconv.FormatUint(best.epoch, 10) + "-0"
	return taken
}

func (h *hold) free(demand lease.Demand, now time.Time) bool {
	return h.serves(demand) && (h.slots == 0 || h.used < h.slots) && !now.Before(h.rests) &&
		!now.Before(h.models[demand.Model]) && !slices.Contains(demand.Exclude, h.lease.TokenID)
}

func (h *hold) serves(demand lease.Demand) bool {
	return !h.retired && h.upstream == demand.Upstream && (demand.Alias == "" || demand.Alias == h.lease.Alias)
}

// settle ends a request that the reserve served, and queues its report.
func (r *reserve) settle(from *hold, report *tokenstorev1.Report, now time.Time) (lost int) {
	from.used--
	if report.GetOutcome() == tokenstorev1.Outcome_OUTCOME_UNUSED {
		r.tidy(from)
		return 0
	}
	rest := report.GetRetryAfter().AsDuration()
	switch report.GetOutcome() {
	case tokenstorev1.Outcome_OUTCOME_RATE_LIMIT:
		from.rests = now.Add(max(rest, restShort))
	case tokenstorev1.Outcome_OUTCOME_QUOTA, tokenstorev1.Outcome_OUTCOME_AUTH:
		from.rests = now.Add(max(rest, restLong))
	case tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED:
		from.models[report.GetModel()] = now.Add(restLong)
	default:
	}
	r.tidy(from)
	r.number++
	r.reports = append(r.reports, &tokenstorev1.ReserveReport{Number: r.number, Report: report})
	if over := len(r.reports) - maxPending; over > 0 {
		lost = over + maxPending/10 // so that it does not come to this each time
		r.reports = r.reports[lost:]
	}
	return lost
}

// refusal says why the reserve has nothing for the demand.
func (r *reserve) refusal(demand lease.Demand, since, now time.Time) *chat.Error {
	err := &chat.Error{Kind: chat.StoreUnavailable, RetryAfter: time.Second}
	away := now.Sub(since).Round(time.Second)
	if lease.Passed(r.until, now) {
		err.Message = fmt.Sprintf("the tokenstore can't be reached since %s, longer than this gateway may go on by itself (%s)", away, r.Time)
		return err
	}
	total, busy, resting, tried := 0, 0, 0, 0
	for _, each := range r.holds {
		if !each.serves(demand) {
			continue
		}
		total++
		switch {
		case slices.Contains(demand.Exclude, each.lease.TokenID):
			tried++
		case now.Before(each.rests) || now.Before(each.models[demand.Model]):
			resting++
		default:
			busy++
		}
	}
	err.Message = fmt.Sprintf("the tokenstore can't be reached since %s, and of the %d tokens of upstream %q that this gateway may use meanwhile none is free: "+
		"%d busy, %d cooling, %d tried by this request", away, total, demand.Upstream, busy, resting, tried)
	return err
}
