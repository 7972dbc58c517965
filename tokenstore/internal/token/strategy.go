package token

// Strategies of rotation: which of the tokens that could serve does.
const (
	// RoundRobin gives each a share of the requests by its weight.
	RoundRobin = "round_robin"
	// LeastInFlight picks the one with the fewest requests for its weight.
	LeastInFlight = "least_in_flight"
	// FillFirst uses up the one whose account begins anew, or that expires, the soonest.
	FillFirst = "fill_first"
	// Sticky is RoundRobin, and has a user's requests stay on one token as those of a
	// conversation do.
	Sticky = "sticky"
)

// Affinities: which requests stay on one token, while it is well and has not many more than
// the others.
const (
	// AffinityConversations keeps those of a conversation together: they name it, or go on
	// with one.
	AffinityConversations = "conversations"
	// AffinityNamed keeps only those together that name what they belong to.
	AffinityNamed = "named"
	// AffinityOff leaves each request to the strategy.
	AffinityOff = "off"
)
