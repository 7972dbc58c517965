package routing

import (
	"fmt"
	"strings"

	"carousel.internal/gateway/internal/chat"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// maxNamed bounds how many of the models that a pattern hides are named.
const maxNamed = 5

// aliasOwner is whose models those are in a list that are aliases themselves.
const aliasOwner = "carousel"

// Oddities tells, as sentences, what may not be meant of a route that can be stored.
func Oddities(route *tokenstorev1.Route, upstreams []*tokenstorev1.Upstream, listed []chat.Model) []string {
	said := []string{}
	known := map[string]bool{}
	for _, each := range upstreams {
		known[each.GetName()] = true
	}
	for _, target := range route.GetTargets() {
		if name := target.GetUpstream(); !known[name] {
			known[name] = true // said once
			said = append(said, fmt.Sprintf("there is no upstream %q: until there is, this target can't serve", name))
		}
	}
	if hidden := hides(MatchOf(route), listed); len(hidden) > 0 {
		said = append(said, "requests for these models, which upstreams list, go by this route now: "+some(hidden))
	}
	return said
}

// MatchOf is what clients name: the route's name where nothing else is said.
func MatchOf(route *tokenstorev1.Route) string {
	if match := route.GetMatch(); match != "" {
		return match
	}
	return route.GetName()
}

// hides are the listed models that a route of this match serves in the place of those who
// list them.
func hides(match string, listed []chat.Model) []string {
	before, after, isPattern := strings.Cut(match, "*")
	var hidden []string
	for _, model := range listed {
		covers := model.ID == match
		if isPattern {
			covers = len(model.ID) >= len(before)+len(after) && strings.HasPrefix(model.ID, before) && strings.HasSuffix(model.ID, after)
		}
		if covers && model.OwnedBy != aliasOwner {
			hidden = append(hidden, model.ID)
		}
	}
	return hidden
}

func some(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}
