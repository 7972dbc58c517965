package web

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A series that the address leaves out is in neither the picture, its scale nor its table. The
// legend keeps it, and leads to the page with it.
func TestLegendLeavesSeriesOut(t *testing.T) {
	t.Parallel()
	of := func(query string) chart {
		return chart{
			Steps: steps(1), Bars: true, Write: short, Labels: map[string]string{"part0": "gpt-4o & co"}, Here: &url.URL{Path: "/admin/", RawQuery: query},
			Series: []series{{"part0", []float64{4}}, {"failed", []float64{6}}},
		}
	}
	type entry struct {
		name   string
		hidden bool
		toggle string
	}
	for query, want := range map[string]struct {
		values []string
		scale  string
		legend []entry
	}{
		"":                                {[]string{"4", "6"}, "10", []entry{{"part0", false, "/admin/?hide=gpt-4o+%26+co"}, {"failed", false, "/admin/?hide=failed"}}},
		"range=7d&hide=failed":            {[]string{"4"}, "4", []entry{{"part0", false, "/admin/?hide=failed&hide=gpt-4o+%26+co&range=7d"}, {"failed", true, "/admin/?range=7d"}}},
		"hide=gpt-4o+%26+co":              {[]string{"6"}, "6", []entry{{"part0", true, "/admin/"}, {"failed", false, "/admin/?hide=gpt-4o+%26+co&hide=failed"}}},
		"hide=failed&hide=gpt-4o+%26+co":  {[]string{}, "1", []entry{{"part0", true, "/admin/?hide=failed"}, {"failed", true, "/admin/?hide=gpt-4o+%26+co"}}},
		"hide=nothing&hide=%3Cb%3E&hide=": {[]string{"4", "6"}, "10", []entry{{"part0", false, "/admin/?hide=nothing&hide=%3Cb%3E&hide=&hide=gpt-4o+%26+co"}, {"failed", false, "/admin/?hide=nothing&hide=%3Cb%3E&hide=&hide=failed"}}},
	} {
		c := of(query)
		if diff := cmp.Diff(want.values, c.Columns()[0].Values); diff != "" {
			t.Errorf("%q: values %s", query, diff)
		}
		if got := c.Scale()[0]; got != want.scale {
			t.Errorf("%q: the scale ends at %s, want %s", query, got, want.scale)
		}
		var legend []entry
		for _, each := range c.Legend() {
			legend = append(legend, entry{each.Name, each.Hidden, each.Toggle})
		}
		if diff := cmp.Diff(want.legend, legend, cmp.AllowUnexported(entry{})); diff != "" {
			t.Errorf("%q: legend %s", query, diff)
		}
	}
}

// One series needs no legend, and can't be left out.
func TestOneSeriesHasNoLegend(t *testing.T) {
	t.Parallel()
	c := chart{Steps: steps(1), Write: short, Here: &url.URL{RawQuery: "hide=error_rate"}, Series: []series{{"error_rate", []float64{1}}}}
	if len(c.Legend()) != 0 || len(c.Drawn()) != 1 {
		t.Errorf("legend %v, drawn %v", c.Legend(), c.Drawn())
	}
}
