package leasing

import (
	"container/list"
	"context"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// queue holds the demands for one upstream that are not answered yet, oldest
// first: *waiter. The desk's mutex guards it, but for denials.
type queue struct {
	list.List
	// due: something has happened since it was served.
	due bool
	// freed counts how often a token may have become free.
	freed uint64
	// serving: Run has it served now.
	serving bool
	// held is until when it is not served, while another desk has its turn; zero: it is.
	held time.Time
	// denials are by kind; whoever serves it has them.
	denials map[string]denial
}

type waiter struct {
	demand Demand
	reply  Reply
	// kind is the same for demands that the same tokens could serve. A key is no part of it:
	// it only says which of them is tried first.
	kind string
	came time.Time
	// place is nil once the demand has been answered or withdrawn; the desk's
	// mutex guards it.
	place *list.Element
}

// Ask has the demand answered when its turn comes, at once where a token is
// free. reply is called exactly once unless the demand is withdrawn before; the
// function that is returned withdraws it. All demands pass the queue: those that
// come while a call of the store is under way share the next one.
func (d *Desk) Ask(demand Demand, reply Reply) (withdraw func()) {
	d.noteUse()
	w := &waiter{demand: demand, reply: reply, kind: kindOf(demand), came: time.Now()}
	if !demand.Since.IsZero() {
		w.came = demand.Since
	}
	if !d.enqueue(w) {
		d.answer(w, Answer{Refused: &rpcerr.Error{
			Reason:  tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE,
			Message: "too many requests are waiting for a token", RetryAfter: time.Second,
		}})
		return func() {}
	}
	d.look()
	return func() { d.remove(w) }
}

// answer gives w its answer, and returns false when nobody can use the leases any more.
func (d *Desk) answer(w *waiter, answer Answer) bool {
	d.observe.Answered(w.demand.Upstream, w.demand.Ahead, len(answer.Leases), reasonOf(answer.Refused), time.Since(w.came))
	return w.reply(answer)
}

// reasonOf is why a demand is refused, as metrics name it; empty: it is not.
func reasonOf(refused *rpcerr.Error) string {
	if refused == nil {
		return ""
	}
	switch refused.Reason {
	case tokenstorev1.Reason_REASON_NO_TOKENS:
		return "no_tokens"
	case tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE:
		return "no_token_available"
	case tokenstorev1.Reason_REASON_UPSTREAM_FAILING:
		return "upstream_failing"
	case tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND:
		return "token_not_found"
	case tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:
		return "store_unavailable"
	default:
		return "internal"
	}
}

func kindOf(demand Demand) string {
	mode := ""
	if demand.Ahead {
		mode = "ahead"
	}
	if demand.Uncapped {
		mode = "uncapped"
	}
	parts := append([]string{demand.Upstream, mode, demand.Model, demand.Alias, demand.TokenID}, demand.Exclude...)
	return strings.Join(parts, "\x00")
}

func (d *Desk) enqueue(w *waiter) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queues[w.demand.Upstream]
	if q == nil {
		q = &queue{denials: map[string]denial{}}
		d.queues[w.demand.Upstream] = q
	}
	if q.Len() >= maxQueue {
		return false
	}
	w.place, q.due = q.insert(w), true
	return true
}

// insert puts a demand behind those that came before it: mostly last, or further in front
// where it has waited in a session before, perhaps with another desk.
func (q *queue) insert(w *waiter) *list.Element {
	for before := q.Back(); before != nil; before = before.Prev() {
		if !before.Value.(*waiter).came.After(w.came) { //nolint:forcetypeassert // nothing else is in it
			return q.InsertAfter(w, before)
		}
	}
	return q.PushFront(w)
}

// remove returns false when the demand has been answered or withdrawn already:
// who gets true is the only one to answer it.
func (d *Desk) remove(w *waiter) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.place == nil {
		return false
	}
	q := d.queues[w.demand.Upstream]
	q.Remove(w.place)
	w.place = nil
	if q.Len() == 0 {
		delete(d.queues, w.demand.Upstream)
	}
	return true
}

// Freed tells the desk that a token of the upstream may have become free. It does not
// block.
func (d *Desk) Freed(upstream string) {
	d.mu.Lock()
	q := d.queues[upstream]
	if q == nil {
		d.mu.Unlock()
		return
	}
	q.freed, q.due = q.freed+1, true
	if q.held.IsZero() && d.olderElsewhere(upstream, q) {
		q.held = time.Now().Add(courtesy)
		time.AfterFunc(courtesy, d.look)
	}
	held := !q.held.IsZero()
	d.mu.Unlock()
	if !held {
		d.look()
	}
}

// FreedAny is Freed for every upstream: it is not known what has happened.
func (d *Desk) FreedAny() {
	d.mu.Lock()
	for _, q := range d.queues {
		q.freed, q.due = q.freed+1, true
	}
	d.mu.Unlock()
	d.look()
}

// look wakes Run.
func (d *Desk) look() {
	select {
	case d.wake <- struct{}{}:
	default: // a look is due already
	}
}

// Run serves the queues until ctx ends, each by itself: a pool whose server is silent holds up no
// other. Demands that wait then stay unanswered.
func (d *Desk) Run(ctx context.Context) {
	defer d.told.Wait()
	var serving sync.WaitGroup
	defer serving.Wait()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		var ticks <-chan time.Time // nobody waits: there is nothing to look at
		if d.anyWaits() {
			ticks = ticker.C
		} else {
			ticker.Stop()
		}
		all := false
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-ticks:
			all = true
		}
		for q, waiting := range d.snapshot(all) {
			serving.Go(func() {
				d.serve(ctx, q, waiting)
				d.served(q)
			})
		}
		if ticks == nil {
			ticker.Reset(tick)
		}
	}
}

