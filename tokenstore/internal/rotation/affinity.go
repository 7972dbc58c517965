package rotation

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // spreads keys, protects nothing; Redis has it too
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

const (
	// falls is on how many points of the ring a key falls: the more, the more evenly keys
	// are spread over tokens.
	falls = 20
	// A token may have a quarter more leases than the average for its weight, and a few,
	// before keys go on to the next one. The few are what chance does to a token's share
	// where the average is small.
	balance = 1.25
	few     = 4
)

// Load is what a pool has to do.
type Load struct {
	// Tokens is how many are well: they are enabled, and neither parked, expired nor
	// cooling.
	Tokens int
	// Leases are those that are open.
	Leases int
}

// Bound returns how many leases a token of that weight may have before keys go on to the
// next one, when one lease more is to be taken.
func (l Load) Bound(weight int) int {
	total, weighed, tokens := float64(l.Leases+1), float64(max(weight, 1)), float64(max(l.Tokens, 1))
	return int(math.Ceil(balance*total*weighed/tokens)) + few
}

// Affine is the rule by which the acquire script serves a demand that has a key, in plain
// words: the index of the candidate that it picks, -1 without candidates. It is the first
// around the ring that is below its bound; where none is, since many others can't serve, the
// first below that of the candidates' own load.
func Affine(key string, load Load, candidates []Candidate) int {
	if len(candidates) == 0 {
		return -1
	}
	order := make([]int, len(candidates))
	for i := range candidates {
		order[i] = i
	}
	fallen := fallsOf(key)
	slices.SortFunc(order, func(a, b int) int {
		a1, b1 := candidates[a].ID, candidates[b].ID
		return cmp.Or(cmp.Compare(distance(fallen, a1), distance(fallen, b1)), cmp.Compare(a1, b1))
	})
	if first := firstBelow(load, candidates, order); first >= 0 {
		return first
	}
	own := Load{Tokens: len(candidates)}
	for _, each := range candidates {
		own.Leases += each.InFlight
	}
	return firstBelow(own, candidates, order) // not all have more than the average
}

// firstBelow returns the first in that order that is below its bound, -1 where none is.
func firstBelow(load Load, candidates []Candidate, order []int) int {
	for _, i := range order {
		if candidates[i].InFlight < load.Bound(candidates[i].Weight) {
			return i
		}
	}
	return -1
}

// fallsOf returns where a key falls on the ring.
func fallsOf(key string) []uint32 {
	points := make([]uint32, 0, falls)
	for n := 0; n < falls; n += sha1.Size / 4 {
		sum := sha1.Sum(fmt.Appendf(nil, "%s %d", key, n)) //nolint:gosec // as above
		for at := 0; at < sha1.Size; at += 4 {
			points = append(points, binary.BigEndian.Uint32(sum[at:]))
		}
	}
	return points
}

// distance is how far a token's point of the ring is after the nearest of a key's falls:
// each key has its own order of the tokens, in which one more or one less changes nothing
// else.
func distance(fallen []uint32, id string) uint32 {
	sum := sha1.Sum([]byte(id)) //nolint:gosec // as above
	at, nearest := binary.BigEndian.Uint32(sum[:]), uint32(math.MaxUint32)
	for _, fall := range fallen {
		nearest = min(nearest, at-fall) // modulo the ring
	}
	return nearest
}
