package tokens

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// patience is how long the store may leave a message unanswered before it counts
	// as away; stallLimit, before the session is given up.
	patience   = time.Second
	stallLimit = 3 * time.Second
)

var errStalled = errors.New("the tokenstore does not answer")

// ReserveOptions say how a replica goes on while the store is away.
type ReserveOptions struct {
	// Time is for how long at most; 0: not at all.
	Time time.Duration
	// Instance is the same for each start of this gateway, and no other's.
	Instance string
	// Reset breaks the connection to the store: one that a dead network has left
	// would be waited for long after the network is back.
	Reset func()
}

// outage is a time in which the store is away.
type outage struct {
	since  time.Time
	served int
	over   chan struct{} // closed at its end
}

// KeepReserve has the replica keep a reserve, and serve from it during outages. It
// is to be called before Run.
func (l *Leases) KeepReserve(options ReserveOptions) {
	if options.Reset == nil {
		options.Reset = func() {}
	}
	l.reserve.ReserveOptions = options
}

// Degraded tells since when the store is away and until when the reserve may serve;
// ok is false while all is well, or where there is no reserve.
func (l *Leases) Degraded() (since, until time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outage == nil {
		return time.Time{}, time.Time{}, false
	}
	return l.outage.since, l.reserve.until, l.reserve.usable(time.Now())
}

// beginOutage has requests served from the reserve, if one is kept; where it happens
// to be empty, they wait there for the store to come back. Those that wait for the
// store turn to it, too; mu is held.
func (l *Leases) beginOutage(why error) bool {
	now := time.Now()
	if l.outage != nil {
		return true
	}
	if lease.Passed(l.reserve.until, now) {
		return false
	}
	l.outage = &outage{since: now, over: make(chan struct{})}
	close(l.away)
	l.observe.Degraded(true)
	l.log.LogAttrs(context.Background(), slog.LevelWarn, "tokenstore away: degraded service begins", slog.Any("error", why),
		slog.Int("tokens", len(l.reserve.holds)), slog.Time("until", l.reserve.until))
	return true
}

// endOutage returns to the store; mu is held.
func (l *Leases) endOutage() {
	over := l.outage
	l.outage = nil
	l.away = make(chan struct{})
	l.reserve.queue = nil // they hear it by over
	close(over.over)
	l.observe.Degraded(false)
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "tokenstore back: degraded service ends",
		slog.Duration("after", time.Since(over.since)), slog.Int("served", over.served), slog.Int("reports", len(l.reserve.reports)))
}

// acquireReserved takes a lease from the reserve, and waits for one within the
// errand's time. retry: the store is back.
func (l *Leases) acquireReserved(ctx context.Context, errand errand) (taken *lease.Lease, retry bool, err error) {
	l.mu.Lock()
	now, outage := time.Now(), l.outage
	if outage == nil {
		l.mu.Unlock()
		return nil, true, nil
	}
	if taken = l.takeReserved(errand.demand, now); taken != nil {
		l.mu.Unlock()
		l.observe.LeasedInReserve(time.Since(errand.began))
		return taken, false, nil
	}
	mine := &reserveWaiter{demand: errand.demand, answer: make(chan *lease.Lease, 1)}
	l.reserve.queue = append(l.reserve.queue, mine)
	l.mu.Unlock()
	timer := time.NewTimer(time.Until(errand.deadline))
	defer timer.Stop()
	select {
	case taken = <-mine.answer:
		l.observe.LeasedInReserve(time.Since(errand.began))
		return taken, false, nil
	case <-outage.over:
		retry = true
	case <-ctx.Done():
		err = chat.AsError(context.Cause(ctx))
	case <-timer.C:
		l.mu.Lock()
		err = l.reserve.refusal(errand.demand, outage.since, time.Now())
		l.mu.Unlock()
		l.observe.Denied()
	}
	l.leaveReserve(mine)
	return nil, retry, err
}

// takeReserved answers a lease of the reserve, or nil; mu is held.
func (l *Leases) takeReserved(demand lease.Demand, now time.Time) *lease.Lease {
	taken := l.reserve.take(demand, now)
	if taken == nil {
		return nil
	}
	l.open[&taken.lease] = taken
	if l.outage != nil {
		l.outage.served++
	}
	return &taken.lease
}

// leaveReserve stops waiting; a lease that came meanwhile goes back unused.
func (l *Leases) leaveReserve(mine *reserveWaiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserve.queue = slices.DeleteFunc(l.reserve.queue, func(each *reserveWaiter) bool { return each == mine })
	select {
	case taken := <-mine.answer:
		from := l.open[taken].from
		delete(l.open, taken)
		from.used--
		l.reserve.tidy(from)
		l.serveReserved(time.Now())
	default:
	}
}

// serveReserved gives what has become free to those who wait; mu is held.
func (l *Leases) serveReserved(now time.Time) {
	l.reserve.queue = slices.DeleteFunc(l.reserve.queue, func(each *reserveWaiter) bool {
		taken := l.takeReserved(each.demand, now)
		if taken != nil {
			each.answer <- taken
		}
		return taken != nil
	})
}

// watch begins an outage when the store has not answered for too long; an error
// ends the session.
func (l *Leases) watch(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve.Time <= 0 || l.silentSince.IsZero() || now.Sub(l.silentSince) < patience {
		return nil
	}
	l.beginOutage(errStalled)
	if now.Sub(l.silentSince) < stallLimit {
		return nil
	}
	return errStalled
}

// hear takes in what the store has acknowledged; mu is held.
func (l *Leases) hear(acknowledged uint64, now time.Time) {
	if acknowledged <= l.acknowledged {
		return
	}
	l.acknowledged, l.silentSince = acknowledged, now
	if acknowledged >= l.sent {
		l.silentSince = time.Time{}
	}
}

// tendReserve takes in what the store says of the reserve. That it says something
// shows that it is back; mu is held.
func (l *Leases) tendReserve(response *tokenstorev1.SessionResponse, now time.Time) {
	if answer := response.GetReserve(); answer != nil {
		l.reserve.answered(answer)
		if l.outage != nil && !answer.GetSettling() {
			l.endOutage()
		}
	}
	if l.outage == nil {
		for _, upstream := range response.GetWanted() {
			l.reserve.giveUp(upstream)
		}
	}
	if l.reserve.due && l.reserve.mayAsk(now) {
		l.nudge()
	}
}
