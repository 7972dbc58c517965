package fault

import (
	"context"
	"errors"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

// Silence is why a call was cancelled: the upstream said nothing for as long as the
// setting allows.
type Silence struct{ Setting, Message string }

// Error implements error.
func (s *Silence) Error() string { return s.Setting + " is over" }

// Ended tells of a context that has ended: the client hung up, the caller's time is
// up, or a timer of ours fired. parent is the caller's, ctx the call's own. nil: neither
// has ended by that.
func Ended(table upstream.Table, parent, ctx context.Context) *upstream.Failure { //nolint:revive // two contexts, of which the second ends first
	cause := context.Cause(parent)
	switch {
	case errors.Is(parent.Err(), context.DeadlineExceeded):
		return wire.Signed(table, upstream.SignLate, 0, "the upstream did not finish in time", errors.Join(context.DeadlineExceeded, cause))
	case parent.Err() != nil:
		return wire.Signed(table, upstream.SignHungUp, 0, "the client hung up", cause)
	}
	if quiet, ok := errors.AsType[*Silence](context.Cause(ctx)); ok {
		return wire.Signed(table, upstream.SignSilent, 0, quiet.Message, quiet)
	}
	return nil
}

// Unreached is the failure of a request that had no answer.
func Unreached(table upstream.Table, err error) *upstream.Failure {
	if failure := wire.OfProxy(table, err); failure != nil {
		return failure
	}
	return wire.Signed(table, upstream.SignUnreachable, 0, "the upstream can't be reached", err)
}
