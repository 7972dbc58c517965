package token

// Strategies of rotation: which of the tokens that could serve does.
const (
	// RoundRobin gives each a share of the requests by its weight.
	RoundRobin = "round_robin"
	// LeastInFlight picks the one with the fewest requests for its weight.
	LeastInFlight = "least_in_flight"
	// FillFirst uses up the one that expires first.
	FillFirst = "fill_first"
	// Sticky keeps the requests of a key together, while that token has not many more
	// than the others.
	Sticky = "sticky"
)
