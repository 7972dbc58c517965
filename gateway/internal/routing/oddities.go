package routing

import (
	"fmt"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/pattern"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// maxNamed bounds how many of the models that a route hides are named.
const maxNamed = 5

// Oddity is something that may not be meant of a route that can be stored. One of its fields
// is set.
type Oddity struct {
	// NoUpstream is one that a target names, and that is not there.
	NoUpstream string
	// Hidden are models that upstreams list, and for which requests go by the route.
	Hidden []string
}

// String is a sentence for admins.
func (o Oddity) String() string {
	if o.NoUpstream != "" {
		return fmt.Sprintf("there is no upstream %q: until there is, this target can't serve", o.NoUpstream)
	}
	return "requests for these models, which upstreams list, go by this route now: " + o.Names()
}

// Names are those of the first hidden models, and how many more there are.
func (o Oddity) Names() string {
	if more := len(o.Hidden) - maxNamed; more > 0 {
		return fmt.Sprintf("%s (+%d)", strings.Join(o.Hidden[:maxNamed], ", "), more)
	}
	return strings.Join(o.Hidden, ", ")
}

// Oddities finds what is odd about a route, among these upstreams and the models that they
// list.
func Oddities(route *tokenstorev1.Route, upstreams []*tokenstorev1.Upstream, listed []chat.Model) []Oddity {
	var odd []Oddity
	known := map[string]bool{}
	for _, each := range upstreams {
		known[each.GetName()] = true
	}
	for _, target := range route.GetTargets() {
		if name := target.GetUpstream(); !known[name] {
			known[name] = true // said once
			odd = append(odd, Oddity{NoUpstream: name})
		}
	}
	if hidden := hides(MatchOf(route), listed); len(hidden) > 0 {
		odd = append(odd, Oddity{Hidden: hidden})
	}
	return odd
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
	var hidden []string
	for _, model := range listed {
		if _, covers := pattern.Covers(match, model.ID); covers {
			hidden = append(hidden, model.ID)
		}
	}
	return hidden
}
