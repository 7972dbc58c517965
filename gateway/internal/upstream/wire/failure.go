package wire

import (
	"context"
	"errors"
	"io"
	"net/http"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/eventstream"
	"carousel.internal/proto/service/secret"
)

// Signed is a failure of which the upstream said nothing, as the driver's table judges it.
func Signed(table upstream.Table, sign string, status int, message string, err error) *upstream.Failure {
	failure := table.Fail(upstream.Complaint{Status: status, Names: []string{sign}})
	failure.Message, failure.Err = message, err
	return failure
}

// CutShort is the failure of an answer that began well and is none.
func CutShort(table upstream.Table, sign, message string) *upstream.Failure {
	return Signed(table, sign, http.StatusOK, message, nil)
}

// Page is the failure of a web page in the place of an answer.
func Page(table upstream.Table) *upstream.Failure {
	return Signed(table, upstream.SignPage, http.StatusOK, errPage.Error(), nil)
}

// OfProxy is the failure of a request that a proxy did not let pass; nil: none is at fault.
func OfProxy(table upstream.Table, err error) *upstream.Failure {
	blamed, yes := errors.AsType[*egress.Error](err)
	if !yes {
		return nil
	}
	return Signed(table, upstream.SignProxy, 0, upstream.CleanMessage(blamed.Text, secret.Value{}), blamed)
}

// Interrupted is the failure of a connection. caller is the request's context as it came,
// ctx that of its Watch; sign is what it shows when no one on our side has ended it.
func Interrupted(table upstream.Table, caller, ctx context.Context, err error, sign string) *upstream.Failure { //nolint:revive // two contexts, of which the second ends first
	if end := caller.Err(); end != nil {
		if errors.Is(end, context.DeadlineExceeded) {
			return Signed(table, upstream.SignLate, 0, "the request took too long", end)
		}
		return Signed(table, upstream.SignHungUp, 0, "the client hung up", end)
	}
	if slow, yes := TooSlow(ctx); yes {
		return Signed(table, upstream.SignSilent, 0, "the upstream was silent for "+slow.Limit.String(), slow)
	}
	if failure := OfProxy(table, err); failure != nil {
		return failure
	}
	var packed PackedError
	switch {
	case errors.Is(err, eventstream.ErrTooLarge):
		return CutShort(table, upstream.SignGarbled, "an event of the answer is larger than 32 MiB")
	case errors.Is(err, errPage):
		return Page(table)
	case errors.As(err, &packed):
		return CutShort(table, upstream.SignGarbled, packed.Error())
	case isDamaged(err):
		return CutShort(table, upstream.SignGarbled, "the upstream has packed its answer, though `identity` was asked for, and it can't be unpacked: "+err.Error())
	case sign == upstream.SignUnreachable:
		return Signed(table, sign, 0, "the upstream can't be reached, or hangs up", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		sign = upstream.SignCut
	}
	return Signed(table, sign, http.StatusOK, "the connection to the upstream broke", err)
}
