package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/money"
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
	attempts    *metrics.Series[attempts, prometheus.Counter]
	use         *metrics.Series[string, *use]
}

// attempts are those at an upstream that ended alike.
type attempts struct {
	upstream string
	class    upstream.Class
}

// use is what requests have used of an upstream: model tokens by their kind, and dollars.
type use struct {
	fresh, cacheRead, cacheWrite, cacheWriteHour, answer, reasoning, cost prometheus.Counter
}

func useOf(m *metrics.Metrics, upstreamName string) *use {
	tokens := func(direction, kind string) prometheus.Counter {
		return m.TokensUsed.WithLabelValues(upstreamName, direction, kind)
	}
	return &use{
		fresh: tokens("prompt", "fresh"), cacheRead: tokens("prompt", "cache_read"),
		cacheWrite: tokens("prompt", "cache_write"), cacheWriteHour: tokens("prompt", "cache_write_hour"),
		answer: tokens("completion", "answer"), reasoning: tokens("completion", "reasoning"),
		cost: m.Cost.WithLabelValues(upstreamName),
	}
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
		attempts: metrics.NewSeries(func(a attempts) prometheus.Counter {
			return m.Attempts.WithLabelValues(a.upstream, succeededOr(string(a.class)))
		}),
		use: metrics.NewSeries(func(upstreamName string) *use { return useOf(m, upstreamName) }),
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
	o.attempts.Of(attempts{upstreamName, class}).Inc()
}

// succeededOr is an attempt's class as metrics and the access log name it.
func succeededOr(class string) string {
	if class == "" {
		return "success"
	}
	return class
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
func (o *observer) Used(upstreamName string, usage chat.Usage, cost money.Pico) {
	if upstreamName == "" {
		return
	}
	counts := o.use.Of(upstreamName)
	counts.cost.Add(float64(cost) / float64(money.Dollar))
	counts.fresh.Add(float64(usage.Fresh()))
	counts.cacheRead.Add(float64(usage.CacheRead))
	counts.cacheWrite.Add(float64(usage.CacheWrite - usage.CacheWriteHour))
	counts.cacheWriteHour.Add(float64(usage.CacheWriteHour))
	counts.answer.Add(float64(usage.Completion - usage.Reasoning))
	counts.reasoning.Add(float64(usage.Reasoning))
}
