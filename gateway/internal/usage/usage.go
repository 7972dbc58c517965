// Package usage has what is known of the tokenstore's sums of use wherever they are shown: what
// they can be told apart by, whose their ids are, their totals and their cost.
package usage

import (
	"carousel.internal/gateway/internal/money"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Dimensions are what sums can be told apart by, as the admin API names it.
var Dimensions = map[string]tokenstorev1.UsageDimension{
	"key":      tokenstorev1.UsageDimension_USAGE_DIMENSION_KEY,
	"token":    tokenstorev1.UsageDimension_USAGE_DIMENSION_TOKEN,
	"model":    tokenstorev1.UsageDimension_USAGE_DIMENSION_MODEL,
	"upstream": tokenstorev1.UsageDimension_USAGE_DIMENSION_UPSTREAM,
	"day":      tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY,
	"hour":     tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR,
}

// Measures are what those with the most can have the most of, as the pages name it.
var Measures = map[string]tokenstorev1.UsageMeasure{
	"cost":     tokenstorev1.UsageMeasure_USAGE_MEASURE_COST,
	"requests": tokenstorev1.UsageMeasure_USAGE_MEASURE_REQUESTS,
	"tokens":   tokenstorev1.UsageMeasure_USAGE_MEASURE_TOKENS,
}

// Total adds up what rows count.
func Total(rows []*tokenstorev1.UsageRow) *tokenstorev1.UsageSums {
	total := &tokenstorev1.UsageSums{}
	for _, row := range rows {
		Add(total, row.GetSums())
	}
	return total
}

// Add adds more to a total.
func Add(total, more *tokenstorev1.UsageSums) {
	total.Requests += more.GetRequests()
	total.Failures += more.GetFailures()
	total.PromptTokens += more.GetPromptTokens()
	total.CompletionTokens += more.GetCompletionTokens()
	total.CacheReadTokens += more.GetCacheReadTokens()
	total.CacheWriteTokens += more.GetCacheWriteTokens()
	total.CacheWriteHourTokens += more.GetCacheWriteHourTokens()
	total.ReasoningTokens += more.GetReasoningTokens()
	total.ReportedCost = plus(total.GetReportedCost(), more.GetReportedCost())
	total.EstimatedCost = plus(total.GetEstimatedCost(), more.GetEstimatedCost())
	total.PartialCost = plus(total.GetPartialCost(), more.GetPartialCost())
	total.ReportedRequests += more.GetReportedRequests()
	total.EstimatedRequests += more.GetEstimatedRequests()
	total.PartialRequests += more.GetPartialRequests()
	total.UnpricedRequests += more.GetUnpricedRequests()
}

func plus(a, b uint64) uint64 { return uint64(money.Pico(a).Plus(money.Pico(b))) }

// Cost is that of all requests that have one.
func Cost(sums *tokenstorev1.UsageSums) money.Pico {
	return money.Pico(sums.GetReportedCost()).Plus(money.Pico(sums.GetEstimatedCost())).Plus(money.Pico(sums.GetPartialCost()))
}
