// Package leasing is the desk at which gateways take leases and give them back.
// It queues demands, oldest first, whichever replica they come from, while all
// tokens are at their cap; and it turns outcomes into transitions. It knows
// nothing of gRPC; the store does what must be atomic.
package leasing

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// callTimeout bounds each call of the store.
	callTimeout = 2 * time.Second
	// aheadTTL is how long a lease lives that no request needs yet.
	aheadTTL = 2 * time.Second
	// maxQueue bounds the demands that wait for one upstream.
	maxQueue = 10_000
	// maxRun bounds the leases that one call of the store grants.
	maxRun = 256
	// tick is how often the queue is looked at without being told: for demands
	// that have waited long enough, and for leases that expired.
	tick = 100 * time.Millisecond
	// To count what is short of a pool costs the store some µs a token. Of a pool
	// beyond largePool tokens a count is good for countFor.
	largePool = 100
	countFor  = 250 * time.Millisecond
	// maxCounts bounds the counts that are remembered.
	maxCounts = 1000
	// maxUnreadable bounds the attempts to find a token whose secret opens.
	maxUnreadable = 3
	// unreadableFor is how long a token cools whose secret doesn't open: until a
	// replica with the right key, or an admin, has come.
	unreadableFor = time.Minute
)

// Demand asks for leases.
type Demand struct {
	Upstream string
	Model    string
	Count    int
	Ahead    bool
	// Alias asks for one token; empty: any.
	Alias string
	// Sticky is the key of which requests go to one token, where the strategy is that.
	Sticky  string
	Exclude []string
	// Until is when waiting ends; zero: don't wait.
	Until time.Time
}

// Lease is a granted one.
type Lease struct {
	Taken
	TTL         time.Duration
	Secret      secret.Value
	DeviceID    string
	MACHash     string
	Alias       string
	Fingerprint string
	// Masked is what may be shown of the secret.
	Masked string
}

// Answer is what becomes of a demand: leases, or why not.
type Answer struct {
	Leases  []Lease
	Refused *rpcerr.Error
	// Shortage explains a refusal for want of tokens.
	Shortage Shortage
}

// Reply takes the answer to a demand. It must not block; it answers false when
// nobody can use the leases any more.
type Reply func(Answer) bool

// Desk is safe for concurrent use.
type Desk struct {
	store   Store
	ttl     time.Duration
	observe Observer
	log     *slog.Logger
	wake    chan struct{}

	mu     sync.Mutex
	queues map[string]*queue
	// counts are those of large pools, by the demands' kind; Run's own.
	counts map[string]count
	// wanted is when each upstream's slots in reserve were last asked for.
	wanted map[string]time.Time
	// settling is when what was lost with a Redis that went away has been said
	// again: until then caps are not known to hold.
	settling time.Time
}

// count is what was short at a time.
type count struct {
	Shortage
	at time.Time
}

// NewDesk makes a desk whose leases live for ttl between renewals. Run serves it.
func NewDesk(store Store, ttl time.Duration, observe Observer, log *slog.Logger) *Desk {
	return &Desk{
		store: store, ttl: ttl, observe: observe, log: log, wake: make(chan struct{}, 1), queues: map[string]*queue{}, counts: map[string]count{},
		wanted: map[string]time.Time{},
	}
}

// worthWaiting tells whether an eligible token will be there before until.
func worthWaiting(answer Answer, until time.Time) bool {
	if answer.Refused == nil {
		return false
	}
	switch answer.Refused.Reason {
	case tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, tokenstorev1.Reason_REASON_UPSTREAM_FAILING:
	default:
		return false
	}
	soonest := answer.Shortage.Soonest
	return busy(answer.Shortage) > 0 || soonest > 0 && time.Now().Add(soonest).Before(until)
}

// busy counts the tokens that have no room for now.
func busy(shortage Shortage) int {
	return shortage.Capped + shortage.Probing + shortage.Quarantined
}

// acquire takes up to demand.Count leases, or says why there is none; a brief
// one just has none. Calls of the store outlive the desk's own context: what a script has granted must be known.
func (d *Desk) acquire(ctx context.Context, demand Demand) Answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	ttl := d.ttl
	if demand.Ahead {
		ttl = min(aheadTTL, d.ttl)
	}
	known, counted := d.recall(demand)
	uncapped := demand.Ahead || d.Settling()
	var unreadable error
	for range maxUnreadable {
		taken, shortage, err := d.store.Acquire(ctx, Wanted{
			Upstream: demand.Upstream, Model: demand.Model, Count: demand.Count,
			TTL: ttl, Ahead: uncapped, Alias: demand.Alias, Sticky: demand.Sticky, Exclude: demand.Exclude, Brief: counted,
		})
		if err != nil {
			return d.failed(ctx, "acquire", err)
		}
		if len(taken) == 0 && unreadable == nil {
			if counted {
				shortage = known
			} else {
				d.remember(demand, shortage)
			}
			return Answer{Refused: refusal(demand, shortage), Shortage: shortage}
		}
		if len(taken) == 0 {
			break
		}
		var leases []Lease
		if leases, unreadable = d.open(ctx, demand.Upstream, taken, ttl); len(leases) > 0 {
			return Answer{Leases: leases}
		}
	}
	return d.failed(ctx, "open a token", unreadable)
}

