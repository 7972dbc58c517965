package token

import (
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// ExpiryLead is how long before its expiry a token is not picked any more: a
// stream of usual length would outlive it.
const ExpiryLead = 2 * time.Minute

// RenewableLead is ExpiryLead for access tokens that are had anew: a request needs one only
// when it begins, and some live for a minute.
const RenewableLead = 5 * time.Second

// Phases of a token that is not open. Any other text is how many requests at a time
// it is probed with.
const (
	// Quarantined: no request with it has succeeded yet.
	Quarantined = "new"
	// Parked: only a person brings it back.
	Parked = "parked"
)

// State is the state of a token at a moment; zero times mean never, an empty phase
// is open.
func State(enabled bool, phase string, expires, coolingUntil, now time.Time) tokenstorev1.TokenState {
	switch {
	case !enabled:
		return tokenstorev1.TokenState_TOKEN_STATE_DISABLED
	case phase == Parked:
		return tokenstorev1.TokenState_TOKEN_STATE_PARKED
	case !expires.IsZero() && !now.Before(expires.Add(-ExpiryLead)):
		return tokenstorev1.TokenState_TOKEN_STATE_EXPIRED
	case now.Before(coolingUntil):
		return tokenstorev1.TokenState_TOKEN_STATE_COOLING
	case phase == Quarantined:
		return tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED
	case phase != "":
		return tokenstorev1.TokenState_TOKEN_STATE_PROBING
	default:
		return tokenstorev1.TokenState_TOKEN_STATE_READY
	}
}

// Class is the name of an outcome's class, such as rate_limit.
func Class(outcome tokenstorev1.Outcome) string {
	return strings.ToLower(strings.TrimPrefix(outcome.String(), outcomePrefix))
}

// Outcome is the one of that class; OUTCOME_UNSPECIFIED where there is none.
func Outcome(class string) tokenstorev1.Outcome {
	return tokenstorev1.Outcome(tokenstorev1.Outcome_value[outcomePrefix+strings.ToUpper(class)])
}

const outcomePrefix = "OUTCOME_"
