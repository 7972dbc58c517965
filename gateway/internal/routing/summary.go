package routing

import (
	"strings"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Summary names the targets of a route, in one line.
func Summary(route *tokenstorev1.Route) string {
	names := make([]string, 0, len(route.GetTargets()))
	for _, each := range route.GetTargets() {
		name := each.GetUpstream()
		if each.GetModel() != "" {
			name += "/" + each.GetModel()
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
