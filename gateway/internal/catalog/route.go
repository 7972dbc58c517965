package catalog

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/pattern"
)

// Route is a name of the operator's, or a family of names, and where requests go that name one.
// Nobody changes it.
type Route struct {
	Name string
	// Match is what clients name: a name, or a pattern with one `*`, which stands for any text.
	Match string
	// Targets differ in upstream or model.
	Targets []RouteTarget
	// Parameters are what the route says of the requests in the place of their clients.
	Parameters []chat.Parameter
}

// RouteTarget is a model of an upstream that need not exist.
type RouteTarget struct {
	Upstream string
	// Model is the upstream's own id, in which a `*` is what that of the pattern stood for;
	// empty: the name as it was asked for.
	Model string
	// Priority: those of the lowest number are tried first. Weight is the share among those of
	// one priority, at least 1.
	Priority, Weight int
}

// route is a Route that is in force, with whose turn it is.
type route struct {
	Route
	isPattern bool
	// tiers are in the order of their priorities.
	tiers []*tier
}

// tier are the targets of one priority.
type tier struct {
	targets []RouteTarget
	// hashes are of the targets, for requests that have a key.
	hashes []uint64
	turns  turns
}

func newRoute(config Route) *route {
	r := &route{Route: config, isPattern: pattern.Is(config.Match)}
	sorted := slices.Clone(config.Targets)
	slices.SortStableFunc(sorted, func(a, b RouteTarget) int { return cmp.Compare(a.Priority, b.Priority) })
	for i, target := range sorted {
		if i == 0 || target.Priority != sorted[i-1].Priority {
			r.tiers = append(r.tiers, &tier{})
		}
		last := r.tiers[len(r.tiers)-1]
		target.Weight = max(target.Weight, 1)
		last.targets = append(last.targets, target)
		last.hashes = append(last.hashes, hashOf(target.Upstream, target.Model))
	}
	for _, each := range r.tiers {
		each.turns.due = make([]int, len(each.targets))
	}
	return r
}

// routes are all that are in force. Nobody changes them.
type routes struct {
	byName map[string]*route
	// exact are those without a star, by what clients name; listed the same in order of that.
	exact  map[string]*route
	listed []*route
	// patterns are in the order in which they are tried.
	patterns []*route
}

// newRoutes are the routes of configs. One that is as before keeps whose turn it is.
func newRoutes(configs []Route, before routes) routes {
	after := routes{byName: map[string]*route{}, exact: map[string]*route{}}
	for _, config := range configs {
		r := before.byName[config.Name]
		if r == nil || !reflect.DeepEqual(r.Route, config) {
			r = newRoute(config)
		}
		after.byName[config.Name] = r
		if r.isPattern {
			after.patterns = append(after.patterns, r)
		} else {
			after.exact[r.Match] = r
			after.listed = append(after.listed, r)
		}
	}
	slices.SortFunc(after.listed, func(a, b *route) int { return strings.Compare(a.Match, b.Match) })
	slices.SortFunc(after.patterns, func(a, b *route) int {
		return cmp.Or(-cmp.Compare(len(a.Match), len(b.Match)), strings.Compare(a.Name, b.Name))
	})
	return after
}

// modelAt is the upstream's id for a name that a client gave.
func (r *route) modelAt(target RouteTarget, name, stood string) string {
	switch {
	case target.Model == "":
		return name
	case r.isPattern:
		return strings.ReplaceAll(target.Model, pattern.Star, stood)
	}
	return target.Model
}

// routeOf finds the route for a name, and what its star stands for; nil where the name leads
// elsewhere: to an upstream that it names itself, or by the lists of upstreams.
func (s *state) routeOf(name string) (r *route, stood string) {
	if name == "" {
		return nil, ""
	}
	if r := s.routes.exact[name]; r != nil {
		return r, ""
	}
	if len(s.routes.patterns) == 0 || len(name) > maxModelID {
		return nil, ""
	}
	if e, _ := s.named(name); e != nil {
		return nil, ""
	}
	for _, r := range s.routes.patterns {
		if stood, fits := pattern.Covers(r.Match, name); fits {
			return r, stood
		}
	}
	return nil, ""
}

// named is the upstream that a name of the form `upstream/model` names, and the model there;
// nil: it names none.
func (s *state) named(name string) (e *entry, model string) {
	upstream, model, explicit := strings.Cut(name, "/")
	if !explicit || model == "" || len(name) > maxModelID {
		return nil, ""
	}
	return s.byName[upstream], model
}

// aliasOwner is who owns the names that the operator has made up, in lists of models.
const aliasOwner = "carousel"

// aliases lists the routes that are no patterns and of which a target's upstream will do.
func (s *state) aliases(does func(*entry) bool) []chat.Model {
	var models []chat.Model
	for _, r := range s.routes.listed {
		if slices.ContainsFunc(r.Targets, func(t RouteTarget) bool {
			e := s.byName[t.Upstream]
			return e != nil && does(e)
		}) {
			models = append(models, chat.Model{ID: r.Match, OwnedBy: aliasOwner, Created: chat.UntoldCreated})
		}
	}
	return models
}
