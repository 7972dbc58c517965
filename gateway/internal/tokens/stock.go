package tokens

import (
	"math"
	"slices"
	"time"
)

// The stock's sizes. A stock trades fairness for round trips: what lies in it
// counts as taken, so at any moment a token's share is off by at most what the
// replicas hold of it. It is therefore no larger than what the next moment
// needs, and goes back when the load falls.
const (
	// horizon is the time for which a stock is taken ahead: a stock that is filled with
	// each message, every flushEvery, is still half full when the next one goes.
	horizon = 2 * flushEvery
	// spare is what a stock has beside that.
	spare = 1
	// steadyRate is the load, in requests per second, from which leases are taken ahead. Fewer
	// requests are spread exactly rather than served a moment sooner: each one asks.
	steadyRate = 50
	// forgottenAfter is how long after the last request nothing is known of the load any more.
	forgottenAfter = 3 * time.Second
	// shelfLife is how long a lease lies in a stock before it goes back. No longer may a
	// recall be unknown while the store can't be heard.
	shelfLife = 800 * time.Millisecond
	// rateMemory is the time over which requests are counted, and steadyMemory the time over which
	// they are for what is more than a burst.
	rateMemory   = 200 * time.Millisecond
	steadyMemory = time.Second
	// loadRate is the load, in requests per second, from which leases are also taken ahead
	// where each request should rather ask: of tokens that have room for few, or whose
	// strategy looks at how many they have.
	loadRate = 400
	// maxAhead bounds a stock, maxDemand what is asked for at once.
	maxAhead  = 512
	maxDemand = 256
	// deniedPause is how long a stock is not filled after a denial: all tokens
	// are capped, or none is eligible.
	deniedPause = time.Second
	// scarceFor is how long a stock has no more than the store would lend: the room that is
	// left is for others.
	scarceFor = time.Second
	// hurryFor is how long nothing of an upstream is taken ahead, and what becomes free goes back
	// at once, after others have waited for its slots.
	hurryFor = time.Second
)

// stock has the leases taken ahead for one upstream and model. It is not safe for
// concurrent use: the stocks guard it.
type stock struct {
	leases []shelved
	// asked is when the last request came; rate and steady are what the load was then, in
	// requests per second, over rateMemory and steadyMemory.
	asked        time.Time
	rate, steady float64
	// free: the last lease that the store granted is of a token with room for any number.
	free bool
	// filling: a demand for more is under way.
	filling bool
	// queue has the requests that wait for it, oldest first: asking for each of
	// them by itself would only make a store slower that is too slow already.
	queue []*waiter
	// pausedUntil is set after a denial, when what was granted goes back, and when others wait
	// for slots: until then nothing is taken ahead.
	pausedUntil time.Time
	// limit bounds the stock until limitedUntil: the store has lent no more.
	limit        int
	limitedUntil time.Time
}

type shelved struct {
	*held
	since time.Time
}

// ask counts a request.
func (s *stock) ask(now time.Time) {
	s.rate = s.load(now) + perSecond(1, rateMemory)
	s.steady = s.steadyLoad(now) + perSecond(1, steadyMemory)
	s.asked = now
}

func perSecond(n float64, of time.Duration) float64 { return n / of.Seconds() }

// load is requests per second, as of late.
func (s *stock) load(now time.Time) float64 { return faded(s.rate, now.Sub(s.asked), rateMemory) }

// steadyLoad is requests per second, for longer.
func (s *stock) steadyLoad(now time.Time) float64 {
	return faded(s.steady, now.Sub(s.asked), steadyMemory)
}

// faded is what is left of a rate some time after the last request.
func faded(rate float64, after, memory time.Duration) float64 {
	return rate * math.Exp(-float64(after)/float64(memory))
}

// target is how many leases the stock should have.
func (s *stock) target(now time.Time) int {
	load := s.load(now)
	if load < loadRate && (!s.free || s.steadyLoad(now) < steadyRate) {
		return 0
	}
	target := min(spare+int(load*horizon.Seconds()), maxAhead)
	if now.Before(s.limitedUntil) {
		target = min(target, s.limit)
	}
	return target
}

// lacks tells whether so few are left of what there should be that more can't wait for the
// next message.
func (s *stock) lacks(target int) bool { return 2*len(s.leases) < target }

// take answers the oldest usable lease, or nil. While the store is away nobody
// removes old ones, nor hears of recalls, so age is looked at here too.
func (s *stock) take(exclude []string, now time.Time) *held {
	for i, each := range s.leases {
		if each.term.Covers(now) && now.Sub(each.since) < shelfLife && !slices.Contains(exclude, each.lease.TokenID) {
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
	s.filling, s.free = false, false
	s.pausedUntil = now.Add(deniedPause)
}

// granted takes in what the store has granted of what was asked for. A token's room that others
// may need is not kept from them but at load: those are returned, to go back, and requests ask for
// a while, so that such a token has its turns.
func (s *stock) granted(leases []*held, asked int, now time.Time) (back []*held) {
	s.filling = false
	if 0 < len(leases) && len(leases) < asked {
		s.limit, s.limitedUntil = len(s.leases)+len(leases), now.Add(scarceFor)
	}
	atLoad := s.load(now) >= loadRate
	for _, each := range leases {
		if !each.capped || atLoad {
			s.put(each, now)
		} else {
			back = append(back, each)
		}
	}
	if len(back) > 0 {
		s.denied(now)
	}
	return back
}

// recall removes the leases of a token from before epoch; of every token where
// the id is empty.
func (s *stock) recall(tokenID string, epoch uint64) []*held {
	return s.remove(func(each shelved) bool {
		return tokenID == "" || each.lease.TokenID == tokenID && each.epoch < epoch
	})
}

// hurry gives everything back, and takes nothing ahead for a while: others wait for room.
func (s *stock) hurry(now time.Time) (back []*held) {
	s.free = false
	if until := now.Add(hurryFor); until.After(s.pausedUntil) {
		s.pausedUntil = until
	}
	return s.recall("", 0)
}

// surplus removes what has lain too long, or is more than twice what the load needs.
func (s *stock) surplus(now time.Time, target int) []*held {
	keep := 2*target - spare
	return s.remove(func(each shelved) bool {
		if now.Sub(each.since) < shelfLife && keep > 0 {
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

// idle tells whether nothing is known of the stock that matters.
func (s *stock) idle(now time.Time) bool {
	return now.Sub(s.asked) >= forgottenAfter && len(s.leases) == 0 && len(s.queue) == 0 && !s.filling && now.After(s.pausedUntil)
}
