package relay

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
)

// tune implements cargo. What the request belongs to, and how its parts are named, stays as it
// is: that may not be in its body.
func (c *conversation) tune(parameters []chat.Parameter) *chat.Error {
	if len(parameters) == 0 {
		c.asked = c.came
		return nil
	}
	tuned, err := c.relay.Tune(c.came, parameters)
	if err != nil {
		return chat.AsError(err)
	}
	tuned.Session, tuned.User, tuned.Locate = c.came.Session, c.came.User, c.came.Locate
	c.asked = tuned
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
