package streamchat

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/proto/service/secret"
)

// judge turns errors into failures.
type judge struct {
	// parent is the caller's context, ctx the call's own.
	parent, ctx context.Context //nolint:containedctx // both live as long as the judge
	exchange    *exchange
	secret      secret.Value
}

// failure finds what was at fault. The upstream's own word counts more than the end
// of a context, and that more than its traces in the connection.
func (j judge) failure(err error) *upstream.Failure {
	var own *connect.Error
	if connect.IsWireError(err) && errors.As(err, &own) {
		said := fault.OfConnect(own)
		return said.Failure(fault.Table, j.secret)
	}
	if failure := fault.Ended(fault.Table, j.parent, j.ctx); failure != nil {
		return failure
	}
	var refused *fault.Refusal
	switch {
	case errors.As(err, &refused):
		return refused.Failure(fault.Table, j.secret)
	case j.exchange.frames == nil:
		return fault.Unreached(fault.Table, err)
	default:
		return fault.Broken(fault.Table, err)
	}
}
