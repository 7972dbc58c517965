package catalog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/upstream"
)

// What a route hides is still what upstreams list.
func TestListedKnowsNoRoutes(t *testing.T) {
	t.Parallel()
	r := newRig()
	configs := []upstream.Config{local, backup, cursorConfig}
	r.Update(configs, nil)
	before := r.Listed()
	r.Update(configs, []Route{alias("fast", to("local", "small")), alias("gpt-4o", to("backup", "own"))})
	if diff := cmp.Diff(before, r.Listed()); diff != "" || len(before) == 0 {
		t.Errorf("%d models before, now: %s", len(before), diff)
	}
}
