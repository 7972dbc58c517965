// Package metrics names everything that the gateway counts. Labels take values
// from closed sets only; above each metric stands how many series it can have.
// It knows no request and no route.
package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are the gateway's metrics, registered once per process.
type Metrics struct {
	// Requests by route pattern, HTTP status and stream (true, false): about 35
	// routes x 12 statuses, those that can stream doubled.
	Requests *prometheus.CounterVec
	// RequestSeconds by route: about 35 x 14 buckets.
	RequestSeconds *prometheus.HistogramVec
	// FirstEventSeconds is the time to the first byte of an answer, by stream: 2
	// x 14 buckets.
	FirstEventSeconds *prometheus.HistogramVec
	// InFlight requests: 1.
	InFlight prometheus.Gauge
	// StreamEvents sent to clients: 1.
	StreamEvents prometheus.Counter
	// ClientGone counts clients that hung up before their answer was complete: 1.
	ClientGone prometheus.Counter
	// Errors by kind of chat.Error: about 20.
	Errors *prometheus.CounterVec

	// Callers are requests by the kind of their caller (admin, key, own, session), where that is
	// known: 4.
	Callers *prometheus.CounterVec
	// KeyRefusals are requests refused for their key, by why (wrong, disabled, expired, replaced,
	// network, not_for_keys, unusable, model, limited, spent): 10.
	KeyRefusals *prometheus.CounterVec

	// Remembered are answers that were to be kept, by result (kept, too_large, own_token,
	// failed): 4.
	Remembered *prometheus.CounterVec

	// Attempts by upstream and outcome class (success for a good one): upstreams
	// x 14.
	Attempts *prometheus.CounterVec
	// Retries on another token, by upstream: upstreams.
	Retries *prometheus.CounterVec
	// RetriesDenied by upstream, for want of budget: upstreams.
	RetriesDenied *prometheus.CounterVec
	// Fallbacks to another model, by the upstream that failed: upstreams.
	Fallbacks *prometheus.CounterVec
	// Ignored fields of requests by upstream and field: upstreams x 23.
	Ignored *prometheus.CounterVec

	// ModelRequests are requests that an upstream was found for, by upstream, model and the kind of
	// their caller: models x 4. There are MaxModels of models; all others count as Other.
	ModelRequests *prometheus.CounterVec
	// ModelFailures are those of them that failed, by upstream, model and kind of chat.Error:
	// models x about 20.
	ModelFailures *prometheus.CounterVec
	// ModelSeconds is how long complete answers took, by upstream and model: models x 14 buckets.
	ModelSeconds *prometheus.HistogramVec
	// ModelFirstByteSeconds is the time to the first byte of any answer, by upstream and model:
	// models x 14 buckets.
	ModelFirstByteSeconds *prometheus.HistogramVec
	// TokensUsed by upstream, model, caller, direction (prompt, completion) and kind (fresh,
	// cache_read, cache_write, cache_write_hour; answer, reasoning): models x 4 x 6. Each token is
	// of one kind.
	TokensUsed *prometheus.CounterVec
	// Cost in US dollars of what was used and has a price, by upstream, model and caller: models x 4.
	Cost *prometheus.CounterVec

	// Logins to the pages by result (granted, refused, slowed): 3.
	Logins *prometheus.CounterVec

	// RoundTrips to the tokenstore, by kind (session, admin, log, watch): 4.
	RoundTrips *prometheus.CounterVec
	// Leases by how they were had (ahead, asked, reserve, denied): 4.
	Leases *prometheus.CounterVec
	// Degraded is 1 while the tokenstore is away and the reserve serves: 1.
	Degraded prometheus.Gauge
	// Outages are the times that it became so: 1.
	Outages prometheus.Counter
	// LeasesRecalled were taken ahead and withdrawn: 1.
	LeasesRecalled prometheus.Counter
	// LeasesLost expired while their request ran: 1.
	LeasesLost prometheus.Counter
	// ReportsLost were given up: their leases return at their expiry, and nobody learns
	// how their requests ended: 1.
	ReportsLost prometheus.Counter
	// LeasesHeld now, by state (ready, used): 2.
	LeasesHeld *prometheus.GaugeVec
	// LeaseWaitSeconds is how long requests waited for a lease: 14 buckets.
	LeaseWaitSeconds prometheus.Histogram
	// LogEntries by state (accepted, stored, dropped): 3. Accepted is stored +
	// dropped + what Pending shows.
	LogEntries *prometheus.CounterVec
	// LogDropped by reason (queue_full, too_large, refused, damaged, shutdown): 5.
	LogDropped *prometheus.CounterVec

	answers     *Series[answer, answerSeries]
	firstEvents *Series[bool, prometheus.Observer]
	callers     *Series[string, prometheus.Counter]
}

