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
func pick(strategy, key string, candidates []rotation.Candidate) int {
	i := rotation.Next(strategy, key, candidates)
	candidates[i].InFlight++
	candidates[i].Score += 1 / float64(max(candidates[i].Weight, 1))
	return i
}

func TestWithoutCandidates(t *testing.T) {
	if got := rotation.Next(token.RoundRobin, "", nil); got != -1 {
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
			pick(token.RoundRobin, "", candidates)
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
		got := candidates[rotation.Next(token.LeastInFlight, "", candidates)]
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
			if first := rotation.Next(token.FillFirst, "", candidates); first != pick(token.FillFirst, "", candidates) {
				t.Fatal("not the same again")
			}
		}
		i := pick(token.FillFirst, "", candidates)
		order = append(order, candidates[i].ID)
		candidates = slices.Delete(candidates, i, i+1)
	}
	if want := []string{"c", "b", "a", "d"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}

// However the keys fall, no token has more than its bound.
func TestStickyLoadIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := pool(t)
		requests := rapid.IntRange(1, 200).Draw(t, "requests")
		for range requests {
			pick(token.Sticky, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"), candidates)
		}
		most := max(1.25*float64(requests)/float64(len(candidates))+1, 4)
		for _, each := range candidates {
			if float64(each.InFlight) > most {
				t.Fatalf("%+v, at most %v", each, most)
			}
		}
	})
}

// A key stays with its token when another one comes or goes.
func TestStickyStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := pool(t)
		key := rapid.StringN(1, 20, 40).Draw(t, "key")
		mine := candidates[rotation.Next(token.Sticky, key, candidates)].ID
		gone := rapid.IntRange(0, len(candidates)-1).Draw(t, "gone")
		if candidates[gone].ID == mine {
			return
		}
		rest := slices.Delete(slices.Clone(candidates), gone, gone+1)
		if got := rest[rotation.Next(token.Sticky, key, rest)].ID; got != mine {
			t.Fatalf("%s moved from %s to %s", key, mine, got)
		}
	})
}

// Keys spread over the tokens; without a key nothing sticks.
func TestStickySpreads(t *testing.T) {
	candidates := make([]rotation.Candidate, 10)
	for i := range candidates {
		candidates[i].ID = fmt.Sprint("t", i)
	}
	counts := map[int]int{}
	for i := range 1000 {
		counts[rotation.Next(token.Sticky, fmt.Sprint("user ", i), candidates)]++
	}
	for i := range candidates {
		if counts[i] < 60 || counts[i] > 140 {
			t.Errorf("of 1000 keys: %v", counts)
			break
		}
	}
	if first, second := pick(token.Sticky, "", candidates), pick(token.Sticky, "", candidates); first == second {
		t.Error("sticky without a key")
	}
}
