package relay

import (
	"context"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/proto/service/tracing"
)

// maxStale is how many leases in a row may be over by the time that they are here.
const maxStale = 3

// lend acquires a lease that covers an attempt which is sent now. One that is over
// goes back unused: this process was frozen while it waited, and the store may have
// given the token's room to somebody else.
func (r *run) lend(ctx context.Context, demand lease.Demand) (held *lease.Lease, err error) {
	began := time.Now()
	ctx, span := tracing.Call(ctx, "lease")
	defer func() {
		r.waited += time.Since(began)
		r.tellLease(span, held, err)
	}()
	for range maxStale {
		held, err = r.relay.Leases.Acquire(ctx, demand)
		if err != nil || held.Covers(time.Now()) {
			return held, err
		}
		r.relay.Leases.Settle(held, lease.Outcome{Unused: true})
	}
	return nil, &chat.Error{
		Kind: chat.StoreUnavailable, Message: "this gateway was stopped for longer than its leases hold", RetryAfter: time.Second,
	}
}
