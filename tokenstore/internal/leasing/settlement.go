package leasing

import "time"

// Effect is what the end of a lease does to its token's counters.
type Effect string

// The effects.
const (
	// Unused: as if the lease had never been taken.
	Unused Effect = "unused"
	// Succeeded: counted; a streak of failures ends.
	Succeeded Effect = "success"
	// Neutral: counted; says nothing of the token.
	Neutral Effect = "neutral"
	// Failed: counted as a failure.
	Failed Effect = "failure"
)

// Settlement ends one lease.
type Settlement struct {
	LeaseRef
	Effect Effect
	// Error is the redacted evidence of a failure.
	Error string
	Model string
	// Group is the token's at its upstream; empty: the report doesn't say.
	Group string
	// Age is how long ago the request ended.
	Age time.Duration
	// Verdict is what else is to happen to the token; nil: nothing.
	Verdict *Verdict
}

// ReservedUse is how a request ended that a reserve served.
type ReservedUse struct {
	// Number ascends, per replica, from 1.
	Number uint64
	Settlement
}

// Verdict makes a token cool or parks it, unless it has moved on since the lease, or
// tokens share a cause. The store carries it out in the step that ends the lease.
type Verdict struct {
	// Class is that of the outcome.
	Class string
	// Shareable: tokens may fail alike, for a cause that they share. It is taken down, and
	// when that is seen none is to blame.
	Shareable bool
	// Model limits the cooling to one model; empty: the whole token.
	Model string
	// CoolFor is how long the token cools, by how often in a row it has cooled for the
	// class, or for the model, before; beyond the last, like the last. 0: it is parked.
	// Empty: the token is left alone.
	CoolFor []time.Duration
	// GroupWide: what becomes of the token becomes of all tokens of its group.
	GroupWide bool
	Evidence
}

// Evidence is what led to a verdict.
type Evidence struct {
	RequestID string
	// AskedModel is the one that the request named.
	AskedModel string
	// Detail is what the upstream said, redacted.
	Detail  string
	Replica string
}

// Became is what a verdict has made of a token.
type Became string

// What a token may become.
const (
	// Unchanged: there was no verdict, or the token has moved on.
	Unchanged Became = ""
	// Blameless: tokens share a cause.
	Blameless Became = "shared"
	Cooling   Became = "cooling"
	Parked    Became = "parked"
)

// Settled is what a settlement has done.
type Settled struct {
	// Live is false for a lease that had expired or ended before: nothing has happened.
	Live bool
	// Upstream is the token's.
	Upstream string
	Became   Became
	// CoolFor is for how long it cools; Streak how often in a row that is.
	CoolFor time.Duration
	Streak  int
	// Others is how many tokens of its group rest with it, or are parked.
	Others int
	// Wronged: tokens of the upstream were blamed for a cause that they share, and wait
	// for Store.Pardon.
	Wronged bool
}
