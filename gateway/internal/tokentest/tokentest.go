// Package tokentest tests tokens: each is sent one small real request that no other token
// serves. A plan says before what that costs.
package tokentest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"iter"
	"sync"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// Most is how many tokens are tested in one call.
const Most = 200

const (
	// atOnce is how many requests a gateway has under way for tests, whoever asks for them.
	atOnce = 8
	// patience is how long one answer may take, longest how long all of one call may.
	patience = time.Minute
	longest  = 5 * time.Minute
	// maxAnswer bounds an answer, in tokens: room for a model that thinks first.
	maxAnswer = 1000
	question  = "Reply with the word OK."
	// aboutPrompt and aboutAnswer are how many tokens the question and an answer to it usually
	// are.
	aboutPrompt, aboutAnswer = 16, 16
	// looks is how often a new upstream's models are looked for.
	looks = 30
)

// Params are what a Desk works with.
type Params struct {
	// Chat answers a request event by event; an error is the last thing it yields.
	Chat func(ctx context.Context, request *chat.Request, from caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error]
	// Models are those that an upstream is known to serve.
	Models func(upstreamName string) []string
	Prices Prices
	// LookPause is the time between two looks for a new upstream's models; 0 means 500 ms.
	LookPause time.Duration
}

// Prices says what models cost.
type Prices interface {
	Priced(upstreamName, model string) bool
	Cost(upstreamName, model string, usage chat.Usage) (money.Pico, reqlog.CostQuality)
	Most(upstreamName, model string, prompt, completion int) money.Pico
}

// Desk tests tokens. It is safe for concurrent use.
type Desk struct {
	Params
	slots chan struct{}
}

// New makes a desk.
func New(params Params) *Desk {
	if params.LookPause == 0 {
		params.LookPause = 500 * time.Millisecond
	}
	return &Desk{Params: params, slots: make(chan struct{}, atOnce)}
}

// Token is one that is to be tested.
type Token struct{ ID, Upstream string }

// Result is what a test has found.
type Result struct {
	Token
	// Model is the one that was asked; empty where none is known.
	Model string
	// Class is why it failed, a class of failures or one of this package's; empty: it works.
	Class string
	// Message is what was said of the failure.
	Message string
	// RequestID finds the request in the log; empty where none was sent.
	RequestID string
	// Took is how long the whole answer took.
	Took  time.Duration
	Usage chat.Usage
	// Cost is what Usage costs; Quality is empty where nothing was used.
	Cost    money.Pico
	Quality reqlog.CostQuality
}

// Works tells whether the token has answered.
func (r *Result) Works() bool { return r.Class == "" }

// Reached tells whether the token had its turn.
func (r *Result) Reached() bool { return r.Class != NotReached }

// Priced tells whether it is known what it cost.
func (r *Result) Priced() bool { return r.Quality != "" && r.Quality != reqlog.CostUnpriced }

// Run tests tokens, some at a time, and returns a result for each, in their order. Where model is
// empty each upstream is asked for a small one of its own. A call ends in five minutes: those that
// this or ctx leaves no time for are not asked.
func (d *Desk) Run(ctx context.Context, tokens []Token, model string, from caller.Caller) []Result {
	results := make([]Result, len(tokens))
	for i, result := range d.Each(ctx, tokens, model, from) {
		results[i] = result
	}
	return results
}

// Each is Run for who wants each result as soon as it is there, by the place of its token. Who wants
// no more of them ends what is under way.
func (d *Desk) Each(ctx context.Context, tokens []Token, model string, from caller.Caller) iter.Seq2[int, Result] {
	return func(yield func(int, Result) bool) {
		ctx, cancel := context.WithTimeout(ctx, longest)
		models := d.modelsFor(ctx, tokens, model)
		type found struct {
			at int
			Result
		}
		next, results := make(chan int), make(chan found, len(tokens)) // nobody waits to tell of one
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()
		for range min(atOnce, len(tokens)) {
			workers.Go(func() {
				for i := range next {
					results <- found{i, d.test(ctx, tokens[i], models[tokens[i].Upstream], from)}
				}
			})
		}
		workers.Go(func() {
			for i := range tokens {
				next <- i
			}
			close(next)
		})
		for range tokens {
			if each := <-results; !yield(each.at, each.Result) {
				return
			}
		}
	}
}

// test tests one token, when it has its turn.
func (d *Desk) test(ctx context.Context, token Token, model string, from caller.Caller) Result {
	result := Result{Token: token, Model: model}
	if model == "" {
		result.Class, result.Message = NoModel, "no model of upstream "+token.Upstream+" is known that chats"
		return result
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		result.Class, result.Message = NotReached, "the tests ended before its turn"
		return result
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d.ask(ctx, &result, from)
	return result
}

// ask sends the request and reads the answer to its end.
func (d *Desk) ask(ctx context.Context, result *Result, from caller.Caller) {
	request := &chat.Request{
		ID: newID(), Created: time.Now(), Model: result.Model, MaxTokens: maxAnswer,
		Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: question}}}},
	}
	result.RequestID = request.ID
	var failed error
	for event, err := range d.Chat(ctx, request, from, lease.Choice{Upstream: result.Upstream, TokenID: result.ID}) {
		if err != nil {
			failed = err
			break
		}
		if event.Usage != nil {
			result.Usage = event.Usage.Bounded()
		}
	}
	result.Took = time.Since(request.Created)
	if result.Usage.Prompt+result.Usage.Completion > 0 {
		result.Cost, result.Quality = d.Prices.Cost(result.Upstream, result.Model, result.Usage)
	}
	if failed != nil {
		result.Class, result.Message = classOf(failed), chat.AsError(failed).Message
	}
}

// Classes of what keeps a token from being tested, beside those of failures.
const (
	// NoModel: no model of its upstream is known that chats.
	NoModel = "no_model"
	// Rests: it is given no request now; the message says why.
	Rests = "rests"
	// NotReached: the tests ended before its turn.
	NotReached = "not_reached"
	// TimedOut: the answer took too long.
	TimedOut = "timeout"
	// Away: the tokenstore can't be asked for it.
	Away = "store"
	// Other is what is none of these.
	Other = "other"
)

// classOf is why a test failed.
func classOf(err error) string {
	failed := chat.AsError(err)
	switch failed.Kind {
	case chat.Timeout:
		return TimedOut
	case chat.Canceled:
		return string(upstream.ClientGone)
	case chat.ShuttingDown:
		return string(upstream.Interrupted)
	default: // who failed tells
	}
	if failure, is := errors.AsType[*upstream.Failure](err); is {
		return string(failure.Class)
	}
	switch failed.Kind {
	case chat.NoTokens, chat.NoTokenAvailable, chat.AliasNotFound:
		return Rests
	case chat.ModelNotSupported, chat.ModelNotFound, chat.NotFound:
		return string(upstream.ModelUnknown)
	case chat.StoreUnavailable:
		return Away
	default:
		return Other
	}
}

// newID makes a request's id, in the form that all have.
func newID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // it never fails
	return hex.EncodeToString(raw[:])
}
