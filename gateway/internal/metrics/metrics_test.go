package metrics_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"carousel.internal/gateway/internal/metrics"
)

// Every field must be registered, or its counts are lost without a trace.
func TestEveryMetricIsRegistered(t *testing.T) {
	t.Parallel()
	m := metrics.New(prometheus.NewPedanticRegistry())
	fields := reflect.ValueOf(*m)
	for i := range fields.NumField() {
		if !fields.Type().Field(i).IsExported() {
			continue // series of the others
		}
		collector, ok := fields.Field(i).Interface().(prometheus.Collector)
		if !ok || fields.Field(i).IsNil() {
			t.Errorf("%s is not set", fields.Type().Field(i).Name)
			continue
		}
		registry := prometheus.NewRegistry()
		again := metrics.New(registry)
		twin := reflect.ValueOf(*again).Field(i).Interface().(prometheus.Collector)
		if err := registry.Register(twin); err == nil {
			t.Errorf("%s is not registered (a second registration worked); %T", fields.Type().Field(i).Name, collector)
		}
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := metrics.New(registry)
	m.Requests.WithLabelValues("/health", "200", "false").Inc()
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if strings.HasPrefix(problem.Metric, "carousel_") {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
	}
}

func TestProcessUsage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only some systems tell")
	}
	process := metrics.NewProcess()
	resident, before := process.Usage()
	if resident < 1<<20 {
		t.Errorf("resident %v bytes", resident)
	}
	// The system counts in hundredths of a second, so this uses one.
	deadline := time.Now().Add(30 * time.Second)
	for now := before; now <= before; _, now = process.Usage() {
		if time.Now().After(deadline) {
			t.Fatalf("CPU time stays at %v s", before)
		}
	}
}
