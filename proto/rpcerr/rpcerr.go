// Package rpcerr is the error vocabulary that crosses the wire between gateway
// and tokenstore. An error is a Reason, a sentence for the person who reads it,
// and where it helps the time after which it is worth trying again. As a gRPC
// status it travels as ErrorInfo (the reason's name) and RetryInfo.
package rpcerr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Domain is ErrorInfo.domain of every error of this contract.
const Domain = "tokenstore.v1"

// Error is one failed call.
type Error struct {
	Reason tokenstorev1.Reason
	// Message is for the caller's user: no secret, no internals.
	Message string
	// RetryAfter is zero when waiting does not help.
	RetryAfter time.Duration
	// Err is the cause, for the log of the side that made the error. It does
	// not cross the wire.
	Err error
}

// New makes an error; format and args make its message.
func New(reason tokenstorev1.Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Error names the reason and the message.
func (e *Error) Error() string {
	text := Name(e.Reason) + ": " + e.Message
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Err }

// Name is the reason as it stands on the wire: without the enum's prefix.
func Name(reason tokenstorev1.Reason) string {
	return strings.TrimPrefix(reason.String(), "REASON_")
}

// codeOf says how each reason looks to a plain gRPC client.
var codeOf = map[tokenstorev1.Reason]codes.Code{
	tokenstorev1.Reason_REASON_INVALID_ARGUMENT:       codes.InvalidArgument,
	tokenstorev1.Reason_REASON_UNAUTHENTICATED:        codes.Unauthenticated,
	tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND:        codes.NotFound,
	tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND:     codes.NotFound,
	tokenstorev1.Reason_REASON_ALREADY_EXISTS:         codes.AlreadyExists,
	tokenstorev1.Reason_REASON_ALIAS_TAKEN:            codes.AlreadyExists,
	tokenstorev1.Reason_REASON_VERSION_CONFLICT:       codes.Aborted,
	tokenstorev1.Reason_REASON_NO_TOKENS:              codes.FailedPrecondition,
	tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE:     codes.ResourceExhausted,
	tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:      codes.Unavailable,
	tokenstorev1.Reason_REASON_UPSTREAM_IN_USE:        codes.FailedPrecondition,
	tokenstorev1.Reason_REASON_UPSTREAM_FAILING:       codes.Unavailable,
	tokenstorev1.Reason_REASON_ROUTE_NOT_FOUND:        codes.NotFound,
	tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND: codes.NotFound,
	tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND:     codes.NotFound,
	tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE:     codes.InvalidArgument,
	tokenstorev1.Reason_REASON_KEY_NOT_FOUND:          codes.NotFound,
	tokenstorev1.Reason_REASON_KEY_LIMITED:            codes.ResourceExhausted,
	tokenstorev1.Reason_REASON_KEY_SPENT:              codes.ResourceExhausted,
	tokenstorev1.Reason_REASON_KEY_UNUSABLE:           codes.PermissionDenied,
	tokenstorev1.Reason_REASON_PERMISSION_DENIED:      codes.PermissionDenied,
}

// GRPCStatus makes the error travel: grpc calls it on whatever a handler
// returns.
func (e *Error) GRPCStatus() *status.Status {
	code, known := codeOf[e.Reason]
	if !known {
		code = codes.Internal
	}
	st := status.New(code, e.Message)
	info := &errdetails.ErrorInfo{Reason: Name(e.Reason), Domain: Domain}
	var err error
	if e.RetryAfter > 0 {
		st, err = st.WithDetails(info, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	} else {
		st, err = st.WithDetails(info)
	}
	if err != nil { // only when a detail can't be marshalled: both always can
		return status.New(codes.Internal, "error details: "+err.Error())
	}
	return st
}

// Parse turns the error of a gRPC call back into an *Error. A status without
// our details becomes STORE_UNAVAILABLE when the store could not be reached or
// did not answer in time, else it has no reason. Parse(nil) is nil.
func Parse(err error) *Error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	parsed := &Error{Message: st.Message(), Err: err}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == Domain {
				parsed.Reason = tokenstorev1.Reason(tokenstorev1.Reason_value["REASON_"+d.GetReason()])
			}
		case *errdetails.RetryInfo:
			parsed.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	if parsed.Reason == tokenstorev1.Reason_REASON_UNSPECIFIED && unreachable(st.Code(), err) {
		parsed.Reason = tokenstorev1.Reason_REASON_STORE_UNAVAILABLE
		parsed.Message = "the tokenstore can't be reached"
	}
	return parsed
}

func unreachable(code codes.Code, err error) bool {
	return code == codes.Unavailable || code == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded)
}

// Is tells whether err carries the reason.
func Is(err error, reason tokenstorev1.Reason) bool {
	parsed := Parse(err)
	return parsed != nil && parsed.Reason == reason
}
