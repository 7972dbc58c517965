package leasing

import "time"

// Transition makes a token cool, or parks it.
type Transition struct {
	TokenID  string
	Upstream string
	// Epoch is that of the lease whose report decided this.
	Epoch uint64
	// Class is that of the outcome.
	Class string
	// Streak is the new count of coolings in a row for the cause, or for the model.
	Streak int
	// CoolFor is 0 where the token is parked.
	CoolFor time.Duration
	// Model limits the cooling to one model; empty: the whole token.
	Model string
	Evidence
}

// Evidence is what led to a transition.
type Evidence struct {
	RequestID string
	// AskedModel is the one that the request named.
	AskedModel string
	// Detail is what the upstream said, redacted.
	Detail  string
	Replica string
}

// Undo says which transitions are to be undone.
type Undo struct {
	// Upstream is empty for all.
	Upstream string
	// Class is that of the outcomes which led to them.
	Class    string
	From, To time.Time
	// By is who wants it, for the history.
	By string
}

// Failure is a request that failed, for a reason that tokens may share.
type Failure struct {
	LeaseRef
	Upstream string
	Class    string
	Model    string
	// RequestID tells apart whether one request failed with several tokens, or
	// several did.
	RequestID string
}

// Witnessed is what is known of a failure's cause.
type Witnessed struct {
	// Shared: tokens share it, none is to blame.
	Shared bool
	// Tripped: it is known since now. Tokens that have failed for it since From were
	// blamed wrongly. News: nothing else of its class was known.
	Tripped, News bool
	From          time.Time
	Tokens        []string
}
