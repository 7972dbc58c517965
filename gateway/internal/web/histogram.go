package web

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// histogram shows how many requests there were by time. Each of its bars leads to those requests.
type histogram struct {
	From, To *timestamppb.Timestamp
	Bars     []histogramBar
	// Unit is the width of a bar.
	Unit string
}

// histogramBar counts the requests of a step of time, in a picture of wholeAxis by wholeAxis.
type histogramBar struct {
	Start              *timestamppb.Timestamp
	Requests, Failures uint64
	// X is where it begins, Y and H where all of it is, FailedY and FailedH what failed.
	X, Y, H, FailedY, FailedH string
	// Address is that of the requests, within the filter.
	Address string
}

// barSteps are the steps of time that bars can have. The last one has room for all that is counted.
var barSteps = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

const (
	mostBars = 120
	// countedFor is how long requests are counted.
	countedFor = 60 * 24 * time.Hour
	// usualSpan is what is shown where the filter says nothing of time.
	usualSpan = 24 * time.Hour
)

// barSpan is the time that a histogram shows, in whole steps; false where there is none.
func barSpan(from, to *timestamppb.Timestamp, now time.Time) (start, end time.Time, step time.Duration, ok bool) {
	start, end = now.Add(-usualSpan), now
	if to != nil {
		end = to.AsTime()
		start = end.Add(-usualSpan)
	}
	if from != nil {
		start = from.AsTime()
	}
	if oldest := now.Add(-countedFor); start.Before(oldest) {
		start = oldest
	}
	if end.After(now) {
		end = now
	}
	if !start.Before(end) {
		return start, end, 0, false
	}
	return inSteps(start, end, barSteps, mostBars)
}

// histogram counts the requests in the filter's time, whatever else it says; nil where they can't
// be counted, which is no reason not to show the list.
func (s *Site) histogram(ctx context.Context, filter logFilter, request *tokenstorev1.QueryRequest, now time.Time) *histogram {
	start, end, step, ok := barSpan(request.GetFrom(), request.GetTo(), now)
	if !ok {
		return nil
	}
	answer, err := s.Logs.Summarize(ctx, &tokenstorev1.SummarizeRequest{From: timestamppb.New(start), To: timestamppb.New(end), Step: durationpb.New(step)})
	if err != nil {
		return nil
	}
	return histogramOf(answer.GetBuckets(), filter, step)
}

func histogramOf(buckets []*tokenstorev1.LogBucket, filter logFilter, step time.Duration) *histogram {
	most := uint64(0)
	for _, bucket := range buckets {
		most = max(most, bucket.GetRequests())
	}
	if most == 0 {
		return nil
	}
	width := wholeAxis / float64(len(buckets))
	height := func(n uint64) float64 { return wholeAxis * float64(n) / float64(most) }
	h := &histogram{
		From: buckets[0].GetStart(), To: timestamppb.New(buckets[len(buckets)-1].GetStart().AsTime().Add(step)), Unit: coordinate(width),
	}
	for i, bucket := range buckets {
		all, failed := height(bucket.GetRequests()), height(bucket.GetFailures())
		filter.From = iso(bucket.GetStart())
		filter.To = iso(timestamppb.New(bucket.GetStart().AsTime().Add(step)))
		h.Bars = append(h.Bars, histogramBar{
			Start: bucket.GetStart(), Requests: bucket.GetRequests(), Failures: bucket.GetFailures(), X: coordinate(float64(i) * width),
			Y: coordinate(wholeAxis - all), H: coordinate(all), FailedY: coordinate(wholeAxis - failed), FailedH: coordinate(failed), Address: filter.address(),
		})
	}
	return h
}
