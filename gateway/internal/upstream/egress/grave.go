package egress

import (
	"errors"
	"sync"
	"time"
)

// slow is from when on a failure is remembered: a quicker one keeps nobody.
const slow = time.Second

// grave remembers that a proxy is dead for as long as it took to find out: one that is silent
// would keep each request for the whole patience. After that one at a time finds out whether it
// still is.
type grave struct {
	mu sync.Mutex
	// why is the failure; nil: the proxy is not dead.
	why   error
	until time.Time
	// visited tells that somebody finds out.
	visited bool
}

// enter returns the failure that holds; nil: try, and tell leave.
func (g *grave) enter(now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.why == nil:
		return nil
	case g.visited || now.Before(g.until):
		return g.why
	}
	g.visited = true
	return nil
}

// leave tells how a try ended, and how long it took. Only a proxy that is at fault is dead.
func (g *grave) leave(err error, took time.Duration, now time.Time) {
	fault, dead := errors.AsType[*Error](err)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.visited = false
	switch {
	case dead && took >= slow:
		g.why, g.until = fault, now.Add(took)
	case dead, err == nil:
		g.why = nil
	}
}
