package app

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
)

// Each token is of one kind: those of a direction add up to what was used.
func TestUsedTokensAreCountedByKind(t *testing.T) {
	t.Parallel()
	counts := metrics.New(prometheus.NewRegistry())
	watch := newObserver(counts)
	watch.Listed(map[string][]chat.Model{"claude": {{ID: "opus"}}})
	used := func(upstreamName string, usage chat.Usage, cost money.Pico) {
		watch.Ended("opus", &reqlog.Entry{Upstream: upstreamName, Caller: caller.Caller{Kind: caller.Client}, Usage: usage, Cost: cost})
	}
	used("claude", chat.Usage{Prompt: 1000, CacheRead: 900, CacheWrite: 60, CacheWriteHour: 20, Completion: 50, Reasoning: 40}, money.Dollar/2)
	used("claude", chat.Usage{Prompt: 7, Completion: 3}, money.Dollar)
	used("", chat.Usage{Prompt: 7, Completion: 3}, money.Dollar) // no upstream was found
	const want = `
		# HELP carousel_gateway_tokens_used_total Model tokens, as reported or estimated.
		# TYPE carousel_gateway_tokens_used_total counter
		carousel_gateway_tokens_used_total{caller="key",direction="prompt",kind="fresh",model="opus",upstream="claude"} 47
		carousel_gateway_tokens_used_total{caller="key",direction="prompt",kind="cache_read",model="opus",upstream="claude"} 900
		carousel_gateway_tokens_used_total{caller="key",direction="prompt",kind="cache_write",model="opus",upstream="claude"} 40
		carousel_gateway_tokens_used_total{caller="key",direction="prompt",kind="cache_write_hour",model="opus",upstream="claude"} 20
		carousel_gateway_tokens_used_total{caller="key",direction="completion",kind="answer",model="opus",upstream="claude"} 13
		carousel_gateway_tokens_used_total{caller="key",direction="completion",kind="reasoning",model="opus",upstream="claude"} 40
	`
	if err := testutil.CollectAndCompare(counts.TokensUsed, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if cost := testutil.ToFloat64(counts.Cost); cost != 1.5 {
		t.Errorf("%v US dollars", cost)
	}
}

// A report that was given up is no lease that expired under its request.
func TestLostReportsAndLostLeasesAreCountedApart(t *testing.T) {
	t.Parallel()
	counts := metrics.New(prometheus.NewRegistry())
	watch := newObserver(counts)
	watch.Lost(2)
	watch.ReportsLost(3)
	if leases, reports := testutil.ToFloat64(counts.LeasesLost), testutil.ToFloat64(counts.ReportsLost); leases != 2 || reports != 3 {
		t.Errorf("%v leases and %v reports lost", leases, reports)
	}
}
