package latency

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever was measured: an estimate is within 10 % of the value that a sorted
// list of all has in this place.
func TestQuantileIsNearTheTruth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Evenly spread over the orders of magnitude.
		exponents := rapid.SliceOfN(rapid.Float64Range(math.Log(float64(least)), math.Log(float64(time.Hour))), 1, 200).Draw(t, "log of ns")
		var h Histogram
		var all []time.Duration
		for _, e := range exponents {
			d := min(max(time.Duration(math.Exp(e)), least), time.Hour)
			all = append(all, d)
			h[BucketOf(d)]++
		}
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.95, 1} {
			truth := all[max(int(math.Ceil(q*float64(len(all)))), 1)-1]
			got, some := h.Quantile(q)
			if off := math.Abs(float64(got)/float64(truth) - 1); !some || off > 0.1 {
				t.Fatalf("%v of %d: %v, in truth %v, off by %.1f %%", q, len(all), got, truth, 100*off)
			}
		}
	})
}

func TestEdges(t *testing.T) {
	t.Parallel()
	if _, some := new(Histogram).Quantile(0.5); some {
		t.Error("nothing has a middle")
	}
	for d, want := range map[time.Duration]int{-time.Second: 0, 0: 0, least - 1: 0, least: 1, 1000 * time.Hour: Buckets - 1, math.MaxInt64: Buckets - 1} {
		if got := BucketOf(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
	}
	if got := BucketOf(time.Hour); got >= Buckets-1 {
		t.Errorf("an hour is in the last bucket, %d", got)
	}
}
