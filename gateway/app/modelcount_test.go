package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

func listing(n int) []chat.Model {
	models := make([]chat.Model, n)
	for i := range models {
		models[i] = chat.Model{ID: fmt.Sprintf("model-%d", i)}
	}
	return models
}

func askedBy(kind caller.Kind, upstreamName string) *reqlog.Entry {
	return &reqlog.Entry{Upstream: upstreamName, Caller: caller.Caller{Kind: kind}, Total: time.Second, FirstByte: time.Millisecond}
}

// A request is counted by the upstream and the model that served it, and by who asked.
func TestRequestsAreCountedByModel(t *testing.T) {
	t.Parallel()
	counts := metrics.New(prometheus.NewRegistry())
	watch := newObserver(counts)
	watch.Listed(map[string][]chat.Model{"openai": {{ID: "gpt-4o"}}, "claude": {{ID: "opus"}}})
	failed := askedBy(caller.Client, "openai")
	failed.Err, failed.FirstByte = &chat.Error{Kind: chat.RateLimited}, 0
	for model, entry := range map[string]*reqlog.Entry{
		"gpt-4o": failed,
		"opus":   askedBy(caller.Admin, "claude"),
		"gpt-5":  askedBy(caller.Client, "openai"), // which is not listed
		"":       askedBy(caller.Client, ""),       // which nobody serves
	} {
		watch.Ended(model, entry)
	}
	for _, c := range []struct {
		upstream, model, caller string
		requests                float64
		failures                float64 // for rate limits
		complete                int
	}{
		{"openai", "gpt-4o", "key", 1, 1, 0},
		{"openai", "gpt-4o", "admin", 0, 1, 0},
		{"claude", "opus", "admin", 1, 0, 1},
		{"openai", "other", "key", 1, 0, 1},
		{"none", "other", "key", 1, 0, 1},
	} {
		requests := testutil.ToFloat64(counts.ModelRequests.WithLabelValues(c.upstream, c.model, c.caller))
		failures := testutil.ToFloat64(counts.ModelFailures.WithLabelValues(c.upstream, c.model, "rate_limited"))
		if requests != c.requests || failures != c.failures {
			t.Errorf("%s/%s by %s: %v requests, %v failures", c.upstream, c.model, c.caller, requests, failures)
		}
		if got := observations(t, counts.ModelSeconds, c.upstream, c.model); got != c.complete {
			t.Errorf("%s/%s: %d complete answers", c.upstream, c.model, got)
		}
		if got := observations(t, counts.ModelFirstByteSeconds, c.upstream, c.model); got != c.complete {
			t.Errorf("%s/%s: %d first bytes", c.upstream, c.model, got)
		}
	}
}

