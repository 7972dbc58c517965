// Package relay carries a chat request to an upstream and its answer back: it
// finds the model's upstream, leases a token, and while nothing has been sent to
// the client, tries another token when one fails. It settles every lease and
// records every request, once. It knows neither dialects nor providers.
package relay

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// Catalog says where a model is served.
type Catalog interface {
	Resolve(wish catalog.Wish) (catalog.Target, error)
	// Current is a target as its upstream is configured now.
	Current(target catalog.Target) catalog.Target
}

// Leases lends tokens. Every lease that Acquire answers is settled once.
type Leases interface {
	Acquire(ctx context.Context, demand lease.Demand) (*lease.Lease, error)
	Settle(done *lease.Lease, outcome lease.Outcome)
}

// Recorder keeps the request log. Record does not block.
type Recorder interface {
	Record(entry reqlog.Entry)
}

// Counter counts what becomes of requests.
type Counter interface {
	// Attempt is one request to an upstream; class is empty when it went well.
	Attempt(upstreamName string, class upstream.Class)
	// Retried is an attempt after the first.
	Retried(upstreamName string)
	// RetryDenied is a retry that there was no budget for.
	RetryDenied(upstreamName string)
	// FellBack is a request that was sent to another model of, or than, the upstream.
	FellBack(upstreamName string)
	// Ignored is a field of a request that the upstream was not sent.
	Ignored(upstreamName, field string)
	// Used are model tokens.
	Used(upstreamName string, usage chat.Usage)
}

// Policy is how requests are carried; it can change between them.
type Policy struct {
	upstream.Options
	// AnyClaude lets ids that begin with `claude` through.
	AnyClaude bool
	// HoldBack keeps events without content back until one with content has
	// come, so that an error after them can still be retried.
	HoldBack bool
	// MaxAttempts includes the first; at least 1.
	MaxAttempts int
	// Affinity says which requests stay on one token.
	Affinity Affinity
	// Sticky keeps those of a user on one token, too.
	Sticky bool
	// QueueWait is how long a request waits when all tokens are at their cap.
	QueueWait time.Duration
	// Total bounds a request from its start to its end; 0: nothing does.
	Total      time.Duration
	LogPrompts bool
}

// Params are what a Relay works with.
type Params struct {
	Catalog  Catalog
	Leases   Leases
	Recorder Recorder
	Counter  Counter
	Policy   func() Policy
	// StatusOf is the HTTP status that clients of a dialect see for an error, for the log.
	StatusOf func(dialect string, err *chat.Error) int
	// Replicas is how many gateways share the load, as far as is known; at least 1.
	Replicas func() int
	Logger   *slog.Logger
}

// Relay is safe for concurrent use.
type Relay struct {
	Params
	budgets budgets
	served  served
}

// New makes a relay.
func New(params Params) *Relay { return &Relay{Params: params} }

// Chat answers the request event by event, in the caller's goroutine; an error,
// always a *chat.Error, is the last thing it yields. A caller that stops
// iterating has lost its client. The choice says which token the client asks for.
func (r *Relay) Chat(ctx context.Context, request *chat.Request, choice lease.Choice) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		policy := r.Policy()
		ctx, cancel := within(ctx, policy.Total)
		defer cancel()
		run := &run{relay: r, policy: policy, asked: request, request: request, choice: choice, yield: yield}
		run.entry = reqlog.Entry{
			ID: request.ID, Dialect: request.Source.Dialect, StartedAt: request.Created, Model: request.Model, Stream: request.Stream,
		}
		if err := run.account(ctx); err != nil && !run.gone {
			yield(chat.Event{}, err)
		}
	}
}

// within bounds a request, where there is a bound.
func within(ctx context.Context, total time.Duration) (context.Context, context.CancelFunc) {
	if total <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, total, errTooLong)
}

// run is one request on its way. One goroutine has it.
type run struct {
	relay  *Relay
	policy Policy
	// asked is the request as it came, request the one for the present target.
	asked   *chat.Request
	request *chat.Request
	choice  lease.Choice
	yield   func(chat.Event, error) bool
	target  catalog.Target
	// gone: the client hung up.
	gone bool
	// sent: the client has been sent something; there is no way back.
	sent bool
	// unsealed: the upstream has refused a seal; the request goes on without any.
	unsealed bool
	// back and finished belong to the present attempt; finished: the answer's end
	// has come.
	back     holdBack
	finished bool
	// unknowns are the tokens to which the present target's model was unknown.
	unknowns int
	tally    tally
	entry    reqlog.Entry
}

// account serves the request and records it, also when a driver or the caller
// panics.
func (r *run) account(ctx context.Context) (err *chat.Error) {
	defer func() { r.record(err) }()
	err = errPanicked // unless serve answers
	return r.serve(ctx)
}

