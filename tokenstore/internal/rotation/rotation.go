// Package rotation decides what the outcome of a request does to the token that
// served it. Pure functions: no clock, no store, no randomness of their own.
// (Who is next is decided where it is atomic, in the acquire script: the token
// that is due first, each pick putting it 1/weight later.)
package rotation

import (
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The bounds of every cooling.
const (
	MinCooling = time.Second
	MaxCooling = 30 * time.Minute
)

// Scope says how much of a token a verdict is about.
type Scope int

// The scopes.
const (
	Nothing Scope = iota
	Model
	Token
)

// Verdict is what an outcome does to a token.
type Verdict struct {
	Scope Scope
	// CoolFor is within the bounds where Scope is not Nothing.
	CoolFor time.Duration
	// Streak is the token's new count of coolings in a row.
	Streak int
}

// rule is what a class of outcome deserves when the upstream gives no hint.
type rule struct {
	scope Scope
	// first doubles with each cooling in a row, up to MaxCooling.
	first time.Duration
}

// rules has the outcomes that say something of the token. All others leave it
// alone: the caller's fault, a client that hung up, an upstream or a network
// that fails for everybody, a client version that is refused.
var rules = map[tokenstorev1.Outcome]rule{
	tokenstorev1.Outcome_OUTCOME_RATE_LIMIT:        {Token, MinCooling},
	tokenstorev1.Outcome_OUTCOME_QUOTA:             {Token, 5 * time.Minute},
	tokenstorev1.Outcome_OUTCOME_AUTH:              {Token, time.Minute},
	tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED: {Model, MaxCooling},
}

// Judge answers what outcome does to a token that has cooled streak times in a
// row. hint is the upstream's own word on when to come back, 0 for none. jitter
// in [0,1) spreads the ends of coolings that begin together by up to a tenth.
func Judge(outcome tokenstorev1.Outcome, streak int, hint time.Duration, jitter float64) Verdict {
	rule, blames := rules[outcome]
	if !blames {
		return Verdict{Scope: Nothing, Streak: streak}
	}
	cool := hint
	if cool <= 0 {
		cool = backoff(rule.first, streak)
		cool += time.Duration(float64(cool) / 10 * jitter)
	}
	verdict := Verdict{Scope: rule.scope, CoolFor: min(max(cool, MinCooling), MaxCooling), Streak: streak}
	if rule.scope == Token {
		verdict.Streak++
	}
	return verdict
}

func backoff(first time.Duration, streak int) time.Duration {
	cool := first
	for range streak {
		if cool >= MaxCooling {
			return MaxCooling
		}
		cool *= 2
	}
	return cool
}
