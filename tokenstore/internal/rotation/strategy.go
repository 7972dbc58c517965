package rotation

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // spreads keys, protects nothing; Redis has it too
	"encoding/binary"
	"math"
	"slices"

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
	// Expires is in ms; 0 for never.
	Expires int64
}

// balance is how far above the average of their requests a key's token may be, beyond
// the few that are no load.
const (
	balance = 1.25
	few     = 4
)

// Next is the rule by which the acquire script picks, in plain words: the index of
// the candidate that a strategy picks; -1 without candidates. A key is only needed
// where requests are to stay together.
func Next(strategy, key string, candidates []Candidate) int {
	if len(candidates) == 0 {
		return -1
	}
	if strategy == token.Sticky && key == "" {
		strategy = token.RoundRobin
	}
	order := make([]int, len(candidates))
	total := 1 // the request in question
	for i, each := range candidates {
		order[i] = i
		total += each.InFlight
	}
	slices.SortFunc(order, func(a, b int) int { return compare(strategy, key, candidates[a], candidates[b]) })
	if strategy == token.Sticky {
		most := max(int(math.Ceil(float64(total)*balance/float64(len(candidates)))), few)
		for _, i := range order {
			if candidates[i].InFlight < most {
				return i
			}
		}
	}
	return order[0]
}

func compare(strategy, key string, a, b Candidate) int {
	byID := cmp.Compare(a.ID, b.ID)
	switch strategy {
	case token.LeastInFlight:
		return cmp.Or(cmp.Compare(load(a), load(b)), cmp.Compare(a.Score, b.Score), byID)
	case token.FillFirst:
		return cmp.Or(cmp.Compare(end(a), end(b)), byID)
	case token.Sticky:
		return cmp.Or(cmp.Compare(distance(key, a.ID), distance(key, b.ID)), byID)
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

// falls is on how many points of the ring a key falls: the more, the more evenly keys are
// spread over tokens.
const falls = 5

// distance is how far a token's point of the ring is after the nearest of those on which
// the key falls: each key has its own order of the tokens, in which one more or one less
// changes nothing else.
func distance(key, id string) uint32 {
	at, nearest := point(id, 0), uint32(math.MaxUint32)
	for n := range falls {
		nearest = min(nearest, at-point(key, n)) // modulo the ring
	}
	return nearest
}

// point is 32 bits of a text's hash, the n-th of up to five.
func point(text string, n int) uint32 {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // as above
	return binary.BigEndian.Uint32(sum[4*n:])
}
