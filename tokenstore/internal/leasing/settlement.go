package leasing

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
}

// Settled is what a settlement found.
type Settled struct {
	// Live is false for a lease that had expired or ended before.
	Live bool
	// Upstream and Epoch are the token's.
	Upstream string
	Epoch    uint64
	// Streak is how often in a row it has cooled for Cause.
	Streak int
	Cause  string
	// ModelStreak is how often in a row it has cooled for the lease's model, where
	// this was a probe of that.
	ModelStreak int
}

// ReservedUse is how a request ended that a reserve served.
type ReservedUse struct {
	// Number ascends, per replica, from 1.
	Number uint64
	Settlement
}
