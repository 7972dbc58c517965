package tokens

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the pause between attempts to reach the store: 50 ms, doubling to
// 1 s, each with up to half as much again of jitter.
type backoff struct{ next time.Duration }

func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(2*b.next, 50*time.Millisecond), time.Second)
	timer := time.NewTimer(b.next + time.Duration(rand.Int64N(int64(b.next/2)))) //nolint:gosec // jitter needs no secrecy
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
