package relay

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// tune implements cargo. What the request belongs to, and how its parts are named, stays as it
// is: that may not be in its body.
func (c *conversation) tune(parameters []chat.Parameter) *chat.Error {
	tuned, refused := c.tuned(parameters)
	if refused != nil {
		return refused
	}
	c.asked, c.said = tuned, parameters
	return nil
}

// tuned is the request as it came, with parameters said in it.
func (c *conversation) tuned(parameters []chat.Parameter) (*chat.Request, *chat.Error) {
	if len(parameters) == 0 {
		return c.came, nil
	}
	tuned, err := c.relay.Tune(c.came, parameters)
	if err != nil {
		return nil, chat.AsError(err)
	}
	tuned.Session, tuned.User, tuned.Locate = c.came.Session, c.came.User, c.came.Locate
	return tuned, nil
}

// fit says in a request that goes as it came what the target's model takes of what its route
// says. What it does not take is counted.
func (c *conversation) fit() *chat.Error {
	fitter, fits := c.target.Driver.(upstream.Fitter)
	if !fits || len(c.said) == 0 || c.entry.Translated {
		return nil
	}
	fitting := fitter.Fit(c.came, c.target.Model, c.said)
	if slices.Equal(fitting, c.said) {
		return nil
	}
	fitted, refused := c.tuned(fitting)
	if refused != nil {
		return refused
	}
	c.request = fitted
	for i, said := range c.said {
		if len(fitter.Fit(c.came, c.target.Model, c.said[i:i+1])) == 0 {
			c.relay.Counter.Ignored(c.target.Upstream, string(said.Name))
		}
	}
	return nil
}

// over are the parameters of a route, and of one that is gone by instead: the latter's hold,
// but for those that are no more than defaults.
func over(route, instead []chat.Parameter) []chat.Parameter {
	merged := slices.Clone(route)
	for _, parameter := range instead {
		at := slices.IndexFunc(merged, func(each chat.Parameter) bool { return each.Name == parameter.Name })
		switch {
		case at < 0:
			merged = append(merged, parameter)
		case !parameter.OnlyDefault:
			merged[at] = parameter
		}
	}
	return merged
}