// recall answers what is short for the demand, if that was counted a moment ago.
func (d *Desk) recall(demand Demand) (Shortage, bool) {
	last := d.counts[kindOf(demand)]
	age := time.Since(last.at)
	if age >= countFor {
		return Shortage{}, false
	}
	for _, until := range []*time.Duration{&last.Soonest, &last.SoonestTried} {
		if *until > 0 {
			*until = max(*until-age, time.Millisecond)
		}
	}
	return last.Shortage, true
}

func (d *Desk) remember(demand Demand, shortage Shortage) {
	if shortage.Total <= largePool {
		return
	}
	if len(d.counts) >= maxCounts {
		clear(d.counts)
	}
	d.counts[kindOf(demand)] = count{shortage, time.Now()}
}

// open adds what the leases carry. Those of tokens that can't be opened go
// back, so that one bad token spoils no other's leases.
func (d *Desk) open(ctx context.Context, upstream string, taken []Taken, ttl time.Duration) ([]Lease, error) {
	leases := make([]Lease, 0, len(taken))
	var first error
	for _, each := range taken {
		credential, err := d.store.Credential(ctx, each.TokenID, each.Version)
		if err != nil {
			first = cmp.Or(first, err)
			d.putAway(ctx, upstream, each, err)
			continue
		}
		leases = append(leases, Lease{
			Taken: each, TTL: ttl, Secret: credential.Secret, DeviceID: credential.DeviceID,
			MACHash: credential.MACHash, Alias: credential.Alias, Fingerprint: credential.Fingerprint,
			Masked: credential.Masked,
		})
	}
	return leases, first
}

// putAway gives back the lease of a token that can't be opened. Where that is
// the token's fault, and not the store's, the token cools: else it would be the
// first to be picked again.
func (d *Desk) putAway(ctx context.Context, upstream string, taken Taken, err error) {
	d.giveBack(ctx, []LeaseRef{taken.LeaseRef})
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) || rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) {
		return
	}
	changed, applyErr := d.store.Apply(ctx, Transition{
		TokenID: taken.TokenID, Upstream: upstream, Epoch: taken.Epoch(), Class: "unreadable", CoolFor: unreadableFor,
	})
	if applyErr != nil || changed {
		d.log.LogAttrs(ctx, slog.LevelError, "token can't be opened and cools", slog.String("token_id", taken.TokenID),
			slog.String("upstream", upstream), slog.Any("error", errors.Join(err, applyErr)))
	}
}

// failed logs a fault of ours and words it for the asker.
func (d *Desk) failed(ctx context.Context, doing string, err error) Answer {
	d.log.LogAttrs(ctx, slog.LevelError, "lease desk call failed", slog.String("during", doing), slog.Any("error", err))
	refused := rpcerr.Parse(d.noted(err))
	if refused.Reason == tokenstorev1.Reason_REASON_UNSPECIFIED {
		refused = &rpcerr.Error{Message: "internal error of the tokenstore", Err: err}
	}
	return Answer{Refused: refused}
}

// GiveBack returns leases that were granted and reached nobody. It does not
// block for longer than one call of the store.
func (d *Desk) GiveBack(ctx context.Context, leases []LeaseRef) {
	if len(leases) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	d.giveBack(ctx, leases)
	d.Freed()
}

// giveBack needs a ctx with a deadline. A failure only delays the leases' return
// to their expiry.
func (d *Desk) giveBack(ctx context.Context, leases []LeaseRef) {
	settlements := make([]Settlement, len(leases))
	for i, lease := range leases {
		settlements[i] = Settlement{LeaseRef: lease, Effect: Unused}
	}
	if _, err := d.store.Settle(ctx, settlements); err != nil {
		d.log.LogAttrs(ctx, slog.LevelWarn, "unused leases return at their expiry", slog.Int("leases", len(leases)), slog.Any("error", err))
	}
}

