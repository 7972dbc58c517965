package errand

import (
	"context"
	"time"
)

// backoff is the pause between attempts to reach the store: 25 ms, doubling to 250 ms. What
// is in hand must not be lost because the store is back and nobody has noticed.
type backoff struct{ next time.Duration }

func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(2*b.next, 25*time.Millisecond), 250*time.Millisecond)
	timer := time.NewTimer(b.next)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
