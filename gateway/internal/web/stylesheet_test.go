package web

import (
	"strings"
	"testing"
)

// The head by which a table is sorted is told apart from those by which it may be.
func TestSortedHeadStandsOut(t *testing.T) {
	t.Parallel()
	styles, err := assetFiles.ReadFile("assets/site.css")
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for line := range strings.Lines(string(styles)) {
		if selector, _, _ := strings.Cut(line, " {"); selector == ".sort" || strings.HasPrefix(selector, "[aria-sort]") {
			rules = append(rules, selector)
		}
	}
	if got := strings.Join(rules, ", "); got != ".sort, [aria-sort] .sort" {
		t.Errorf("the rules are %s", got)
	}
}

// Each part of the stylesheet begins outside of all others: one that lacks its end would be a part
// of a media query, without a word from any browser.
func TestPartsOfTheStylesheetAreApart(t *testing.T) {
	t.Parallel()
	styles, err := assetFiles.ReadFile("assets/site.css")
	if err != nil {
		t.Fatal(err)
	}
	depth := 0
	for i, line := range strings.Split(string(styles), "\n") {
		if depth != 0 && (strings.HasPrefix(line, "/*") || strings.HasPrefix(line, "@media")) {
			t.Fatalf("line %d: %q is %d blocks deep", i+1, line, depth)
		}
		depth += strings.Count(line, "{") - strings.Count(line, "}")
	}
	if depth != 0 {
		t.Errorf("%d blocks have no end", depth)
	}
}
