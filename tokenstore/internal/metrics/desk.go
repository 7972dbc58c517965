package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// desk is what is counted of the way to a lease.
type desk struct {
	// granted leases by upstream and how (asked, ahead): upstreams x 2.
	granted *prometheus.CounterVec
	// denied demands by upstream and reason: upstreams x 6.
	denied *prometheus.CounterVec
	// waits until a demand was answered, by upstream: upstreams x 13 buckets.
	waits *prometheus.HistogramVec
	// judged outcomes by upstream, class and what became of the token: upstreams x about 16 x 3.
	judged *prometheus.CounterVec
	// causes are alarms, by upstream and class: upstreams x about 16.
	causes *prometheus.CounterVec

	classes []string
	mu      sync.RWMutex
	series  map[string]*deskSeries
}

// deskSeries are those of one upstream.
type deskSeries struct {
	name         string
	asked, ahead prometheus.Counter
	denied       map[string]prometheus.Counter
	wait         prometheus.Observer
}

// denials are the reasons for them.
var denials = []string{"no_tokens", "no_token_available", "upstream_failing", "token_not_found", "store_unavailable", "internal"}

func newDesk() *desk {
	return &desk{
		granted: counters("leases_granted_total", "Leases granted, asked for by requests or taken ahead of them.", "upstream", "how"),
		denied:  counters("demands_denied_total", "Requests that were refused a token, by why.", "upstream", "reason"),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "demand_wait_seconds", Help: "How long requests waited for the answer to their demand for a token.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}, []string{"upstream"}),
		judged: counters("token_verdicts_total", "Outcomes that counted against tokens, by what became of the token: cooling, parked, or shared where none is blamed.", "upstream", "class", "became"),
		causes: counters("shared_causes_total", "Alarms: the tokens of an upstream failed alike, by upstream and class.", "upstream", "class"),
		series: map[string]*deskSeries{},
	}
}

func (d *desk) collectors() []prometheus.Collector {
	return []prometheus.Collector{d.granted, d.denied, d.waits, d.judged, d.causes}
}

// of returns the series of an upstream; of those beyond MaxUpstreams, what they have in common.
func (d *desk) of(upstream string) *deskSeries {
	d.mu.RLock()
	found := d.series[upstream]
	full := len(d.series) >= MaxUpstreams
	d.mu.RUnlock()
	switch {
	case found != nil:
		return found
	case full && upstream != Other:
		return d.of(Other)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.series[upstream] == nil {
		d.series[upstream] = d.newSeries(upstream)
	}
	return d.series[upstream]
}

func (d *desk) newSeries(upstream string) *deskSeries {
	series := &deskSeries{
		name: upstream, asked: d.granted.WithLabelValues(upstream, "asked"), ahead: d.granted.WithLabelValues(upstream, "ahead"),
		denied: map[string]prometheus.Counter{}, wait: d.waits.WithLabelValues(upstream),
	}
	for _, reason := range denials {
		series.denied[reason] = d.denied.WithLabelValues(upstream, reason)
	}
	for _, class := range d.classes {
		d.causes.WithLabelValues(upstream, class)
		for _, became := range []string{"cooling", "parked"} {
			d.judged.WithLabelValues(upstream, class, became)
		}
	}
	return series
}

// Answered counts the answer to a demand; see leasing.Observer.
func (m *Metrics) Answered(upstream string, ahead bool, leases int, refused string, waited time.Duration) {
	series := m.desk.of(upstream)
	if ahead {
		series.ahead.Add(float64(leases))
		return
	}
	series.asked.Add(float64(leases))
	series.wait.Observe(waited.Seconds())
	if counter := series.denied[refused]; counter != nil {
		counter.Inc()
	}
}

// SharedCause counts an alarm; see leasing.Observer.
func (m *Metrics) SharedCause(upstream, class string) {
	m.desk.causes.WithLabelValues(m.desk.of(upstream).name, class).Inc()
}

// Judged counts an outcome that counted against a token; see leasing.Observer.
func (m *Metrics) Judged(upstream, class, became string) {
	m.desk.judged.WithLabelValues(m.desk.of(upstream).name, class, became).Inc()
}
