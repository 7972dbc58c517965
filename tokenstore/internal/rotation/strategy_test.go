package rotation_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"carousel.internal/tokenstore/internal/rotation"
	"carousel.internal/tokenstore/internal/token"
)

// pool draws candidates that nothing was asked of yet.
func pool(t *rapid.T) []rotation.Candidate {
	candidates := make([]rotation.Candidate, rapid.IntRange(1, 12).Draw(t, "tokens"))
	for i := range candidates {
		candidates[i] = rotation.Candidate{ID: fmt.Sprintf("t%02d", i), Weight: 1}
	}
	return candidates
}

// pick sends one request more, as the acquire script does.
func pick(strategy string, candidates []rotation.Candidate) int {
	i := rotation.Next(strategy, candidates)
	candidates[i].InFlight++
	candidates[i].Score += 1 / float64(max(candidates[i].Weight, 1))
	return i
}

func TestWithoutCandidates(t *testing.T) {
	if got := rotation.Next(token.RoundRobin, nil); got != -1 {
		t.Error(got)
	}
}

// Shares are by weight, at any moment, to one request.
func TestRoundRobinIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := pool(t)
		total := 0
		for i := range candidates {
			candidates[i].Weight = rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "weight")
			total += candidates[i].Weight
		}
		rounds := rapid.IntRange(1, 5).Draw(t, "rounds")
		for range rounds * total {
			pick(token.RoundRobin, candidates)
		}
		for _, each := range candidates {
			if each.InFlight != rounds*each.Weight {
				t.Fatalf("%+v after %d rounds", each, rounds)
			}
		}
	})
}

// Whatever ends in whatever order, the next goes to one with the fewest for its
// weight.
func TestLeastInFlight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := pool(t)
		for i := range candidates {
			candidates[i].Weight = rapid.IntRange(1, 5).Draw(t, "weight")
			candidates[i].InFlight = rapid.IntRange(0, 20).Draw(t, "in flight")
		}
		least := 1e9
		for _, each := range candidates {
			least = min(least, float64(each.InFlight)/float64(each.Weight))
		}
		got := candidates[rotation.Next(token.LeastInFlight, candidates)]
		if float64(got.InFlight)/float64(got.Weight) != least {
			t.Fatalf("%+v, the least is %v", got, least)
		}
	})
}

// The one that expires first gets everything while it can serve; those that don't
// expire come last, one after the other.
func TestFillFirst(t *testing.T) {
	candidates := []rotation.Candidate{{ID: "a"}, {ID: "b", Expires: 20}, {ID: "c", Expires: 10}, {ID: "d"}}
	var order []string
	for len(candidates) > 0 {
		for range 3 {
			if first := rotation.Next(token.FillFirst, candidates); first != pick(token.FillFirst, candidates) {
				t.Fatal("not the same again")
			}
		}
		i := pick(token.FillFirst, candidates)
		order = append(order, candidates[i].ID)
		candidates = slices.Delete(candidates, i, i+1)
	}
	if want := []string{"c", "b", "a", "d"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}
