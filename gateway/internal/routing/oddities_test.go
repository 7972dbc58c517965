package routing_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestOddities(t *testing.T) {
	t.Parallel()
	upstreams := []*tokenstorev1.Upstream{{Name: "cursor"}}
	var listed []chat.Model
	for _, id := range []string{"a-1", "a-2", "a-3", "a-4", "a-5", "a-6", "gpt-4o", "ab"} {
		listed = append(listed, chat.Model{ID: id, OwnedBy: "vendor"})
	}
	const hides = "requests for these models, which upstreams list, go by this route now: "
	for name, c := range map[string]struct {
		route *tokenstorev1.Route
		want  []string
	}{
		"nothing odd":          {to("fast", "", "cursor"), []string{}},
		"no upstream":          {to("fast", "", "gone", "gone", "cursor"), []string{`there is no upstream "gone": until there is, this target can't serve`}},
		"a name that is taken": {to("gpt-4o", "", "cursor"), []string{hides + "gpt-4o"}},
		"by its match":         {to("x", "gpt-4o", "cursor"), []string{hides + "gpt-4o"}},
		"a family":             {to("x", "a-*", "cursor"), []string{hides + "a-1, a-2, a-3, a-4, a-5 (+1)"}},
		"no overlap":           {to("x", "ab*b", "cursor"), []string{}},
	} {
		said := []string{}
		for _, each := range routing.Oddities(c.route, upstreams, listed) {
			said = append(said, each.String())
		}
		if diff := cmp.Diff(c.want, said); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// to makes a route to these upstreams.
func to(name, match string, upstreams ...string) *tokenstorev1.Route {
	route := &tokenstorev1.Route{Name: name, Match: match}
	for _, each := range upstreams {
		route.Targets = append(route.Targets, &tokenstorev1.RouteTarget{Upstream: each, Model: "m", Weight: 1})
	}
	return route
}
