// Package relay carries a chat request to an upstream and its answer back: it
// finds where the model's name leads, leases a token, and while nothing has been sent to
// the client, tries another token, or another target of a route, when one fails. It settles
// every lease and records every request that names a model which somebody serves, once. It
// knows neither dialects nor providers.
package relay

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// Catalog says where a model is served.
type Catalog interface {
	Resolve(wish catalog.Wish) (catalog.Plan, error)
	// Current is a target as its upstream is configured now.
	Current(target catalog.Target) catalog.Target
}

// Leases lends tokens. Every lease that Acquire answers is settled once.
type Leases interface {
	Acquire(ctx context.Context, demand lease.Demand) (*lease.Lease, error)
	Settle(done *lease.Lease, outcome lease.Outcome)
	// SetAside sets aside what a request is charged with that needs no lease, and reports whether
	// there is room for it. It waits for a moment at most. A charge that is set aside is paid.
	SetAside(ctx context.Context, charge *lease.Charge) bool
	// Pay settles what a request was charged with what it has used; nothing: it is given back. A
	// charge that is not held is left alone. It does not block.
	Pay(charge *lease.Charge, used lease.Amounts)
}

// Prices says what models cost.
type Prices interface {
	// Cost is what the usage of an upstream's model costs.
	Cost(upstreamName, model string, usage chat.Usage) (money.Pico, reqlog.CostQuality)
	// Most is what so many tokens may cost at most; 0 where the model has no price.
	Most(upstreamName, model string, prompt, completion int) money.Pico
	// MaxOutput is how many tokens the model can answer at most; 0: that is not known.
	MaxOutput(upstreamName, model string) int
}

// Recorder keeps the request log.
type Recorder interface {
	// Record does not block. The context is the request's, and may have ended.
	Record(ctx context.Context, entry reqlog.Entry)
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
	// Ended is a request that has a log entry; model is the id by which the upstream knows the
	// model that was aimed at last, empty where there was none. The entry is not kept.
	Ended(model string, entry *reqlog.Entry)
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
	Prices   Prices
	Renewer  Renewer
	Recorder Recorder
	Counter  Counter
	Policy   func() Policy
	// Tune is a request as its dialect has it once a route's parameters are said in it; the
	// request itself is not changed. Errors are *chat.Error.
	Tune func(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error)
	// StatusOf is the HTTP status that clients of a dialect see for an error, for the log.
	StatusOf func(dialect string, err *chat.Error) int
	// Replicas is how many gateways share the load, as far as is known; at least 1.
	Replicas func() int
	// Strayed is called when there is something new among Strays. It must not block. It may be
	// nil.
	Strayed func()
	// NamesTrace tells whether an upstream is told which trace a request is in; nil: none is.
	NamesTrace func(upstreamName string) bool
	Logger     *slog.Logger
}

// Relay is safe for concurrent use.
type Relay struct {
	Params
	budgets budgets
	served  served
	lot     *lot
}

// New makes a relay.
func New(params Params) *Relay {
	return &Relay{Params: params, lot: newLot(params.Leases, params.Strayed)}
}

// run is one request on its way. One goroutine has it.
type run struct {
	relay  *Relay
	policy Policy
	caller caller.Caller
	choice lease.Choice
	// dialect is the name of the API that the client speaks.
	dialect string
	// cargo is the request itself, and who waits for its answer.
	cargo cargo
	// key is the cargo's affinityKey.
	key string
	// parameters are those of the route that the model's name goes by.
	parameters []chat.Parameter
	target     catalog.Target
	// waited is how long the request has waited for tokens; movedOn: others than the first
	// target of its plan are tried, for which it waits no longer than for one; others: there are
	// more behind the present one.
	waited          time.Duration
	movedOn, others bool
	// gone: the client hung up.
	gone bool
	// sent: the client has been sent something; there is no way back.
	sent bool
	// unknowns are the tokens to which the present target's model was unknown.
	unknowns int
	// group is that of the present attempt's token, once its answer has told it.
	group string
	// held is the present attempt's lease; nil: it goes with a token of the caller's own.
	held *lease.Lease
	// resumes: the present attempt goes on with an answer that was kept open.
	resumes bool
	// span is the present attempt's, begun at spanBegan; nil: the request is not traced. answered:
	// it tells that the answer has begun.
	span      trace.Span
	spanBegan time.Time
	answered  bool
	entry     reqlog.Entry
	// charge is what the request may use of its key; nil where that has no limits.
	charge *lease.Charge
}

