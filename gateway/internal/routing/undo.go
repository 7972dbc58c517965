package routing

import (
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Find is the route with this name; nil where there is none.
func Find(routes []*tokenstorev1.Route, name string) *tokenstorev1.Route {
	for _, each := range routes {
		if each.GetName() == name {
			return each
		}
	}
	return nil
}

// Undo says how a change of a route is undone. Before and became are nil where there was no
// route, or is none any more.
func Undo(name string, before, became *tokenstorev1.Route) *tokenstorev1.AuditUndo {
	return &tokenstorev1.AuditUndo{Routes: []*tokenstorev1.FormerRoute{{Name: name, Route: before, Became: became}}}
}

// Same tells whether two routes do the same, whatever their versions are; nil is none.
func Same(a, b *tokenstorev1.Route) bool { return proto.Equal(unversioned(a), unversioned(b)) }

func unversioned(route *tokenstorev1.Route) *tokenstorev1.Route {
	if route == nil {
		return nil
	}
	route = proto.CloneOf(route)
	route.Version = 0
	return route
}
