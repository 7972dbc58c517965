package web

import (
	"cmp"
	"context"
	"math"
	"net/url"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// traffic is the requests of a span of time.
type traffic struct {
	// Total is the whole span as one bucket, and Before the same time before it; nil when they
	// are not known.
	Total, Before *tokenstorev1.LogBucket
	// Chosen is which chart is drawn.
	Chosen string
	// Chart is nil when it is not known.
	Chart *chart
}

// trafficCharts are those that can be chosen; the first is drawn unless another one is.
var trafficCharts = []string{"requests", "errors", "latency", "tokens"}

// Has tells whether there were requests.
func (t traffic) Has() bool { return t.Total.GetRequests() > 0 }

// Tokens are those of all requests together.
func (t traffic) Tokens() uint64 { return allTokens(t.Total) }

// TokensBefore are those of the time before.
func (t traffic) TokensBefore() uint64 { return allTokens(t.Before) }

// Compares tells whether there is a time before to compare with.
func (t traffic) Compares() bool { return t.Has() && t.Before.GetRequests() > 0 }

func allTokens(b *tokenstorev1.LogBucket) uint64 {
	return b.GetPromptTokens() + b.GetCompletionTokens()
}

// traffic asks for the requests: by step, and all in one beside all of the time before.
func (s *Site) traffic(ctx context.Context, shown span, chosen string, now time.Time) (traffic, error) {
	read := traffic{Chosen: trafficCharts[max(slices.Index(trafficCharts, chosen), 0)]}
	from, to := shown.bounds(now)
	ask := func(from time.Time, step time.Duration) ([]*tokenstorev1.LogBucket, error) {
		answer, err := s.Logs.Summarize(ctx, &tokenstorev1.SummarizeRequest{
			From: timestamppb.New(from), To: timestamppb.New(to), Step: durationpb.New(step),
		})
		return answer.GetBuckets(), err
	}
	buckets, err := ask(from, shown.step)
	if err != nil {
		return read, err
	}
	both, err := ask(from.Add(-shown.long), shown.long)
	if n := len(both); err == nil && n > 1 {
		read.Before, read.Total = both[n-2], both[n-1]
		if !shown.Own() && read.Before.GetRequests() == 0 {
			buckets = begun(buckets)
		}
	}
	drawn := trafficChart(read.Chosen, buckets)
	drawn.Step, drawn.Zoom = shown.step, "/admin/?"+url.Values{"chart": {read.Chosen}, "range": {ownRange}}.Encode()
	read.Chart = &drawn
	return read, err
}

// fewestSteps are drawn in any case.
const fewestSteps = 12

// begun leaves out what is before the first request: there was nothing to tell yet.
func begun(buckets []*tokenstorev1.LogBucket) []*tokenstorev1.LogBucket {
	first := slices.IndexFunc(buckets, func(b *tokenstorev1.LogBucket) bool { return b.GetRequests() > 0 })
	return buckets[max(min(first, len(buckets)-fewestSteps), 0):]
}

// trafficChart draws what the buckets count.
func trafficChart(name string, buckets []*tokenstorev1.LogBucket) chart {
	var steps []*timestamppb.Timestamp
	for _, b := range buckets {
		steps = append(steps, b.GetStart())
	}
	of := func(name string, value func(*tokenstorev1.LogBucket) float64) series {
		values := make([]float64, 0, len(buckets))
		for _, b := range buckets {
			values = append(values, value(b))
		}
		return series{name, values}
	}
	drawn := chart{ID: name, Steps: steps, Requests: url.Values{}}
	switch name {
	case "errors":
		drawn.Least, drawn.Write = 10, func(v float64) string { return short(v) + " %" }
		drawn.Requests.Set("status", "failure")
		drawn.Series = []series{of("error_rate", errorRate)}
	case "latency":
		drawn.Log, drawn.Write = true, func(v float64) string { return seconds(time.Duration(v * float64(time.Second))) }
		drawn.Series = []series{
			of("p50", func(b *tokenstorev1.LogBucket) float64 { return secondsOf(b.GetTotalP50()) }),
			of("p95", func(b *tokenstorev1.LogBucket) float64 { return secondsOf(b.GetTotalP95()) }),
		}
	case "tokens":
		drawn.Bars, drawn.Write, drawn.Least, drawn.Series = true, compact, 100, tokenSeries(buckets)
	default:
		drawn.Bars, drawn.Write, drawn.Least = true, compact, 4
		drawn.Series = []series{
			of("succeeded", func(b *tokenstorev1.LogBucket) float64 { return float64(b.GetRequests() - b.GetFailures()) }),
			of("failed", func(b *tokenstorev1.LogBucket) float64 { return float64(b.GetFailures()) }),
		}
	}
	return drawn
}

func errorRate(b *tokenstorev1.LogBucket) float64 {
	if b.GetRequests() == 0 {
		return math.NaN()
	}
	return 100 * float64(b.GetFailures()) / float64(b.GetRequests())
}

func secondsOf(d *durationpb.Duration) float64 {
	if d == nil {
		return math.NaN()
	}
	return d.AsDuration().Seconds()
}

// trend is how much more or less there is than before, such as +46 %.
func trend(now, before uint64) string {
	if before == 0 {
		return "–"
	}
	percent := math.Round(100 * (float64(now) - float64(before)) / float64(before))
	switch sign := cmp.Compare(percent, 0); {
	case sign > 0:
		return "+" + compact(percent) + " %"
	case sign < 0:
		return "−" + compact(-percent) + " %"
	default:
		return "±0 %"
	}
}
