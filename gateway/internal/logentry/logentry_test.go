package logentry_test

import (
	"testing"

	"carousel.internal/gateway/internal/logentry"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// No tokenizer knows what an upstream read from a cache: where the upstream reported
// nothing the counts are null, and 0 where it reported others.
func TestCountsThatOnlyAnUpstreamKnows(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]any{"reported": uint64(0), "estimated": nil, "partial": nil, "unknown": nil, "": nil} {
		entry := logentry.Of(&tokenstorev1.LogEntry{UsageSource: source, PromptTokens: 10, CompletionTokens: 5})
		for name, got := range map[string]*uint64{
			"cache_read": entry.CacheReadTokens, "cache_write": entry.CacheWriteTokens, "cache_write_hour": entry.CacheWriteHourTokens,
			"reasoning": entry.ReasoningTokens,
		} {
			if want == nil && got != nil || want != nil && (got == nil || *got != want) {
				t.Errorf("%s, %s: %v, want %v", source, name, got, want)
			}
		}
	}
	cut := logentry.Of(&tokenstorev1.LogEntry{UsageSource: "partial", PromptTokens: 10, CacheReadTokens: 8})
	if cut.CacheReadTokens == nil || *cut.CacheReadTokens != 8 {
		t.Errorf("what came before the answer was cut short: %v", cut.CacheReadTokens)
	}
}

// Without a price there is no cost, and 0 is one.
func TestCost(t *testing.T) {
	t.Parallel()
	for quality, want := range map[string]string{"": "", "unpriced": "", "reported": "0.00", "estimated": "0.00", "partial": "0.00"} {
		entry := logentry.Of(&tokenstorev1.LogEntry{CostQuality: quality})
		if want == "" && entry.CostUSD != nil || want != "" && (entry.CostUSD == nil || *entry.CostUSD != want) {
			t.Errorf("%q: %v, want %q", quality, entry.CostUSD, want)
		}
		if quality == "" && entry.CostQuality != nil || quality != "" && *entry.CostQuality != quality {
			t.Errorf("%q: %v", quality, entry.CostQuality)
		}
	}
	if dear := logentry.Of(&tokenstorev1.LogEntry{Cost: 1_234_567_890_123, CostQuality: "reported"}); *dear.CostUSD != "1.234567890123" {
		t.Errorf("%s", *dear.CostUSD)
	}
}
