package web

import (
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// chart is a picture of values over time: bars that are stacked, or lines. Its
// template draws it as an SVG that fills whatever width it is given; what is
// text stands beside the picture.
type chart struct {
	// ID is unique on the page; the texts' keys are made of it.
	ID string
	// Series are from the bottom to the top of a stack.
	Series []series
	// Steps are the moments that the values belong to.
	Steps []*timestamppb.Timestamp
	// Bars: the values are stacked bars; else each series is a line.
	Bars bool
	// Write shows a value to people.
	Write func(float64) string
	// Least is what the scale reaches in any case.
	Least float64
	// Days: the steps are days of UTC, which are the same to all readers.
	Days bool
	// Step is how long each step is; 0: not known, and nothing leads from the chart.
	Step time.Duration
	// Requests are the fields of the request log's filter, without the time, that show the
	// requests behind the values; nil: the log does not have them.
	Requests url.Values
	// Zoom is the address, without the time, of the same chart for a part of the time that is
	// chosen in it; empty: there is none.
	Zoom string
	// Log: the scale is logarithmic, so that a peak does not flatten the rest. It is for lines.
	Log bool
	// Labels name the series that are data, by the series' names; the others have a text.
	Labels map[string]string
	// Here is the address of the page that has the chart, which says what series are left out; nil:
	// none can be.
	Here *url.URL
}

// series are the values of one kind. Where there is nothing to tell, the value
// is NaN: a line has a gap there.
type series struct {
	// Name is a part of a text's key, and of a class of the stylesheet.
	Name   string
	Values []float64
}

// any tells whether there is something to draw.
func (s series) any() bool {
	return slices.ContainsFunc(s.Values, func(value float64) bool { return value > 0 })
}

// The picture's own units; it is stretched to its place.
const (
	chartWidth  = 600.0
	chartHeight = 120.0
)

// highest is the top of the highest stack, or line.
func (c chart) highest() float64 {
	highest, drawn := 0.0, c.Drawn()
	for i := range c.Steps {
		sum := 0.0
		for _, s := range drawn {
			value := s.Values[i]
			if math.IsNaN(value) {
				continue
			}
			if !c.Bars {
				sum = 0
			}
			sum += value
			highest = max(highest, sum)
		}
	}
	return highest
}

// top is the value at the upper edge: the next round one.
func (c chart) top() float64 {
	if c.Log {
		return math.Pow(10, math.Ceil(math.Log10(max(c.highest(), c.bottom()*10))-1e-9))
	}
	return roundUp(max(c.highest(), c.Least))
}

// bottom is the value at the lower edge of a logarithmic scale: the power of ten below all values.
func (c chart) bottom() float64 {
	lowest := math.Inf(1)
	for _, s := range c.Drawn() {
		for _, value := range s.Values {
			if value > 0 { // NaN is not
				lowest = min(lowest, value)
			}
		}
	}
	if math.IsInf(lowest, 1) {
		return 1
	}
	return math.Pow(10, math.Floor(math.Log10(lowest)+1e-9))
}

// scale returns how high above the lower edge values are drawn.
func (c chart) scale() func(value float64) float64 {
	top := c.top()
	if !c.Log {
		return func(value float64) float64 { return value / top * chartHeight }
	}
	bottom := c.bottom()
	return func(value float64) float64 {
		return math.Log10(max(value, bottom)/bottom) / math.Log10(top/bottom) * chartHeight
	}
}

// roundUp answers the next of 1, 2, 2.5, 3, 4, 5, 6, 8, 10 times a power of ten.
func roundUp(value float64) float64 {
	if value <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(value)))
	for _, factor := range []float64{1, 2, 2.5, 3, 4, 5, 6, 8} {
		if value <= factor*power*(1+1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

// Scale are the labels of the vertical axis, from the top.
func (c chart) Scale() []string {
	top := c.top()
	if c.Log {
		return []string{c.Write(top), c.Write(math.Sqrt(top * c.bottom())), c.Write(c.bottom())}
	}
	return []string{c.Write(top), c.Write(top / 2), c.Write(0)}
}

// bar is one rectangle of a stack.
type bar struct {
	Series     string
	X, Y, W, H string
}

// column is what stands over one step.
type column struct {
	At *timestamppb.Timestamp
	// X and W are of the whole column, for what the reader points at.
	X, W   string
	Bars   []bar
	Values []string
	// Requests is the address of the requests behind the values; empty: there is none.
	Requests string
}

// Columns are the steps, with their bars if the chart has bars.
func (c chart) Columns() []column {
	columns, drawn := make([]column, 0, len(c.Steps)), c.Drawn()
	width, height := chartWidth/float64(max(len(c.Steps), 1)), c.scale()
	for i, at := range c.Steps {
		x := float64(i) * width
		one := column{At: at, X: coordinate(x), W: coordinate(width), Values: c.values(drawn, i), Requests: c.requests(at)}
		if c.Bars {
			one.Bars = stack(drawn, i, x+width*0.12, width*0.76, height)
		}
		columns = append(columns, one)
	}
	return columns
}

// requests is the address of the requests of the step that begins then.
func (c chart) requests(at *timestamppb.Timestamp) string {
	if c.Requests == nil || c.Step == 0 {
		return ""
	}
	query := maps.Clone(c.Requests)
	query.Set("from", logTime(at.AsTime()))
	query.Set("to", logTime(at.AsTime().Add(c.Step)))
	return "/admin/logs?" + query.Encode()
}

func (c chart) values(drawn []series, step int) []string {
	values := make([]string, 0, len(drawn))
	for _, s := range drawn {
		if math.IsNaN(s.Values[step]) {
			values = append(values, "–")
		} else {
			values = append(values, c.Write(s.Values[step]))
		}
	}
	return values
}

func stack(drawn []series, step int, x, width float64, scale func(float64) float64) []bar {
	var bars []bar
	base := chartHeight
	for _, s := range drawn {
		value := s.Values[step]
		if math.IsNaN(value) || value <= 0 {
			continue
		}
		height := max(scale(value), 1) // whatever was there is seen
		base -= height
		bars = append(bars, bar{s.Name, coordinate(x), coordinate(max(base, 0)), coordinate(width), coordinate(height)})
	}
	return bars
}

// line is a path through the values of a series, and its dots: values that have
// no neighbour.
type line struct {
	Series string
	Path   string
	Dots   string
}

// Lines are the series of a chart without bars.
func (c chart) Lines() []line {
	if c.Bars {
		return nil
	}
	drawn := c.Drawn()
	lines, scale := make([]line, 0, len(drawn)), c.scale()
	for _, s := range drawn {
		lines = append(lines, c.line(s, scale))
	}
	return lines
}

func (c chart) line(s series, height func(float64) float64) line {
	var path, dots strings.Builder
	width := chartWidth / float64(max(len(c.Steps), 1))
	known := func(i int) bool { return i >= 0 && i < len(s.Values) && !math.IsNaN(s.Values[i]) }
	for i, value := range s.Values {
		if !known(i) {
			continue
		}
		at := coordinate((float64(i)+0.5)*width) + " " + coordinate(chartHeight-height(value))
		switch {
		case known(i - 1):
			path.WriteString("L" + at)
		case known(i + 1):
			path.WriteString("M" + at)
		default: // a line without length and with round ends
			dots.WriteString("M" + at + "h0")
		}
	}
	return line{s.Name, path.String(), dots.String()}
}

func coordinate(value float64) string {
	return strconv.FormatFloat(math.Round(value*100)/100, 'f', -1, 64)
}
