// Package rotation decides what the outcome of a request does to the token that
// served it. Pure functions: no clock, no store, no randomness of their own.
// (Who is next is decided where it is atomic, in the acquire script: the token
// that is due first, each pick putting it 1/weight later.)
package rotation

import (
	"cmp"
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

// Past is what a token has behind it.
type Past struct {
	// Streak is how often in a row it has cooled for Cause.
	Streak int
	Cause  tokenstorev1.Outcome
	// ModelStreak is how often in a row it has cooled for the report's model.
	ModelStreak int
}

// Verdict is what an outcome does to a token.
type Verdict struct {
	Scope Scope
	// CoolFor is within the bounds where Scope is not Nothing and Park is not set.
	CoolFor time.Duration
	// Park: it needs a person.
	Park bool
	// Streak is the new count of coolings in a row, of the token or for the model.
	Streak int
}

// rule is what a class of outcome deserves.
type rule struct {
	scope Scope
	// first is the first cooling when the upstream gives no hint. It doubles with
	// each in a row, up to most; 0: up to MaxCooling.
	first, most time.Duration
	// parkAfter is how many coolings in a row may fail to help before the token
	// needs a person; 0: it never does.
	parkAfter int
}

// rules has the outcomes that say something of the token. All others leave it
// alone: the caller's fault, a client that hung up, an upstream or a network
// that fails for everybody, a client version that is refused.
//
// A token that the upstream does not accept is probed before it is parked: an
// upstream's session store may forget for a while who is logged in. Whether a model
// is refused for the plan's sake is a guess of some upstreams' errors, so that
// cooling begins short too.
//
// A proxy that is dead says nothing of its token. It only rests, so that requests take
// others, and the one after each rest finds out whether the proxy is back: soon after it
// is, however long it was away.
var rules = map[tokenstorev1.Outcome]rule{
	tokenstorev1.Outcome_OUTCOME_RATE_LIMIT:        {scope: Token, first: MinCooling},
	tokenstorev1.Outcome_OUTCOME_QUOTA:             {scope: Token, first: 5 * time.Minute},
	tokenstorev1.Outcome_OUTCOME_AUTH:              {scope: Token, first: time.Minute, parkAfter: 3},
	tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED: {scope: Model, first: 5 * time.Minute},
	tokenstorev1.Outcome_OUTCOME_PROXY:             {scope: Token, first: 5 * time.Second, most: time.Minute},
}

// Judge returns what outcome does to a token with that past. hint is the
// upstream's own word on when to come back, 0 for none. jitter in [0,1) spreads the
// ends of coolings that begin together by up to a tenth.
func Judge(outcome tokenstorev1.Outcome, past Past, hint time.Duration, jitter float64) Verdict {
	return judge(rules[outcome], outcome, past, hint, jitter)
}

// JudgeForModel is Judge where the upstream says that the rest of the token is well: a
// limit that it counts for each model.
func JudgeForModel(outcome tokenstorev1.Outcome, past Past, hint time.Duration, jitter float64) Verdict {
	rule := rules[outcome]
	if rule.scope == Token {
		rule.scope, rule.parkAfter = Model, 0
	}
	return judge(rule, outcome, past, hint, jitter)
}

// maxSteps is more than any rule has: from the shortest cooling on, each doubles.
const maxSteps = 16

// Steps returns the verdicts of a judge, Judge or JudgeForModel, by how often in a row the
// token has cooled for the outcome, or for the model, before. Beyond the last all are like
// it, but for the streak. So a store that alone knows how often that is can carry out the
// verdict in one step.
func Steps(judge func(tokenstorev1.Outcome, Past, time.Duration, float64) Verdict,
	outcome tokenstorev1.Outcome, hint time.Duration, jitter float64,
) []Verdict {
	var steps []Verdict
	for streak := range maxSteps {
		steps = append(steps, judge(outcome, Past{Streak: streak, Cause: outcome, ModelStreak: streak}, hint, jitter))
	}
	for last := len(steps) - 1; last > 0 && alike(steps[last], steps[last-1]); last-- {
		steps = steps[:last]
	}
	return steps
}

func alike(a, b Verdict) bool {
	return a.Scope == b.Scope && a.CoolFor == b.CoolFor && a.Park == b.Park
}

func judge(rule rule, outcome tokenstorev1.Outcome, past Past, hint time.Duration, jitter float64) Verdict {
	if rule.scope == Nothing {
		return Verdict{}
	}
	streak := past.ModelStreak
	if rule.scope == Token {
		streak = past.Streak
		if past.Cause != outcome { // something else is the matter now
			streak = 0
		}
	}
	if rule.parkAfter > 0 && streak >= rule.parkAfter {
		return Verdict{Scope: Token, Park: true, Streak: streak + 1}
	}
	cool := hint
	if cool <= 0 {
		cool = backoff(rule.first, cmp.Or(rule.most, MaxCooling), streak)
		cool += time.Duration(float64(cool) / 10 * jitter)
	}
	return Verdict{Scope: rule.scope, CoolFor: min(max(cool, MinCooling), MaxCooling), Streak: streak + 1}
}

// backoff doubles first so often, up to most.
func backoff(first, most time.Duration, streak int) time.Duration {
	cool := first
	for range streak {
		if cool >= most {
			break
		}
		cool *= 2
	}
	return min(cool, most)
}

// unshared has the outcomes that never have a cause which tokens share: those that
// are nobody's failure or the caller's; quotas, which tokens with equal shares
// of the requests use up at about the same time; and proxies, which may be those of many
// tokens without telling anything of the upstream, to which others have another way.
var unshared = map[tokenstorev1.Outcome]bool{
	tokenstorev1.Outcome_OUTCOME_UNSPECIFIED:  true,
	tokenstorev1.Outcome_OUTCOME_SUCCESS:      true,
	tokenstorev1.Outcome_OUTCOME_UNUSED:       true,
	tokenstorev1.Outcome_OUTCOME_CALLER_FAULT: true,
	tokenstorev1.Outcome_OUTCOME_CLIENT_GONE:  true,
	tokenstorev1.Outcome_OUTCOME_TOO_LARGE:    true,
	tokenstorev1.Outcome_OUTCOME_QUOTA:        true,
	tokenstorev1.Outcome_OUTCOME_PROXY:        true,
}

// Shareable tells whether tokens may fail with outcome for a cause that they share:
// an upstream that is down, a network path, a client version, a model. A rate limit
// whose end the upstream names is the token's own, and what it says of a group of tokens is
// the group's.
func Shareable(outcome tokenstorev1.Outcome, hint time.Duration, groupWide bool) bool {
	return !groupWide && !unshared[outcome] && (outcome != tokenstorev1.Outcome_OUTCOME_RATE_LIMIT || hint <= 0)
}
