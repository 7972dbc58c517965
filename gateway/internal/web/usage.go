package web

import (
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// counted has counts of model tokens: an entry of the log, or a bucket of its
// summaries.
type counted interface {
	GetPromptTokens() uint64
	GetCacheReadTokens() uint64
	GetCacheWriteTokens() uint64
	GetCompletionTokens() uint64
	GetReasoningTokens() uint64
}

// fresh is the input that neither came from a cache nor was written to one. Some
// upstreams report more from a cache than they were sent.
func fresh(c counted) uint64 {
	return c.GetPromptTokens() - min(c.GetPromptTokens(), c.GetCacheReadTokens()+c.GetCacheWriteTokens())
}

// said is the output that was no thinking.
func said(c counted) uint64 {
	return c.GetCompletionTokens() - min(c.GetCompletionTokens(), c.GetReasoningTokens())
}

// usesCache tells whether an upstream has said anything of a cache.
func usesCache(c counted) bool { return c.GetCacheReadTokens()+c.GetCacheWriteTokens() > 0 }

// tokenSeries are the input from the bottom up and the output on top of it, each by its
// parts; parts that no upstream has told of are left out.
func tokenSeries(buckets []*tokenstorev1.LogBucket) []series {
	of := func(name string, value func(counted) uint64) series {
		values := make([]float64, 0, len(buckets))
		for _, b := range buckets {
			values = append(values, float64(value(b)))
		}
		return series{name, values}
	}
	read, write := of("cache_read", counted.GetCacheReadTokens), of("cache_write", counted.GetCacheWriteTokens)
	thinking := of("reasoning", counted.GetReasoningTokens)
	input := "prompt"
	if read.any() || write.any() {
		input = "fresh"
	}
	shown := []series{of(input, fresh)}
	for _, part := range []series{read, write} {
		if part.any() {
			shown = append(shown, part)
		}
	}
	shown = append(shown, of("completion", said))
	if thinking.any() {
		shown = append(shown, thinking)
	}
	return shown
}
