package web

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestRoundUp(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]float64{0: 1, -1: 1, 1: 1, 1.1: 2, 2.2: 2.5, 2.9: 3, 3.1: 4, 4.5: 5, 6: 6, 7: 8, 8.1: 10, 10: 10, 11: 20, 290: 300, 0.003: 0.003, 99999: 100000} {
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

// One slow step does not flatten all others.
func TestLogarithmicScale(t *testing.T) {
	t.Parallel()
	c := chart{Steps: steps(3), Log: true, Write: short, Series: []series{{"p95", []float64{0.01, 0.1, 10}}}}
	if diff := cmp.Diff([]string{"10", "0.32", "0.01"}, c.Scale()); diff != "" {
		t.Error(diff)
	}
	if got, want := c.Lines()[0].Path, "M100 120L300 80L500 0"; got != want {
		t.Errorf("path %s, want %s", got, want)
	}
	for name, values := range map[string][]float64{"nothing": {}, "zero": {0, 0}, "one value": {1, 1}, "gaps": {math.NaN(), 3}} {
		c := chart{Steps: steps(len(values)), Log: true, Write: short, Series: []series{{"p95", values}}}
		if path := c.Lines()[0].Path + c.Lines()[0].Dots; strings.Contains(path, "NaN") || strings.Contains(path, "Inf") || strings.Contains(path, "-") {
			t.Errorf("%s: path %s", name, path)
		}
	}
}

func TestChartsLeadToRequests(t *testing.T) {
	t.Parallel()
	c := chart{Steps: steps(2), Step: time.Minute, Write: short, Series: []series{{"failed", []float64{1, 2}}}, Requests: url.Values{"status": {"failure"}}}
	want := "/admin/logs?from=1970-01-01T00%3A01%3A00&status=failure&to=1970-01-01T00%3A02%3A00"
	if got := c.Columns()[1].Requests; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	c.Requests = nil
	if got := c.Columns()[1].Requests; got != "" {
		t.Errorf("%s, where the log does not have them", got)
	}
}

// Whatever the values, nothing is drawn outside of the picture.
func TestChartsStayInside(t *testing.T) {
	t.Parallel()
	for _, values := range [][]float64{{}, {0}, {1e12, 3}, {0.0001, math.NaN()}, {5, 5, 5, 5, 5}} {
		for _, kind := range []struct{ bars, log bool }{{bars: true}, {}, {log: true}} {
			c := chart{Steps: steps(len(values)), Bars: kind.bars, Log: kind.log, Write: compact, Series: []series{{"a", values}, {"b", values}}}
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
