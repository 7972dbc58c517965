package agent

import (
	"context"
	"iter"
	"net/http"
	"path"
	"sync/atomic"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
	"carousel.internal/gateway/internal/upstream/egress"
)

// Config is what a client is made of. URLs have no slash at the end.
type Config struct {
	// RunBase is where runs are begun, Base where the rest of the API is.
	RunBase, Base string
	// Transport speaks HTTP/2 alone. It is the caller's to close.
	Transport http.RoundTripper
	// Version is what the client says of itself.
	Version string
	// FirstByte bounds the time until the answer begins, Idle the time in which it does not go
	// on.
	FirstByte, Idle time.Duration
	// Models has upstream ids by the client's; it goes before the table of former ids.
	Models map[string]string
	// StructuredTools are patterns of the families that take a history with calls as such,
	// SystemInText of those that follow instructions only in the user's text.
	StructuredTools, SystemInText []string
	// Keep is how long a run waits for what its calls come to, where the call wants it.
	Keep time.Duration
}

// yielder takes the events of an answer, and tells whether it wants more.
type yielder = func(chat.Event, error) bool

// Client speaks the protocol to one upstream. It is safe for concurrent use.
type Client struct {
	config  Config
	aliases map[string]string
	// catalog is what the upstream serves, as it told last; nil: it has not been asked.
	catalog atomic.Pointer[models.Catalog]
	// newID is fixed in tests.
	newID func() string
}

// New makes a client.
func New(config Config) *Client {
	aliases := models.Former()
	for id, to := range config.Models {
		aliases[id] = to
	}
	return &Client{config: config, aliases: aliases, newID: identity.NewID}
}

// Chat is as upstream.Driver has it.
func (c *Client) Chat(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		if failure := c.answer(egress.Through(ctx, call.Credential.Proxy), call, yield); failure != nil {
			yield(chat.Event{}, failure)
		}
	}
}

// answer makes a run of the call, or goes on with one.
func (c *Client) answer(ctx context.Context, call *upstream.Call, yield yielder) *upstream.Failure {
	if call.Resume != nil {
		return c.resume(ctx, call, yield)
	}
	return c.converse(ctx, call, yield)
}

// Carries is as upstream.Carrier has it. Stop texts and the limit of the output are kept on
// this side; JSON mode is a sentence among the instructions.
func (c *Client) Carries(need chat.Need) bool {
	switch need {
	case chat.Tools, chat.FreeTools, chat.Pictures, chat.TextPapers, chat.ToolMedia, chat.JSONObject:
		return true
	default:
		return false
	}
}

// converse makes a run of the call. Where that ended before anything came of it, for a reason
// that another one may not have, it makes another one, once for each such reason.
func (c *Client) converse(ctx context.Context, call *upstream.Call, yield yielder) *upstream.Failure {
	choice := c.choose(call)
	options := prompt.Options{
		Form: c.formOf(choice), SystemInText: matches(c.config.SystemInText, choice.Family),
		Instructions: call.Options.DefaultInstructions, Choice: choice,
	}
	ids := requestIDs{original: c.newID()}
	ids.own = ids.original
	tried := map[again]bool{asIs: true}
	for {
		options.IDs = prompt.IDs{Run: ids.own, Conversation: c.newID(), Message: c.newID()}
		written, err := prompt.Build(call.Request, options)
		if err != nil {
			return refused(err)
		}
		failure, more := c.run(ctx, call, written, choice, ids, yield)
		if failure == nil || tried[more] {
			return failure
		}
		tried[more] = true
		if more == inFlatForm {
			options.Form = prompt.Flat
		}
		ids.own = c.newID()
	}
}

// refused is the failure of a request that can't be written for the upstream.
func refused(err error) *upstream.Failure {
	failure := &upstream.Failure{Class: upstream.CallerFault, Err: err}
	known := chat.AsError(err)
	if known.Kind == chat.ContextTooLong {
		failure.Class = upstream.TooLarge
	}
	failure.Message, failure.Param = known.Message, known.Param
	return failure
}

// choose finds the model.
func (c *Client) choose(call *upstream.Call) models.Choice {
	id := call.Model
	if to, has := c.aliases[id]; has {
		id = to
	}
	return c.catalog.Load().Choose(id, string(call.Request.Thinking.InEffort()))
}

// formOf is how a model is told of calls in the history.
func (c *Client) formOf(choice models.Choice) prompt.Form {
	if matches(c.config.StructuredTools, choice.Family) {
		return prompt.Structured
	}
	return prompt.TextTools
}

// matches tells whether one of the patterns is the family's; `*` stands for anything.
func matches(patterns []string, family string) bool {
	for _, pattern := range patterns {
		if fits, err := path.Match(pattern, family); err == nil && fits {
			return true
		}
	}
	return false
}
