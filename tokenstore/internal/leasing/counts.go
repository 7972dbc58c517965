package leasing

import "time"

const (
	// To count what is short of a pool costs the store some µs a token. Of a pool
	// beyond largePool tokens a count is good for countFor, so that a denial costs no
	// more than it does in a small one.
	largePool = 10
	countFor  = 250 * time.Millisecond
	// maxCounts bounds the counts that are remembered.
	maxCounts = 1000
)

// count is what was short at a time.
type count struct {
	Shortage
	at time.Time
}

// recall returns what is short for the demand, if that was counted a moment ago.
func (d *Desk) recall(demand Demand) (Shortage, bool) {
	d.mu.Lock()
	last := d.counts[kindOf(demand)]
	d.mu.Unlock()
	age := time.Since(last.at)
	if age >= countFor {
		return Shortage{}, false
	}
	return last.aged(age), true
}

func (d *Desk) remember(demand Demand, shortage Shortage) {
	if shortage.Total <= largePool {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.counts) >= maxCounts {
		clear(d.counts)
	}
	d.counts[kindOf(demand)] = count{shortage, time.Now()}
}
