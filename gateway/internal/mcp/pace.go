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
// heard when that is used up, or out of reach.
type pace struct {
	mu sync.Mutex
	// called has the times of the calls that count, by the ids of keys, oldest first.
	called map[string][]time.Time
	// swept is when callers were last forgotten that have made none lately.
	swept time.Time
}

// take counts a call, or returns why it is one too many.
func (p *pace) take(from caller.Caller, now time.Time) error {
	id, most := from.KeyID(), mostCalls(from.Key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.swept) >= paceTime {
		p.sweep(now)
	}
	called := lately(p.called[id], now)
	if len(called) >= most {
		free := called[len(called)-most].Add(paceTime)
		return &chat.Error{
			Kind: chat.KeyLimited, RetryAfter: free.Sub(now),
			Message: fmt.Sprintf("%d calls of tools a minute are all that this key may make at /mcp", most),
		}
	}
	p.called[id] = append(called, now)
	return nil
}

// sweep forgets what counts no more.
func (p *pace) sweep(now time.Time) {
	p.swept = now
	left := map[string][]time.Time{}
	for id, called := range p.called {
		if called = lately(called, now); len(called) > 0 {
			left[id] = called
		}
	}
	p.called = left
}

// lately are the calls that count.
func lately(called []time.Time, now time.Time) []time.Time {
	for len(called) > 0 && now.Sub(called[0]) >= paceTime {
		called = called[1:]
	}
	return called
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
