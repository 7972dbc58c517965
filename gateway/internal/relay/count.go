package relay

import (
	"context"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/tokencount"
	"carousel.internal/gateway/internal/upstream"
)

// CountTokens says how many tokens the request has, without sending it: in the upstream's
// words where that counts requests of the client's dialect, else as they are estimated here.
// Its errors are *chat.Error and the client's own fault; an upstream that fails leaves an
// estimate.
func (r *Relay) CountTokens(ctx context.Context, request *chat.Request, from caller.Caller, choice lease.Choice) (int, error) {
	policy := r.Policy()
	ctx, cancel := within(ctx, policy.Total)
	defer cancel()
	run := &run{relay: r, policy: policy, caller: from, choice: choice, dialect: request.Source.Dialect}
	count := &counting{run: run, request: request}
	run.cargo = count
	if refused := run.mayUse(); refused != nil {
		return 0, refused
	}
	plan, err := run.resolve(request.Model)
	if err != nil {
		if refused := chat.AsError(err); refused.Kind == chat.ModelNotSupported || refused.Kind == chat.ModelNotFound {
			return 0, refused
		}
		return tokencount.Prompt(request), nil
	}
	if !counts(plan.First.Driver, request) {
		return tokencount.Prompt(request), nil
	}
	run.entry = reqlog.Entry{ID: request.ID, Caller: from, Dialect: request.Source.Dialect + "/count_tokens", StartedAt: request.Created, Model: request.Model}
	refused := run.account(ctx)
	switch {
	case refused == nil:
		return count.tokens, nil
	case refused.Kind == chat.UpstreamRejected, refused.Kind == chat.ContextTooLong, refused.Kind == chat.ModelNotFound,
		refused.Kind == chat.AliasNotFound, refused.Kind == chat.Canceled,
		refused.Kind == chat.KeyLimited, refused.Kind == chat.KeySpent, refused.Kind == chat.Unauthenticated:
		return 0, refused
	}
	return tokencount.Prompt(request), nil
}

// counting is the cargo of a question for a request's tokens.
type counting struct {
	*run
	request *chat.Request
	tokens  int
}

func (c *counting) model() string { return c.request.Model }

// wish implements cargo: the target that the conversation would go to, whose turn it stays.
func (c *counting) wish(model string) catalog.Wish {
	asks := &conversation{run: c.run, came: c.request, asked: c.request}
	wish := asks.wish(model)
	wish.Key, wish.Look = asks.affinityKey(), true
	return wish
}

// tune implements cargo: how much a request has does not depend on how it is answered.
func (c *counting) tune([]chat.Parameter) *chat.Error { return nil }

// prepare implements cargo.
func (c *counting) prepare(context.Context) *chat.Error {
	if !counts(c.target.Driver, c.request) {
		return chat.Errorf(chat.Unsupported, "upstream %q does not count tokens", c.target.Upstream)
	}
	return nil
}

// counts tells whether a driver's upstream counts the tokens of a request.
func counts(driver upstream.Driver, request *chat.Request) bool {
	_, counts := driver.(upstream.TokenCounter)
	return counts && upstream.TakesAsItCame(driver, request)
}

// affinityKey implements cargo: counting warms no cache.
func (c *counting) affinityKey() string { return "" }

func (c *counting) unseal(*upstream.Failure) bool { return false }

func (c *counting) mayRepeat(*upstream.Failure) bool { return true }

// mayChange implements cargo: another model counts otherwise.
func (c *counting) mayChange() bool { return false }

// operation implements cargo.
func (c *counting) operation() string { return "count_tokens" }

// limitedApart implements cargo: Anthropic counts these by themselves.
func (c *counting) limitedApart() bool { return true }

// goesOn implements cargo.
func (c *counting) goesOn(context.Context) *lease.Lease { return nil }

// parks implements cargo.
func (c *counting) parks(*upstream.Failure) bool { return false }

func (c *counting) usage() chat.Usage { return chat.Usage{Source: chat.UsageUnknown} }

func (c *counting) prompt() (text string, cut bool) { return "", false }

// transmit implements cargo.
func (c *counting) transmit(ctx context.Context, credential upstream.Credential) *upstream.Failure {
	counter, able := c.target.Driver.(upstream.TokenCounter)
	if !able { // an admin has given the upstream another driver while the request waited
		return &upstream.Failure{Class: upstream.Broken, Message: "it counts no tokens any more"}
	}
	tokens, err := counter.CountTokens(ctx, &upstream.Call{
		Request: c.request, Model: c.target.Model, Credential: credential, Options: c.policy.Options, Grouped: c.grouped,
	})
	if err != nil {
		return failureOf(ctx, err, c.target.Discipline.Rules)
	}
	c.tokens = tokens
	return nil
}