// refusal words a shortage.
func refusal(demand Demand, shortage Shortage) *rpcerr.Error {
	if demand.Alias != "" {
		return refusalByName(demand, shortage)
	}
	// Tokens that only an admin can bring back.
	gone := shortage.Disabled + shortage.Expired + shortage.Parked
	switch {
	case shortage.Total == 0:
		return rpcerr.New(tokenstorev1.Reason_REASON_NO_TOKENS, "upstream %q has no tokens; add one", demand.Upstream)
	case shortage.Cause != "":
		return failing(demand, shortage)
	case gone == shortage.Total:
		return rpcerr.New(tokenstorev1.Reason_REASON_NO_TOKENS, "none of the %d tokens of upstream %q can be used: %d disabled, %d expired, %d parked",
			shortage.Total, demand.Upstream, shortage.Disabled, shortage.Expired, shortage.Parked)
	default:
		refused := rpcerr.New(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE,
			"no token of upstream %q is free: of %d, %d busy, %d cooling, %d being probed, %d tried by this request, %d disabled, %d expired, %d parked",
			demand.Upstream, shortage.Total, shortage.Capped, shortage.Cooling, shortage.Probing+shortage.Quarantined, shortage.Tried,
			shortage.Disabled, shortage.Expired, shortage.Parked)
		refused.RetryAfter = retryAfter(shortage)
		return refused
	}
}

// failing words that all tokens fail alike.
func failing(demand Demand, shortage Shortage) *rpcerr.Error {
	refused := rpcerr.New(tokenstorev1.Reason_REASON_UPSTREAM_FAILING,
		"upstream %q fails alike with all tokens (%s); a request now and then finds out whether that is over", demand.Upstream, shortage.Cause)
	refused.RetryAfter = max(shortage.Soonest, time.Second)
	return refused
}

// refusalByName is refusal for a demand that only one token could serve.
func refusalByName(demand Demand, shortage Shortage) *rpcerr.Error {
	refuse := func(reason tokenstorev1.Reason, problem string) *rpcerr.Error {
		refused := rpcerr.New(reason, "the token %q of upstream %q %s", demand.Alias, demand.Upstream, problem)
		refused.RetryAfter = retryAfter(shortage)
		return refused
	}
	switch {
	case shortage.Total == 0:
		return rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "upstream %q has no token with the alias %q", demand.Upstream, demand.Alias)
	case shortage.Cause != "":
		return failing(demand, shortage)
	case shortage.Disabled > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKENS, "is disabled")
	case shortage.Expired > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKENS, "has expired")
	case shortage.Parked > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKENS, "is parked: it was refused again and again")
	case shortage.Cooling > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "is cooling")
	case busy(shortage) > 0:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "is busy")
	default:
		return refuse(tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE, "has been tried by this request")
	}
}

// retryAfter is when it is worth asking again; 0: not by waiting.
func retryAfter(shortage Shortage) time.Duration {
	wait := cmp.Or(shortage.Soonest, shortage.SoonestTried)
	if wait == 0 && busy(shortage) > 0 {
		return time.Second
	}
	return wait
}

// Report ends a lease with an outcome.
type Report struct {
	LeaseRef
	Outcome    tokenstorev1.Outcome
	Model      string
	RetryAfter time.Duration
	Detail     string
	RequestID  string
	// ModelOnly: the outcome is about the token with the model only.
	ModelOnly bool
	// Replica is the gateway's name.
	Replica string
}

// Settle ends the leases and lets their tokens cool where the outcomes say so.
// On an error the reports may be repeated: what has been carried out changes
// nothing twice.
func (d *Desk) Settle(ctx context.Context, reports []Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	settlements := make([]Settlement, len(reports))
	for i, report := range reports {
		settlements[i] = Settlement{LeaseRef: report.LeaseRef, Effect: effectOf(report.Outcome), Error: report.Detail, Model: report.Model}
	}
	settled, err := d.store.Settle(ctx, settlements)
	if err != nil {
		return d.noted(err)
	}
	d.Freed()
	for i, report := range reports {
		if err := d.judge(ctx, report, settled[i]); err != nil {
			return err
		}
	}
	return nil
}

func effectOf(outcome tokenstorev1.Outcome) Effect {
	switch outcome {
	case tokenstorev1.Outcome_OUTCOME_SUCCESS:
		return Succeeded
	case tokenstorev1.Outcome_OUTCOME_UNUSED:
		return Unused
	case tokenstorev1.Outcome_OUTCOME_CALLER_FAULT, tokenstorev1.Outcome_OUTCOME_CLIENT_GONE, tokenstorev1.Outcome_OUTCOME_TOO_LARGE:
		return Neutral
	default:
		return Failed
	}
}

// Renew prolongs leases and answers those that are lost.
func (d *Desk) Renew(ctx context.Context, leases []LeaseRef) ([]LeaseRef, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	lost, err := d.store.Renew(ctx, leases, d.ttl)
	return lost, d.noted(err)
}
