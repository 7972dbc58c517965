package http1

import (
	"slices"
	"sync"
	"time"
)

// idle has the connections that serve nobody, those that became idle first in front.
type idle struct {
	most int           // how many there may be
	age  time.Duration // how long each may stay; 0: for ever

	mu    sync.Mutex
	all   []*conn
	timer *time.Timer // runs while there are connections that have an age to reach
	// emptied: nobody has asked for a connection since the pool was emptied.
	emptied bool
}

// take finds a connection to the host that is of use; nil: there is none.
func (s *idle) take(scheme, host string) *conn {
	for {
		c := s.last(scheme, host)
		if c == nil || c.quiet() {
			return c
		}
		c.cut()
	}
}

// last takes the connection to the host that became idle last; nil: there is none.
func (s *idle) last(scheme, host string) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emptied = false
	for i := len(s.all) - 1; i >= 0; i-- {
		if c := s.all[i]; c.host == host && c.scheme == scheme {
			s.all = slices.Delete(s.all, i, i+1)
			return c
		}
	}
	return nil
}

// put keeps a connection. Where there are too many, the oldest goes; in a pool that nobody uses
// any more, it itself.
func (s *idle) put(c *conn) {
	if surplus := s.add(c); surplus != nil {
		surplus.cut()
	}
}

func (s *idle) add(c *conn) (surplus *conn) {
	c.since = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.emptied {
		return c
	}
	s.all = append(s.all, c)
	if len(s.all) > s.most {
		surplus = s.all[0]
		s.all = slices.Delete(s.all, 0, 1)
	}
	if s.age > 0 && s.timer == nil {
		s.timer = time.AfterFunc(s.age, s.expire)
	}
	return surplus
}

// expire ends the connections that have reached their age. It runs again when the next one
// will have.
func (s *idle) expire() {
	s.mu.Lock()
	now := time.Now()
	young := slices.IndexFunc(s.all, func(c *conn) bool { return now.Sub(c.since) < s.age })
	if young < 0 {
		young = len(s.all)
	}
	old := slices.Clone(s.all[:young])
	s.all = slices.Delete(s.all, 0, young)
	s.timer = nil
	if len(s.all) > 0 {
		s.timer = time.AfterFunc(s.age-now.Sub(s.all[0].since), s.expire)
	}
	s.mu.Unlock()
	for _, c := range old {
		c.cut()
	}
}

// empty ends all connections, and those in use when they come back, until one is asked for.
func (s *idle) empty() {
	s.mu.Lock()
	all := s.all
	s.all, s.emptied = nil, true
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.mu.Unlock()
	for _, c := range all {
		c.cut()
	}
}
