package leasing

import (
	"context"
	"time"
)

const (
	// announceEvery is how often a desk says that demands for an upstream wait at it, and
	// announcedFor how long that counts at another one.
	announceEvery = tick
	announcedFor  = 300 * time.Millisecond
	// courtesy is how long a desk leaves a token that has become free to another one
	// where somebody waits for longer: several times what it takes that one to hear of
	// it and to ask the store.
	courtesy = 10 * time.Millisecond
)

// Waiting says that demands for an upstream wait at a desk.
type Waiting struct {
	Upstream string
	// Desk is the desk's id.
	Desk string
	// For is how long the oldest of them waits.
	For time.Duration
}

// otherDesk is another desk at which demands wait.
type otherDesk struct {
	id string
	// came is when the oldest of them came, at when that was announced.
	came, at time.Time
}

func (o otherDesk) counts() bool { return time.Since(o.at) < announcedFor }

// NoteWaiting takes in that demands wait at a desk, this one or another on the same store.
// Desks on one store share no line, but they take turns: else the one that is nearest
// to the store would have all that becomes free.
func (d *Desk) NoteWaiting(waiting Waiting) {
	d.NoteWanted(waiting.Upstream)
	if waiting.Desk == d.id {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	came := now.Add(-waiting.For)
	last, known := d.others[waiting.Upstream]
	if known && last.counts() && last.id != waiting.Desk && last.came.Before(came) {
		return
	}
	if !known && len(d.others) >= maxWanted {
		clear(d.others)
	}
	d.others[waiting.Upstream] = otherDesk{id: waiting.Desk, came: came, at: now}
}

// olderElsewhere tells whether somebody waits at another desk for longer than
// everybody in the queue. It needs the desk's mutex.
func (d *Desk) olderElsewhere(upstream string, q *queue) bool {
	last, known := d.others[upstream]
	if !known || !last.counts() || q.Len() == 0 {
		return false
	}
	return last.came.Before(q.Front().Value.(*waiter).came) //nolint:forcetypeassert // nothing else is in it
}

// announce tells the other desks that w waits, the oldest of those that do.
func (d *Desk) announce(ctx context.Context, w *waiter) {
	d.mu.Lock()
	due := time.Since(d.announced[w.demand.Upstream]) >= announceEvery
	if due {
		if len(d.announced) >= maxWanted {
			clear(d.announced)
		}
		d.announced[w.demand.Upstream] = time.Now()
	}
	d.mu.Unlock()
	if !due {
		return
	}
	waiting := Waiting{Upstream: w.demand.Upstream, Desk: d.id, For: time.Since(w.came)}
	say := func(ctx context.Context) error { return d.store.Announce(ctx, waiting) }
	d.tell(ctx, waiting.Upstream, "requests that wait", say, func() {})
}
