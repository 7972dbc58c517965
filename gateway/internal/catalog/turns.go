package catalog

import (
	"cmp"
	"slices"
	"sync"
)

// turns says whose turn it is among the targets of one priority, such that over as many
// requests as their weights add up to each has had its weight, and none two in a row without
// need: smooth weighted round robin. Each gateway has its own.
type turns struct {
	mu sync.Mutex
	// due is by how much each target has had less than its share, times the sum of the weights.
	due []int
}

// take puts the indices of those that can serve into the order in which they are due. The first
// has had its turn then, unless this is only a look.
func (t *turns) take(able []int, targets []RouteTarget, look bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	dueNow := func(i int) int { return t.due[i] + targets[i].Weight }
	slices.SortStableFunc(able, func(a, b int) int { return -cmp.Compare(dueNow(a), dueNow(b)) })
	if look || len(able) < 2 {
		return
	}
	total := 0
	for _, i := range able {
		t.due[i] = dueNow(i)
		total += targets[i].Weight
	}
	t.due[able[0]] -= total
}