// cargo is what a run carries: a conversation, or a request that is passed on as it is.
type cargo interface {
	// wish is what the request wants of the upstream that serves a model.
	wish(model string) catalog.Wish
	// model is the id that the client named.
	model() string
	// tune says in the request, as it came, what a route says of it.
	tune(parameters []chat.Parameter) *chat.Error
	// prepare makes the request fit for the run's target, before a token is lent for it.
	prepare(ctx context.Context) *chat.Error
	// affinityKey is the same for requests that are to stay on one token; empty where any
	// token will do.
	affinityKey() string
	// transmit sends the request and passes the answer on; nil when that was complete.
	transmit(ctx context.Context, credential upstream.Credential) *upstream.Failure
	// unseal changes a request after a failure, so that the same token may take it.
	unseal(failure *upstream.Failure) bool
	// mayRepeat tells whether the request may be sent to somebody else after a failure.
	mayRepeat(failure *upstream.Failure) bool
	// mayChange tells whether another model's answer would do.
	mayChange() bool
	// operation is what the request is for, as traces name it.
	operation() string
	// limitedApart tells whether upstreams limit such requests apart from all others: a limit
	// that one meets says nothing of its token.
	limitedApart() bool
	// goesOn is the lease of an answer that was kept open and that the request goes on with,
	// taken out of the lot for the next transmit; nil: there is none.
	goesOn(ctx context.Context) *lease.Lease
	// parks keeps an attempt's answer open with its lease, if it ended well and can go on. It is
	// asked once for each attempt.
	parks(failure *upstream.Failure) bool
	// room is how much the request, as its route has it, may use.
	room() room
	// usage is what is known of it at the end.
	usage() chat.Usage
	// prompt is what the log keeps of the request.
	prompt() (text string, cut bool)
}

// within bounds a request, where there is a bound.
func within(ctx context.Context, total time.Duration) (context.Context, context.CancelFunc) {
	if total <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, total, errTooLong)
}

// account serves the request, records it and pays for it, also when a driver or the caller
// panics.
func (r *run) account(ctx context.Context) (err *chat.Error) {
	defer r.pay() // with what was recorded
	defer func() { r.record(ctx, err) }()
	err = errPanicked // unless serve answers
	return r.serve(ctx)
}

// serve sends the request to where its model's name leads, and where that fails to the
// fallbacks; nil when the answer was complete.
func (r *run) serve(ctx context.Context) *chat.Error {
	if refused := r.mayUse(); refused != nil {
		return refused
	}
	r.key = r.cargo.affinityKey()
	plan, err := r.resolve(r.cargo.model())
	if err != nil {
		return chat.AsError(err)
	}
	r.parameters = plan.Parameters
	if refused := r.cargo.tune(r.parameters); refused != nil {
		return refused
	}
	if r.isLimited() {
		r.charge = r.chargeFor(plan)
	}
	r.relay.budgets.of(plan.First.Upstream).request(time.Now())
	last, refused := r.sendAlong(ctx, plan)
	for _, model := range last.Discipline.Fallbacks(last.Model) {
		if refused == nil || !r.mayFallBack(ctx, refused) {
			break
		}
		refused = r.fallBack(ctx, model, refused)
	}
	return refused
}

// resolve plans where the request goes as if it named that model.
func (r *run) resolve(model string) (catalog.Plan, error) {
	wish := r.cargo.wish(model)
	wish.Upstream = r.choice.Upstream
	return r.relay.Catalog.Resolve(wish)
}

// hasChosen tells whether the caller has chosen the token: then no other serves, and no other
// upstream.
func (r *run) hasChosen() bool { return r.choice.Alias != "" || r.choice.TokenID != "" }

// sendTo sends the request to one target.
func (r *run) sendTo(ctx context.Context, target catalog.Target) *chat.Error {
	r.target, r.entry.Upstream, r.unknowns = target, target.Upstream, 0
	if refused := r.cargo.prepare(ctx); refused != nil {
		return refused
	}
	if r.choice.Own != nil {
		return r.sendOwn(ctx, *r.choice.Own)
	}
	return r.tryTokens(ctx)
}

// tryTokens tries tokens of the pool until one answers, or the one that the client
// chose.
func (r *run) tryTokens(ctx context.Context) *chat.Error {
	if done, refused := r.goOn(ctx); done {
		return refused
	}
	target := r.target
	var tried []string
	var last *chat.Error
	fresh := false // others than those tried are at a limit, too
	closed := 0    // how many of those tried have a proxy that lets nothing pass
	began := time.Now()
	for {
		held, err := r.lend(ctx, lease.Demand{
			Upstream: target.Upstream, Model: target.Model, Alias: r.choice.Alias, TokenID: r.choice.TokenID,
			Exclude: tried, MaxWait: r.patience(), Affinity: r.key, Fresh: fresh, Charge: r.charge,
		})
		if err != nil {
			return afterAttempts(last, chat.AsError(err))
		}
		r.target = r.relay.Catalog.Current(target) // an admin may have mended it while the request waited
		if len(tried) > 0 {
			r.relay.Counter.Retried(target.Upstream)
		}
		r.lent(held)
		failure := r.attempt(ctx, held)
		switch {
		case failure == nil:
			return nil
		case failure.Class.Ours():
			return cutOff(ctx, failure)
		}
		tried, fresh = append(tried, held.TokenID), fresh || failure.GroupWide
		last = errorOf(failure, target.Upstream, len(tried), r.sent)
		if r.sent || r.hasChosen() || !r.anotherMayHelp(failure) || !r.cargo.mayRepeat(failure) || ctx.Err() != nil {
			return last
		}
		if failure.Class == upstream.Proxy {
			if closed++; closed >= maxClosed || closed >= fewClosed && time.Since(began) >= closedPatience {
				return last
			}
		} else if len(tried)-closed >= r.policy.MaxAttempts || !r.mayRetry() {
			return last
		}
	}
}