// answer is what the labels of answered requests say.
type answer struct {
	route  string
	status int
	stream bool
}

type answerSeries struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

// Answered counts a request that was answered, by its route's pattern, and how long that took.
func (m *Metrics) Answered(route string, status int, stream bool, took time.Duration) {
	series := m.answers.Of(answer{route, status, stream})
	series.requests.Inc()
	series.seconds.Observe(took.Seconds())
}

// Began notes how long the first byte of an answer took.
func (m *Metrics) Began(stream bool, took time.Duration) {
	m.firstEvents.Of(stream).Observe(took.Seconds())
}

// Called counts a request by the kind of its caller.
func (m *Metrics) Called(kind string) { m.callers.Of(kind).Inc() }

// keepSeries looks up series for what counts each request.
func (m *Metrics) keepSeries() {
	m.answers = NewSeries(maxAnswers, answer{route: Other}, func(a answer) answerSeries {
		return answerSeries{m.Requests.WithLabelValues(a.route, strconv.Itoa(a.status), strconv.FormatBool(a.stream)), m.RequestSeconds.WithLabelValues(a.route)}
	})
	m.firstEvents = NewSeries(2, false, func(stream bool) prometheus.Observer {
		return m.FirstEventSeconds.WithLabelValues(strconv.FormatBool(stream))
	})
	m.callers = NewSeries(maxCallers, Other, func(kind string) prometheus.Counter { return m.Callers.WithLabelValues(kind) })
}

const (
	namespace = "carousel_gateway"

	// MaxUpstreams bounds the values of the label `upstream`. What comes later counts as Other.
	MaxUpstreams = 100
	// MaxModels is the same of `model`, of all upstreams together.
	MaxModels = 200
	// Other is the value of a label for all that have none of their own.
	Other = "other"
	// None is the value of a label for what has none.
	None = "none"

	// maxAnswers bounds the combinations of route, status and stream.
	maxAnswers = 2000
	// maxCallers bounds the kinds of callers.
	maxCallers = 10
)

// From a fast cache hit to the end of a long stream.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

// Of a model nothing is quick, and there are many of these.
var modelSeconds = []float64{.05, .1, .25, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600}

