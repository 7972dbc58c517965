package relay

import (
	"context"
	"fmt"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// sendOwn sends the request with the token that the caller brought: once, without
// a lease, and never with a token of the pool instead.
func (r *run) sendOwn(ctx context.Context, own upstream.Credential) *chat.Error {
	if _, takes := r.target.Driver.(upstream.OwnTokens); !takes {
		return chat.Errorf(chat.InvalidRequest,
			"a token of your own can be the key for models of a Cursor upstream only, and upstream %q is none", r.target.Upstream)
	}
	r.entry.ServedModel = r.target.Model
	r.entry.Attempts, r.entry.MaskedSecret, r.entry.MaskedChecksum = 1, own.Secret.Masked(), own.MaskedChecksum()
	attempt := reqlog.Attempt{MaskedSecret: own.Secret.Masked()}
	failure := r.transmit(ctx, &attempt, own)
	r.note(attempt, failure, reqlog.NoEffect) // nobody keeps the state of a token that the client brought
	if failure == nil {
		r.relay.Counter.Attempt(r.target.Upstream, "")
		return nil
	}
	r.relay.Counter.Attempt(r.target.Upstream, failure.Class)
	r.logFailure(ctx, "", failure)
	if failure.Class.Ours() {
		return cutOff(ctx, failure)
	}
	return ownError(errorOf(failure, r.target.Upstream, 1, r.sent), failure.Class)
}

// ownError makes it plain that the caller's own token is spoken of.
func ownError(err *chat.Error, class upstream.Class) *chat.Error {
	const about = "the token that you brought as the key"
	switch class {
	case upstream.Auth:
		err.Kind = chat.OwnTokenRefused
		err.Message = fmt.Sprintf("%s is not accepted: %s", about, err.Message)
	case upstream.ModelNotAllowed:
		err.Kind = chat.UpstreamRejected
		err.Message = fmt.Sprintf("the plan of %s does not include the model: %s", about, err.Message)
	case upstream.Quota, upstream.RateLimit:
		err.Message = fmt.Sprintf("%s is at its limit: %s", about, err.Message)
	default: // no matter of the token's
	}
	return err
}
