package app

import (
	"context"
	"errors"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/relay"
	"carousel.internal/gateway/internal/upstream"
)

// lender lends credentials for questions that are no chats.
type lender struct {
	leases  relay.Leases
	renewer relay.Renewer
}

// borrow implements catalog.Borrow.
func (l lender) borrow(ctx context.Context, upstreamName string) (upstream.Credential, func(error), error) {
	held, err := l.leases.Acquire(ctx, lease.Demand{Upstream: upstreamName})
	if err != nil {
		return upstream.Credential{}, nil, err
	}
	return held.Credential, func(err error) { l.leases.Settle(held, l.outcomeOf(ctx, held, err)) }, nil
}

// outcomeOf is what a question says of its token. An access token that is refused is had
// anew before the token is blamed; whoever asked asks again in a while.
func (l lender) outcomeOf(ctx context.Context, held *lease.Lease, err error) lease.Outcome {
	if err == nil {
		return lease.Outcome{}
	}
	failure, ok := errors.AsType[*upstream.Failure](err)
	switch {
	case !ok:
		return lease.Outcome{Class: upstream.Truncated}
	case failure.Class == upstream.Auth && held.Credential.Renewable && !l.renewer.Renew(ctx, held.TokenID, held.Credential.Secret).Empty():
		return lease.Outcome{Class: upstream.Interrupted}
	}
	return lease.Outcome{Class: failure.Class, RetryAfter: failure.RetryAfter, Detail: failure.Message}
}