// serve sends the request to the upstream of its model, and where that fails to the
// fallbacks; nil when the answer was complete.
func (r *run) serve(ctx context.Context) *chat.Error {
	target, err := r.resolve(r.asked.Model)
	if err != nil {
		return chat.AsError(err)
	}
	r.relay.budgets.of(target.Upstream).request(time.Now())
	refused := r.sendTo(ctx, target)
	for _, model := range target.Discipline.Fallbacks(target.Model) {
		if refused == nil || !r.mayFallBack(ctx, refused) {
			break
		}
		refused = r.fallBack(ctx, model, refused)
	}
	return refused
}

// resolve finds the upstream for the request as if it named that model.
func (r *run) resolve(model string) (catalog.Target, error) {
	return r.relay.Catalog.Resolve(catalog.Wish{
		Model: model, AnyClaude: r.policy.AnyClaude, OwnToken: r.choice.Own != nil, Request: r.asked,
	})
}

// sendTo sends the request to one target.
func (r *run) sendTo(ctx context.Context, target catalog.Target) *chat.Error {
	r.request, r.target, r.entry.Upstream, r.unknowns, r.unsealed = r.asked, target, target.Upstream, 0, false
	r.entry.Translated = !upstream.TakesAsItCame(target.Driver, r.asked)
	if refused := r.prepare(ctx); refused != nil {
		return refused
	}
	r.countIgnored()
	if r.choice.Own != nil {
		return r.sendOwn(ctx, *r.choice.Own)
	}
	return r.tryTokens(ctx)
}

// prepare lets the driver look at the request, if it wants to, before a token is
// lent for it.
func (r *run) prepare(ctx context.Context) *chat.Error {
	if fault := r.asked.HistoryFault; fault != nil && !upstream.TakesAsItCame(r.target.Driver, r.asked) {
		return fault
	}
	if ask, refused := upstream.Uncarried(r.target.Driver, r.asked); refused {
		return upstream.Unsupported(r.target.Upstream, ask)
	}
	preparer, ok := r.target.Driver.(upstream.Preparer)
	if !ok {
		return nil
	}
	prepared, err := preparer.Prepare(ctx, r.request, r.policy.Options)
	switch {
	case err == nil:
		r.request = prepared
		return nil
	case ctx.Err() != nil:
		return chat.AsError(context.Cause(ctx))
	default:
		return chat.AsError(err)
	}
}

// countIgnored counts what tunes an answer and is not sent: the upstream can't be told.
func (r *run) countIgnored() {
	if upstream.Carries(r.target.Driver, chat.Tuning) {
		return
	}
	for _, ask := range r.asked.Asks {
		if ask.Need == chat.Tuning {
			r.relay.Counter.Ignored(r.target.Upstream, ask.Field)
		}
	}
}

// tryTokens tries tokens of the pool until one answers, or the one that the client
// chose.
func (r *run) tryTokens(ctx context.Context) *chat.Error {
	target, key := r.target, r.affinityKey()
	var tried []string
	var last *chat.Error
	for {
		held, err := r.lend(ctx, lease.Demand{
			Upstream: target.Upstream, Model: target.Model, Alias: r.choice.Alias, Exclude: tried, MaxWait: r.policy.QueueWait,
			Affinity: key,
		})
		if err != nil {
			return afterAttempts(last, chat.AsError(err))
		}
		r.target = r.relay.Catalog.Current(target) // an admin may have mended it while the request waited
		r.entry.Attempts++
		if len(tried) > 0 {
			r.relay.Counter.Retried(target.Upstream)
		}
		r.entry.TokenID, r.entry.TokenAlias, r.entry.TokenFingerprint = held.TokenID, held.Alias, held.Fingerprint
		r.entry.MaskedSecret, r.entry.MaskedChecksum = held.MaskedSecret, held.Credential.MaskedChecksum()
		failure := r.attempt(ctx, held)
		switch {
		case failure == nil:
			return nil
		case failure.Class.Ours():
			return cutOff(ctx, failure)
		}
		tried = append(tried, held.TokenID)
		last = errorOf(failure, target.Upstream, len(tried), r.sent)
		if r.sent || r.choice.Alias != "" || !r.anotherMayHelp(failure) || len(tried) >= r.policy.MaxAttempts || ctx.Err() != nil || !r.mayRetry() {
			return last
		}
	}
}

// mayRetry tells whether the present upstream can bear one more attempt.
func (r *run) mayRetry() bool {
	name, percent := r.target.Upstream, r.target.Discipline.RetryPercent
	if r.relay.budgets.of(name).retry(time.Now(), percent, r.relay.Replicas()) {
		return true
	}
	r.relay.Counter.RetryDenied(name)
	return false
}

