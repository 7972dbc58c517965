package mcp

import (
	"fmt"
	"sync"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
)

// maxPace is how many calls of tools one caller may make within paceTime: a key, or the admin. A
// key that is limited to fewer requests a minute may make as many as these.
const (
	maxPace  = 600
	paceTime = time.Minute
)

// pace bounds how many tools each caller calls. It counts by itself what this gateway is asked: the
// ledger of a key tells what may be asked of models, and an agent that looks after the pool must be
// heard when that is used up, or out of reach. Of a caller it has two numbers: how many calls it made
// in this window of paceTime, and in the one before, of which as many count as is left of this one.
type pace struct {
	mu             sync.Mutex
	began          time.Time
	called, before map[string]int // by the ids of keys
}

// take counts a call, or returns why it is one too many.
func (p *pace) take(from caller.Caller, now time.Time) error {
	id, most := from.KeyID(), mostCalls(from.Key)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(now)
	past := max(now.Sub(p.began), 0) // another call, of a moment later, may have come before this one
	if wait := p.wait(id, most, past); wait > 0 {
		return &chat.Error{
			Kind: chat.KeyLimited, RetryAfter: wait,
			Message: fmt.Sprintf("%d calls of tools a minute are all that this key may make at /mcp", most),
		}
	}
	p.called[id]++
	return nil
}

// turn begins another window when this one is over. It forgets who has not called lately.
func (p *pace) turn(now time.Time) {
	switch past := now.Sub(p.began); {
	case past >= 2*paceTime:
		p.began, p.called, p.before = now, map[string]int{}, nil
	case past >= paceTime:
		p.began, p.called, p.before = p.began.Add(paceTime), map[string]int{}, p.called
	}
}

// wait is how long a caller must wait that may make so many calls, so far into the window.
func (p *pace) wait(id string, most int, past time.Duration) time.Duration {
	called := p.called[id]
	if called < most {
		return freeAt(p.before[id], most-called) - past
	}
	return paceTime - past + freeAt(called, most)
}

// freeAt is how far into a window fewer than room of the calls count that were made in the one
// before.
func freeAt(before, room int) time.Duration {
	if before < room {
		return 0
	}
	return paceTime - (time.Duration(room)*paceTime-1)/time.Duration(before)
}

// mostCalls is how many tools a caller may call within paceTime.
func mostCalls(key *caller.Key) int {
	if key != nil {
		for _, limit := range key.Limits {
			if limit.Unit == caller.Requests && limit.Period == caller.Minute && limit.Amount < maxPace {
				return int(max(limit.Amount, 1))
			}
		}
	}
	return maxPace
}
