package tokens

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// reconnectTime is how long a request for which there is nothing in reserve waits for a
// store that has just gone away: what is restarted comes back within it.
const reconnectTime = time.Second

// errPoolAway is why a pool is away of which nothing else was said.
var errPoolAway = errors.New("the tokenstore does not reach it")

// outage is a time in which the store is away, or the pool of one upstream while others are there.
type outage struct {
	since  time.Time
	served int
	over   chan struct{} // closed at its end
	// upstream is whose pool is away; empty: it is the store. until is how long what is held of that
	// pool may be used.
	upstream string
	until    time.Time
}

// what is away.
func (o *outage) what() string {
	if o.upstream != "" {
		return "the store of this upstream's tokens"
	}
	return "the tokenstore"
}

// degraded reports whether there is an outage, if only of a pool; mu is held.
func (r *reserve) degraded() bool { return r.outage != nil || len(r.pools) > 0 }

// outageOf is the outage that concerns an upstream; nil where there is none. mu is held.
func (r *reserve) outageOf(upstream string) *outage {
	if r.outage != nil {
		return r.outage
	}
	return r.pools[upstream]
}

// untilOf is until when what is held of an upstream may be used; mu is held.
func (r *reserve) untilOf(upstream string) time.Time {
	if of := r.pools[upstream]; of != nil {
		return of.until
	}
	return r.until
}

// note tells that an outage begins: those that wait look whether it concerns them. It is called
// before the outage is noted; mu is held.
func (r *reserve) note() {
	if !r.degraded() {
		r.degradedSince = time.Now()
		r.observe.Degraded(true)
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// noteEnd is note for the end, once it is noted; mu is held.
func (r *reserve) noteEnd() {
	if !r.degraded() {
		r.spent += time.Since(r.degradedSince)
		r.observe.Degraded(false)
	}
}

// beginOf begins an outage of one pool, unless there is one: its requests are served from the
// reserve from now on, and all others by the store.
func (r *reserve) beginOf(upstream string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.beginPool(upstream, why)
}

// beginPool is beginOf; mu is held.
func (r *reserve) beginPool(upstream string, why error) {
	if r.pools[upstream] != nil || r.leaving {
		return
	}
	until := r.until
	r.note()
	r.pools[upstream] = &outage{since: time.Now(), over: make(chan struct{}), upstream: upstream, until: until}
	r.log.LogAttrs(context.Background(), slog.LevelWarn, "pool away: its requests are served from the reserve", slog.String("upstream", upstream),
		slog.Any("error", why), slog.Time("until", until))
}

// endPool ends the outage of a pool; mu is held.
func (r *reserve) endPool(over *outage) {
	delete(r.pools, over.upstream)
	close(over.over)
	r.noteEnd()
	r.log.LogAttrs(context.Background(), slog.LevelInfo, "pool back", slog.String("upstream", over.upstream),
		slog.Duration("after", time.Since(over.since)), slog.Int("served", over.served))
}

// poolsAway are the upstreams whose pools alone are away.
func (r *reserve) poolsAway() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.pools))
}

// begin begins an outage, unless there is one. Requests are served from the reserve
// from now on; those that wait for the store turn to it, too.
func (r *reserve) begin(why error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outage != nil || r.leaving {
		return true
	}
	r.note()
	r.outage = &outage{since: time.Now(), over: make(chan struct{})}
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
	r.outage = nil
	r.queue = slices.DeleteFunc(r.queue, func(each *reserveWaiter) bool { return r.pools[each.demand.Upstream] == nil }) // they hear it by over
	close(over.over)
	r.noteEnd()
	r.log.LogAttrs(context.Background(), slog.LevelInfo, "tokenstore back: degraded service ends",
		slog.Duration("after", time.Since(over.since)), slog.Int("served", over.served), slog.Int("reports", len(r.reports)))
}

// watch returns a channel that is closed when an outage begins, of whatever, and whether one
// concerns the upstream now. An empty one is of the store.
func (r *reserve) watch(upstream string) (changed <-chan struct{}, isAway bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed, r.outageOf(upstream) != nil
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
		for _, upstream := range answer.GetAwayUpstreams() { // before the answer prolongs what is held of others
			r.beginPool(upstream, errPoolAway)
		}
		r.answered(answer)
	}
	if answer != nil && !answer.GetSettling() || !r.keeps() {
		r.end()
		for _, each := range r.pools {
			if !slices.Contains(answer.GetAwayUpstreams(), each.upstream) {
				r.endPool(each)
			}
		}
	}
	for _, upstream := range response.GetWanted() {
		if r.outageOf(upstream) == nil {
			r.giveUp(upstream)
		}
	}
	if r.urgent && r.mayAsk(now) {
		r.nudge()
	}
}
