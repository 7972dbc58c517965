package catalog

import (
	"slices"
	"testing"
)

// What a plan may lead to is told without taking anybody's turn.
func TestTargetsOfAPlan(t *testing.T) {
	t.Parallel()
	to := func(name string) Target { return Target{Upstream: name} }
	plan := Plan{
		First: to("first"), ready: []Target{to("ready")}, poor: []Target{to("poor")},
		stages: []stage{{able: []int{0, 2}, targets: []Target{to("a"), {}, to("b")}}, {able: []int{1}, targets: []Target{{}, to("c")}}},
	}
	var names []string
	for target := range plan.Targets() {
		names = append(names, target.Upstream)
	}
	slices.Sort(names)
	if want := []string{"a", "b", "c", "first", "poor", "ready"}; !slices.Equal(names, want) {
		t.Errorf("targets %q, want %q", names, want)
	}
	if next, _ := plan.Next(); next.Upstream != "ready" {
		t.Errorf("then comes %q", next.Upstream)
	}
	for range plan.Targets() {
		break
	}
}
