package web

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A histogram has whole steps, few enough to be seen, and no time that is not counted.
func TestBarSpan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 7, 30, 0, time.UTC)
	ago := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(-d)) }
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		from, to *timestamppb.Timestamp
		start    time.Time
		step     time.Duration
		bars     int
	}{
		"nothing said":         {nil, nil, time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC), 15 * time.Minute, 97},
		"an hour":              {ago(time.Hour), nil, time.Date(2026, 1, 31, 11, 7, 0, 0, time.UTC), time.Minute, 61},
		"a minute of the past": {ago(3*time.Hour + 30*time.Second), ago(3 * time.Hour), time.Date(2026, 1, 31, 9, 7, 0, 0, time.UTC), time.Minute, 1},
		"until then":           {nil, ago(day), time.Date(2026, 1, 29, 12, 0, 0, 0, time.UTC), 15 * time.Minute, 97},
		"a week":               {ago(7 * day), nil, time.Date(2026, 1, 24, 12, 0, 0, 0, time.UTC), 3 * time.Hour, 57},
		"as long as counted":   {ago(365 * day), nil, time.Date(2025, 12, 2, 0, 0, 0, 0, time.UTC), day, 61},
		"until tomorrow":       {ago(time.Hour), ago(-day), time.Date(2026, 1, 31, 11, 7, 0, 0, time.UTC), time.Minute, 61},
		"the wrong way round":  {ago(time.Hour), ago(2 * time.Hour), time.Time{}, 0, 0},
		"in the future":        {ago(-time.Hour), nil, time.Time{}, 0, 0},
		"too long ago":         {nil, ago(365 * day), time.Time{}, 0, 0},
	} {
		start, end, step, ok := barSpan(c.from, c.to, now)
		if ok != (c.bars > 0) {
			t.Errorf("%s: %v", name, ok)
		}
		if !ok {
			continue
		}
		if !start.Equal(c.start) || step != c.step || end.Sub(start) != time.Duration(c.bars)*step || c.bars > mostBars {
			t.Errorf("%s: %v to %v by %v", name, start, end, step)
		}
	}
}

// Bars are as high as there were requests, what failed is a part of them, and each leads to its
// requests within the filter.
func TestHistogram(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	buckets := []*tokenstorev1.LogBucket{
		{Start: timestamppb.New(at), Requests: 10, Failures: 5},
		{Start: timestamppb.New(at.Add(time.Minute))},
		{Start: timestamppb.New(at.Add(2 * time.Minute)), Requests: 4},
		{Start: timestamppb.New(at.Add(3 * time.Minute)), Requests: 1, Failures: 1},
	}
	h := histogramOf(buckets, logFilter{Model: "m", From: "whatever"}, time.Minute)
	if len(h.Bars) != 4 || h.Unit != "25" || !h.To.AsTime().Equal(at.Add(4*time.Minute)) {
		t.Fatalf("%+v", h)
	}
	for i, want := range []histogramBar{
		{X: "0", Y: "0", H: "100", FailedY: "50", FailedH: "50", Address: "/admin/logs?from=2026-01-31T12%3A00%3A00Z&model=m&to=2026-01-31T12%3A01%3A00Z"},
		{X: "25", Y: "100", H: "0", FailedY: "100", FailedH: "0", Address: "/admin/logs?from=2026-01-31T12%3A01%3A00Z&model=m&to=2026-01-31T12%3A02%3A00Z"},
		{X: "50", Y: "60", H: "40", FailedY: "100", FailedH: "0", Address: "/admin/logs?from=2026-01-31T12%3A02%3A00Z&model=m&to=2026-01-31T12%3A03%3A00Z"},
		{X: "75", Y: "90", H: "10", FailedY: "90", FailedH: "10", Address: "/admin/logs?from=2026-01-31T12%3A03%3A00Z&model=m&to=2026-01-31T12%3A04%3A00Z"},
	} {
		got := h.Bars[i]
		got.Start, got.Requests, got.Failures = nil, 0, 0
		if got != want {
			t.Errorf("bar %d: %+v", i, got)
		}
	}
	if histogramOf(buckets[1:2], logFilter{}, time.Minute) != nil || histogramOf(nil, logFilter{}, time.Minute) != nil {
		t.Error("there is nothing to show")
	}
}
