package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/headerlog"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/tracing"
)

var (
	// errTooLong is why a request's context ends when Policy.Total is over.
	errTooLong = &chat.Error{Kind: chat.Timeout, Message: "the request took longer than this gateway allows"}
	// errPanicked is how a request ended whose end nobody has told.
	errPanicked = &chat.Error{Kind: chat.Internal, Message: "internal error; the request id finds it in the log"}
)

// panicked is an attempt whose end nobody has told. Nobody changes it.
var panicked = &upstream.Failure{Class: upstream.Interrupted, Err: errPanicked}

// hungUp is an attempt whose answer nobody reads any more.
var hungUp = &upstream.Failure{Class: upstream.ClientGone, Message: "the client hung up"}

// failureOf makes sure that what a driver answers is a failure as an admin's rules see
// it, and that neither the token nor the upstream is blamed for what ended on this
// side.
func failureOf(ctx context.Context, err error, rules upstream.Table) *upstream.Failure {
	failure, known := errors.AsType[*upstream.Failure](err)
	if !known {
		failure = &upstream.Failure{Class: upstream.Broken, Message: "the upstream failed", Err: err}
	}
	rules.Revise(failure)
	if ctx.Err() == nil {
		return failure
	}
	switch failure.Class {
	case upstream.Broken, upstream.Transport, upstream.Truncated, upstream.Proxy, upstream.ClientGone, upstream.Interrupted:
		return endedHere(ctx, failure)
	default: // the upstream said so itself
		return failure
	}
}

// endedHere is a failure of which the end of ctx is the cause.
func endedHere(ctx context.Context, failure *upstream.Failure) *upstream.Failure {
	cause := chat.AsError(context.Cause(ctx))
	class := upstream.Interrupted
	if cause.Kind == chat.Canceled {
		class = upstream.ClientGone
	}
	return &upstream.Failure{Class: class, Message: cause.Message, Err: failure}
}

// cutOff is the error of a request that ended on this side: the client hung up,
// or its time was over.
func cutOff(ctx context.Context, failure *upstream.Failure) *chat.Error {
	err := chat.Error{Kind: failure.Class.Kind(), Message: "the client hung up"}
	if ctx.Err() != nil {
		err = *chat.AsError(context.Cause(ctx))
	}
	err.Err = failure
	return &err
}

// errorOf words a failed attempt for the client.
func errorOf(failure *upstream.Failure, upstreamName string, attempts int, sent bool) *chat.Error {
	err := &chat.Error{Kind: failure.Class.Kind(), RetryAfter: failure.RetryAfter, Upstream: ownNames(failure), Err: failure}
	said := failure.Message
	if said == "" {
		said = "it gave no reason"
	}
	switch {
	case failure.Class == upstream.ModelUnknown:
		err.Param = "model"
		err.Message = fmt.Sprintf("upstream %q does not have the model: %s", upstreamName, said)
	case failure.Message != "" && (failure.Class == upstream.CallerFault || failure.Class == upstream.TooLarge):
		err.Message, err.Param = said, failure.Param
	case failure.Class == upstream.OutdatedClient:
		err.Message = fmt.Sprintf("upstream %q refuses the client version that this gateway names; its operator can change it in the settings: %s", upstreamName, said)
	case failure.Class == upstream.Proxy: // where it is, is the operator's business: the log tells
		err.Message = fmt.Sprintf("upstream %q: the way to it is closed, because a proxy fails", upstreamName)
	case failure.Class == upstream.Truncated:
		err.Message = fmt.Sprintf("the answer of upstream %q was incomplete: %s", upstreamName, said)
	default:
		err.Message = fmt.Sprintf("upstream %q: %s", upstreamName, said)
	}
	if attempts > 1 && !sent {
		err.Message += fmt.Sprintf(" (%d tokens tried)", attempts)
	}
	return err
}

// ownNames is what the upstream calls the failure; nil: it has no names for it.
func ownNames(failure *upstream.Failure) *chat.UpstreamError {
	if failure.Code == "" && failure.Type == "" && failure.Param == "" && failure.Dialect == "" {
		return nil
	}
	return &chat.UpstreamError{
		Status: failure.Status, Code: failure.Code, Type: failure.Type, Param: failure.Param,
		Dialect: failure.Dialect, JSON: failure.JSON, Header: failure.Header,
	}
}

// afterAttempts chooses what to tell a request that got no further token: what
// the upstream said to the tokens that were tried, if any were.
func afterAttempts(last, refused *chat.Error) *chat.Error {
	if last == nil || refused.Kind == chat.Canceled || refused.Kind == chat.Timeout {
		return refused
	}
	// What the last token was told is not what the others wait for.
	if refused.RetryAfter > 0 && (last.RetryAfter == 0 || refused.RetryAfter < last.RetryAfter) {
		last.RetryAfter = refused.RetryAfter
	}
	last.Pool = refused.Pool
	return last
}

// maxEvidence bounds what is kept of a failure, in bytes.
const maxEvidence = 512

// evidence is what the token's record keeps of a failure.
func evidence(failure *upstream.Failure) string {
	parts := []string{string(failure.Class)}
	if failure.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", failure.Status))
	}
	if failure.Code != "" {
		parts = append(parts, failure.Code)
	}
	text := strings.Join(parts, ", ")
	if failure.Message != "" {
		text += ": " + failure.Message
	}
	return strings.ToValidUTF8(text[:chat.Boundary(text, maxEvidence)], "")
}

// record writes the request's one log entry. Of a name that nobody serves the store learns
// nothing: whoever guesses names would drive the entries of others out of the log.
func (r *run) record(ctx context.Context, err *chat.Error) {
	if err != nil && err.Kind == chat.ModelNotSupported && r.entry.Upstream == "" {
		return
	}
	r.entry.Err = err
	r.entry.Total = time.Since(r.entry.StartedAt)
	r.entry.Usage = r.cargo.usage()
	if r.entry.Attempts > 0 {
		r.entry.Cost, r.entry.Quality = r.relay.Prices.Cost(r.entry.Upstream, r.entry.ServedModel, r.entry.Usage)
	}
	r.entry.End = endOf(err, r.gone, r.entry.Attempts)
	r.entry.HTTPStatus = http.StatusOK
	if err != nil && !r.sent {
		r.entry.HTTPStatus = r.relay.StatusOf(r.dialect, err)
	}
	if r.policy.LogPrompts {
		r.entry.Prompt, r.entry.PromptCut = r.cargo.prompt()
	}
	if r.entry.Troubled() {
		r.entry.ClientHeaders = headerlog.OfClient(ctx)
	}
	r.entry.TraceID = tracing.ID(ctx)
	r.relay.Recorder.Record(ctx, r.entry)
	r.relay.Counter.Ended(r.target.Model, &r.entry)
}

func endOf(err *chat.Error, gone bool, attempts int) reqlog.End {
	switch {
	case err == nil:
		return reqlog.Done
	case gone || err.Kind == chat.Canceled:
		return reqlog.ClientGone
	case err.Kind == chat.Timeout:
		return reqlog.TimedOut
	case err.Kind == chat.ShuttingDown:
		return reqlog.ShutDown
	case attempts == 0:
		return reqlog.Refused
	case err.Kind == chat.UpstreamProtocol:
		return reqlog.Truncated
	default:
		return reqlog.UpstreamError
	}
}
