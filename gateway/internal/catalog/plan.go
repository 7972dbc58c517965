package catalog

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// Plan is where a request goes. One goroutine has it.
type Plan struct {
	// First is the target that is tried first.
	First Target
	// Route is the name of the route that the plan is by; empty: by none.
	Route string
	// Parameters are what that route says of the request. Nobody changes them.
	Parameters []chat.Parameter
	// ready are the next targets. After them come those of stages, whose turns are not taken
	// before they are asked for, and at the end poor.
	ready  []Target
	stages []stage
	poor   []Target
	key    string
	look   bool
}

// InOrder is a plan of targets that are tried one after the other.
func InOrder(first Target, others ...Target) Plan { return Plan{First: first, ready: others} }

// Next is the target to try where those before could not serve; false: there is no more.
func (p *Plan) Next() (Target, bool) {
	for len(p.ready) == 0 && len(p.stages) > 0 {
		now := p.stages[0]
		p.stages = p.stages[1:]
		p.ready = now.ordered(p.key, p.look)
	}
	if len(p.ready) == 0 {
		p.ready, p.poor = p.poor, nil
	}
	if len(p.ready) == 0 {
		return Target{}, false
	}
	next := p.ready[0]
	p.ready = p.ready[1:]
	return next, true
}

// Targets are all that the plan may still lead to, the first one included, in no order.
func (p *Plan) Targets() iter.Seq[Target] {
	return func(yield func(Target) bool) {
		for _, target := range slices.Concat([]Target{p.First}, p.ready, p.poor) {
			if !yield(target) {
				return
			}
		}
		for i := range p.stages {
			for _, index := range p.stages[i].able {
				if !yield(p.stages[i].targets[index]) {
					return
				}
			}
		}
	}
}

// More tells whether there are targets behind those so far that may have tokens.
func (p *Plan) More() bool { return len(p.ready)+len(p.stages) > 0 }

// stage are targets of one priority among which a request has the choice.
type stage struct {
	tier *tier
	// able are the indices of the targets in the tier; targets has each under its index.
	able    []int
	targets []Target
}

// ordered are the targets in the order in which they are tried.
func (s *stage) ordered(key string, look bool) []Target {
	if key != "" {
		s.tier.byKey(s.able, key)
	} else {
		s.tier.turns.take(s.able, s.tier.targets, look)
	}
	ordered := make([]Target, len(s.able))
	for i, index := range s.able {
		ordered[i] = s.targets[index]
	}
	return ordered
}

// chances is how well a target can serve a request, the better the lower.
type chances int

const (
	able chances = iota
	// poor: it has no tokens that can serve, as far as anybody has told.
	poor
	// unfit: it can't carry the request. It says so itself, naming the field.
	unfit
	// absent: there is no such target.
	absent
)

// along plans a request that goes by a route: by priority, within one by weight. Those that
// have no tokens come last; those that can't carry it are left out where others can.
func (c *Catalog) along(s *state, r *route, stood string, wish Wish) (Plan, error) {
	plan := Plan{Route: r.Name, Parameters: r.Parameters, key: wish.Key, look: wish.Look}
	var unable []Target
	isOpen := false
	for _, tier := range r.tiers {
		now := stage{tier: tier}
		for i, target := range tier.targets {
			to, how, _ := c.judge(s, r, target, stood, wish)
			switch how {
			case able:
				if (Place{to.Upstream, to.Model}) == wish.Open {
					plan.First, isOpen = to, true
					continue
				}
				if now.targets == nil {
					now.targets = make([]Target, len(tier.targets))
				}
				now.able, now.targets[i] = append(now.able, i), to
			case poor:
				plan.poor = append(plan.poor, to)
			case unfit:
				unable = append(unable, to)
			case absent:
			}
		}
		if len(now.able) > 0 {
			plan.stages = append(plan.stages, now)
		}
	}
	if isOpen {
		return plan, nil
	}
	if len(plan.stages) == 0 && len(plan.poor) == 0 {
		plan.poor = unable[:min(len(unable), 1)] // one says it for all
	}
	first, found := plan.Next()
	if !found {
		return Plan{}, nobody(r, wish)
	}
	plan.First = first
	return plan, nil
}

// judge tells how well a target can serve a request, and in words why it can't, unless it is
// the request's fault.
func (c *Catalog) judge(s *state, r *route, target RouteTarget, stood string, wish Wish) (to Target, how chances, why string) {
	e, model := s.byName[target.Upstream], r.modelAt(target, wish.Model, stood)
	switch {
	case e == nil:
		return Target{}, absent, noUpstream
	case model == "":
		return Target{}, absent, "no model is left of the name"
	case len(model) > maxModelID:
		return Target{}, absent, fmt.Sprintf("the model's name has more than %d bytes", maxModelID)
	case wish.Endpoint != "" && !e.passes():
		return Target{}, absent, noEndpoint(wish)
	}
	how, why = c.chances(e, wish)
	return e.target(model), how, why
}

// nobody is the error for a route none of whose targets is there.
func nobody(r *route, wish Wish) *chat.Error {
	upstreams := make([]string, 0, len(r.Targets))
	for _, target := range r.Targets {
		if !slices.Contains(upstreams, target.Upstream) {
			upstreams = append(upstreams, target.Upstream)
		}
	}
	return &chat.Error{
		Kind: chat.ModelNotSupported, Param: "model",
		Message: fmt.Sprintf("Model '%s' is not supported: the route %q leads to none that can serve it (upstreams: %s)",
			shorten(wish.Model), r.Name, strings.Join(upstreams, ", ")),
	}
}
