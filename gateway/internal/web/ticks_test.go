package web

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Ticks are at round times, wherever the steps begin.
func TestTicks(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 31, 11, 37, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		step  time.Duration
		steps int
		want  string
	}{
		"nothing":      {time.Minute, 0, ""},
		"a minute":     {time.Minute, 1, "31 11:37 at 0% start"},
		"half an hour": {time.Minute, 30, "31 11:40 at 10% middle, 31 11:50 at 43.33% middle, 31 12:00 at 76.67% middle"},
		"an hour":      {time.Minute, 60, "31 11:45 at 13.33% middle, 31 12:00 at 38.33% middle, 31 12:15 at 63.33% middle, 31 12:30 at 88.33% middle"},
		"a day":        {30 * time.Minute, 48, "31 12:00 at 1.6% start, 31 18:00 at 26.6% middle, 01 00:00 at 51.6% middle, 01 06:00 at 76.6% middle"},
		"a week":       {3 * time.Hour, 56, "02 00:00 at 21.66% middle, 04 00:00 at 50.23% middle, 06 00:00 at 78.8% middle"},
	} {
		drawn := chart{Step: c.step}
		for i := range c.steps {
			drawn.Steps = append(drawn.Steps, timestamppb.New(from.Add(time.Duration(i)*c.step)))
		}
		var got []string
		for _, each := range drawn.Ticks() {
			got = append(got, each.At.AsTime().Format("02 15:04")+" at "+each.X+" "+each.Anchor)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, ", "), c.want)
		}
	}
}

// However long the time, there are a few ticks and all are inside.
func TestTicksAreFew(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour} {
		for _, n := range []int{1, 2, 7, 60, 400} {
			drawn := chart{Step: step}
			for i := range n {
				drawn.Steps = append(drawn.Steps, timestamppb.New(time.Unix(1_700_000_000, 0).Add(time.Duration(i)*step)))
			}
			if ticks := drawn.Ticks(); len(ticks) < 1 || len(ticks) > mostTicks {
				t.Errorf("%d steps of %s: %d ticks", n, step, len(ticks))
			}
		}
	}
}

// What is before the first request is left out, and a few steps are drawn in any case.
func TestChartBeginsWithTheFirstRequest(t *testing.T) {
	t.Parallel()
	of := func(n, first int) []*tokenstorev1.LogBucket {
		buckets := make([]*tokenstorev1.LogBucket, n)
		for i := range buckets {
			buckets[i] = &tokenstorev1.LogBucket{}
		}
		if first >= 0 {
			buckets[first].Requests = 1
		}
		return buckets
	}
	for _, c := range []struct{ n, first, want int }{{60, 30, 30}, {60, 0, 60}, {60, 59, 12}, {60, -1, 60}, {5, 4, 5}, {0, -1, 0}} {
		if got := len(begun(of(c.n, c.first))); got != c.want {
			t.Errorf("of %d, the first request in %d: %d are drawn, want %d", c.n, c.first, got, c.want)
		}
	}
}
