package web

import (
	"net/url"
	"time"
)

// span is a range of time that Home can show.
type span struct {
	Name string
	// Pause is how often the page is brought up to date, in ms.
	Pause int
	step  time.Duration
	long  time.Duration
	// end is set where the range is one of the reader's own.
	end time.Time
}

var spans = []span{
	{Name: "1h", Pause: 5000, step: time.Minute, long: time.Hour},
	{Name: "24h", Pause: 20_000, step: 30 * time.Minute, long: 24 * time.Hour},
	{Name: "7d", Pause: 60_000, step: 3 * time.Hour, long: 7 * 24 * time.Hour},
}

const (
	// longestOwn is the longest range of the reader's own, and mostSteps how many steps it is
	// shown in at most.
	longestOwn = 30 * 24 * time.Hour
	mostSteps  = 90
)

// ownSteps are the steps that a range of the reader's own can be shown in.
var ownSteps = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// spanOf reads `range`, and `from` and `to` where that is own; the first span where there is no
// such range.
func spanOf(query url.Values) span {
	name := query.Get("range")
	if name == ownRange {
		if own, ok := ownSpan(query.Get("from"), query.Get("to")); ok {
			return own
		}
	}
	for _, each := range spans {
		if each.Name == name {
			return each
		}
	}
	return spans[0]
}

// ownSpan is a range in steps that begin and end with it.
func ownSpan(from, to string) (span, bool) {
	first, wrongFrom := moment("from", from)
	last, wrongTo := moment("to", to)
	begin, end := first.AsTime(), last.AsTime()
	if wrongFrom != nil || wrongTo != nil || first == nil || last == nil || !begin.Before(end) || end.Sub(begin) > longestOwn {
		return span{}, false
	}
	start, stop, step, ok := inSteps(begin, end, ownSteps, mostSteps)
	return span{Name: ownRange, Pause: 60_000, step: step, long: stop.Sub(start), end: stop}, ok
}

// inSteps is a time in whole steps, the smallest of those given of which it has no more than most;
// false where it has more of each.
func inSteps(begin, end time.Time, steps []time.Duration, most int) (start, stop time.Time, step time.Duration, ok bool) {
	for _, step := range steps {
		start, stop := begin.Truncate(step), end.Add(step-1).Truncate(step)
		if stop.Sub(start) <= time.Duration(most)*step {
			return start, stop, step, true
		}
	}
	return begin, end, 0, false
}

// bounds are the beginning and the end of the span.
func (s span) bounds(now time.Time) (from, to time.Time) {
	to = s.end
	if to.IsZero() {
		to = now.Truncate(s.step).Add(s.step)
	}
	return to.Add(-s.long), to
}

// Own tells whether the range is one of the reader's own.
func (s span) Own() bool { return s.Name == ownRange }

// Query is what an address needs to show the same range, and another chart.
func (s span) Query(chart string) string {
	values := url.Values{"range": {s.Name}, "chart": {chart}}
	if s.Own() {
		values.Set("from", logTime(s.end.Add(-s.long)))
		values.Set("to", logTime(s.end))
	}
	return "?" + values.Encode()
}
