package web

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/consequence"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// timeline shows the attempts of a request on one axis of time.
type timeline struct {
	Attempts []attempt
	// Scale are the times below the axis: its beginning, its middle, and its end.
	Scale []string
	// Waited tells whether the request waited for a token for a time that can be seen.
	Waited bool
}

// stretch is a part of the axis, of 100.
type stretch struct{ X, W string }

// attempt is one request to an upstream, as the page of a request shows it.
type attempt struct {
	*tokenstorev1.LogAttempt
	Number int
	// After is how long the request had been going on.
	After *durationpb.Duration
	// Bar is when it ran, Wait what came between it and the one before; nil: nothing that can be
	// seen. FirstByte is when the answer's first byte came, where it came in this attempt.
	Bar             stretch
	Wait, FirstByte *stretch
	consequence.Consequence
}

const (
	wholeAxis = 100.
	// leastBar is how wide a bar is at least, so that it can be seen.
	leastBar = 0.5
)

// requestAxis places times in the time of a request.
type requestAxis struct {
	start time.Time
	whole time.Duration
}

// of returns the place of a span of time.
func (a requestAxis) of(from, to time.Time) stretch {
	x := min(a.at(from), wholeAxis-leastBar)
	return stretch{coordinate(x), coordinate(min(max(a.at(to)-x, leastBar), wholeAxis-x))}
}

// at returns the place of a time; what lies outside is at an end.
func (a requestAxis) at(t time.Time) float64 {
	return min(max(wholeAxis*float64(t.Sub(a.start))/float64(a.whole), 0), wholeAxis)
}

// shown tells whether a span is wide enough to be seen.
func (a requestAxis) shown(from, to time.Time) bool { return a.at(to)-a.at(from) >= leastBar }

// timelineOf places the attempts of a request in its time; found are their consequences.
func timelineOf(entry *tokenstorev1.LogEntry, found []consequence.Consequence) *timeline {
	log := entry.GetAttemptLog()
	if len(log) == 0 {
		return nil
	}
	a := requestAxis{entry.GetStartedAt().AsTime(), max(entry.GetTotal().AsDuration(), time.Nanosecond)}
	line := &timeline{Scale: []string{seconds(0), seconds(a.whole / 2), seconds(a.whole)}}
	firstByte := a.start.Add(entry.GetFirstByte().AsDuration())
	before := a.start
	for i, each := range log {
		start := each.GetStartedAt().AsTime()
		end := start.Add(each.GetTotal().AsDuration())
		shown := attempt{LogAttempt: each, Number: i + 1, After: durationpb.New(max(start.Sub(a.start), 0)), Bar: a.of(start, end), Consequence: found[i]}
		if a.shown(before, start) {
			wait := a.of(before, start)
			shown.Wait, line.Waited = &wait, true
		}
		if entry.GetFirstByte() != nil && !firstByte.Before(start) && !firstByte.After(end) {
			mark := a.of(firstByte, firstByte)
			shown.FirstByte = &mark
		}
		line.Attempts = append(line.Attempts, shown)
		before = end
	}
	return line
}

// Failed are the attempts that failed.
func (t *timeline) Failed() []attempt {
	var failed []attempt
	for _, each := range t.Attempts {
		if each.GetClass() != "" {
			failed = append(failed, each)
		}
	}
	return failed
}

// FirstByte tells whether the first byte is marked.
func (t *timeline) FirstByte() bool {
	for _, each := range t.Attempts {
		if each.FirstByte != nil {
			return true
		}
	}
	return false
}

// Token is what people call the attempt's token; empty where nobody knows it.
func (a attempt) Token() string {
	for _, name := range []string{a.GetTokenAlias(), a.GetMaskedSecret(), a.GetTokenFingerprint()} {
		if name != "" {
			return name
		}
	}
	return ""
}

// Did is what the attempt did to its token; empty where nobody knows.
func (a attempt) Did() string {
	if a.Kind == consequence.Unknown {
		return ""
	}
	return string(a.Kind)
}

// Ended is what ended that; empty where nothing has.
func (a attempt) Ended() string { return string(a.End) }

// CoolingModel is the model that the token cools for; empty: all.
func (a attempt) CoolingModel() string { return a.Consequence.Model }

// RestsUntil is when the token is back; nil where it is parked, or rests no more.
func (a attempt) RestsUntil() *timestamppb.Timestamp {
	if a.Until.IsZero() || a.End != consequence.Lasting && a.End != consequence.Over {
		return nil
	}
	return timestamppb.New(a.Until)
}

// Since is when it happened, for whoever undoes that alone.
func (a attempt) Since() string { return a.At.UTC().Format(time.RFC3339Nano) }

// UndoAlike is the address where all that happened alike since can be undone.
func (a attempt) UndoAlike() string {
	return event{&tokenstorev1.Transition{Class: a.Consequence.Class, At: timestamppb.New(a.At)}}.Alike(a.GetUpstream())
}
