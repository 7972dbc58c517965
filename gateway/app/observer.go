package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/upstream"
)

// observer counts, under the metrics' names, what relay and tokens tell. The
// series of the request path are looked up once.
type observer struct {
	metrics     *metrics.Metrics
	roundTrips  prometheus.Counter
	logTrips    prometheus.Counter
	ahead       prometheus.Counter
	asked       prometheus.Counter
	denied      prometheus.Counter
	reserved    prometheus.Counter
	ready       prometheus.Gauge
	used        prometheus.Gauge
	logAccepted prometheus.Counter
	logStored   prometheus.Counter
	logDropped  prometheus.Counter
}

func newObserver(m *metrics.Metrics) *observer {
	return &observer{
		metrics:     m,
		roundTrips:  m.RoundTrips.WithLabelValues("session"),
		logTrips:    m.RoundTrips.WithLabelValues("log"),
		ahead:       m.Leases.WithLabelValues("ahead"),
		asked:       m.Leases.WithLabelValues("asked"),
		denied:      m.Leases.WithLabelValues("denied"),
		reserved:    m.Leases.WithLabelValues("reserve"),
		ready:       m.LeasesHeld.WithLabelValues("ready"),
		used:        m.LeasesHeld.WithLabelValues("used"),
		logAccepted: m.LogEntries.WithLabelValues("accepted"),
		logStored:   m.LogEntries.WithLabelValues("stored"),
		logDropped:  m.LogEntries.WithLabelValues("dropped"),
	}
}

// RoundTrip implements tokens.Observer.
func (o *observer) RoundTrip() { o.roundTrips.Inc() }

// Leased implements tokens.Observer.
func (o *observer) Leased(ahead bool, waited time.Duration) {
	if ahead {
		o.ahead.Inc()
	} else {
		o.asked.Inc()
	}
	o.metrics.LeaseWaitSeconds.Observe(waited.Seconds())
}

// LeasedInReserve implements tokens.Observer.
func (o *observer) LeasedInReserve(waited time.Duration) {
	o.reserved.Inc()
	o.metrics.LeaseWaitSeconds.Observe(waited.Seconds())
}

// Degraded implements tokens.Observer.
func (o *observer) Degraded(now bool) {
	value := 0.0
	if now {
		value = 1
		o.metrics.Outages.Inc()
	}
	o.metrics.Degraded.Set(value)
}

// Denied implements tokens.Observer.
func (o *observer) Denied() { o.denied.Inc() }

// Recalled implements tokens.Observer.
func (o *observer) Recalled(n int) { o.metrics.LeasesRecalled.Add(float64(n)) }

// Lost implements tokens.Observer.
func (o *observer) Lost(n int) { o.metrics.LeasesLost.Add(float64(n)) }

// Held implements tokens.Observer.
func (o *observer) Held(ready, used int) {
	o.ready.Set(float64(ready))
	o.used.Set(float64(used))
}

// ReportsLost implements tokens.Observer.
func (o *observer) ReportsLost(n int) { o.metrics.ReportsLost.Add(float64(n)) }

// LogAccepted implements tokens.LogObserver.
func (o *observer) LogAccepted() { o.logAccepted.Inc() }

// LogStored implements tokens.LogObserver.
func (o *observer) LogStored(n int) {
	o.logStored.Add(float64(n))
	o.logTrips.Inc()
}

// LogDropped implements tokens.LogObserver.
func (o *observer) LogDropped(reason string, n int) {
	o.logDropped.Add(float64(n))
	o.metrics.LogDropped.WithLabelValues(reason).Add(float64(n))
}

// Attempt implements relay.Counter.
func (o *observer) Attempt(upstreamName string, class upstream.Class) {
	if class == "" {
		class = "success"
	}
	o.metrics.Attempts.WithLabelValues(upstreamName, string(class)).Inc()
}

// Retried implements relay.Counter.
func (o *observer) Retried(upstreamName string) {
	o.metrics.Retries.WithLabelValues(upstreamName).Inc()
}

// RetryDenied implements relay.Counter.
func (o *observer) RetryDenied(upstreamName string) {
	o.metrics.RetriesDenied.WithLabelValues(upstreamName).Inc()
}

// FellBack implements relay.Counter.
func (o *observer) FellBack(upstreamName string) {
	o.metrics.Fallbacks.WithLabelValues(upstreamName).Inc()
}

// Ignored implements relay.Counter.
func (o *observer) Ignored(upstreamName, field string) {
	o.metrics.Ignored.WithLabelValues(upstreamName, field).Inc()
}

// Used implements relay.Counter.
func (o *observer) Used(upstreamName string, usage chat.Usage) {
	if upstreamName == "" {
		return
	}
	for _, part := range []struct {
		direction, kind string
		tokens          int
	}{
		{"prompt", "fresh", usage.Fresh()},
		{"prompt", "cache_read", usage.CacheRead},
		{"prompt", "cache_write", usage.CacheWrite - usage.CacheWriteHour},
		{"prompt", "cache_write_hour", usage.CacheWriteHour},
		{"completion", "answer", usage.Completion - usage.Reasoning},
		{"completion", "reasoning", usage.Reasoning},
	} {
		o.metrics.TokensUsed.WithLabelValues(upstreamName, part.direction, part.kind).Add(float64(part.tokens))
	}
}
