package tokens

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// answerSlack is how much longer than it may queue a demand waits for its
	// answer, outages of the session included.
	answerSlack = 3 * time.Second
	// maxDemandBytes bounds what a demand says: a client chooses some of it.
	maxDemandBytes = 64 << 10
)

// Leases takes leases and gives them back. It has four parts, each with its own
// lock: the session talks with the store, the stocks have leases taken ahead for
// times of load, the reserve has tokens for the time when the store is away, and the
// books have what keys with limits are charged. While it holds its lock a part may call
// one that comes later in this order, never an earlier one: stocks, session, reserve, books.
type Leases struct {
	session *session
	stocks  *stocks
	reserve *reserve
	books   *books
	observe Observer
}

// Observer counts what the leases do. Its methods must not block.
type Observer interface {
	// RoundTrip is one message to the store.
	RoundTrip()
	// Leased is a lease handed to a request after a wait; ahead: without asking
	// the store.
	Leased(ahead bool, waited time.Duration)
	// LeasedInReserve is one that the reserve served, while the store was away.
	LeasedInReserve(waited time.Duration)
	// Degraded tells that the store is away from now on, or no longer.
	Degraded(now bool)
	// Denied is a request that got no lease.
	Denied()
	// Recalled counts leases taken ahead that the store withdrew.
	Recalled(n int)
	// Lost counts leases that expired while their requests ran.
	Lost(n int)
	// Held is how many leases there are now, taken ahead and used by requests.
	Held(ready, used int)
	// ReportsLost counts reports that were given up.
	ReportsLost(n int)
}

// NewLeases makes the client; Run keeps its session.
func NewLeases(client tokenstorev1.LeaseServiceClient, replica string, observe Observer, log *slog.Logger) *Leases {
	l := &Leases{observe: observe}
	l.session = newSession(client, replica, observe, log)
	l.reserve = newReserve(l.session.nudge, observe, log)
	l.stocks = newStocks(l.session, observe)
	l.books = newBooks(l.session.nudge)
	l.session.stocks, l.session.reserve, l.session.books = l.stocks, l.reserve, l.books
	return l
}

// KeepReserve has the replica keep a reserve, and serve from it during outages. It
// is to be called before Run.
func (l *Leases) KeepReserve(options ReserveOptions) { l.reserve.ReserveOptions = options }

// OnKeysChanged has changed told of each client key that has changed, whatever of it; an empty id
// is all of them. It must not block. It is to be called before Run.
func (l *Leases) OnKeysChanged(changed func(keyID string)) { l.session.keysChanged = changed }

// Run keeps a session open until ctx ends; then it sends what is pending, for a
// second at most.
func (l *Leases) Run(ctx context.Context) { l.session.run(ctx) }

// errand is a demand with its time.
type errand struct {
	demand          lease.Demand
	began, deadline time.Time
	// traceparent names the span that waits for the lease; empty: the request is not traced.
	traceparent string
}

// Acquire takes a lease: from the stock where there is one, else from the store;
// while that is away, from the reserve. Whoever gets one calls Settle. Errors are
// *chat.Error.
func (l *Leases) Acquire(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
	now := time.Now()
	errand := errand{demand: demand, began: now, deadline: now.Add(demand.MaxWait + answerSlack), traceparent: tracing.Parent(ctx)}
	if charge := demand.Charge; unpaid(charge) {
		charge.Held = l.books.charge(charge)
	}
	for {
		taken, retry, err := l.acquireGranted(ctx, errand)
		if !retry {
			return taken, err
		}
		if taken, retry, err = l.reserve.acquire(ctx, errand); !retry {
			return from(lease.Reserved, taken), err
		}
	}
}

// acquireGranted takes a lease that the store has granted or grants. retry: the
// store is away.
func (l *Leases) acquireGranted(ctx context.Context, errand errand) (taken *lease.Lease, retry bool, err error) {
	demand := errand.demand
	if sizeOfDemand(demand) > maxDemandBytes {
		return nil, false, &chat.Error{Kind: chat.InvalidRequest, Message: "the names that the request gives are too long"}
	}
	fromStock := takesAny(demand) && !unpaid(demand.Charge)
	away, isAway := l.reserve.watch(demand.Upstream)
	if isAway {
		if fromStock {
			taken = l.stocks.leftover(demand)
		}
		if taken == nil {
			return nil, true, nil
		}
		l.observe.Leased(true, 0)
		return from(lease.Ahead, taken), false, nil
	}
	var waiting *waiter
	if !fromStock {
		waiting = newWaiter(errand)
		l.session.ask(waiting)
		l.session.nudge()
	} else if taken, waiting = l.stocks.acquire(errand); taken != nil {
		l.observe.Leased(true, 0)
		return from(lease.Ahead, taken), false, nil
	}
	return l.await(ctx, waiting, errand, away)
}

