package web

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// laneHeight is that of a lane in pixels: its name above, its line below. The picture is stretched
// in its width only.
const (
	laneHeight = 44.0
	laneLine   = 31.0
)

// mark is what comes as it is drawn, and as the table tells it.
type mark struct {
	coming
	Lane lane
	// X and Y are the place in the picture, Left and Top the same in percent of it.
	X, Y, Left, Top string
	// Shape is the path of its sign.
	Shape string
}

// Marks are all that comes, in order of time.
func (o *outlook) Marks() []mark {
	var marks []mark
	for i, l := range o.Lanes {
		for _, each := range l.coming {
			marks = append(marks, o.mark(each, i))
		}
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return a.at.Compare(b.at) })
	return marks
}

func (o *outlook) mark(c coming, number int) mark {
	share, y := o.share(c.at), laneHeight*float64(number)+laneLine
	x, line := coordinate(share*chartWidth), coordinate(y)
	m := mark{coming: c, Lane: o.Lanes[number], X: x, Y: line, Left: coordinate(100 * share), Top: coordinate(100 * y / o.height())}
	switch c.Kind {
	case comesDry:
		m.Shape = "M" + x + " " + coordinate(y-10) + "V" + coordinate(y+10)
	case comesEnabled:
		m.Shape = "M" + x + " " + coordinate(y-5) + "V" + coordinate(y+5)
	default: // a line without length: its ends are round, or square
		m.Shape = "M" + x + " " + line + "h0"
	}
	return m
}

// At and Last are when it comes; Last is nil where that is one moment.
func (c coming) At() *timestamppb.Timestamp { return timestamppb.New(c.at) }

// Last is when the last of several comes.
func (c coming) Last() *timestamppb.Timestamp {
	if c.last.Equal(c.at) {
		return nil
	}
	return timestamppb.New(c.last)
}

// Runway is the path from now to where the pool reaches at the present rate; empty where nothing is
// foretold.
func (o *outlook) Runway() string {
	var path strings.Builder
	for i, l := range o.Lanes {
		if !l.lasts.After(o.from) {
			continue
		}
		path.WriteString("M0 " + coordinate(laneHeight*float64(i)+laneLine) + "H" + coordinate(o.share(l.lasts)*chartWidth))
	}
	return path.String()
}

// Grid is the line of each lane, and those of the moments below the axis.
func (o *outlook) Grid() string {
	var path strings.Builder
	for i := range o.Lanes {
		path.WriteString("M0 " + coordinate(laneHeight*float64(i)+laneLine) + "H" + coordinate(chartWidth))
	}
	for i := range outlookTicks {
		path.WriteString("M" + coordinate(chartWidth*float64(i)/(outlookTicks-1)) + " 0V" + o.Height())
	}
	return path.String()
}

// outlookTicks are the moments below the axis.
const outlookTicks = 5

// Ticks are at equal distances, from the beginning to the end.
func (o *outlook) Ticks() []*timestamppb.Timestamp {
	ticks := make([]*timestamppb.Timestamp, 0, outlookTicks)
	for i := range outlookTicks {
		ticks = append(ticks, timestamppb.New(o.from.Add(o.to.Sub(o.from)*time.Duration(i)/(outlookTicks-1))))
	}
	return ticks
}

// Kinds are those of which something comes.
func (o *outlook) Kinds() []string {
	var kinds []string
	for _, kind := range comingKinds {
		if slices.ContainsFunc(o.Lanes, func(l lane) bool {
			return slices.ContainsFunc(l.coming, func(c coming) bool { return c.Kind == kind })
		}) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// Height is that of the picture.
func (o *outlook) Height() string { return coordinate(o.height()) }

func (o *outlook) height() float64 { return laneHeight * float64(len(o.Lanes)) }

// Days is the furthest end of any line.
func (o *outlook) Days() int { return int(furthest / (24 * time.Hour)) }
