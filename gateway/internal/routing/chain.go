// Package routing is what admins are shown of routes: who would serve a name and why not the
// others, and what is odd about a route. It asks the tokenstore what its tokens would do, and
// no upstream.
package routing

import "carousel.internal/gateway/internal/chat"

// Chain is how requests are served that name a model in one way.
type Chain struct {
	// Route is what the name goes by; nil where an upstream lists the model, or the name tells
	// the upstream.
	Route *Route
	// Targets are at least one, in the order of the route.
	Targets []Target
	// Fallbacks are the models, as clients name them, that are asked when no target can serve.
	Fallbacks []string
}

// Route is an alias or a pattern.
type Route struct {
	Name, Match string
	Parameters  []chat.Parameter
}

// Target is a model of an upstream.
type Target struct {
	Upstream string
	// Model is the upstream's own id.
	Model string
	// Priority and Weight are as the operator has set them: targets of the lowest number come
	// first, and share the requests by their weights.
	Priority, Weight int
	// Why it can't serve, whatever its tokens do; empty: it can.
	Why string
	// Idle: none of its tokens can serve, as far as is known: it is tried after all others.
	Idle bool
}
