package leasing

import (
	"context"
	"maps"
	"time"
)

const (
	// wantEvery is how often an upstream's unused slots are asked for at most.
	wantEvery = 50 * time.Millisecond
	// wantedFor is how long nothing of it goes into a reserve then, and no slot is lent ahead.
	wantedFor = 500 * time.Millisecond
	// slotPatience is how long a demand waits for slots that may be unused: much longer than a
	// replica takes to give them up.
	slotPatience = 500 * time.Millisecond
	// maxWanted bounds the upstreams of which it is known that demands wait.
	maxWanted = 1000
)

// NoteWanted notes that demands for the upstream wait, at this desk or at another one on
// the same store: until that is some time ago, nothing of the upstream goes into a
// reserve, and no slot is lent ahead. Else a slot that one replica gives up would go to the next
// one.
func (d *Desk) NoteWanted(upstream string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.wanted) >= maxWanted {
		maps.DeleteFunc(d.wanted, func(_ string, at time.Time) bool { return time.Since(at) >= wantedFor })
	}
	if len(d.wanted) < maxWanted {
		d.wanted[upstream] = time.Now()
	}
}

// isWanted tells whether demands for the upstream wait, here or elsewhere, as far as is known.
func (d *Desk) isWanted(upstream string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, known := d.wanted[upstream]
	return known && time.Since(at) < wantedFor
}

// want asks for slots that no request uses, for demands that wait.
func (d *Desk) want(ctx context.Context, upstream string) {
	d.mu.Lock()
	asked := time.Since(d.asked[upstream]) < wantEvery
	if !asked {
		if len(d.asked) >= maxWanted {
			clear(d.asked)
		}
		d.asked[upstream] = time.Now()
	}
	d.mu.Unlock()
	if asked {
		return
	}
	d.NoteWanted(upstream)
	say := func(ctx context.Context) error { return d.store.Want(ctx, upstream) }
	d.tell(ctx, upstream, "slots that are wanted", say, func() { d.here(upstream) })
}

// wantedUpstreams are those for which demands wait, here or elsewhere.
func (d *Desk) wantedUpstreams() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	wanted := make([]string, 0, len(d.queues)+len(d.wanted))
	for upstream := range d.queues {
		wanted = append(wanted, upstream)
	}
	for upstream, at := range d.wanted {
		if d.queues[upstream] == nil && time.Since(at) < wantedFor {
			wanted = append(wanted, upstream)
		}
	}
	return wanted
}
