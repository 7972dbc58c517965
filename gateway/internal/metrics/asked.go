package metrics

import "github.com/prometheus/client_golang/prometheus"

// Log is how far the request log is behind.
type Log struct {
	// Pending entries wait to be stored. For Stalled seconds none has been, though some waited.
	Pending, Stalled float64
	// SpoolBytes are in files.
	SpoolBytes float64
}

// Budget is what client keys have a limit of: a period and a unit.
type Budget struct{ Period, Unit string }

// Asked are metrics that nobody counts: they are asked for when somebody reads them. What answers
// must not block.
type Asked struct {
	Log func() Log
	// NearBudgets counts the keys of which much of a budget is used up: of the same budgets each
	// time, 12.
	NearBudgets func() map[Budget]int
}

// Ask registers them: 3, and one for each budget.
func Ask(registry prometheus.Registerer, asked Asked) {
	registry.MustRegister(&asking{
		Asked:       asked,
		pending:     description("log_pending", "Request log entries that wait to be stored."),
		stalled:     description("log_stalled_seconds", "How long no request log entry has been stored though some waited."),
		spool:       description("log_spool_bytes", "Size of the request log's spool on disk."),
		nearBudgets: description("keys_near_budget", "Client keys, used within the last minute, that have used up 80 % of a budget.", "period", "unit"),
	})
}

// Built registers which program this is: 1.
func Built(registry prometheus.Registerer, version, goVersion string) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Which program this is; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": goVersion},
	}, func() float64 { return 1 }))
}

type asking struct {
	Asked
	pending, stalled, spool, nearBudgets *prometheus.Desc
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// Describe implements prometheus.Collector.
func (a *asking) Describe(descriptions chan<- *prometheus.Desc) {
	for _, each := range []*prometheus.Desc{a.pending, a.stalled, a.spool, a.nearBudgets} {
		descriptions <- each
	}
}

// Collect implements prometheus.Collector.
func (a *asking) Collect(metrics chan<- prometheus.Metric) {
	log := a.Log()
	gauge := func(of *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value, labels...)
	}
	gauge(a.pending, log.Pending)
	gauge(a.stalled, log.Stalled)
	gauge(a.spool, log.SpoolBytes)
	for budget, keys := range a.NearBudgets() {
		gauge(a.nearBudgets, float64(keys), budget.Period, budget.Unit)
	}
}
