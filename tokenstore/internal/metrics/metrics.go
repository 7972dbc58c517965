// Package metrics names everything that the tokenstore counts. Labels take values
// from closed sets only; above each metric stands how many series it can have. It
// knows no token and no request.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
)

const namespace = "carousel_tokenstore"

// Metrics are the tokenstore's metrics, registered once per process.
type Metrics struct {
	// calls by method of the contract and status code: about 25 x 17.
	calls *prometheus.CounterVec
	// seconds by method: about 25 x 12 buckets.
	seconds *prometheus.HistogramVec
	// up and durable: 1 each.
	up, durable prometheus.Gauge
	// warnings by kind: about 8.
	warnings *prometheus.GaugeVec
	// causes by upstream and class.
	causes *prometheus.CounterVec
	// refreshes of access tokens by how they ended: 4.
	refreshes *prometheus.CounterVec
}

// New registers the metrics, those of the Go runtime, and those of the client's
// connection pool.
func New(registry *prometheus.Registry, client redis.UniversalClient) *Metrics {
	m := &Metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "grpc_calls_total", Help: "gRPC calls that have ended, by method and status code.",
		}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "grpc_call_seconds", Help: "Duration of gRPC calls, by method; of streams, their whole life.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"method"}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "store_up", Help: "1 while Redis can be used.",
		}),
		durable: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "store_durable", Help: "1 while acknowledged writes are known to be on disk.",
		}),
	}
	m.warnings = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "store_warnings", Help: "1 while Redis serves but is not as it should be, by what is wrong.",
	}, []string{"kind"})
	m.causes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "shared_causes_total", Help: "Alarms: the tokens of an upstream failed alike, by upstream and class.",
	}, []string{"upstream", "class"})
	m.refreshes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "refreshes_total", Help: "Refreshes of access tokens that have ended, by result: granted, refused, postponed or stale.",
	}, []string{"result"})
	registry.MustRegister(m.refreshes, m.causes, m.warnings, m.calls, m.seconds, m.up, m.durable, poolStats(client),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Certificate registers when the certificate that callers are shown ends: 1 series.
func Certificate(registry *prometheus.Registry, expires func() time.Time) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "certificate_expiry_timestamp_seconds", Help: "When the certificate that callers are shown ends, as Unix time.",
	}, func() float64 { return float64(expires().Unix()) }))
}

// Called counts a gRPC call that has ended.
func (m *Metrics) Called(method string, code codes.Code, took time.Duration) {
	m.calls.WithLabelValues(method, code.String()).Inc()
	m.seconds.WithLabelValues(method).Observe(took.Seconds())
}

// SharedCause counts an alarm.
func (m *Metrics) SharedCause(upstream, class string) {
	m.causes.WithLabelValues(upstream, class).Inc()
}

// Refreshed counts a refresh of an access token that has ended.
func (m *Metrics) Refreshed(result string) { m.refreshes.WithLabelValues(result).Inc() }

// Store tells whether Redis can be used, and whether what it acknowledges is on
// disk.
func (m *Metrics) Store(up, durable bool) {
	m.up.Set(flag(up))
	m.durable.Set(flag(up && durable))
}

// StoreWarning tells whether something is wrong with a Redis that serves.
func (m *Metrics) StoreWarning(kind string, on bool) {
	m.warnings.WithLabelValues(kind).Set(flag(on))
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// poolStats collects the state of the client's connection pool: 5 series.
func poolStats(client redis.UniversalClient) prometheus.Collector {
	pool := &pool{client: client}
	add := func(name, help string, kind prometheus.ValueType, read func(*redis.PoolStats) uint32) {
		description := prometheus.NewDesc(prometheus.BuildFQName(namespace, "redis_pool", name), help, nil, nil)
		pool.series = append(pool.series, poolSeries{description, kind, read})
	}
	add("hits_total", "Connections found in the pool.", prometheus.CounterValue, func(s *redis.PoolStats) uint32 { return s.Hits })
	add("misses_total", "Connections that had to be made.", prometheus.CounterValue, func(s *redis.PoolStats) uint32 { return s.Misses })
	add("timeouts_total", "Waits for a connection that took too long.", prometheus.CounterValue, func(s *redis.PoolStats) uint32 { return s.Timeouts })
	add("connections", "Connections in the pool.", prometheus.GaugeValue, func(s *redis.PoolStats) uint32 { return s.TotalConns })
	add("idle_connections", "Connections that nobody uses.", prometheus.GaugeValue, func(s *redis.PoolStats) uint32 { return s.IdleConns })
	return pool
}

type pool struct {
	client redis.UniversalClient
	series []poolSeries
}

type poolSeries struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	read        func(*redis.PoolStats) uint32
}

// Describe implements prometheus.Collector.
func (p *pool) Describe(descriptions chan<- *prometheus.Desc) {
	for _, series := range p.series {
		descriptions <- series.description
	}
}

// Collect implements prometheus.Collector.
func (p *pool) Collect(metrics chan<- prometheus.Metric) {
	stats := p.client.PoolStats()
	for _, series := range p.series {
		metrics <- prometheus.MustNewConstMetric(series.description, series.kind, float64(series.read(stats)))
	}
}
