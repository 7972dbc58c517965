package relay

import (
	"context"
	"iter"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// Chat answers the request event by event, in the caller's goroutine; an error,
// always a *chat.Error, is the last thing it yields. Who stops iterating has lost its
// client. The request is from the caller; the choice says which token that asks for.
func (r *Relay) Chat(ctx context.Context, request *chat.Request, from caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		policy := r.Policy()
		ctx, cancel := within(ctx, policy.Total)
		defer cancel()
		both := &struct { // in one piece of memory
			run
			conversation
		}{
			run{relay: r, policy: policy, caller: from, choice: choice, dialect: request.Source.Dialect},
			conversation{came: request, asked: request, request: request, yield: yield},
		}
		run := &both.run
		run.cargo, both.conversation.run = &both.conversation, run
		run.entry = reqlog.Entry{
			ID: request.ID, Caller: from, Dialect: request.Source.Dialect, StartedAt: request.Created, Model: request.Model, Stream: request.Stream,
		}
		if err := run.account(ctx); err != nil && !run.gone {
			yield(chat.Event{}, err)
		}
	}
}

// conversation is the cargo of a chat request.
type conversation struct {
	*run
	// came is the request as it came, asked as the route of its model's name has it, request the
	// one for the present target.
	came, asked, request *chat.Request
	// said is what the route says of the request.
	said  []chat.Parameter
	yield func(chat.Event, error) bool
	// unsealed: the upstream has refused a seal; the request goes on without any.
	unsealed bool
	// back, tally, finished and left belong to the present attempt; finished: the answer's end
	// has come; left: this side has ended it, while the upstream was at work.
	back           holdBack
	finished, left bool
	tally          tally
	// begin is what is told before the answer's first word.
	begin chat.Beginning
	// parked is the present attempt's answer, where it is kept open; resumed is what the next
	// one goes on with, told what that has counted so far.
	parked, resumed *parked
	told            chat.Usage
}

// prepare lets the driver look at the request, if it wants to.
func (c *conversation) prepare(ctx context.Context) *chat.Error {
	c.request, c.unsealed = c.asked, false
	c.entry.Translated = !upstream.TakesAsItCame(c.target.Driver, c.asked)
	if refused := c.fit(); refused != nil {
		return refused
	}
	if unfit := catalog.Unfit(c.target, c.asked); unfit != nil {
		return unfit
	}
	preparer, ok := c.target.Driver.(upstream.Preparer)
	if !ok {
		c.countIgnored()
		return nil
	}
	prepared, err := preparer.Prepare(ctx, c.request, c.policy.Options)
	switch {
	case err == nil:
		c.request = prepared
		c.countIgnored()
		return nil
	case ctx.Err() != nil:
		return chat.AsError(context.Cause(ctx))
	default:
		return chat.AsError(err)
	}
}

// countIgnored counts what tunes an answer and is not sent: the upstream can't be told.
func (c *conversation) countIgnored() {
	for _, ask := range c.asked.Asks {
		if ask.Need == chat.Tuning && upstream.Ignored(c.target.Driver, c.asked, ask.Field) {
			c.relay.Counter.Ignored(c.target.Upstream, ask.Field)
		}
	}
}

func (c *conversation) model() string { return c.asked.Model }

func (c *conversation) wish(model string) catalog.Wish {
	return catalog.Wish{
		Model: model, AnyClaude: c.policy.AnyClaude, OwnToken: c.choice.Own != nil, Request: c.asked, Key: c.key,
		Open: c.relay.lot.place(awaited(c.came)),
	}
}

// mayRepeat implements cargo: an answer that has not begun has cost nothing.
func (c *conversation) mayRepeat(*upstream.Failure) bool { return true }

func (c *conversation) mayChange() bool { return true }

// operation implements cargo.
func (c *conversation) operation() string { return "chat" }

// limitedApart implements cargo.
func (c *conversation) limitedApart() bool { return false }

func (c *conversation) usage() chat.Usage { return c.tally.usage(c.request, c.sent || c.left) }

func (c *conversation) prompt() (text string, cut bool) { return promptOf(c.request) }

// unseal tells whether the request is to be sent once more with the same token: the
// upstream has refused reasoning that another one, or another account, had made.
func (c *conversation) unseal(failure *upstream.Failure) bool {
	if failure.Class != upstream.SealRefused || c.unsealed || c.sent || !c.mayRetry() {
		return false
	}
	c.unsealed = true
	return true
}

// transmit implements cargo. It passes an answer on as it comes. Leaving the loop ends the
// upstream's call: that is a driver's promise.
func (c *conversation) transmit(ctx context.Context, credential upstream.Credential) *upstream.Failure {
	call := c.callWith(credential)
	c.keeping(call)
	c.resume(call)
	c.back, c.tally, c.finished, c.left = holdBack{on: c.policy.HoldBack}, tally{}, false, false
	brake := brakeFor(c.target.Driver, c.request)
	over := ctx.Err() != nil // then no upstream gets it
	for event, err := range c.target.Driver.Chat(ctx, call) {
		if err != nil {
			failure := failureOf(ctx, err, c.target.Discipline.Rules)
			c.left = !over && ctx.Err() != nil && failure.Class.Ours()
			return failure
		}
		c.answering()
		passed, ended := c.passBraked(brake, &event)
		if !passed {
			return hungUp
		}
		if ended {
			break
		}
	}
	if !c.finished { // a driver breaks its promise; the client must not believe that this is all
		return &upstream.Failure{Class: upstream.Truncated, Message: "the answer has no end"}
	}
	if usage := c.tally.missing(c.request); usage != nil && !c.send(&chat.Event{Usage: usage}) {
		return hungUp
	}
	return nil
}

func (c *conversation) callWith(credential upstream.Credential) *upstream.Call {
	return &upstream.Call{
		Request: c.request, Model: c.target.Model, Credential: credential, WithoutSeals: c.unsealed, Options: c.policy.Options,
		Grouped: c.grouped,
	}
}

// passBraked is pass for what the brake lets through of an event; ended: it was the
// last.
func (c *conversation) passBraked(brake *brake, event *chat.Event) (passed, ended bool) {
	if brake == nil {
		return c.pass(event), false
	}
	events, ended := brake.take(*event)
	for i := range events {
		if !c.pass(&events[i]) {
			return false, ended
		}
	}
	return true, ended
}

// pass takes an event in and sends what may be sent; false when nobody reads.
func (c *conversation) pass(event *chat.Event) bool {
	c.tally.add(event)
	c.finished = c.finished || event.Finish != chat.Unfinished
	if c.back.keeps(event) {
		return true
	}
	held := c.back.release()
	for i := range held {
		if !c.send(&held[i]) {
			return false
		}
	}
	return c.send(event)
}

func (c *conversation) send(event *chat.Event) bool {
	if !c.sent {
		c.begun()
		event.Begin = c.beginning(event.Begin)
	}
	if !c.yield(*event, nil) {
		c.gone = true
		return false
	}
	return true
}

// beginning is what is told before the answer's first word: who answers, whether that is
// another model, and the upstream's headers where it speaks the client's dialect.
func (c *conversation) beginning(told *chat.Beginning) *chat.Beginning {
	c.begin = chat.Beginning{
		FallbackModel: c.entry.FallbackModel,
		Origin:        chat.Origin{Upstream: c.target.Upstream, TokenID: c.entry.TokenID},
	}
	if told != nil {
		c.begin.Input = told.Input
		if !c.entry.Translated {
			c.begin.Header = told.Header
		}
	}
	return &c.begin
}
