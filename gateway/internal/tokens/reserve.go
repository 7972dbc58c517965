package tokens

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// How long a token rests after a failure that the reserve saw, where the
	// upstream gave no hint. The store decides for good when it is back.
	restShort = 5 * time.Second
	restLong  = 30 * time.Minute
)

// ReserveOptions say how a replica goes on while the store is away.
type ReserveOptions struct {
	// Time is for how long at most; 0: not at all.
	Time time.Duration
	// Instance is the same for each start of this gateway, and no other's.
	Instance string
	// Reset breaks the connections to an address of the store: one that a dead network
	// has left would be waited for long after the network is back. Nil: there is no need.
	Reset func(addr net.Addr)
}

// reserve has the tokens with which this replica goes on while the store is away:
// no other replica has them in its own, and the store counts the slots of those
// with a cap as taken. So caps hold whoever can reach whom.
type reserve struct {
	ReserveOptions
	// nudge has the session send what is due.
	nudge   func()
	observe Observer
	log     *slog.Logger

	mu    sync.Mutex
	holds map[string]*hold
	// open has the leases that requests have, by what acquire returned.
	open map[*lease.Lease]*hold
	// outage is the present one; nil while the store is there. pools are those of single pools, by
	// upstream. changed is closed, and another one made, when any begins.
	outage  *outage
	pools   map[string]*outage
	changed chan struct{}
	// degradedSince is when the first of the present ones began, and spent how long the times
	// have lasted in which there was any, and which are over.
	degradedSince time.Time
	spent         time.Duration
	// asked is when the reservation that is under way was sent; zero: none is.
	asked time.Time
	// said is when the last one was sent; urgent: the next one can't wait.
	said   time.Time
	urgent bool
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

func newReserve(nudge func(), observe Observer, log *slog.Logger) *reserve {
	return &reserve{
		nudge: nudge, observe: observe, log: log,
		holds: map[string]*hold{}, open: map[*lease.Lease]*hold{}, pools: map[string]*outage{}, changed: make(chan struct{}),
	}
}

// keeps implements sessionReserve.
func (r *reserve) keeps() bool { return r.Time > 0 }

// reset implements sessionReserve.
func (r *reserve) reset(addr net.Addr) {
	if r.Reset != nil {
		r.Reset(addr)
	}
}

// acquire takes a lease from the reserve, and waits for one within the errand's time;
// where there is nothing to wait for but the store, only for a moment. retry: the store
// is back.
func (r *reserve) acquire(ctx context.Context, errand errand) (taken *lease.Lease, retry bool, err error) {
	r.mu.Lock()
	now, outage := time.Now(), r.outageOf(errand.demand.Upstream)
	if outage == nil {
		r.mu.Unlock()
		return nil, true, nil
	}
	if taken = r.hand(errand.demand, now); taken != nil {
		r.mu.Unlock()
		r.observe.LeasedInReserve(time.Since(errand.began))
		return taken, false, nil
	}
	deadline := r.deadline(errand, outage, now)
	mine := &reserveWaiter{demand: errand.demand, answer: make(chan *lease.Lease, 1)}
	r.queue = append(r.queue, mine)
	r.mu.Unlock()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case taken = <-mine.answer:
		r.observe.LeasedInReserve(time.Since(errand.began))
		return taken, false, nil
	case <-outage.over:
		retry = true
	case <-ctx.Done():
		err = chat.AsError(context.Cause(ctx))
	case <-timer.C:
		r.mu.Lock()
		err = r.refusal(errand.demand, outage, time.Now())
		r.mu.Unlock()
		r.observe.Denied()
	}
	r.abandon(mine)
	return nil, retry, err
}

// deadline is until when a request waits that gets no lease now; mu is held.
func (r *reserve) deadline(errand errand, outage *outage, now time.Time) time.Time {
	back := outage.since.Add(reconnectTime)
	deadline := r.untilOf(errand.demand.Upstream)
	if lease.Passed(deadline, now) || !r.has(errand.demand) {
		deadline = back
	}
	if deadline.Before(back) {
		deadline = back
	}
	if errand.deadline.Before(deadline) {
		return errand.deadline
	}
	return deadline
}

// has reports whether any token of the reserve is for the demand; mu is held.
func (r *reserve) has(demand lease.Demand) bool {
	if unpaid(demand.Charge) {
		return false
	}
	for _, each := range r.holds {
		if each.serves(demand) {
			return true
		}
	}
	return false
}

// hand takes a lease for a request, or returns nil; mu is held.
func (r *reserve) hand(demand lease.Demand, now time.Time) *lease.Lease {
	from := r.take(demand, now)
	if from == nil {
		return nil
	}
	made := &struct {
		lease lease.Lease
		term  lease.Term
	}{lease: from.lease}
	made.lease.ID = strconv.FormatUint(from.epoch, 10) + "-0"
	made.lease.Term = &made.term
	made.term.Extend(r.untilOf(demand.Upstream))
	r.open[&made.lease] = from
	if outage := r.outageOf(demand.Upstream); outage != nil {
		outage.served++
	}
	return &made.lease
}

// abandon stops waiting; a lease that came meanwhile goes back unused.
func (r *reserve) abandon(mine *reserveWaiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = slices.DeleteFunc(r.queue, func(each *reserveWaiter) bool { return each == mine })
	select {
	case taken := <-mine.answer:
		from := r.open[taken]
		delete(r.open, taken)
		r.free(from)
	default:
	}
}