// lent notes the token of an attempt.
func (r *run) lent(held *lease.Lease) {
	r.entry.Attempts++
	r.entry.ServedModel = r.target.Model
	r.entry.TokenID, r.entry.TokenAlias, r.entry.TokenFingerprint = held.TokenID, held.Alias, held.Fingerprint
	r.entry.MaskedSecret, r.entry.MaskedChecksum = held.MaskedSecret, held.Credential.MaskedChecksum()
}

// Bounds of how many tokens whose proxy is dead one request tries. They are no attempts on the
// upstream, which has seen nothing of them. Many tokens may be behind one proxy, and one that
// refuses connections does so at once: then those with another way are still found. One that
// is silent costs 10 seconds once, after which it fails at once for a while.
const (
	maxClosed      = 256
	fewClosed      = 4
	closedPatience = 30 * time.Second
)

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
// driver or the caller panics. It is sent once more with the same token where that is not
// to blame: without a seal, or with the access token that has taken the other's place.
func (r *run) attempt(ctx context.Context, held *lease.Lease) (failure *upstream.Failure) {
	r.group, r.held = "", held
	attempt, credential, renewed := attemptWith(held), held.Credential, false
	defer func() {
		r.note(attempt, failure, effectOf(failure))
		if r.cargo.parks(failure) {
			r.relay.Counter.Attempt(r.target.Upstream, "")
			return
		}
		r.settle(ctx, held, failure)
	}()
	for {
		failure = panicked // unless transmit answers
		failure = r.weigh(r.transmit(ctx, &attempt, credential))
		switch {
		case failure == nil:
			return nil
		case r.cargo.unseal(failure):
			r.again(attempt, failure)
		case !renewed && r.renewable(held, failure):
			another := r.renew(ctx, held)
			if another.Empty() {
				return unrenewed(ctx, failure)
			}
			r.again(attempt, failure)
			renewed, credential.Secret = true, another
			attempt.MaskedSecret, r.entry.MaskedSecret = another.Masked(), another.Masked()
		default:
			return failure
		}
	}
}

// again notes and counts an attempt that is followed by another one with the same token and
// lease.
func (r *run) again(attempt reqlog.Attempt, failure *upstream.Failure) {
	r.note(attempt, failure, reqlog.NoEffect)
	r.entry.Attempts++
	r.relay.Counter.Attempt(r.target.Upstream, failure.Class)
	r.relay.Counter.Retried(r.target.Upstream)
}

func (r *run) settle(ctx context.Context, held *lease.Lease, failure *upstream.Failure) {
	outcome := lease.Outcome{Model: r.target.Model, RequestID: r.entry.ID, Group: r.group}
	var class upstream.Class
	if failure != nil {
		class = failure.Class
		outcome.Class, outcome.RetryAfter, outcome.Detail = class, failure.RetryAfter, evidence(failure)
		outcome.ModelOnly, outcome.GroupWide = failure.ModelOnly, failure.GroupWide && r.group != ""
		if class == upstream.RateLimit && r.cargo.limitedApart() {
			outcome.Class, outcome.GroupWide = upstream.CallerFault, false // no token's
		}
		r.logFailure(ctx, held.TokenID, failure)
	}
	r.relay.Leases.Settle(held, r.forgiven(outcome))
	r.relay.Counter.Attempt(r.target.Upstream, class)
}

// grouped takes in the group of the token that is tried.
func (r *run) grouped(group string) { r.group = group }

// logFailure notes a failed attempt; the id is empty for a token of the caller's own.
func (r *run) logFailure(ctx context.Context, tokenID string, failure *upstream.Failure) {
	r.relay.Logger.LogAttrs(ctx, slog.LevelInfo, "attempt failed", slog.String("request_id", r.entry.ID),
		slog.String("upstream", r.target.Upstream), slog.String("token_id", tokenID), slog.Int("attempt", r.entry.Attempts),
		slog.String("class", string(failure.Class)), slog.String("rule", failure.Rule), slog.Any("error", failure))
}

// begun notes that the client is sent something: there is no way back.
func (r *run) begun() {
	if !r.sent {
		r.sent = true
		r.entry.FirstByte = time.Since(r.entry.StartedAt)
	}
}