// observations is how many a histogram of a model has.
func observations(t *testing.T, of *prometheus.HistogramVec, upstreamName, model string) int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(of)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if labels["upstream"] == upstreamName && labels["model"] == model {
				return int(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}

// What is listed, and all that may fail, is there before it happens: an increase from nothing to 1
// is none.
func TestCountersAreThereFromTheStart(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counts := metrics.New(registry)
	newObserver(counts).Listed(map[string][]chat.Model{"openai": listing(3)})
	for name, want := range map[string]int{
		"carousel_gateway_errors_total":             len(chat.Kinds()),
		"carousel_gateway_key_refusals_total":       10,
		"carousel_gateway_log_dropped_total":        5,
		"carousel_gateway_log_entries_total":        3,
		"carousel_gateway_leases_total":             4,
		"carousel_gateway_admin_logins_total":       3,
		"carousel_gateway_caller_requests_total":    4,
		"carousel_gateway_upstream_attempts_total":  1 + len(upstream.Classes()),
		"carousel_gateway_retries_total":            1,
		"carousel_gateway_retries_denied_total":     1,
		"carousel_gateway_fallbacks_total":          1,
		"carousel_gateway_model_requests_total":     3 * 4,
		"carousel_gateway_model_request_seconds":    3,
		"carousel_gateway_model_ttft_seconds":       3,
		"carousel_gateway_answers_remembered_total": 4,
	} {
		if got, err := testutil.GatherAndCount(registry, name); err != nil || got != want {
			t.Errorf("%s: %d series, %v", name, got, err)
		}
	}
	for _, kind := range []chat.Kind{chat.RateLimited, chat.UpstreamUnavailable, chat.NoTokenAvailable, chat.Timeout} {
		if got := testutil.ToFloat64(counts.ModelFailures.WithLabelValues("openai", "model-1", string(kind))); got != 0 {
			t.Errorf("%s: %v", kind, got)
		}
	}
	if got := testutil.CollectAndCount(counts.ModelFailures); got < 3*10 {
		t.Errorf("%d kinds of failures of 3 models", got)
	}
}

// Whatever clients and upstreams name, there is a bound to the series of a gateway.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counts := metrics.New(registry)
	watch := newObserver(counts)
	const many = 2500 // more than there may be of anything
	listed := map[string][]chat.Model{"broker": listing(many)}
	for i := range 300 {
		listed[fmt.Sprintf("upstream-%d", i)] = listing(3)
	}
	watch.Listed(listed)
	for i := range many {
		for name := range map[string]bool{"broker": true, fmt.Sprintf("upstream-%d", i): true} {
			watch.Ended(fmt.Sprintf("model-%d", i), askedBy(caller.Client, name))
			watch.Ended(fmt.Sprintf("invented-%d", i), askedBy(caller.Admin, name))
			watch.Attempt(name, upstream.Broken)
			watch.Retried(name)
			watch.Ignored(name, "seed")
		}
		counts.Called(fmt.Sprintf("caller-%d", i))
		counts.Answered(fmt.Sprintf("/route/%d", i), 200, false, time.Second)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, family := range families {
		series[family.GetName()] = len(family.GetMetric())
	}
	for name, most := range map[string]int{
		"carousel_gateway_model_requests_total":    4 * (metrics.MaxModels + metrics.MaxUpstreams + 1),
		"carousel_gateway_model_request_seconds":   metrics.MaxModels + metrics.MaxUpstreams + 1,
		"carousel_gateway_model_ttft_seconds":      metrics.MaxModels + metrics.MaxUpstreams + 1,
		"carousel_gateway_tokens_used_total":       6 * 4 * (metrics.MaxModels + metrics.MaxUpstreams + 1),
		"carousel_gateway_upstream_attempts_total": (metrics.MaxUpstreams + 1) * (1 + len(upstream.Classes())),
		"carousel_gateway_retries_total":           metrics.MaxUpstreams + 1,
		"carousel_gateway_fields_ignored_total":    metrics.MaxUpstreams + 1,
		"carousel_gateway_caller_requests_total":   15,
		"carousel_gateway_requests_total":          2001,
	} {
		if got := series[name]; got > most || got == 0 {
			t.Errorf("%s: %d series, %d may be", name, got, most)
		}
	}
	requests := 0.0
	for _, family := range families {
		if family.GetName() != "carousel_gateway_model_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			requests += metric.GetCounter().GetValue()
			for _, label := range metric.GetLabel() {
				if strings.HasPrefix(label.GetValue(), "invented") {
					t.Errorf("a client's word is a label: %s", label.GetValue())
				}
			}
		}
	}
	if requests != 4*many {
		t.Errorf("%v requests are counted of %d", requests, 4*many)
	}
}

// Counting a request allocates nothing.
func TestCountingAllocatesNothing(t *testing.T) {
	watch := newObserver(metrics.New(prometheus.NewRegistry()))
	watch.Listed(map[string][]chat.Model{"openai": listing(3)})
	for model, entry := range map[string]*reqlog.Entry{
		"model-1": askedBy(caller.Client, "openai"), "invented": askedBy(caller.Admin, "openai"), "model-2": askedBy(caller.OwnToken, "gone"),
	} {
		count := func() {
			watch.Attempt(entry.Upstream, "")
			watch.Ended(model, entry)
		}
		count()
		if got := testing.AllocsPerRun(100, count); got != 0 {
			t.Errorf("%s: %v allocations", model, got)
		}
	}
}

func BenchmarkEnded(b *testing.B) {
	watch := newObserver(metrics.New(prometheus.NewRegistry()))
	watch.Listed(map[string][]chat.Model{"openai": listing(3)})
	for name, model := range map[string]string{"listed": "model-1", "other": "invented"} {
		b.Run(name, func(b *testing.B) {
			entry := askedBy(caller.Client, "openai")
			b.ReportAllocs()
			for b.Loop() {
				watch.Attempt("openai", "")
				watch.Ended(model, entry)
			}
		})
	}
}
