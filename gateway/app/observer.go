package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/reqlog"
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
	upstreams   *metrics.Series[string, *upstreamSeries]
	models      modelCount
}

func newObserver(m *metrics.Metrics) *observer {
	presetErrors(m)
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
		upstreams: metrics.NewSeries(metrics.MaxUpstreams, metrics.Other, func(name string) *upstreamSeries {
			return newUpstreamSeries(m, name)
		}),
		models: newModelCount(m),
	}
}

// presetErrors has what may be counted once in a while there from the start, as 0: else its first
// time is no increase.
func presetErrors(m *metrics.Metrics) {
	for _, kind := range chat.Kinds() {
		m.Errors.WithLabelValues(string(kind))
	}
	for _, kind := range callerKinds {
		m.Callers.WithLabelValues(string(kind))
	}
	for _, reason := range caller.Reasons() {
		m.KeyRefusals.WithLabelValues(string(reason))
	}
	for _, reason := range []string{"limited", "spent", "model", "unusable"} {
		m.KeyRefusals.WithLabelValues(reason)
	}
	for _, result := range []string{"kept", "too_large", "own_token", "failed"} {
		m.Remembered.WithLabelValues(result)
	}
	for _, reason := range []string{"queue_full", "too_large", "refused", "damaged", "shutdown"} {
		m.LogDropped.WithLabelValues(reason)
	}
	for _, result := range []string{"granted", "refused", "slowed"} {
		m.Logins.WithLabelValues(result)
	}
	for _, stream := range []string{"true", "false"} {
		m.FirstEventSeconds.WithLabelValues(stream)
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

// Listed counts from now on, from 0, what becomes of each upstream and of the models that it lists.
func (o *observer) Listed(byUpstream map[string][]chat.Model) {
	for name := range byUpstream {
		o.upstreams.Of(name)
	}
	o.models.listed(byUpstream)
}

// Attempt implements relay.Counter.
func (o *observer) Attempt(upstreamName string, class upstream.Class) {
	o.upstreams.Of(upstreamName).attempts(class).Inc()
}

// succeededOr is an attempt's class as metrics and the access log name it.
func succeededOr(class string) string {
	if class == "" {
		return "success"
	}
	return class
}

// Retried implements relay.Counter.
func (o *observer) Retried(upstreamName string) { o.upstreams.Of(upstreamName).retries.Inc() }

// RetryDenied implements relay.Counter.
func (o *observer) RetryDenied(upstreamName string) { o.upstreams.Of(upstreamName).denied.Inc() }

// FellBack implements relay.Counter.
func (o *observer) FellBack(upstreamName string) { o.upstreams.Of(upstreamName).fallbacks.Inc() }

// Ignored implements relay.Counter.
func (o *observer) Ignored(upstreamName, field string) {
	o.metrics.Ignored.WithLabelValues(o.upstreams.Of(upstreamName).name, field).Inc()
}

// Ended implements relay.Counter.
func (o *observer) Ended(model string, entry *reqlog.Entry) { o.models.ended(model, entry) }

// upstreamSeries are what is counted of one upstream.
type upstreamSeries struct {
	name                       string
	good                       prometheus.Counter
	failed                     map[upstream.Class]prometheus.Counter
	retries, denied, fallbacks prometheus.Counter
}

func newUpstreamSeries(m *metrics.Metrics, name string) *upstreamSeries {
	series := &upstreamSeries{
		name: name, good: m.Attempts.WithLabelValues(name, "success"), failed: map[upstream.Class]prometheus.Counter{},
		retries: m.Retries.WithLabelValues(name), denied: m.RetriesDenied.WithLabelValues(name), fallbacks: m.Fallbacks.WithLabelValues(name),
	}
	for _, class := range upstream.Classes() {
		series.failed[class] = m.Attempts.WithLabelValues(name, string(class))
	}
	return series
}

// attempts are those that ended alike. A class that is none counts as a fault of the upstream.
func (s *upstreamSeries) attempts(class upstream.Class) prometheus.Counter {
	if class == "" {
		return s.good
	}
	if counter, known := s.failed[class]; known {
		return counter
	}
	return s.failed[upstream.Broken]
}
