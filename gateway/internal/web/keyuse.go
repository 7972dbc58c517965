package web

import (
	"context"
	"net/url"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/keyform"
	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// keyUse is what a key has used in a range of time.
type keyUse struct {
	// Range is one of Ranges.
	Range  string
	Ranges []string
	Charts []chart
	// Sum is nil where it is not known.
	Sum *tokenstorev1.UsageSums
}

// Cost is that of all requests that have one.
func (u keyUse) Cost() string {
	return amountText("usd", keyform.FormatAmount(tokenstorev1.KeyUnit_KEY_UNIT_USD, uint64(usage.Cost(u.Sum))))
}

// leadTo has the charts lead to the requests of a key, and to its page without some series.
func (u keyUse) leadTo(id string, here *url.URL) {
	for i := range u.Charts {
		u.Charts[i].Requests, u.Charts[i].Here = url.Values{"key_id": {id}}, here
	}
}

// keyRange is a range of time that a key's use is shown for, in steps.
type keyRange struct {
	name  string
	steps int
	step  time.Duration
	group tokenstorev1.UsageDimension
}

var keyRanges = []keyRange{
	{"24h", 24, time.Hour, tokenstorev1.UsageDimension_USAGE_DIMENSION_HOUR},
	{"30d", 30, oneDay, tokenstorev1.UsageDimension_USAGE_DIMENSION_DAY},
}

func keyRangeNames() []string {
	names := make([]string, 0, len(keyRanges))
	for _, each := range keyRanges {
		names = append(names, each.name)
	}
	return names
}

// keyUse asks what a key has used; of a range that there is not, the first one.
func (s *Site) keyUse(ctx context.Context, id, name string) (keyUse, error) {
	chosen := keyRanges[max(slices.Index(keyRangeNames(), name), 0)]
	use := keyUse{Range: chosen.name, Ranges: keyRangeNames()}
	to := time.Now().UTC().Truncate(chosen.step).Add(chosen.step)
	from := to.Add(-time.Duration(chosen.steps) * chosen.step)
	answer, err := s.Usage.QueryUsage(ctx, &tokenstorev1.QueryUsageRequest{
		From: timestamppb.New(from), To: timestamppb.New(to), KeyId: id, Group: []tokenstorev1.UsageDimension{chosen.group},
	})
	if err != nil {
		return use, err
	}
	sums := make([]*tokenstorev1.UsageSums, chosen.steps)
	use.Sum = usage.Total(answer.GetRows())
	for _, row := range answer.GetRows() {
		at := int(row.GetStart().AsTime().Sub(from) / chosen.step)
		if at >= 0 && at < len(sums) {
			sums[at] = row.GetSums()
		}
	}
	use.Charts = keyCharts(from, chosen.step, sums)
	return use, nil
}

// keyCharts draw the sums of the steps from a time on; nil: nothing was used.
func keyCharts(from time.Time, step time.Duration, sums []*tokenstorev1.UsageSums) []chart {
	steps := make([]*timestamppb.Timestamp, 0, len(sums))
	for i := range sums {
		steps = append(steps, timestamppb.New(from.Add(time.Duration(i)*step)))
	}
	of := func(name string, value func(*tokenstorev1.UsageSums) float64) series {
		values := make([]float64, 0, len(sums))
		for _, each := range sums {
			values = append(values, value(each))
		}
		return series{name, values}
	}
	dollars := func(u *tokenstorev1.UsageSums) float64 { return dollarsOf(usage.Cost(u)) }
	return []chart{
		{ID: "key_requests", Steps: steps, Bars: true, Step: step, Write: compact, Least: 1, Series: []series{
			of("succeeded", func(u *tokenstorev1.UsageSums) float64 {
				return float64(u.GetRequests() - min(u.GetFailures(), u.GetRequests()))
			}),
			of("failed", func(u *tokenstorev1.UsageSums) float64 { return float64(u.GetFailures()) }),
		}},
		{ID: "key_tokens", Steps: steps, Bars: true, Step: step, Write: compact, Least: 1, Series: []series{
			of("prompt", func(u *tokenstorev1.UsageSums) float64 { return float64(u.GetPromptTokens()) }),
			of("completion", func(u *tokenstorev1.UsageSums) float64 { return float64(u.GetCompletionTokens()) }),
		}},
		{ID: "key_cost", Steps: steps, Bars: true, Step: step, Write: writeMeasure("cost"), Least: 0.01, Series: []series{of("key_cost", dollars)}},
	}
}
