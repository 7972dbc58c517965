package catalog

import "carousel.internal/gateway/internal/chat"

// Listed lists every model once that an upstream lists, in the order of the upstreams, whatever
// routes there are.
func (c *Catalog) Listed() []chat.Model {
	now := c.now.Load()
	unrouted := state{entries: now.entries, byModel: now.byModel}
	return unrouted.list(func(*entry) bool { return true })
}
