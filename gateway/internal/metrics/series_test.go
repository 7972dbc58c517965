package metrics_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/metrics"
)

// Each key is looked up once, whoever asks for it, and all get the same.
func TestSeriesAreLookedUpOnce(t *testing.T) {
	t.Parallel()
	var lookUps atomic.Int64
	series := metrics.NewSeries(100, 0, func(key int) *string {
		lookUps.Add(1)
		return new(strconv.Itoa(key))
	})
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for key := range 100 {
				if got := series.Of(key); *got != strconv.Itoa(key) || got != series.Of(key) {
					t.Errorf("%d: %s", key, *got)
				}
			}
		})
	}
	askers.Wait()
	if n := lookUps.Load(); n != 100 {
		t.Errorf("%d look-ups", n)
	}
}
