package catalog

import (
	"fmt"

	"carousel.internal/gateway/internal/chat"
)

// pinned plans a request that only one upstream can serve, since that keeps what it goes on
// with: at the target of the name's route that is there, else at the model as it was named. A
// name that says which other upstream shall serve can't be followed.
func (c *Catalog) pinned(s *state, r *route, stood string, wish Wish) (Plan, error) {
	e := s.byName[wish.Upstream]
	switch {
	case e == nil:
		return Plan{}, &chat.Error{
			Kind: chat.ModelNotSupported, Param: "model",
			Message: fmt.Sprintf("upstream %q, which keeps what the request goes on with, does not exist any more", wish.Upstream),
		}
	case len(wish.Model) > maxModelID:
		return Plan{}, tooLong(wish.Model)
	}
	if r == nil {
		model := wish.Model
		switch named, rest := s.named(model); named {
		case nil:
		case e:
			model = rest
		default:
			return Plan{}, &chat.Error{
				Kind: chat.ModelNotSupported, Param: "model",
				Message: fmt.Sprintf("upstream %q keeps what the request goes on with, but the model is named at another one", wish.Upstream),
			}
		}
		return Plan{First: e.target(model)}, nil
	}
	plan := Plan{First: e.target(wish.Model), Route: r.Name, Parameters: r.Parameters}
	for _, tier := range r.tiers {
		for _, target := range tier.targets {
			if target.Upstream != wish.Upstream {
				continue
			}
			if to, how, _ := c.judge(s, r, target, stood, wish); how != absent {
				plan.First = to
				return plan, nil
			}
		}
	}
	return plan, nil
}
