package metrics_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"carousel.internal/tokenstore/internal/metrics"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	client := testredis.Mini(t)
	counts := metrics.New(registry, client)
	counts.Called("/service/Method", codes.OK, time.Millisecond)
	counts.Store(true, false)
	counts.Refreshed("granted")
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		metric := family.GetMetric()[0]
		got[family.GetName()] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
	}
	for name, want := range map[string]float64{
		"carousel_tokenstore_grpc_calls_total":       1,
		"carousel_tokenstore_grpc_call_seconds":      1,
		"carousel_tokenstore_refreshes_total":        1,
		"carousel_tokenstore_store_up":               1,
		"carousel_tokenstore_store_durable":          0,
		"carousel_tokenstore_redis_pool_connections": 1,
	} {
		if value, found := got[name]; !found || value != want {
			t.Errorf("%s is %v, there: %v", name, value, found)
		}
	}
}
