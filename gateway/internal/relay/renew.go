package relay

import (
	"context"
	"time"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

// Renewer has access tokens renewed.
type Renewer interface {
	// Renew answers another secret of a token than the one that its upstream has refused;
	// an empty one where there is none in time. It waits for some seconds at most, and no
	// longer than ctx lasts.
	Renew(ctx context.Context, tokenID string, refused secret.Value) secret.Value
}

// renewable tells whether a failure may be that of an access token which has ended, so that
// another one of the same account may serve. The client must not have been sent anything.
func (r *run) renewable(held *lease.Lease, failure *upstream.Failure) bool {
	return failure.Class == upstream.Auth && held.Credential.Renewable && !r.sent && r.cargo.mayRepeat(failure)
}

// renew waits for another secret than the lease's; an empty one where nothing is to be sent
// with it, or there is none. It takes nothing of the budget of retries: the store renews once,
// however many requests ask for it.
func (r *run) renew(ctx context.Context, held *lease.Lease) secret.Value {
	another := r.relay.Renewer.Renew(ctx, held.TokenID, held.Credential.Secret)
	if ctx.Err() != nil || !held.Covers(time.Now()) {
		return secret.Value{}
	}
	return another
}

// unrenewed is the failure of an attempt for which there was no other secret. Where the
// request ended on this side meanwhile, the token is not to blame: its next secret may have
// been on the way.
func unrenewed(ctx context.Context, failure *upstream.Failure) *upstream.Failure {
	if ctx.Err() == nil {
		return failure
	}
	return endedHere(ctx, failure)
}
