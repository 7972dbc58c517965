package tokens

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// stocks are the stocks of all upstreams and models. Leases of those that are in use are taken
// ahead, so that a request rarely waits for the store.
type stocks struct {
	session stockSession
	observe Observer

	mu  sync.Mutex
	all map[pool]*stock
	// hurried is when others last waited for slots of an upstream, by its name.
	hurried map[string]time.Time
}

// stockSession is the session as the stocks know it. Its methods may be called while
// a lock is held.
type stockSession interface {
	ask(w *waiter)
	nudge()
	// hand has a request use a lease.
	hand(each *held)
	giveBack(unused ...*held)
}

func newStocks(session stockSession, observe Observer) *stocks {
	return &stocks{session: session, observe: observe, all: map[pool]*stock{}, hurried: map[string]time.Time{}}
}

// of returns the stock for a pool; mu is held.
func (s *stocks) of(key pool) *stock {
	found := s.all[key]
	if found == nil {
		found = &stock{}
		s.all[key] = found
	}
	return found
}

// acquire takes a lease out of the stock. Where there is none, the request waits: for
// the stock that is being filled, or for an answer of its own.
func (s *stocks) acquire(errand errand) (*lease.Lease, *waiter) {
	demand := errand.demand
	now, key := time.Now(), pool{demand.Upstream, demand.Model}
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.of(key)
	from.ask(now)
	if taken := from.take(demand.Exclude, now); taken != nil {
		s.session.hand(taken)
		s.refill(key, from, now)
		return &taken.lease, nil
	}
	waiting := newWaiter(errand)
	s.refill(key, from, now)
	if from.filling && len(demand.Exclude) == 0 {
		from.queue = append(from.queue, waiting)
	} else {
		s.session.ask(waiting)
		s.session.nudge()
	}
	return nil, waiting
}

// leftover takes a lease out of the stock and asks for nothing: the store is away.
func (s *stocks) leftover(demand lease.Demand) *lease.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.all[pool{demand.Upstream, demand.Model}]
	if from == nil {
		return nil
	}
	taken := from.take(demand.Exclude, time.Now())
	if taken == nil {
		return nil
	}
	s.session.hand(taken)
	return &taken.lease
}

// leave has a request wait no longer for a stock that is being filled.
func (s *stocks) leave(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from := s.all[w.pool]; from != nil {
		from.queue = slices.DeleteFunc(from.queue, func(each *waiter) bool { return each == w })
	}
}

// refill demands more when the stock runs low; mu is held.
func (s *stocks) refill(key pool, of *stock, now time.Time) {
	if target := of.target(now); of.lacks(target) && s.fill(key, of, target, now) {
		s.session.nudge()
	}
}

// topUp implements sessionStocks.
func (s *stocks) topUp(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, each := range s.all {
		if target := each.target(now); len(each.leases) < target-target/8 {
			s.fill(key, each, target, now)
		}
	}
}

// fill demands what the stock lacks, unless that is no use now; mu is held.
func (s *stocks) fill(key pool, of *stock, target int, now time.Time) bool {
	if target == 0 || of.filling || now.Before(of.pausedUntil) {
		return false
	}
	of.filling = true
	count := min(target-len(of.leases)+len(of.queue), maxDemand)
	s.session.ask(&waiter{
		pool: key,
		demand: &tokenstorev1.Demand{
			Upstream: encodable(key.upstream), Model: encodable(key.model), Ahead: true, Count: uint32(count), //nolint:gosec // 1 to maxDemand
		},
		filled: func(leases []*held, denied bool) { s.filled(key, leases, count, denied) },
	})
	return true
}

// filled takes in the answer to a stock's demand for so many. What was on its way when others began
// to wait serves those who wait here, and goes back.
func (s *stocks) filled(key pool, leases []*held, asked int, denied bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.of(key)
	if denied {
		of.denied(now)
	}
	back := of.granted(leases, asked, now)
	s.serve(key, of, now)
	if s.hurries(key.upstream, now) {
		back = append(back, of.hurry(now)...)
	}
	s.returnAtOnce(back)
}

// returnAtOnce gives back what others may need.
func (s *stocks) returnAtOnce(back []*held) {
	if len(back) > 0 {
		s.session.giveBack(back...)
		s.session.nudge()
	}
}

// wanted implements sessionStocks.
func (s *stocks) wanted(upstream string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hurried[upstream] = now
	for key, each := range s.all {
		if key.upstream == upstream {
			s.returnAtOnce(each.hurry(now))
		}
	}
}

// hurries reports whether others have waited for slots of an upstream a moment ago; mu is held.
func (s *stocks) hurries(upstream string, now time.Time) bool {
	at, known := s.hurried[upstream]
	return known && now.Sub(at) < hurryFor
}

// heard implements sessionStocks.
func (s *stocks) heard(key pool, capped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.all[key]; of != nil {
		of.free = !capped && !s.hurries(key.upstream, time.Now())
	}
}

// serve hands the stock to those who have waited for it. Where it doesn't suffice
// and there is no other on its way, they ask for themselves; mu is held.
func (s *stocks) serve(key pool, of *stock, now time.Time) {
	for len(of.queue) > 0 {
		taken := of.take(nil, now)
		if taken == nil {
			break
		}
		s.session.hand(taken)
		of.queue[0].answer <- answer{lease: &taken.lease, ahead: true}
		of.queue = of.queue[1:]
	}
	s.refill(key, of, now)
	if len(of.queue) == 0 || of.filling {
		return
	}
	for _, w := range of.queue {
		s.session.ask(w)
	}
	of.queue = nil
	s.session.nudge()
}

// recall implements sessionStocks.
func (s *stocks) recall(tokenID string, below uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range s.all {
		if back := each.recall(tokenID, below); len(back) > 0 {
			s.session.giveBack(back...)
			s.observe.Recalled(len(back))
		}
	}
}

// tend implements sessionStocks.
func (s *stocks) tend(now time.Time) (ready int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.hurried, func(upstream string, _ time.Time) bool { return !s.hurries(upstream, now) })
	for key, each := range s.all {
		s.session.giveBack(each.surplus(now, each.target(now))...)
		ready += len(each.leases)
		if each.idle(now) {
			delete(s.all, key)
		}
	}
	return ready
}

// busy implements sessionStocks.
func (s *stocks) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all) > 0
}

// empty implements sessionStocks.
func (s *stocks) empty() { s.letGo("") }

// letGo gives back what there is of a token; of every token where the id is empty.
func (s *stocks) letGo(tokenID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range s.all {
		s.session.giveBack(each.recall(tokenID, math.MaxUint64)...)
	}
}
