package mcp

import (
	"testing"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
)

// Of a key as many calls count as it may make requests a minute, and of nobody more than 600; in
// any minute, as nearly as two counts tell. A call that is refused does not count.
func TestPace(t *testing.T) {
	t.Parallel()
	limited := func(limits ...caller.Limit) caller.Caller {
		return caller.Caller{Kind: caller.Client, Key: &caller.Key{ID: "limited", Limits: limits}}
	}
	other := caller.Caller{Kind: caller.Client, Key: &caller.Key{ID: "other"}}
	for name, c := range map[string]struct {
		from caller.Caller
		most int
	}{
		"three a minute": {limited(
			caller.Limit{Unit: caller.Requests, Period: caller.Day, Amount: 1}, caller.Limit{Unit: caller.Tokens, Period: caller.Minute, Amount: 1},
			caller.Limit{Unit: caller.Requests, Period: caller.Minute, Amount: 3},
		), 3},
		"one a minute":       {limited(caller.Limit{Unit: caller.Requests, Period: caller.Minute, Amount: 1}), 1},
		"very many a minute": {limited(caller.Limit{Unit: caller.Requests, Period: caller.Minute, Amount: 1 << 63}), 600},
		"no limit":           {limited(), 600},
		"the admin":          {caller.Caller{Kind: caller.Admin}, 600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, start := pace{}, time.Unix(1000, 0)
			take := func(after, wait time.Duration) {
				t.Helper()
				err := p.take(c.from, start.Add(after))
				failure := chat.AsError(err)
				if (failure != nil) != (wait > 0) || failure != nil && (failure.Kind != chat.KeyLimited || failure.RetryAfter != wait) {
					t.Fatalf("after %s: %v, to be tried again in %v", after, err, failure)
				}
			}
			for range c.most {
				take(10*time.Second, 0)
			}
			take(15*time.Second, 55*time.Second+time.Nanosecond)
			take(70*time.Second, time.Nanosecond)
			if err := p.take(other, start.Add(15*time.Second)); err != nil {
				t.Errorf("another key: %v", err)
			}
			// Those of the window before count less and less.
			for n := range c.most {
				take(70*time.Second+time.Minute*time.Duration(n)/time.Duration(c.most)+time.Microsecond, 0)
			}
			take(130*time.Second-time.Nanosecond, 2*time.Nanosecond)
			for range c.most {
				take(250*time.Second, 0)
			}
			for _, after := range []time.Duration{time.Hour, time.Hour + paceTime} {
				if err := p.take(other, start.Add(after)); err != nil || len(p.called) != 1 || len(p.before) > 1 {
					t.Errorf("%v; it remembers %d and %d keys, one of which has called", err, len(p.called), len(p.before))
				}
			}
		})
	}
}

// A key whose limit is lower than before waits until it has made few enough.
func TestPaceOfALowerLimit(t *testing.T) {
	t.Parallel()
	p, now := pace{}, time.Unix(1000, 0)
	key := func(limit uint64) caller.Caller {
		return caller.Caller{Kind: caller.Client, Key: &caller.Key{ID: "k", Limits: []caller.Limit{{Unit: caller.Requests, Period: caller.Minute, Amount: limit}}}}
	}
	for i := range 4 {
		if err := p.take(key(9), now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	// Of four calls one counts when a half of the next minute is over.
	if failure := chat.AsError(p.take(key(2), now.Add(4*time.Second))); failure == nil || failure.RetryAfter != 86*time.Second+time.Nanosecond {
		t.Errorf("%v", failure)
	}
	if err := p.take(key(2), now.Add(91*time.Second)); err != nil {
		t.Error(err)
	}
}
