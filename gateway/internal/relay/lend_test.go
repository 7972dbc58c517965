package relay

import (
	"context"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
)

// stale makes the first n leases of a pool be over when they come, as in a process that
// was frozen while it waited.
func stale(r *rig, n int) {
	inner := *r.pool
	r.pool.acquire = func(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
		held, err := inner.Acquire(ctx, demand)
		if err != nil {
			return nil, err
		}
		held.Term = &lease.Term{}
		held.Term.Extend(time.Now().Add(time.Hour))
		if len(r.pool.granted) < n {
			held.Term.Extend(time.Now())
		}
		r.pool.granted = append(r.pool.granted, held)
		return held, nil
	}
}

func TestNothingIsSentWithALeaseThatIsOver(t *testing.T) {
	t.Parallel()
	r := newRig(play(good(say("Hello"))))
	stale(r, 2)
	if got := r.chat(t.Context(), t, whole); got.err != nil || got.text() != "Hello" || len(r.calls) != 1 {
		t.Fatalf("%d calls, got %+v", len(r.calls), got)
	}
	for i, held := range r.pool.granted {
		if outcomes := r.pool.settled[held]; len(outcomes) != 1 || outcomes[0].Unused != (i < 2) {
			t.Errorf("lease %d was settled with %+v", i, outcomes)
		}
	}
	if e := r.log.entries[0]; e.Attempts != 1 || r.count.retries != 0 {
		t.Errorf("%d attempts, %d retries", e.Attempts, r.count.retries)
	}
}

func TestLeasesThatAreAlwaysOverEndTheRequest(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	stale(r, 100)
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || got.err.Kind != chat.StoreUnavailable || got.err.RetryAfter <= 0 || len(r.pool.granted) != maxStale || len(r.pool.settled) != maxStale {
		t.Errorf("%d leases, got %+v", len(r.pool.granted), got)
	}
}
