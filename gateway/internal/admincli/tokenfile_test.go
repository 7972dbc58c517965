package admincli_test

import (
	"strings"
	"testing"
)

// An export that lacks tokens is printed, and told to lack them.
func TestAnExportThatIsNotAll(t *testing.T) {
	a := newAPI(t)
	a.told = map[string]string{"X-Carousel-Unreadable-Tokens": "t7,t8"}
	got := a.run(t, "", "tokens", "export")
	if got.code != 1 || got.stdout != "T,sum\n" || !strings.Contains(got.stderr, "can't read them: tokens t7, t8") {
		t.Errorf("%+v", got)
	}
}
