package web

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The parts of a bar add up to all tokens, whatever was reported, and only parts that
// there are have a place in the chart.
func TestTokenSeries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bucket *tokenstorev1.LogBucket
		want   []series
	}{
		"nothing": {&tokenstorev1.LogBucket{}, []series{{"prompt", []float64{0}}, {"completion", []float64{0}}}},
		"neither cache nor thinking": {
			&tokenstorev1.LogBucket{PromptTokens: 100, CompletionTokens: 20},
			[]series{{"prompt", []float64{100}}, {"completion", []float64{20}}},
		},
		"all parts": {
			&tokenstorev1.LogBucket{PromptTokens: 100, CacheReadTokens: 70, CacheWriteTokens: 20, CompletionTokens: 20, ReasoningTokens: 15},
			[]series{{"fresh", []float64{10}}, {"cache_read", []float64{70}}, {"cache_write", []float64{20}}, {"completion", []float64{5}}, {"reasoning", []float64{15}}},
		},
		"all from the cache": {
			&tokenstorev1.LogBucket{PromptTokens: 100, CacheReadTokens: 100, CompletionTokens: 20},
			[]series{{"fresh", []float64{0}}, {"cache_read", []float64{100}}, {"completion", []float64{20}}},
		},
		"thinking alone": {
			&tokenstorev1.LogBucket{PromptTokens: 100, CompletionTokens: 20, ReasoningTokens: 20},
			[]series{{"prompt", []float64{100}}, {"completion", []float64{0}}, {"reasoning", []float64{20}}},
		},
	} {
		if diff := cmp.Diff(test.want, tokenSeries([]*tokenstorev1.LogBucket{test.bucket})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
