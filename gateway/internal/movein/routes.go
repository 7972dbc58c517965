package movein

import (
	"context"
	"fmt"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// settleRoutes finds the plan's routes among those that are here, by what they match. A name that
// leads elsewhere already goes on doing so.
func settleRoutes(plan *foreign.Plan, here []*tokenstorev1.Route) {
	byMatch, names := map[string]*tokenstorev1.Route{}, foreign.NameSet{}
	for _, each := range here {
		byMatch[routing.MatchOf(each)], names[each.GetName()] = each, true
	}
	for i := range plan.Items {
		item := &plan.Items[i]
		if item.Route == nil || !moves(item) {
			continue
		}
		known := byMatch[item.Route.Match]
		switch {
		case known == nil:
			item.Route.Name = names.Unique(item.Route.Name, foreign.MaxRoute)
		case leadsAlike(routeOf(item.Route), known):
			same(item, "")
		default:
			leave(item, fmt.Sprintf("the route %s is for this name, and leads elsewhere", known.GetName()))
		}
	}
}

// leadsAlike tells whether two routes have the same targets, whatever their names.
func leadsAlike(a, b *tokenstorev1.Route) bool {
	return routing.Same(&tokenstorev1.Route{Targets: a.GetTargets()}, &tokenstorev1.Route{Targets: b.GetTargets()})
}

func routeOf(route *foreign.Route) *tokenstorev1.Route {
	made := &tokenstorev1.Route{Name: route.Name, Match: route.Match}
	for _, each := range route.Targets {
		made.Targets = append(made.Targets, &tokenstorev1.RouteTarget{Upstream: each.Upstream.Name, Model: each.Model, Priority: each.Priority, Weight: each.Weight})
	}
	return made
}

// putRoutes makes the routes, and says how that is undone. One that the tokenstore refuses is left.
func (d *Desk) putRoutes(ctx context.Context, plan *foreign.Plan) (*tokenstorev1.AuditUndo, error) {
	undo := &tokenstorev1.AuditUndo{}
	for i := range plan.Items {
		item := &plan.Items[i]
		if item.Route == nil || !moves(item) {
			continue
		}
		put, err := d.config.PutRoute(ctx, &tokenstorev1.PutRouteRequest{Route: routeOf(item.Route)})
		if err != nil {
			problem := chat.AsError(storeerr.Translate(err))
			if problem.Kind != chat.InvalidRequest && problem.Kind != chat.Conflict {
				return undoOf(undo), storeerr.Translate(err)
			}
			leave(item, problem.Message)
			continue
		}
		undo.Routes = append(undo.Routes, routing.Undo(item.Route.Name, nil, put.GetRoute()).GetRoutes()...)
	}
	return undoOf(undo), nil
}

// undoOf is nil where nothing can be undone.
func undoOf(undo *tokenstorev1.AuditUndo) *tokenstorev1.AuditUndo {
	if len(undo.GetRoutes()) == 0 {
		return nil
	}
	return undo
}
