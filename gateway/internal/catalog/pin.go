package catalog

import (
	"cmp"
	"slices"

	"carousel.internal/gateway/internal/chat"
)

// pinned plans a request that only one upstream can serve, since that keeps what it goes on
// with: a chat under a name that leads there, and what is asked of an answer itself under any.
// Errors are NotFound where the upstream can't go on, and Resolve's where nobody serves the name.
func (c *Catalog) pinned(s *state, r *route, stood string, wish Wish) (Plan, error) {
	e := s.byName[wish.Upstream]
	switch {
	case e == nil:
		return Plan{}, chat.Errorf(chat.NotFound, "upstream %q, which keeps what the request goes on with, does not exist any more", wish.Upstream)
	case wish.Endpoint != "":
		asChat := wish
		asChat.Endpoint = ""
		plan, err := c.pinned(s, r, stood, asChat)
		if err != nil {
			plan = Plan{First: e.target(wish.Model)}
		}
		return plan, nil
	case r != nil:
		return c.pinnedAlong(s, r, stood, wish)
	}
	if named, rest := s.named(wish.Model); named == e {
		return Plan{First: e.target(rest)}, nil
	}
	if !slices.Contains(s.byModel[wish.Model], e) {
		_, err := c.resolvePlain(s, wish)
		return Plan{}, cmp.Or(err, notThere(wish))
	}
	return Plan{First: e.target(wish.Model)}, nil
}

// pinnedAlong is pinned for a name that goes by a route.
func (c *Catalog) pinnedAlong(s *state, r *route, stood string, wish Wish) (Plan, error) {
	for _, tier := range r.tiers {
		for _, target := range tier.targets {
			if target.Upstream != wish.Upstream {
				continue
			}
			if to, how, _ := c.judge(s, r, target, stood, wish); how != absent {
				return Plan{First: to, Route: r.Name, Parameters: r.Parameters}, nil
			}
		}
	}
	wish.Look = true
	_, err := c.along(s, r, stood, wish)
	return Plan{}, cmp.Or(err, notThere(wish))
}

// notThere is the error for a name that others serve than who keeps what the request goes on with.
func notThere(wish Wish) error {
	return chat.Errorf(chat.NotFound, "'%s' does not lead to upstream %q, which keeps what the request goes on with", shorten(wish.Model), wish.Upstream)
}
