package web

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestRoundUp(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]float64{0: 1, -1: 1, 1: 1, 1.1: 2, 2.2: 2.5, 3: 5, 6: 10, 10: 10, 11: 20, 0.003: 0.005, 99999: 100000} {
		if got := roundUp(value); math.Abs(got-want) > want*1e-9 {
			t.Errorf("%v: %v, want %v", value, got, want)
		}
	}
}

func steps(n int) []*timestamppb.Timestamp {
	at := make([]*timestamppb.Timestamp, n)
	for i := range at {
		at[i] = timestamppb.New(time.Unix(int64(i)*60, 0))
	}
	return at
}

func TestBarsAreStacked(t *testing.T) {
	t.Parallel()
	c := chart{Steps: steps(2), Bars: true, Write: compact, Series: []series{
		{"succeeded", []float64{6, 0}}, {"failed", []float64{4, 0}},
	}}
	columns := c.Columns()
	if len(columns) != 2 || len(columns[0].Bars) != 2 || len(columns[1].Bars) != 0 {
		t.Fatalf("columns %+v", columns)
	}
	below, above := columns[0].Bars[0], columns[0].Bars[1]
	if below.Y != "48" || below.H != "72" || above.Y != "0" || above.H != "48" {
		t.Errorf("of 10 at most, 6 and 4 are drawn as %+v and %+v", below, above)
	}
	if diff := cmp.Diff([]string{"10", "5", "0"}, c.Scale()); diff != "" {
		t.Error(diff)
	}
}

func TestLinesHaveGaps(t *testing.T) {
	t.Parallel()
	none := math.NaN()
	c := chart{Steps: steps(6), Write: compact, Series: []series{{"p50", []float64{1, 2, none, 4, none, none}}}}
	lines := c.Lines()
	if len(lines) != 1 {
		t.Fatal(lines)
	}
	if got := lines[0].Path; strings.Count(got, "M") != 1 || strings.Count(got, "L") != 1 {
		t.Errorf("path %s", got)
	}
	if got := lines[0].Dots; strings.Count(got, "M") != 1 {
		t.Errorf("dots %s", got)
	}
	if got := c.Columns()[2].Values[0]; got != "–" {
		t.Errorf("nothing is written %q", got)
	}
}

// Whatever the values, nothing is drawn outside of the picture.
func TestChartsStayInside(t *testing.T) {
	t.Parallel()
	for _, values := range [][]float64{{}, {0}, {1e12, 3}, {0.0001, math.NaN()}, {5, 5, 5, 5, 5}} {
		for _, bars := range []bool{true, false} {
			c := chart{Steps: steps(len(values)), Bars: bars, Write: compact, Series: []series{{"a", values}, {"b", values}}}
			for _, column := range c.Columns() {
				for _, b := range column.Bars {
					y, _ := strconv.ParseFloat(b.Y, 64)
					h, _ := strconv.ParseFloat(b.H, 64)
					if y < 0 || y+h > chartHeight+1 {
						t.Errorf("%v: a bar at %s with height %s", values, b.Y, b.H)
					}
				}
			}
			for _, l := range c.Lines() {
				if strings.Contains(l.Path+l.Dots, "-") || strings.Contains(l.Path+l.Dots, "NaN") {
					t.Errorf("%v: path %s %s", values, l.Path, l.Dots)
				}
			}
		}
	}
}
