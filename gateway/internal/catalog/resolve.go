package catalog

import (
	"fmt"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// Wish is what a request wants of its upstream.
type Wish struct {
	Model string
	// AnyClaude lets ids that begin with `claude` go to a Cursor upstream even if nobody
	// lists them.
	AnyClaude bool
	// OwnToken: the caller brings a token, which not every driver takes.
	OwnToken bool
	// Request is what the upstream should be able to carry; nil: anything.
	Request *chat.Request
	// Endpoint is the side endpoint that the request is for, such as `embeddings`; empty: it
	// is a chat. Its model may be left out.
	Endpoint string
	// Upstream is the only one that may serve; empty: any may.
	Upstream string
	// Key is the same for requests that are to stay at one target, while it can serve; empty:
	// targets take turns.
	Key string
	// Open is where an answer is kept open that the request goes on with: of a route's targets
	// that comes first, if it can serve. Zero: there is none.
	Open Place
	// Look tells that nothing will be sent: whose turn it is stays.
	Look bool
}

// Place is a model of an upstream, by the upstream's own id.
type Place struct{ Upstream, Model string }

// Resolve plans where a request goes: by the route for the name, else to the upstream that it
// names as `upstream/model`, else of those that list the model to the one that fits the wish
// best. Errors are *chat.Error; ModelNotSupported where nobody serves it.
func (c *Catalog) Resolve(wish Wish) (Plan, error) { return c.resolve(c.now.Load(), wish) }

func (c *Catalog) resolve(s *state, wish Wish) (Plan, error) {
	if s.untold {
		return Plan{}, &chat.Error{
			Kind: chat.StoreUnavailable, Message: "the tokenstore has not told the upstreams yet", RetryAfter: time.Second,
		}
	}
	r, stood := s.routeOf(wish.Model)
	switch {
	case wish.Upstream != "":
		return c.pinned(s, r, stood, wish)
	case r != nil:
		return c.along(s, r, stood, wish)
	}
	target, err := c.resolvePlain(s, wish)
	return Plan{First: target}, err
}

// resolvePlain finds the upstream for a name that no route is for.
func (c *Catalog) resolvePlain(s *state, wish Wish) (Target, error) {
	if wish.Endpoint != "" {
		return c.resolveEndpoint(s, wish)
	}
	model := wish.Model
	if e, rest := s.named(model); e != nil {
		return e.target(rest), nil
	}
	if e := c.best(s.byModel[model], wish); e != nil {
		return e.target(model), nil
	}
	if len(model) > maxModelID {
		return Target{}, tooLong(model)
	}
	if wish.AnyClaude && strings.HasPrefix(model, "claude") {
		if e := c.best(s.ofDriver("cursor"), wish); e != nil {
			return e.target(model), nil
		}
	}
	return Target{}, Unknown(model)
}

func tooLong(model string) *chat.Error {
	return &chat.Error{
		Kind: chat.ModelNotSupported, Param: "model",
		Message: fmt.Sprintf("Model '%s' is not supported: its name has more than %d bytes", shorten(model), maxModelID),
	}
}

// Unknown is the error for a model that nobody serves.
func Unknown(model string) *chat.Error {
	return &chat.Error{
		Kind: chat.ModelNotSupported, Param: "model",
		Message: fmt.Sprintf("Model '%s' is not supported; GET /v1/models lists those that are", shorten(model)),
	}
}

// best is the entry that fits a wish best, of equals the first; nil where there is none.
func (c *Catalog) best(entries []*entry, wish Wish) *entry {
	var best *entry
	highest := -1
	for _, e := range entries {
		if fit := c.fit(e, wish); fit > highest {
			best, highest = e, fit
		}
	}
	return best
}

// fit says how well an upstream fits: the more, the better. That there is a token counts
// more than what can be carried: it is said at once what can't. Of those that can, one that
// speaks the client's dialect comes first: nothing is lost on the way to it.
func (c *Catalog) fit(e *entry, wish Wish) int {
	fit := 0
	if c.hasTokensFor(e, wish) {
		fit += 4
	}
	if wish.Request == nil {
		return fit
	}
	if e.carries(wish.Request) {
		fit += 2
	}
	if upstream.TakesAsItCame(e.driver, wish.Request) {
		fit++
	}
	return fit
}

// chances are an upstream's to serve a request, and why it takes no token for it, where that is
// not for its tokens to tell. What it can't carry, Unfit puts into words.
func (c *Catalog) chances(e *entry, wish Wish) (how chances, why string) {
	switch {
	case wish.Request != nil && !e.carries(wish.Request):
		return unfit, ""
	case c.hasTokensFor(e, wish):
		return able, ""
	case wish.OwnToken:
		return poor, "it takes no tokens of callers"
	}
	return poor, ""
}

// hasTokensFor tells whether there is a token for a request.
func (c *Catalog) hasTokensFor(e *entry, wish Wish) bool {
	if wish.OwnToken {
		_, takes := e.driver.(upstream.OwnTokens)
		return takes
	}
	return c.hasTokens(e)
}

// carries tells whether an upstream can be sent a request.
func (e *entry) carries(request *chat.Request) bool {
	if upstream.TakesAsItCame(e.driver, request) {
		return true // it judges by itself
	}
	_, lacks := upstream.Uncarried(e.driver, request)
	return !lacks && request.HistoryFault == nil
}

// Unfit says why a target can't be sent a request; nil: it can.
func Unfit(target Target, request *chat.Request) *chat.Error {
	if upstream.TakesAsItCame(target.Driver, request) {
		return nil // it judges by itself
	}
	if request.HistoryFault != nil {
		return request.HistoryFault
	}
	if ask, lacks := upstream.Uncarried(target.Driver, request); lacks {
		return upstream.Unsupported(target.Upstream, ask)
	}
	return nil
}

func (s *state) ofDriver(name string) []*entry {
	var entries []*entry
	for _, e := range s.entries {
		if e.config.Driver == name {
			entries = append(entries, e)
		}
	}
	return entries
}

func shorten(id string) string {
	const most = 100
	if len(id) <= most {
		return id
	}
	return strings.ToValidUTF8(id[:most], "") + "…"
}
