package relay

import "carousel.internal/gateway/internal/chat"

// tune implements cargo. What the request belongs to, and how its parts are named, stays as it
// is: that may not be in its body.
func (c *conversation) tune(parameters []chat.Parameter) *chat.Error {
	if len(parameters) == 0 {
		return nil
	}
	tuned, err := c.relay.Tune(c.asked, parameters)
	if err != nil {
		return chat.AsError(err)
	}
	tuned.Session, tuned.User, tuned.Locate = c.asked.Session, c.asked.User, c.asked.Locate
	c.asked, c.request = tuned, tuned
	return nil
}