// New makes the metrics and registers them, and those of the process and the
// Go runtime, with the registry.
func New(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		Requests:          counters("requests_total", "Requests answered.", "route", "status", "stream"),
		RequestSeconds:    histograms("request_seconds", "Time from a request's headers to the end of its answer.", "route"),
		FirstEventSeconds: histograms("ttft_seconds", "Time from a chat request's headers to the first byte of its answer.", "stream"),
		InFlight:          prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "in_flight", Help: "Requests being answered."}),
		StreamEvents:      counter("stream_events_total", "Events sent in streams."),
		ClientGone:        counter("client_gone_total", "Clients that hung up before their answer was complete."),
		Errors:            counters("errors_total", "Requests that failed, by the kind of the error.", "kind"),
		Callers:           counters("caller_requests_total", "Requests of known callers, by their kind.", "caller"),
		KeyRefusals:       counters("key_refusals_total", "Requests refused for their key, by why.", "reason"),
		Remembered:        counters("answers_remembered_total", "Answers that were to be kept, by what became of that.", "result"),
		Attempts:          counters("upstream_attempts_total", "Requests sent to upstreams, by how they ended.", "upstream", "outcome"),
		Retries:           counters("retries_total", "Attempts after the first one of a request.", "upstream"),
		RetriesDenied:     counters("retries_denied_total", "Attempts that were not made because the upstream's retry budget was used up.", "upstream"),
		Fallbacks:         counters("fallbacks_total", "Requests sent to a fallback model, by the upstream that had failed them.", "upstream"),
		Ignored:           counters("fields_ignored_total", "Fields that tune an answer and that the upstream can't be sent.", "upstream", "field"),
		ModelRequests:     counters("model_requests_total", "Requests that an upstream was found for.", "upstream", "model", "caller"),
		ModelFailures:     counters("model_failures_total", "Requests that an upstream was found for and that failed, by the kind of the error.", "upstream", "model", "kind"),
		ModelSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "model_request_seconds", Help: "Time from a request's headers to the end of a complete answer.", Buckets: modelSeconds,
		}, []string{"upstream", "model"}),
		ModelFirstByteSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "model_ttft_seconds", Help: "Time from a request's headers to the first byte of its answer.", Buckets: modelSeconds,
		}, []string{"upstream", "model"}),
		TokensUsed: counters("tokens_used_total", "Model tokens, as reported or estimated.", "upstream", "model", "caller", "direction", "kind"),
		Cost:       counters("cost_usd_total", "What the model tokens cost that have a price, in US dollars.", "upstream", "model", "caller"),
		Logins:     counters("admin_logins_total", "Attempts to log in to the pages, by what became of them.", "result"),
		RoundTrips: counters("tokenstore_round_trips_total", "Messages sent to the tokenstore.", "kind"),
		Leases:     counters("leases_total", "Leases, by how they were had.", "how"),
		Degraded: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "degraded", Help: "1 while the tokenstore is away and requests are served from the reserve.",
		}),
		Outages:        counter("outages_total", "Times that the tokenstore was away."),
		LeasesRecalled: counter("leases_recalled_total", "Leases taken ahead and withdrawn by the tokenstore."),
		LeasesLost:     counter("leases_lost_total", "Leases that expired while their request ran."),
		ReportsLost:    counter("reports_lost_total", "Reports of how requests ended that were given up; their leases return at their expiry."),
		LeasesHeld: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "leases_held", Help: "Leases held now.",
		}, []string{"state"}),
		LeaseWaitSeconds: prometheus.NewHistogram(histogram("lease_wait_seconds", "How long requests waited for a lease.")),
		LogEntries:       counters("log_entries_total", "Request log entries.", "state"),
		LogDropped:       counters("log_dropped_total", "Request log entries that were given up, by why.", "reason"),
	}
	m.keepSeries()
	registry.MustRegister(
		m.Requests, m.RequestSeconds, m.FirstEventSeconds, m.InFlight, m.StreamEvents, m.ClientGone, m.Errors, m.Callers, m.KeyRefusals, m.Remembered,
		m.Attempts, m.Retries, m.RetriesDenied, m.Fallbacks, m.Ignored,
		m.ModelRequests, m.ModelFailures, m.ModelSeconds, m.ModelFirstByteSeconds, m.TokensUsed, m.Cost, m.Logins,
		m.RoundTrips, m.Leases, m.Degraded, m.Outages, m.LeasesRecalled, m.LeasesLost, m.ReportsLost, m.LeasesHeld, m.LeaseWaitSeconds, m.LogEntries, m.LogDropped,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Certificate registers when the certificate that the tokenstore is shown ends: 1.
func Certificate(registry prometheus.Registerer, expires func() time.Time) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "certificate_expiry_timestamp_seconds", Help: "When the certificate that the tokenstore is shown ends, as Unix time.",
	}, func() float64 { return float64(expires().Unix()) }))
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: seconds}
}

func histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(histogram(name, help), labels)
}
