package rotation_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"carousel.internal/tokenstore/internal/rotation"
)

// loadOf is what the candidates have to do, where there are no other tokens.
func loadOf(candidates []rotation.Candidate) rotation.Load {
	load := rotation.Load{Tokens: len(candidates)}
	for _, each := range candidates {
		load.Leases += each.InFlight
	}
	return load
}

// pickFor sends one request more with a key, as the acquire script does.
func pickFor(key string, candidates []rotation.Candidate) int {
	i := rotation.Affine(key, loadOf(candidates), candidates)
	candidates[i].InFlight++
	return i
}

func TestAffinityWithoutCandidates(t *testing.T) {
	t.Parallel()
	if got := rotation.Affine("key", rotation.Load{}, nil); got != -1 {
		t.Error(got)
	}
}

// The bound, in numbers: a quarter above the average for the token's weight, and four.
func TestBound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		load   rotation.Load
		weight int
		want   int
	}{
		{rotation.Load{Tokens: 5}, 1, 5},
		{rotation.Load{Tokens: 5, Leases: 4}, 1, 6},
		{rotation.Load{Tokens: 5, Leases: 49}, 1, 17},
		{rotation.Load{Tokens: 5, Leases: 49}, 4, 54},
		{rotation.Load{Tokens: 100_000, Leases: 99_999}, 1, 6},
		{rotation.Load{Leases: 3}, 0, 9},
	} {
		if got := c.load.Bound(c.weight); got != c.want {
			t.Errorf("%+v, weight %d: %d, want %d", c.load, c.weight, got, c.want)
		}
	}
}

// However the keys fall, no token has more than its bound.
func TestAffinityLoadIsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		candidates := pool(t)
		requests := rapid.IntRange(1, 200).Draw(t, "requests")
		for range requests {
			pickFor(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"), candidates)
		}
		most := 1.25*float64(requests)/float64(len(candidates)) + 1 + 4
		for _, each := range candidates {
			if float64(each.InFlight) > most {
				t.Fatalf("%+v, at most %v", each, most)
			}
		}
	})
}

// Nor does one where most tokens of the pool can't serve.
func TestAffinityIsBoundedAmongThoseThatCanServe(t *testing.T) {
	t.Parallel()
	candidates := []rotation.Candidate{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	const requests = 200
	for n := range requests {
		candidates[rotation.Affine("sub-agents", rotation.Load{Tokens: 30, Leases: n}, candidates)].InFlight++
	}
	for _, each := range candidates {
		if most := 1.25*requests/3 + 1 + 4; float64(each.InFlight) > most {
			t.Errorf("%+v, at most %v", candidates, most)
		}
	}
}

// A key stays with its token when another one comes or goes; when its own goes and comes
// back, so does the key.
func TestAffinityStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		candidates := pool(t)
		key := rapid.StringN(1, 20, 40).Draw(t, "key")
		mine := candidates[rotation.Affine(key, loadOf(candidates), candidates)].ID
		gone := rapid.IntRange(0, len(candidates)-1).Draw(t, "gone")
		rest := slices.Delete(slices.Clone(candidates), gone, gone+1)
		if len(rest) == 0 {
			return
		}
		got := rest[rotation.Affine(key, loadOf(rest), rest)].ID
		if candidates[gone].ID != mine && got != mine {
			t.Fatalf("%s moved from %s to %s", key, mine, got)
		}
		back := append(rest, candidates[gone])
		if got := back[rotation.Affine(key, loadOf(back), back)].ID; got != mine {
			t.Fatalf("%s is at %s, it was at %s", key, got, mine)
		}
	})
}

// Keys spread over the tokens, few or many.
func TestAffinitySpreads(t *testing.T) {
	t.Parallel()
	for _, tokens := range []int{2, 5, 10} {
		candidates := make([]rotation.Candidate, tokens)
		for i := range candidates {
			candidates[i].ID = fmt.Sprint("t", i)
		}
		counts, average := map[int]int{}, 200
		for i := range average * tokens {
			counts[rotation.Affine(fmt.Sprint("conversation ", i), loadOf(candidates), candidates)]++
		}
		for i := range candidates {
			if counts[i] < average/2 || counts[i] > average*3/2 {
				t.Errorf("of %d keys: %v", average*tokens, counts)
				break
			}
		}
	}
}
