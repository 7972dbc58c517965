package web

import (
	"strings"
	"testing"
)

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
