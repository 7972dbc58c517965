package quota

import (
	"container/heap"
	"time"
)

// horizon bounds what is foretold: later than that nothing is.
const horizon = 366 * 24 * time.Hour

// share is what one account gives.
type share struct {
	left, limit float64
	// weight is its part of the requests where all that have something left share them.
	weight float64
	// resets is when it has its limit again; nil: not known.
	resets *time.Time
}

// FillFirst is the strategy that uses accounts up one after the other: first those that begin anew
// first. All other strategies share requests out among those that have something left.
const FillFirst = "fill_first"

// dryAt is when the shares, in the order in which they begin anew, are used up at a rate of
// requests per hour; nil where that is not before the last of them has begun anew. What an account
// has left when it begins anew is lost, and how much that is depends on the strategy: none loses
// less than FillFirst.
//
// Accounts are taken to have room for what comes to them: how long answers take, which decides when
// caps are reached, is not known here.
func dryAt(shares []share, rate float64, strategy string, now time.Time) *time.Time {
	if len(shares) == 0 || rate <= 0 {
		return nil
	}
	if shares[0].resets == nil { // none is known to begin anew, so nothing is lost
		total := 0.0
		for _, each := range shares {
			total += each.left
		}
		return after(now, total/rate)
	}
	if strategy == FillFirst {
		return inTurn(shares, rate, now)
	}
	return together(shares, rate, now)
}

// inTurn is dryAt where requests go first where the least time is left.
func inTurn(shares []share, rate float64, now time.Time) *time.Time {
	total := 0.0
	left := make([]float64, len(shares))
	for i, each := range shares {
		total += each.left
		left[i] = each.left
	}
	clock, first := now, 0 // the shares before first are used up, until they begin anew
	for i, each := range shares {
		if each.resets == nil {
			break
		}
		need := each.resets.Sub(clock).Hours() * rate
		if need > total {
			return after(clock, total/rate)
		}
		total -= need
		for first < len(left) && need > 0 {
			taken := min(need, left[first])
			left[first], need = left[first]-taken, need-taken
			if left[first] == 0 {
				first++
			}
		}
		clock = *each.resets
		total += each.limit - left[i]
		left[i] = 0 // what it has now is taken when those after it are used up
		first = max(first, i+1)
	}
	return nil
}

// together is dryAt where all that have something left share the requests by their weights.
func together(shares []share, rate float64, now time.Time) *time.Time {
	p := pouring{shares: shares, ends: make([]float64, len(shares))}
	for i, each := range shares {
		p.fill(i, each.left)
	}
	clock := now
	for i, each := range shares {
		if each.resets == nil {
			break
		}
		hours := each.resets.Sub(clock).Hours()
		if lasted := p.pour(hours, rate); lasted < hours {
			return after(clock, lasted)
		}
		clock = *each.resets
		p.empty(i)
		p.fill(i, each.limit)
	}
	return nil
}

// pouring takes requests from shares by their weights. Its level is what a share of weight 1 would
// have given since the beginning, so that a share is used up at a level that is known when it is
// filled, and no step looks at all of them.
type pouring struct {
	shares []share
	level  float64
	// weights is the sum of those that have something left.
	weights float64
	// ends are the levels at which the shares are used up; 0: they are. order has all that have
	// something left, and some that were emptied since.
	ends  []float64
	order endings
}

// fill gives an empty share something.
func (p *pouring) fill(i int, amount float64) {
	if amount <= 0 {
		return
	}
	p.ends[i] = p.level + amount/p.shares[i].weight
	p.weights += p.shares[i].weight
	heap.Push(&p.order, ending{p.ends[i], i})
}

// empty takes away what a share has left.
func (p *pouring) empty(i int) {
	if p.ends[i] != 0 {
		p.weights -= p.shares[i].weight
		p.ends[i] = 0
	}
}

// pour takes what is asked in some hours, and returns for how many of them there was something.
func (p *pouring) pour(hours, rate float64) (lasted float64) {
	for len(p.order) > 0 {
		next := p.order[0]
		if p.ends[next.share] != next.level { // it was emptied since
			heap.Pop(&p.order)
			continue
		}
		needed := (next.level - p.level) * p.weights / rate
		if lasted+needed > hours {
			p.level += (hours - lasted) * rate / p.weights
			return hours
		}
		lasted += needed
		p.level = next.level
		p.empty(next.share)
		heap.Pop(&p.order)
	}
	return lasted
}

// ending is the level at which a share is used up.
type ending struct {
	level float64
	share int
}

// endings are a heap, the lowest first.
type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].level < e[j].level }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(x any)        { *e = append(*e, x.(ending)) } //nolint:forcetypeassert // heap.Push's
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// after is a moment so many hours later; nil: beyond the horizon.
func after(moment time.Time, hours float64) *time.Time {
	if hours > horizon.Hours() {
		return nil
	}
	return new(moment.Add(time.Duration(hours * float64(time.Hour))))
}
