package relay

import (
	"sync"
	"time"
)

const (
	// budgetSlots of a second each are the time that a budget looks back on.
	budgetSlots = 10
	// reserve is how many retries all gateways together have in that time, whatever
	// the number of requests: at low load a share of them is less than one.
	reserve = 100
)

// budget bounds the retries at one upstream to a share of the requests that this
// replica sends it, so that an outage does not multiply its load. A share of each
// replica's requests is that share of the fleet's; only the reserve is divided.
type budget struct {
	mu       sync.Mutex
	requests [budgetSlots]int
	retries  [budgetSlots]int
	// newest is the second, since some time in the past, of the newest slot.
	newest int64
}

// request notes a request that is no retry.
func (b *budget) request(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests[b.slot(now)]++
}

// retry tells whether there may be one more retry, and notes it if so. percent is how
// many there may be for 100 requests; replicas shares the reserve.
func (b *budget) retry(now time.Time, percent, replicas int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := b.slot(now)
	requests, retries := 0, 0
	for i := range budgetSlots {
		requests += b.requests[i]
		retries += b.retries[i]
	}
	most := reserve / max(replicas, 1)
	if percent == 0 {
		most = 0 // an admin wants none
	}
	if retries >= most+requests*percent/100 {
		return false
	}
	b.retries[slot]++
	return true
}

// slot is that of now; those that have become too old are emptied. mu is held.
func (b *budget) slot(now time.Time) int {
	second := now.Unix()
	for b.newest < second {
		b.newest = max(b.newest+1, second-budgetSlots+1)
		b.requests[b.newest%budgetSlots], b.retries[b.newest%budgetSlots] = 0, 0
	}
	return int(b.newest % budgetSlots)
}

// budgets has one for each upstream.
type budgets struct{ byName sync.Map }

func (b *budgets) of(upstreamName string) *budget {
	if known, ok := b.byName.Load(upstreamName); ok {
		return known.(*budget)
	}
	known, _ := b.byName.LoadOrStore(upstreamName, &budget{})
	return known.(*budget)
}
