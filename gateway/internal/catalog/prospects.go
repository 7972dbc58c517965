package catalog

import (
	"cmp"
	"fmt"
	"slices"

	"carousel.internal/gateway/internal/chat"
)

// Chain is all that a name leads to, in the order in which it is tried.
type Chain struct {
	// Route and Match are the route's that the name goes by; empty: by none.
	Route, Match string
	Parameters   []chat.Parameter
	Prospects    []Prospect
	// Fallbacks are the models, as clients name them, that are asked when none of the prospects
	// can serve.
	Fallbacks []string
}

// Prospect is one of the targets.
type Prospect struct {
	Upstream, Model string
	// Priority and Weight are the route's; 0 where there is none.
	Priority, Weight int
	// Why says why it can't serve at all; empty: it can.
	Why string
	// Idle tells that none of its tokens can serve, as far as anybody has told: it is tried when
	// all others have refused. What keeps each of them out, the tokens tell.
	Idle bool
}

// Prospects tells where requests with a wish can go, and why not everywhere. Errors are
// Resolve's.
func (c *Catalog) Prospects(wish Wish) (Chain, error) {
	wish.Look = true
	s := c.now.Load()
	plan, err := c.resolve(s, wish)
	r, stood := s.routeOf(wish.Model)
	if s.untold || err != nil && r == nil {
		return Chain{}, err
	}
	chain := Chain{}
	switch {
	case r != nil:
		chain.Route, chain.Match, chain.Parameters = r.Name, r.Match, r.Parameters
		chain.Prospects = c.prospectsOf(s, r, stood, wish)
	default:
		chain.Prospects = c.prospectsAmong(s, plan.First, wish)
	}
	if err == nil {
		last := lastOf(plan)
		chain.Fallbacks = last.Discipline.Fallbacks(last.Model)
	}
	return chain, nil
}

// prospectsOf are the targets of a route.
func (c *Catalog) prospectsOf(s *state, r *route, stood string, wish Wish) []Prospect {
	var prospects []Prospect
	for _, tier := range r.tiers {
		for _, target := range tier.targets {
			_, how, why := c.judge(s, r, target, stood, wish)
			if how == unfit {
				why = unfitness(s.byName[target.Upstream], wish)
			}
			prospects = append(prospects, Prospect{
				Upstream: target.Upstream, Model: r.modelAt(target, wish.Model, stood), Priority: target.Priority, Weight: target.Weight,
				Why: why, Idle: how == poor && why == "",
			})
		}
	}
	return prospects
}

// prospectsAmong are the one target of a name without a route, and the other upstreams that list
// it: they are asked instead of it, and never after it.
func (c *Catalog) prospectsAmong(s *state, chosen Target, wish Wish) []Prospect {
	prospects := []Prospect{c.prospectAt(s.byName[chosen.Upstream], chosen.Model, wish)}
	if chosen.Model != wish.Model { // it names its upstream
		return prospects
	}
	others := slices.Clone(s.byModel[wish.Model])
	slices.SortStableFunc(others, func(a, b *entry) int { return -cmp.Compare(c.fit(a, wish), c.fit(b, wish)) })
	for _, e := range others {
		if e.config.Name != chosen.Upstream {
			other := c.prospectAt(e, wish.Model, wish)
			other.Why = cmp.Or(other.Why, fmt.Sprintf("upstream %q comes before it", chosen.Upstream))
			prospects = append(prospects, other)
		}
	}
	return prospects
}

// prospectAt is a model of an upstream that no route leads to.
func (c *Catalog) prospectAt(e *entry, model string, wish Wish) Prospect {
	prospect := Prospect{Upstream: e.config.Name, Model: model}
	if wish.Endpoint != "" && !e.passes() {
		prospect.Why = noEndpoint(wish)
		return prospect
	}
	how, why := c.chances(e, wish)
	if how == unfit {
		why = unfitness(e, wish)
	}
	prospect.Why, prospect.Idle = why, how == poor && why == ""
	return prospect
}

func unfitness(e *entry, wish Wish) string {
	return Unfit(Target{Upstream: e.config.Name, Driver: e.driver}, wish.Request).Message
}

const noUpstream = "there is no such upstream"

func noEndpoint(wish Wish) string { return "it has no /v1/" + wish.Endpoint }

// lastOf is the target that a plan ends with.
func lastOf(plan Plan) Target {
	last := plan.First
	for next, more := plan.Next(); more; next, more = plan.Next() {
		last = next
	}
	return last
}