// attempt sends the request with one token, and settles its lease, also when a
// driver or the caller panics.
func (r *run) attempt(ctx context.Context, held *lease.Lease) (failure *upstream.Failure) {
	began := time.Now()
	defer func() {
		r.note(attemptWith(held, began), failure)
		r.settle(ctx, held, failure)
	}()
	failure = &upstream.Failure{Class: upstream.Interrupted, Err: errPanicked} // unless stream answers
	failure = r.weigh(r.stream(ctx, held.Credential))
	if failure != nil && r.unseal(failure) {
		r.note(attemptWith(held, began), failure)
		began = time.Now()
		failure = r.weigh(r.stream(ctx, held.Credential))
	}
	return failure
}

// unseal tells whether the request is to be sent once more with the same token: the
// upstream has refused reasoning that another one, or another account, had made.
func (r *run) unseal(failure *upstream.Failure) bool {
	if failure.Class != upstream.SealRefused || r.unsealed || r.sent || !r.mayRetry() {
		return false
	}
	r.unsealed = true
	r.entry.Attempts++
	r.relay.Counter.Retried(r.target.Upstream)
	return true
}

func (r *run) settle(ctx context.Context, held *lease.Lease, failure *upstream.Failure) {
	outcome := lease.Outcome{Model: r.target.Model, RequestID: r.request.ID}
	if failure != nil {
		outcome.Class, outcome.RetryAfter, outcome.Detail = failure.Class, failure.RetryAfter, evidence(failure)
		outcome.ModelOnly = failure.ModelOnly
		r.logFailure(ctx, held.TokenID, failure)
	}
	r.relay.Leases.Settle(held, outcome)
	r.relay.Counter.Attempt(r.target.Upstream, outcome.Class)
}

// logFailure notes a failed attempt; the id is empty for a token of the caller's own.
func (r *run) logFailure(ctx context.Context, tokenID string, failure *upstream.Failure) {
	r.relay.Logger.LogAttrs(ctx, slog.LevelInfo, "attempt failed", slog.String("request_id", r.request.ID),
		slog.String("upstream", r.target.Upstream), slog.String("token_id", tokenID), slog.Int("attempt", r.entry.Attempts),
		slog.String("class", string(failure.Class)), slog.String("rule", failure.Rule), slog.Any("error", failure))
}

// stream passes an answer on as it comes. Leaving the loop ends the upstream's
// call: that is a driver's promise.
func (r *run) stream(ctx context.Context, credential upstream.Credential) *upstream.Failure {
	call := &upstream.Call{
		Request: r.request, Model: r.target.Model, Credential: credential, WithoutSeals: r.unsealed, Options: r.policy.Options,
	}
	r.back, r.tally, r.finished = holdBack{on: r.policy.HoldBack}, tally{}, false
	brake := brakeFor(r.target.Driver, r.request)
	for event, err := range r.target.Driver.Chat(ctx, call) {
		if err != nil {
			return failureOf(ctx, err, r.target.Discipline.Rules)
		}
		passed, ended := r.passBraked(brake, event)
		if !passed {
			return hungUp
		}
		if ended {
			break
		}
	}
	if !r.finished { // a driver breaks its promise; the client must not believe that this is all
		return &upstream.Failure{Class: upstream.Truncated, Message: "the answer has no end"}
	}
	if usage := r.tally.missing(r.request); usage != nil && !r.send(chat.Event{Usage: usage}) {
		return hungUp
	}
	return nil
}

// passBraked is pass for what the brake lets through of an event; ended: it was the
// last.
func (r *run) passBraked(brake *brake, event chat.Event) (passed, ended bool) {
	if brake == nil {
		return r.pass(event), false
	}
	events, ended := brake.take(event)
	for _, each := range events {
		if !r.pass(each) {
			return false, ended
		}
	}
	return true, ended
}

// pass takes an event in and sends what may be sent; false when nobody reads.
func (r *run) pass(event chat.Event) bool {
	r.tally.add(&event)
	r.finished = r.finished || event.Finish != chat.Unfinished
	if r.back.keeps(&event) {
		return true
	}
	for _, earlier := range r.back.release() {
		if !r.send(earlier) {
			return false
		}
	}
	return r.send(event)
}

func (r *run) send(event chat.Event) bool {
	if !r.sent {
		r.sent = true
		r.entry.FirstByte = time.Since(r.request.Created)
		if model := r.entry.FallbackModel; model != "" {
			begin := chat.Beginning{FallbackModel: model}
			if event.Begin != nil {
				begin.Header, begin.Input = event.Begin.Header, event.Begin.Input
			}
			event.Begin = &begin
		}
	}
	if !r.yield(event, nil) {
		r.gone = true
		return false
	}
	return true
}
