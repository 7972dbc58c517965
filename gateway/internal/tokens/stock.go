package tokens

import (
	"slices"
	"time"
)

// The stock's sizes. A stock trades fairness for round trips: what lies in it
// counts as taken, so at any moment a token's share is off by at most what the
// replicas hold of it. It is therefore no larger than what the next moment
// needs, empty at the rates of people, and goes back when load falls.
const (
	// horizon is the time for which a stock is taken ahead: some round trips to a
	// busy store, since a stock that runs dry makes requests wait.
	horizon = 100 * time.Millisecond
	// minRate is the load, in requests per second, from which a stock is worth it.
	// Below it each lease is taken when it is needed, and shares are exact.
	minRate = 400
	// maxAhead bounds a stock, maxDemand what is asked for at once.
	maxAhead  = 512
	maxDemand = 256
	// maxIdle is how long a lease lies in a stock before it goes back.
	maxIdle = 200 * time.Millisecond
	// rateWindow is the time over which requests are counted.
	rateWindow = 50 * time.Millisecond
	// deniedPause is how long a stock is not filled after a denial: all tokens
	// are capped, or none is eligible.
	deniedPause = time.Second
)

// stock has the leases taken ahead for one upstream and model. It is not safe for
// concurrent use: the stocks guard it.
type stock struct {
	leases []shelved
	// asked counts requests in the present rate window.
	asked int
	// rate is requests per second, smoothed.
	rate float64
	// filling: a demand for more is under way.
	filling bool
	// queue has the requests that wait for it, oldest first: asking for each of
	// them by itself would only make a store slower that is too slow already.
	queue []*waiter
	// pausedUntil is set after a denial.
	pausedUntil time.Time
}

type shelved struct {
	*held
	since time.Time
}

// target is how many leases the stock should have.
func (s *stock) target() int {
	if s.rate < minRate {
		return 0
	}
	return min(int(s.rate*horizon.Seconds()), maxAhead)
}

// take answers the oldest usable lease, or nil. While the store is away nobody
// removes old ones, nor hears of recalls, so age is looked at here too.
func (s *stock) take(exclude []string, now time.Time) *held {
	for i, each := range s.leases {
		if each.term.Covers(now) && now.Sub(each.since) < maxIdle && !slices.Contains(exclude, each.lease.TokenID) {
			s.leases = slices.Delete(s.leases, i, i+1)
			return each.held
		}
	}
	return nil
}

func (s *stock) put(granted *held, now time.Time) {
	s.leases = append(s.leases, shelved{held: granted, since: now})
}

func (s *stock) denied(now time.Time) {
	s.filling = false
	s.pausedUntil = now.Add(deniedPause)
}

// recall removes the leases of a token from before epoch; of every token where
// the id is empty.
func (s *stock) recall(tokenID string, epoch uint64) []*held {
	return s.remove(func(each shelved) bool {
		return tokenID == "" || each.lease.TokenID == tokenID && each.epoch < epoch
	})
}

// surplus removes what has lain too long, or is more than the load needs.
func (s *stock) surplus(now time.Time) []*held {
	keep := 2 * s.target()
	return s.remove(func(each shelved) bool {
		if now.Sub(each.since) < maxIdle && keep > 0 {
			keep--
			return false
		}
		return true
	})
}

func (s *stock) remove(unwanted func(shelved) bool) []*held {
	var removed []*held
	s.leases = slices.DeleteFunc(s.leases, func(each shelved) bool {
		if !unwanted(each) {
			return false
		}
		removed = append(removed, each.held)
		return true
	})
	return removed
}

// ask counts a request. A load that has begun is noticed before its window is over.
func (s *stock) ask() {
	s.asked++
	if s.asked > 3*minRate*int(rateWindow)/int(2*time.Second) {
		s.rate = max(s.rate, minRate)
	}
}

// measure closes a rate window.
func (s *stock) measure(window time.Duration) {
	s.rate = (s.rate + float64(s.asked)/window.Seconds()) / 2
	s.asked = 0
}

func (s *stock) idle(now time.Time) bool {
	return s.rate < 1 && len(s.leases) == 0 && !s.filling && s.asked == 0 && now.After(s.pausedUntil)
}
