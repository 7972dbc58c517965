package leasing

import "time"

// Queued is what waits at a desk for one upstream.
type Queued struct {
	// Demands that requests wait for.
	Demands int
	// Oldest is how long the first of them has waited.
	Oldest time.Duration
}

// Queued is what waits now, by upstream; those for which nothing waits are left out. What is asked
// for ahead waits for nobody.
func (d *Desk) Queued() map[string]Queued {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]Queued{}
	for upstream, q := range d.queues {
		var queued Queued
		for place := q.Front(); place != nil; place = place.Next() {
			w := place.Value.(*waiter) //nolint:forcetypeassert // nothing else is in it
			if w.demand.Ahead {
				continue
			}
			if queued.Demands == 0 {
				queued.Oldest = time.Since(w.came)
			}
			queued.Demands++
		}
		if queued.Demands > 0 {
			all[upstream] = queued
		}
	}
	return all
}
