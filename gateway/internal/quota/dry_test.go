package quota

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var begin = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

func inHours(n float64) *time.Time { return new(begin.Add(time.Duration(n * float64(time.Hour)))) }

func TestWhenSharesAreDry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shares          []share
		rate            float64
		filled, sharing *time.Time
	}{
		"what is left at the reset is lost, and less of it under fill_first": {
			// Shared, each gives 25 in the first hour, and 25 are lost.
			[]share{{50, 50, 1, inHours(1)}, {100, 100, 1, inHours(10)}}, 50, inHours(4), inHours(3.5),
		},
		"a heavy one is used up sooner, and less is lost": {
			[]share{{50, 50, 4, inHours(1)}, {100, 100, 1, inHours(10)}}, 50, inHours(4), inHours(3.8),
		},
		"one that lasts under one strategy alone": {
			[]share{{50, 50, 1, inHours(1)}, {100, 100, 1, inHours(3.75)}}, 50, nil, inHours(3.5),
		},
		"all begin anew in time": {
			[]share{{50, 50, 1, inHours(1)}, {100, 100, 1, inHours(2)}}, 50, nil, nil,
		},
		"nothing is left of the first": {
			[]share{{0, 50, 1, inHours(1)}, {100, 100, 3, inHours(4)}}, 50, inHours(3), inHours(3),
		},
		"both are used up at once, and again": {
			[]share{{10, 20, 1, inHours(1)}, {10, 20, 1, inHours(1)}, {0, 0, 1, inHours(9)}}, 20, inHours(3), inHours(3),
		},
		"none is known to begin anew": {
			[]share{{50, 50, 1, nil}, {100, 100, 7, nil}}, 50, inHours(3), inHours(3),
		},
		"nobody asks": {[]share{{50, 50, 1, inHours(1)}}, 0, nil, nil},
		"no account":  {nil, 50, nil, nil},
	} {
		for strategy, want := range map[string]*time.Time{FillFirst: c.filled, "round_robin": c.sharing} {
			got := dryAt(c.shares, c.rate, strategy, begin)
			if (got == nil) != (want == nil) || got != nil && got.Sub(*want).Abs() > time.Second {
				t.Errorf("%s, %s: %v, want %v", name, strategy, got, want)
			}
		}
	}
}

// simulated sends one request after the other to the account that the strategy chooses, and returns
// after how many hours there is none; +Inf where the last begins anew before.
func simulated(shares []share, rate float64, strategy string) float64 {
	left, given, renewed := make([]float64, len(shares)), make([]float64, len(shares)), make([]bool, len(shares))
	for i, each := range shares {
		left[i] = each.left
	}
	for n, next := 0, 0; ; n++ {
		hours := float64(n) / rate
		for next < len(shares) && shares[next].resets.Sub(begin).Hours() <= hours {
			if left[next] < 1 { // it comes back to the others
				given[next] = least(shares, left, given) * shares[next].weight
			}
			left[next], renewed[next], next = shares[next].limit, true, next+1
		}
		if next == len(shares) {
			return math.Inf(1)
		}
		chosen := -1
		for i := range shares {
			switch {
			case left[i] < 1:
			case chosen < 0,
				strategy != FillFirst && given[i]/shares[i].weight < given[chosen]/shares[chosen].weight,
				strategy == FillFirst && renewed[chosen] && !renewed[i]: // what has begun anew has the longest time
				chosen = i
			}
		}
		if chosen < 0 {
			return hours
		}
		left[chosen]--
		given[chosen]++
	}
}

// least is the smallest part, by weight, that an account which has something left has given.
func least(shares []share, left, given []float64) float64 {
	smallest := math.Inf(1)
	for i, each := range shares {
		if left[i] >= 1 {
			smallest = min(smallest, given[i]/each.weight)
		}
	}
	if math.IsInf(smallest, 1) {
		return 0
	}
	return smallest
}

// What is foretold is what a plain simulation comes to. Requests are whole there, so it must lie
// between what is foretold for some more and for some fewer of them.
func TestDryAsSimulated(t *testing.T) {
	t.Parallel()
	const room = 0.05
	for _, strategy := range []string{FillFirst, "round_robin"} {
		dry := 0
		for seed := range uint64(300) {
			random := rand.New(rand.NewPCG(seed, 1))
			shares := make([]share, 1+random.IntN(5))
			reset := 0.0
			for i := range shares {
				reset += 0.1 + random.Float64()*10
				limit := float64(1000 + random.IntN(2000))
				shares[i] = share{left: math.Floor(limit * (0.5 + random.Float64()/2)), limit: limit, weight: float64(1 + random.IntN(4)), resets: inHours(reset)}
			}
			rate := 200 + random.Float64()*1000
			hours := func(rate float64) float64 {
				at := dryAt(shares, rate, strategy, begin)
				if at == nil {
					return math.Inf(1)
				}
				return at.Sub(begin).Hours()
			}
			got := simulated(shares, rate, strategy)
			if !math.IsInf(got, 1) {
				dry++
			}
			if least, most := hours(rate*(1+room)), hours(rate*(1-room)); got < least || got > most {
				t.Errorf("%s, seed %d: %.3f hours, foretold %.3f to %.3f", strategy, seed, got, least, most)
			}
			if filled := dryAt(shares, rate, FillFirst, begin); filled != nil && hours(rate) > filled.Sub(begin).Hours()+1e-6 {
				t.Errorf("%s, seed %d: it lasts longer than under fill_first", strategy, seed)
			}
		}
		if dry < 50 || dry > 280 {
			t.Errorf("%s: %d of 300 run dry: the other end is not tested", strategy, dry)
		}
	}
}
