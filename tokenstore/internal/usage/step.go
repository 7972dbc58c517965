package usage

import (
	"errors"
	"time"
)

// Unit is a length of time by which use is counted, and how long that is kept.
type Unit struct {
	Name         string
	Length, Kept time.Duration
}

const day = 24 * time.Hour

// The units. Days are of UTC.
var (
	Hour = Unit{"hour", time.Hour, 31 * day}
	Day  = Unit{"day", day, 400 * day}
)

// Step is one unit of time.
type Step struct {
	Unit  Unit
	Start time.Time
}

// settles is how long after a step of time something may still be counted in it: nothing is, as
// long as the store's clock runs on, but another server's may be behind it.
const settles = time.Hour

// Closed tells whether nothing is counted in the step any more.
func (s Step) Closed(now time.Time) bool { return !now.Before(s.Start.Add(s.Unit.Length + settles)) }

// span is what of a range of time can be told.
type span struct {
	from, to time.Time
	// now is the present one: later hours are empty.
	now time.Time
}

// spanOf rounds the range to hours, and to days where there are no hours any more, and leaves
// out what is not kept at all.
func spanOf(from, to, now time.Time) span {
	s := span{from.UTC().Truncate(time.Hour), ceil(to.UTC(), time.Hour), now.UTC()}
	if !s.hoursOf(s.from) {
		s.from = s.from.Truncate(day)
	}
	if !s.hoursOf(s.to) {
		s.to = ceil(s.to, day)
	}
	if oldest := s.now.Add(-Day.Kept).Truncate(day); s.from.Before(oldest) {
		s.from = oldest
	}
	if s.to.Before(s.from) {
		s.to = s.from
	}
	return s
}

// hoursOf tells whether all hours of a time's day are kept.
func (s span) hoursOf(at time.Time) bool { return !at.Truncate(day).Before(s.firstHours()) }

// firstHours is the first day of which hours are told: all of them.
func (s span) firstHours() time.Time { return s.now.Add(-Hour.Kept).Truncate(day) }

// steps are the fewest that make up the span, or all its hours.
func (s span) steps(hourly bool) []Step {
	var steps []Step
	for at := s.from; at.Before(s.to) && !at.After(s.now); {
		step := Step{Hour, at}
		if !hourly && at.Equal(at.Truncate(day)) && s.ends(at.Add(day)) {
			step.Unit = Day
		}
		steps = append(steps, step)
		at = at.Add(step.Unit.Length)
	}
	return steps
}

// ends tells whether nothing that was counted until then is beyond the span.
func (s span) ends(at time.Time) bool { return !at.After(s.to) || s.to.After(s.now) }

func ceil(at time.Time, unit time.Duration) time.Time {
	if down := at.Truncate(unit); down.Before(at) {
		return down.Add(unit)
	}
	return at
}

var errRange = errors.New("from, to: both are wanted, and from before to")