// free gives a hold's use back, and what has become free to those who wait; mu is held.
func (r *reserve) free(from *hold) {
	from.used--
	r.tidy(from)
	now := time.Now()
	r.queue = slices.DeleteFunc(r.queue, func(each *reserveWaiter) bool {
		taken := r.hand(each.demand, now)
		if taken != nil {
			each.answer <- taken
		}
		return taken != nil
	})
}

// settle ends a request's lease, and queues its report. One that is none of the
// reserve's it leaves alone.
func (r *reserve) settle(done *lease.Lease, report *tokenstorev1.Report) {
	r.mu.Lock()
	from := r.open[done]
	delete(r.open, done)
	lost := 0
	if from != nil {
		if report.GetOutcome() != tokenstorev1.Outcome_OUTCOME_UNUSED {
			from.rest(report, time.Now())
			r.number++
			r.reports = append(r.reports, &tokenstorev1.ReserveReport{Number: r.number, Report: report})
			r.reports, lost = bounded(r.reports)
		}
		r.free(from)
	}
	r.mu.Unlock()
	if lost > 0 {
		r.observe.ReportsLost(lost)
	}
	if from != nil && report.GetOutcome() != tokenstorev1.Outcome_OUTCOME_SUCCESS {
		r.nudge()
	}
}

// rest has a token rest after a failure.
func (h *hold) rest(report *tokenstorev1.Report, now time.Time) {
	hint := report.GetRetryAfter().AsDuration()
	switch report.GetOutcome() {
	case tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, tokenstorev1.Outcome_OUTCOME_PROXY:
		h.rests = now.Add(max(hint, restShort))
	case tokenstorev1.Outcome_OUTCOME_QUOTA, tokenstorev1.Outcome_OUTCOME_AUTH:
		h.rests = now.Add(max(hint, restLong))
	case tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED:
		h.models[report.GetModel()] = now.Add(restLong)
	default:
	}
}

// take uses one of the tokens that are free for the demand: the one that has waited longest,
// or the one at which its conversation stays; nil when none is. mu is held.
func (r *reserve) take(demand lease.Demand, now time.Time) *hold {
	if lease.Passed(r.untilOf(demand.Upstream), now) || unpaid(demand.Charge) {
		return nil
	}
	var free []*hold
	for _, each := range r.holds {
		if each.free(demand, now) {
			free = append(free, each)
		}
	}
	if len(free) == 0 {
		return nil
	}
	var best *hold
	if demand.Affinity != "" {
		best = nearest(demand.Affinity, free)
	} else {
		best = slices.MinFunc(free, func(a, b *hold) int {
			return cmp.Or(cmp.Compare(a.turn, b.turn), cmp.Compare(a.lease.TokenID, b.lease.TokenID))
		})
	}
	r.turns++
	best.turn = r.turns
	best.used++
	return best
}

func (h *hold) free(demand lease.Demand, now time.Time) bool {
	return h.serves(demand) && (h.slots == 0 || h.used < h.slots) && !now.Before(h.rests) &&
		!now.Before(h.models[demand.Model]) && !slices.Contains(demand.Exclude, h.lease.TokenID)
}

func (h *hold) serves(demand lease.Demand) bool {
	return !h.retired && h.upstream == demand.Upstream && (demand.Alias == "" || demand.Alias == h.lease.Alias) &&
		(demand.TokenID == "" || demand.TokenID == h.lease.TokenID)
}

// usable reports whether the reserve may serve requests.
func (r *reserve) usable() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mayServe(time.Now())
}

// mayServe is usable; mu is held.
func (r *reserve) mayServe(now time.Time) bool {
	return !lease.Passed(r.until, now) && len(r.holds) > 0
}

// refusal says why the reserve has nothing for the demand; mu is held.
func (r *reserve) refusal(demand lease.Demand, outage *outage, now time.Time) *chat.Error {
	err := &chat.Error{Kind: chat.StoreUnavailable, RetryAfter: time.Second}
	away, what, until := now.Sub(outage.since).Round(time.Second), outage.what(), r.untilOf(demand.Upstream)
	switch {
	case unpaid(demand.Charge):
		err.Message = fmt.Sprintf("%s can't be reached since %s, and without it the limits of your key can't be checked", what, away)
		return err
	case r.Time <= 0:
		err.Message = fmt.Sprintf("%s can't be reached since %s", what, away)
		return err
	case !until.IsZero() && lease.Passed(until, now):
		err.Message = fmt.Sprintf("%s can't be reached since %s, longer than this gateway may go on by itself (%s)", what, away, r.Time)
		return err
	case !r.has(demand):
		err.Message = fmt.Sprintf("%s can't be reached since %s, and this gateway has no token of upstream %q in reserve%s",
			what, away, demand.Upstream, asWanted(demand))
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
	err.Message = fmt.Sprintf("%s can't be reached since %s, and of the %d tokens of upstream %q that this gateway may use meanwhile none is free: %s",
		what, away, total, demand.Upstream, strings.Join(counted([]int{busy, resting, tried}, "busy", "cooling", "tried by this request"), ", "))
	return err
}

// counted lists what there is any of.
func counted(counts []int, names ...string) []string {
	var list []string
	for i, count := range counts {
		if count > 0 {
			list = append(list, strconv.Itoa(count)+" "+names[i])
		}
	}
	return list
}

func asWanted(demand lease.Demand) string {
	switch {
	case demand.TokenID != "":
		return " that has what the request goes on with"
	case demand.Alias != "":
		return fmt.Sprintf(" that has the alias %q", demand.Alias)
	}
	return ""
}
