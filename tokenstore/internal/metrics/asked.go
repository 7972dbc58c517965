package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Pool is the tokens of one upstream.
type Pool struct {
	Upstream string
	// Tokens by state: the same states each time, 7. Each token is in one.
	Tokens map[string]uint32
	// Expiring are enabled ones that expire within a week, the first of all at NextExpiry; zero:
	// none does. NeedsLogin are those of the parked that a person has to log in for.
	Expiring, NeedsLogin uint32
	NextExpiry           time.Time
	// Leases that are out, and what the tokens fail for alike.
	Leases uint32
	Causes int
}

// Queue is what waits for one upstream at this tokenstore.
type Queue struct {
	Demands int
	Oldest  time.Duration
}

// LogSize is what the request log takes.
type LogSize struct{ Entries, PromptBytes int64 }

// Asked are metrics that nobody counts: they are asked for when somebody reads them.
type Asked struct {
	// Classes are those of outcomes that may count against tokens.
	Classes []string
	// Pools returns nil while they can't be asked for, and Log false.
	Pools  func(ctx context.Context) []Pool
	Queues func() map[string]Queue
	Log    func(ctx context.Context) (LogSize, bool)
}

// askTimeout bounds how long the reader of metrics waits for Redis.
const askTimeout = 2 * time.Second

// Ask registers them: upstreams x 14, and 2. What becomes of an upstream is counted from 0 once its
// pool is known. It is to be called before anything is counted.
func (m *Metrics) Ask(registry prometheus.Registerer, asked Asked) {
	m.desk.classes = asked.Classes
	registry.MustRegister(&asking{
		Asked:       asked,
		desk:        m.desk,
		tokens:      description("pool_tokens", "Tokens of the upstream's pool, by their state; of all tokenstores together.", "upstream", "state"),
		expiring:    description("pool_expiring_tokens", "Enabled tokens that expire within a week.", "upstream"),
		needsLogin:  description("pool_login_needed_tokens", "Parked tokens that a person has to log in for.", "upstream"),
		nextExpiry:  description("pool_next_expiry_timestamp_seconds", "When the first of the tokens that expire within a week does; absent where none does.", "upstream"),
		leases:      description("pool_leases", "Leases that are out.", "upstream"),
		causes:      description("pool_shared_causes", "What the pool's tokens fail for alike now, so that none is blamed.", "upstream"),
		demands:     description("queue_demands", "Requests that wait for a token at this tokenstore.", "upstream"),
		oldest:      description("queue_oldest_seconds", "How long the first of them has waited.", "upstream"),
		logEntries:  description("log_entries", "Request log entries that are kept."),
		promptBytes: description("log_prompt_bytes", "Size of the prompts in the request log, compressed and sealed."),
	})
}

// Built registers which program this is: 1.
func Built(registry prometheus.Registerer, version, goVersion string) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Which program this is; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": goVersion},
	}, func() float64 { return 1 }))
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

type asking struct {
	Asked
	desk                                                                                               *desk
	tokens, expiring, needsLogin, nextExpiry, leases, causes, demands, oldest, logEntries, promptBytes *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (a *asking) Describe(descriptions chan<- *prometheus.Desc) {
	for _, each := range []*prometheus.Desc{
		a.tokens, a.expiring, a.needsLogin, a.nextExpiry, a.leases, a.causes, a.demands, a.oldest, a.logEntries, a.promptBytes,
	} {
		descriptions <- each
	}
}

// Collect implements prometheus.Collector.
func (a *asking) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	gauge := func(of *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value, labels...)
	}
	queues := a.Queues()
	for _, pool := range bounded(a.Pools(ctx)) {
		a.desk.of(pool.Upstream)
		for state, n := range pool.Tokens {
			gauge(a.tokens, float64(n), pool.Upstream, state)
		}
		gauge(a.expiring, float64(pool.Expiring), pool.Upstream)
		gauge(a.needsLogin, float64(pool.NeedsLogin), pool.Upstream)
		gauge(a.leases, float64(pool.Leases), pool.Upstream)
		gauge(a.causes, float64(pool.Causes), pool.Upstream)
		if !pool.NextExpiry.IsZero() {
			gauge(a.nextExpiry, float64(pool.NextExpiry.UnixMilli())/1000, pool.Upstream)
		}
		gauge(a.demands, float64(queues[pool.Upstream].Demands), pool.Upstream)
		gauge(a.oldest, queues[pool.Upstream].Oldest.Seconds(), pool.Upstream)
	}
	if size, told := a.Log(ctx); told {
		gauge(a.logEntries, float64(size.Entries))
		gauge(a.promptBytes, float64(size.PromptBytes))
	}
}

// bounded leaves out the pools for which there is no label: those that come last by name.
func bounded(pools []Pool) []Pool { return pools[:min(len(pools), MaxUpstreams)] }
