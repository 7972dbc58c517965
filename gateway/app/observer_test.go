package app

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"carousel.internal/gateway/internal/metrics"
)

// A report that was given up is no lease that expired under its request.
func TestLostReportsAndLostLeasesAreCountedApart(t *testing.T) {
	t.Parallel()
	counts := metrics.New(prometheus.NewRegistry())
	watch := newObserver(counts)
	watch.Lost(2)
	watch.ReportsLost(3)
	if leases, reports := testutil.ToFloat64(counts.LeasesLost), testutil.ToFloat64(counts.ReportsLost); leases != 2 || reports != 3 {
		t.Errorf("%v leases and %v reports lost", leases, reports)
	}
}
