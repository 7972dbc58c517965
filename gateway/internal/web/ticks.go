package web

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// tick is a moment below the horizontal axis.
type tick struct {
	At *timestamppb.Timestamp
	// X is where it stands, in percent, and Anchor which end of its text stands there: at the edges
	// the text stays inside.
	X, Anchor string
}

// tickDistances are how far ticks can be from each other. A clock shows round times at each of
// them: they begin with a day of UTC, from which most zones differ by whole hours.
var tickDistances = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour,
}

const (
	// mostTicks is how many there are at most.
	mostTicks = 6
	// edge is how near to an edge, in percent, a text is no more in the middle of its tick.
	edge = 5.0
)

// Ticks are round moments, at equal distances.
func (c chart) Ticks() []tick {
	if len(c.Steps) == 0 {
		return nil
	}
	from, length := c.Steps[0].AsTime(), c.length()
	distance := tickDistance(length)
	first := from.Truncate(distance)
	if first.Before(from) {
		first = first.Add(distance)
	}
	ticks := make([]tick, 0, mostTicks)
	for at := first; at.Before(from.Add(length)); at = at.Add(distance) {
		x := 100 * float64(at.Sub(from)) / float64(length)
		ticks = append(ticks, tick{timestamppb.New(at), coordinate(x) + "%", anchor(x)})
	}
	if len(ticks) == 0 { // a step that is shorter than all distances
		ticks = append(ticks, tick{c.Steps[0], "0%", anchor(0)})
	}
	return ticks
}

// length is the time from the beginning of the first step to the end of the last.
func (c chart) length() time.Duration {
	last := len(c.Steps) - 1
	covered := c.Steps[last].AsTime().Sub(c.Steps[0].AsTime())
	step := c.Step
	if step == 0 && last > 0 {
		step = covered / time.Duration(last)
	}
	return max(covered+step, time.Minute)
}

// tickDistance is the smallest with which there are not too many.
func tickDistance(length time.Duration) time.Duration {
	for _, distance := range tickDistances {
		if length <= (mostTicks-1)*distance {
			return distance
		}
	}
	day := 24 * time.Hour
	return (length/(mostTicks-1) + day).Truncate(day)
}

func anchor(x float64) string {
	switch {
	case x < edge:
		return "start"
	case x > 100-edge:
		return "end"
	default:
		return "middle"
	}
}