// anyWaits tells whether a demand is in any queue.
func (d *Desk) anyWaits() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queues) > 0
}

// snapshot returns what waits in the queues that are to be served.
func (d *Desk) snapshot(all bool) map[*queue][]*waiter {
	d.mu.Lock()
	defer d.mu.Unlock()
	due := map[*queue][]*waiter{}
	for _, q := range d.queues {
		if q.serving || !q.due && !all || time.Now().Before(q.held) {
			continue
		}
		q.serving, q.due, q.held = true, false, time.Time{}
		waiting := make([]*waiter, 0, q.Len())
		for place := q.Front(); place != nil; place = place.Next() {
			waiting = append(waiting, place.Value.(*waiter)) //nolint:forcetypeassert // nothing else is in it
		}
		due[q] = waiting
	}
	return due
}

// served notes that a queue may be served again, and has it served where that is due.
func (d *Desk) served(q *queue) {
	d.mu.Lock()
	q.serving = false
	due := q.due
	d.mu.Unlock()
	if due {
		d.look()
	}
}

// serve gives each waiter of one upstream its turn, neighbours of one kind and key
// together. Once nothing is left for a kind, those behind it of the same kind
// keep waiting; those of another kind have their own turn.
func (d *Desk) serve(ctx context.Context, q *queue, waiting []*waiter) {
	freed, asked := d.freedSoFar(q), map[string]bool{}
	for len(waiting) > 0 && ctx.Err() == nil {
		w := waiting[0]
		if last, stands := d.denied(q, w, freed, asked[w.kind]); stands {
			d.refuse(ctx, q, w, last)
			waiting = waiting[1:]
			continue
		}
		run := runOf(waiting)
		rest, none := d.grant(ctx, q, run)
		waiting = append(rest, waiting[len(run):]...)
		asked[w.kind] = none
	}
}

// runOf is the neighbours at the head that one call of the store can serve.
func runOf(waiting []*waiter) []*waiter {
	wanted := waiting[0].demand.Count
	for i, w := range waiting[1:] {
		wanted += w.demand.Count
		if w.kind != waiting[0].kind || w.demand.Affinity != waiting[0].demand.Affinity || wanted > maxRun {
			return waiting[: i+1 : i+1]
		}
	}
	return waiting[:len(waiting):len(waiting)]
}

// grant serves a run from the front. It returns those that got nothing, and
// whether nothing is left for them.
func (d *Desk) grant(ctx context.Context, q *queue, run []*waiter) (rest []*waiter, none bool) {
	all := run[0].demand
	all.Count = 0
	for _, w := range run {
		all.Count += w.demand.Count
	}
	freed := d.freedSoFar(q)
	answer := d.acquire(tracing.Jointly(ctx, spansOf(run)), all)
	leases := answer.Leases
	if none = len(leases) < all.Count; none {
		d.deny(q, run[0], answer, freed)
	}
	var back []LeaseRef
	for len(run) > 0 && len(leases) > 0 {
		w := run[0]
		run = run[1:]
		share := leases[:min(w.demand.Count, len(leases))]
		if !d.remove(w) {
			continue // withdrawn meanwhile: the next one's
		}
		leases = leases[len(share):]
		if !d.answer(w, Answer{Leases: share}) {
			back = append(back, refsOf(share)...)
		}
	}
	d.GiveBack(ctx, append(back, refsOf(leases)...))
	return run, none
}

// spansOf are those of the traced demands of a run.
func spansOf(run []*waiter) []trace.Span {
	var spans []trace.Span
	for _, w := range run {
		if w.demand.Span != nil {
			spans = append(spans, w.demand.Span)
		}
	}
	return spans
}

func refsOf(leases []Lease) []LeaseRef {
	refs := make([]LeaseRef, len(leases))
	for i, lease := range leases {
		refs[i] = lease.LeaseRef
	}
	return refs
}

// refuse lets w wait on, or answers it where that is of no use. Where it is not
// known yet what is short, the store says, or has something after all.
func (d *Desk) refuse(ctx context.Context, q *queue, w *waiter, last denial) {
	late := !time.Now().Before(w.demand.Until)
	if last.Refused == nil {
		if !late {
			return
		}
		if rest, _ := d.grant(ctx, q, []*waiter{w}); len(rest) == 0 {
			return
		}
		last = q.denials[w.kind]
	}
	refused := last.asOfNow(w.demand)
	if d.soon(ctx, w, refused.Shortage) {
		return
	}
	if (late || !worthWaiting(refused, w.demand.Until)) && d.remove(w) {
		d.answer(w, refused)
	}
}

// soon tells whether there may be room in a moment, for which even those wait who
// don't want to: slots that no request uses are asked for, of those that lie in a reserve and of
// those that were lent ahead; and leases that the store may have forgotten are renewed.
func (d *Desk) soon(ctx context.Context, w *waiter, short Shortage) bool {
	if w.demand.Ahead || short.Capped == 0 {
		return false
	}
	if d.settling(w.demand.Upstream) {
		return true
	}
	if time.Now().Before(w.demand.Until) {
		d.announce(ctx, w)
	}
	if short.Reserved == 0 && !short.Lent {
		return false
	}
	d.want(ctx, w.demand.Upstream)
	return time.Since(w.came) < slotPatience
}
