package rotation

import (
	"cmp"
	"math"

	"carousel.internal/tokenstore/internal/token"
)

// Candidate is a token that could serve a request.
type Candidate struct {
	ID     string
	Weight int
	// InFlight is how many requests it has.
	InFlight int
	// Score is the virtual time at which it is due.
	Score float64
	// Expires is in ms; 0 for never. For fill_first it is also when the token's quota begins
	// anew, where that comes first, and of one that is renewed nothing else.
	Expires int64
}

// Next is the rule by which the acquire script serves a demand without a key, in plain
// words: the index of the candidate that a strategy picks; -1 without candidates.
func Next(strategy string, candidates []Candidate) int {
	best := -1
	for i := range candidates {
		if best < 0 || compare(strategy, candidates[i], candidates[best]) < 0 {
			best = i
		}
	}
	return best
}

// compare orders candidates. Sticky is round robin here: it only says which demands have a
// key.
func compare(strategy string, a, b Candidate) int {
	byID := cmp.Compare(a.ID, b.ID)
	switch strategy {
	case token.LeastInFlight:
		return cmp.Or(cmp.Compare(load(a), load(b)), cmp.Compare(a.Score, b.Score), byID)
	case token.FillFirst:
		return cmp.Or(cmp.Compare(end(a), end(b)), byID)
	default:
		return cmp.Or(cmp.Compare(a.Score, b.Score), byID)
	}
}

func load(c Candidate) float64 { return float64(c.InFlight) / float64(max(c.Weight, 1)) }

func end(c Candidate) int64 {
	if c.Expires == 0 {
		return math.MaxInt64
	}
	return c.Expires
}
