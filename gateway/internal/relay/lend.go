package relay

import (
	"context"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
)

// maxStale is how many leases in a row may be over by the time that they are here.
const maxStale = 3

// lend acquires a lease that covers an attempt which is sent now. One that is over
// goes back unused: this process was frozen while it waited, and the store may have
// given the token's room to somebody else.
func (r *run) lend(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
	began := time.Now()
	defer func() { r.waited += time.Since(began) }()
	for range maxStale {
		held, err := r.relay.Leases.Acquire(ctx, demand)
		if err != nil || held.Covers(time.Now()) {
			return held, err
		}
		r.relay.Leases.Settle(held, lease.Outcome{Unused: true})
	}
	return nil, &chat.Error{
		Kind: chat.StoreUnavailable, Message: "this gateway was stopped for longer than its leases hold", RetryAfter: time.Second,
	}
}
