package relay

import (
	"cmp"
	"time"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// attemptWith is an attempt for the log, as far as its lease tells.
func attemptWith(held *lease.Lease, began time.Time) reqlog.Attempt {
	return reqlog.Attempt{
		StartedAt: began, TokenID: held.TokenID, TokenAlias: held.Alias, TokenFingerprint: held.Fingerprint, MaskedSecret: held.MaskedSecret,
	}
}

// note keeps an attempt that has ended for the log; failure is nil when it went well.
func (r *run) note(attempt reqlog.Attempt, failure *upstream.Failure) {
	attempt.Total = time.Since(attempt.StartedAt)
	attempt.Upstream, attempt.Model, attempt.Effect = r.target.Upstream, r.target.Model, reqlog.NoEffect
	if failure != nil {
		attempt.Class, attempt.Rule, attempt.RetryAfter = string(failure.Class), failure.Rule, failure.RetryAfter
		attempt.Status, attempt.Code, attempt.Param = failure.Status, cmp.Or(failure.Code, failure.Type), failure.Param
		attempt.Message = failure.Message
		if attempt.TokenID != "" { // nobody keeps the state of a token that the client brought
			attempt.Effect = effectOf(failure)
		}
	}
	r.entry.Note(attempt)
}

func effectOf(failure *upstream.Failure) reqlog.Effect {
	switch {
	case !failure.Class.Cools():
		return reqlog.NoEffect
	case failure.ModelOnly || failure.Class == upstream.ModelNotAllowed:
		return reqlog.ModelMayCool
	default:
		return reqlog.TokenMayCool
	}
}