// from notes where a lease, of which there may be none, has come from.
func from(source lease.Source, taken *lease.Lease) *lease.Lease {
	if taken != nil {
		taken.Source = source
	}
	return taken
}

// takesAny tells whether a lease of any token will do, such as lie in the stock.
func takesAny(demand lease.Demand) bool {
	return demand.Alias == "" && demand.TokenID == "" && demand.Affinity == "" && !demand.Fresh
}

// await waits for a demand's answer, and withdraws the demand when that takes too
// long, or when the store goes away.
func (l *Leases) await(ctx context.Context, waiting *waiter, errand errand, away <-chan struct{}) (taken *lease.Lease, retry bool, err error) {
	timer := time.NewTimer(time.Until(errand.deadline))
	defer timer.Stop()
	defer func() {
		if waiting.held { // nobody else looks at it any more
			waiting.charge.Held = true
		}
	}()
	for isAway := false; !isAway; {
		select {
		case got := <-waiting.answer:
			return l.answered(got, errand)
		case <-away: // of this pool, or another
			if away, isAway = l.reserve.watch(errand.demand.Upstream); isAway {
				retry = true
			}
			continue
		case <-ctx.Done():
			err = chat.AsError(context.Cause(ctx))
		case <-timer.C:
			err = &chat.Error{Kind: chat.StoreUnavailable, Message: "the tokenstore can't be reached", RetryAfter: time.Second}
		}
		break
	}
	l.stocks.leave(waiting)
	l.session.withdraw(waiting)
	return nil, retry, err
}

// answered is what the answer to a demand means for its request.
func (l *Leases) answered(got answer, errand errand) (taken *lease.Lease, retry bool, err error) {
	switch {
	case got.away:
		return nil, true, nil
	case got.err != nil:
		l.observe.Denied()
		return nil, false, got.err
	}
	l.observe.Leased(got.ahead, time.Since(errand.began))
	if got.ahead {
		return from(lease.Ahead, got.lease), false, nil
	}
	return from(lease.Asked, got.lease), false, nil
}

// Pay settles a request's charge with what it has used; nothing: it is given back. A charge that
// is not held is left alone. It does not block.
func (l *Leases) Pay(charge *lease.Charge, used lease.Amounts) {
	if charge != nil && charge.Held {
		charge.Held = false
		l.books.pay(charge, used)
		l.session.rouse()
	}
}

// Standing returns how far a key's limits are used up, as far as this process knows; nil where it
// does not.
func (l *Leases) Standing(keyID string) []caller.Standing { return l.books.standing(keyID) }

// NearLimits counts the keys, of those used here within the last minute, that have used up a share
// of a limit, by its unit and period. It does not block.
func (l *Leases) NearLimits(share float64) map[caller.Limit]int { return l.books.nearLimits(share) }

// Settle ends a lease with its outcome; a second time it does nothing. It does
// not block.
func (l *Leases) Settle(done *lease.Lease, outcome lease.Outcome) {
	report := reportOf(done, outcome)
	if !l.session.settle(done, report) {
		l.reserve.settle(done, report)
	}
	if blames(report.GetOutcome()) { // the store will recall what there is of it, but not at once
		l.stocks.letGo(done.TokenID)
	}
}

// PoolChanged gives back what was taken ahead: somebody has changed tokens through this process,
// and sees to it that the next request knows. It does not block.
func (l *Leases) PoolChanged() { l.stocks.empty() }

// Ready returns nil while a session is open and works, or the reserve serves.
func (l *Leases) Ready(context.Context) error {
	_, isAway := l.reserve.watch("")
	if isAway && l.reserve.usable() || !isAway && l.session.works() {
		return nil
	}
	return errors.New("no session with the tokenstore")
}

// Outage is a time in which requests are served from the reserve.
type Outage struct {
	// Since is when the store went away, Until when the reserve must not be used any
	// more.
	Since, Until time.Time
	// Upstreams are those of which there is a reserve; requests for others are refused.
	Upstreams []string
}

// Outage returns the present outage; nil while all is well, or where there is no
// reserve.
func (l *Leases) Outage() *Outage { return l.reserve.present() }

// PoolsAway are the upstreams whose pools can't be reached while others can: their requests are
// served from the reserve.
func (l *Leases) PoolsAway() []string { return l.reserve.poolsAway() }

// ServedAlone returns how long the reserve has served in outages that are over.
func (l *Leases) ServedAlone() time.Duration { return l.reserve.alone() }

// Degraded tells since when the store is away and until when the reserve may serve;
// ok is false while all is well, or where there is no reserve.
func (l *Leases) Degraded() (since, until time.Time, ok bool) {
	if outage := l.Outage(); outage != nil {
		return outage.Since, outage.Until, true
	}
	return time.Time{}, time.Time{}, false
}
