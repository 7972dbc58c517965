// Package metrics names everything that the tokenstore counts. Labels take values
// from closed sets only; above each metric stands how many series it can have. It
// knows no token and no request.
package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
)

const (
	namespace = "carousel_tokenstore"

	// MaxUpstreams bounds the values of the label `upstream`. What comes later counts as Other.
	MaxUpstreams = 100
	// Other is the value of a label for all that have none of their own.
	Other = "other"
)

// Metrics are the tokenstore's metrics, registered once per process.
type Metrics struct {
	// calls by method of the contract and status code: about 80 x 17.
	calls *prometheus.CounterVec
	// seconds by method: about 80 x 12 buckets.
	seconds *prometheus.HistogramVec
	// up and durable: 1 each.
	up, durable prometheus.Gauge
	// warnings by kind: about 8.
	warnings *prometheus.GaugeVec
	// refreshes of access tokens by how they ended: 4.
	refreshes *prometheus.CounterVec
	// scriptSeconds and scriptFailures by script: about 65 x 12 buckets, and 65.
	scriptSeconds  *prometheus.HistogramVec
	scriptFailures *prometheus.CounterVec
	// memory, its bound, and the append-only file by Redis (pool, log): 2 each.
	memory, mostMemory, appended *prometheus.GaugeVec

	desk      *desk
	scriptsMu sync.RWMutex
	scripts   map[string]*scriptSeries
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
	m.scriptSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "redis_script_seconds", Help: "Round trips to Redis with a script, by the script; those with several count once for each kind.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
	}, []string{"script"})
	m.scriptFailures = counters("redis_script_failures_total", "Scripts that failed, by the script.", "script")
	m.memory = gauges("redis_memory_bytes", "Memory that Redis uses, as it counts against maxmemory; of several servers, the fullest.", "redis")
	m.mostMemory = gauges("redis_memory_max_bytes", "Redis' maxmemory; 0: none is set.", "redis")
	m.appended = gauges("redis_aof_bytes", "Size of Redis' append-only file.", "redis")
	m.desk, m.scripts = newDesk(), map[string]*scriptSeries{}
	m.warnings = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "store_warnings", Help: "1 while Redis serves but is not as it should be, by what is wrong.",
	}, []string{"kind"})
	m.refreshes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "refreshes_total", Help: "Refreshes of access tokens that have ended, by result: granted, refused, postponed or stale.",
	}, []string{"result"})
	for _, result := range []string{"granted", "refused", "postponed", "stale"} {
		m.refreshes.WithLabelValues(result)
	}
	registry.MustRegister(m.desk.collectors()...)
	registry.MustRegister(m.scriptSeconds, m.scriptFailures, m.memory, m.mostMemory, m.appended, m.refreshes, m.warnings, m.calls, m.seconds, m.up, m.durable, poolStats(client),
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

// scriptSeries are those of one script.
type scriptSeries struct {
	seconds  prometheus.Observer
	failures prometheus.Counter
}

// Ran counts a round trip with a script; see redisstore.ScriptObserver.
func (m *Metrics) Ran(script string, took time.Duration, failed bool) {
	series := m.script(script)
	series.seconds.Observe(took.Seconds())
	if failed {
		series.failures.Inc()
	}
}

// script returns the series of a script, which are looked up once.
func (m *Metrics) script(name string) *scriptSeries {
	m.scriptsMu.RLock()
	series := m.scripts[name]
	m.scriptsMu.RUnlock()
	if series != nil {
		return series
	}
	m.scriptsMu.Lock()
	defer m.scriptsMu.Unlock()
	if m.scripts[name] == nil {
		m.scripts[name] = &scriptSeries{m.scriptSeconds.WithLabelValues(name), m.scriptFailures.WithLabelValues(name)}
	}
	return m.scripts[name]
}

// RedisUses tells what a Redis uses, in bytes; most is 0 where nothing bounds its memory.
func (m *Metrics) RedisUses(redis string, memory, most, appended int64) {
	m.memory.WithLabelValues(redis).Set(float64(memory))
	m.mostMemory.WithLabelValues(redis).Set(float64(most))
	m.appended.WithLabelValues(redis).Set(float64(appended))
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
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
