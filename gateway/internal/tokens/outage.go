package tokens

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// reconnectTime is how long a request for which there is nothing in reserve waits for a
// store that has just gone away: what is restarted comes back within it.
const reconnectTime = time.Second

// outage is a time in which the store is away.
type outage struct {
	since  time.Time
	served int
	over   chan struct{} // closed at its end
}

// begin begins an outage, unless there is one. Requests are served from the reserve
// from now on; those that wait for the store turn to it, too.
func (r *reserve) begin(why error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outage != nil || r.leaving {
		return true
	}
	r.outage = &outage{since: time.Now(), over: make(chan struct{})}
	close(r.away)
	r.observe.Degraded(true)
	r.log.LogAttrs(context.Background(), slog.LevelWarn, "tokenstore away: degraded service begins", slog.Any("error", why),
		slog.Int("tokens", len(r.holds)), slog.Time("until", r.until))
	return true
}

// end ends the outage, if there is one; mu is held.
func (r *reserve) end() {
	over := r.outage
	if over == nil {
		return
	}
	r.outage, r.spent = nil, r.spent+time.Since(over.since)
	r.away = make(chan struct{})
	r.queue = nil // they hear it by over
	close(over.over)
	r.observe.Degraded(false)
	r.log.LogAttrs(context.Background(), slog.LevelInfo, "tokenstore back: degraded service ends",
		slog.Duration("after", time.Since(over.since)), slog.Int("served", over.served), slog.Int("reports", len(r.reports)))
}

// watch returns a channel that is closed when an outage begins, and whether there is
// one now.
func (r *reserve) watch() (away <-chan struct{}, isAway bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away, r.outage != nil
}

// present tells of the outage that is served from the reserve; nil when none is.
func (r *reserve) present() *Outage {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outage == nil || !r.mayServe(time.Now()) {
		return nil
	}
	upstreams := map[string]bool{}
	for _, each := range r.holds {
		if !each.retired {
			upstreams[each.upstream] = true
		}
	}
	return &Outage{Since: r.outage.since, Until: r.until, Upstreams: slices.Sorted(maps.Keys(upstreams))}
}

// alone returns how long the reserve has served in outages that are over.
func (r *reserve) alone() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spent
}

// hear implements sessionReserve. That the store says something of the reserve shows
// that it has its database, too; where none is kept, that it says anything must do.
func (r *reserve) hear(response *tokenstorev1.SessionResponse, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := response.GetReserve()
	if answer != nil {
		r.answered(answer)
	}
	if answer != nil && !answer.GetSettling() || !r.keeps() {
		r.end()
	}
	if r.outage == nil {
		for _, upstream := range response.GetWanted() {
			r.giveUp(upstream)
		}
	}
	if r.urgent && r.mayAsk(now) {
		r.nudge()
	}
}
