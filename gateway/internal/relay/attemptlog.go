package relay

import (
	"cmp"
	"context"
	"time"

	"carousel.internal/gateway/internal/headerlog"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// attemptWith is an attempt for the log, as far as its lease tells.
func attemptWith(held *lease.Lease) reqlog.Attempt {
	return reqlog.Attempt{
		TokenID: held.TokenID, TokenAlias: held.Alias, TokenFingerprint: held.Fingerprint, MaskedSecret: held.MaskedSecret,
	}
}

// transmit sends the request once, and times that.
func (r *run) transmit(ctx context.Context, attempt *reqlog.Attempt, credential upstream.Credential) *upstream.Failure {
	attempt.StartedAt = time.Now()
	attempt.Sent, attempt.Received = nil, nil
	headerlog.Begin(ctx)
	ctx = r.beginAttempt(ctx)
	failure := panicked // unless the cargo's transmit answers
	defer func() {
		attempt.Total = time.Since(attempt.StartedAt)
		r.endAttempt(failure)
	}()
	failure = r.cargo.transmit(ctx, credential)
	if failure != nil {
		attempt.Sent, attempt.Received = headerlog.OfAttempt(ctx)
	}
	return failure
}

// note keeps an attempt that has ended for the log; failure is nil when it went well.
func (r *run) note(attempt reqlog.Attempt, failure *upstream.Failure, effect reqlog.Effect) {
	attempt.Upstream, attempt.Model, attempt.Effect = r.target.Upstream, r.target.Model, effect
	if failure != nil {
		attempt.Class, attempt.Rule, attempt.RetryAfter = string(failure.Class), failure.Rule, failure.RetryAfter
		attempt.Status, attempt.Code, attempt.Param = failure.Status, cmp.Or(failure.Code, failure.Type), failure.Param
		attempt.Message = failure.Message
	}
	r.entry.Note(attempt)
}

// effectOf is what may become of the token that an attempt was made with.
func effectOf(failure *upstream.Failure) reqlog.Effect {
	switch {
	case failure == nil, !failure.Class.Cools():
		return reqlog.NoEffect
	case failure.ModelOnly || failure.Class == upstream.ModelNotAllowed:
		return reqlog.ModelMayCool
	default:
		return reqlog.TokenMayCool
	}
}
