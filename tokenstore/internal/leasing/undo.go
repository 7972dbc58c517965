package leasing

import "time"

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

// Pardoned is what was undone of tokens that were blamed wrongly.
type Pardoned struct {
	Class, Model string
	// From is when the failures began that they share.
	From time.Time
	// News: nothing else of the class was known. RequestID is the request that showed it.
	News      bool
	RequestID string
	// Failed is how many tokens have failed alike, Tokens some of them, and Undone how
	// many transitions of those were undone.
	Failed int
	Tokens []string
	Undone int
}
