// Package leasing is the desk at which gateways take leases and give them back.
// It queues demands, oldest first, whichever replica they come from, while all
// tokens are at their cap; and it turns outcomes into transitions. It knows
// nothing of gRPC; the store does what must be atomic.
package leasing

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"carousel.internal/proto/rpcerr"
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
	// tick is how often the queues are looked at without being told, for demands that
	// have waited long enough.
	tick = 100 * time.Millisecond
	// maxUnreadable bounds the attempts to find a token whose secret opens.
	maxUnreadable = 3
)

// Desk is safe for concurrent use.
type Desk struct {
	// id tells it apart from the others on the same store.
	id      string
	store   Store
	ttl     time.Duration
	observe Observer
	log     *slog.Logger
	wake    chan struct{}
	// told are those who tell others something, telling has a place for each; here tells the
	// sessions of this tokenstore.
	told    sync.WaitGroup
	telling chan struct{}
	here    func(upstream string)
	// used is when the last demand or report came, in Unix ns.
	used atomic.Int64

	mu     sync.Mutex
	queues map[string]*queue
	// counts are those of large pools, by the demands' kind.
	counts map[string]count
	// wanted is when demands for each upstream were last known to wait, at any desk;
	// asked when this one last asked for slots that no request uses, announced when it
	// last said that demands wait at it.
	wanted, asked, announced map[string]time.Time
	// others are the other desks where somebody waits for longest, by upstream.
	others map[string]otherDesk
	// settled is when what was lost with a Redis that went away has been said again:
	// until then caps are not known to hold.
	settled time.Time
	// settledPools is the same of single pools, where others were not away.
	settledPools map[string]time.Time
}

// NewDesk makes a desk whose leases live for ttl between renewals. Run serves it.
func NewDesk(store Store, ttl time.Duration, observe Observer, log *slog.Logger) *Desk {
	return &Desk{
		id: rand.Text(), store: store, ttl: ttl, observe: observe, log: log, wake: make(chan struct{}, 1),
		telling: make(chan struct{}, maxTelling), here: func(string) {},
		queues: map[string]*queue{}, counts: map[string]count{}, others: map[string]otherDesk{},
		settledPools: map[string]time.Time{}, wanted: map[string]time.Time{}, asked: map[string]time.Time{}, announced: map[string]time.Time{},
	}
}

// quietAfter is how long nobody may ask for leases, or end any, until the desk is quiet.
const quietAfter = 10 * time.Second

// Quiet tells whether nobody asks for leases.
func (d *Desk) Quiet() bool { return time.Since(time.Unix(0, d.used.Load())) >= quietAfter }

func (d *Desk) noteUse() { d.used.Store(time.Now().UnixNano()) }

// TTL is how long leases live between renewals.
func (d *Desk) TTL() time.Duration { return d.ttl }

// acquire takes up to demand.Count leases, or says why there is none. The call of the
// store outlives the desk's own context: what a script has granted must be known.
func (d *Desk) acquire(ctx context.Context, demand Demand) Answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	ttl := d.ttl
	if demand.Ahead {
		ttl = min(aheadTTL, d.ttl)
	}
	known, counted := d.recall(demand)
	var unreadable error
	for range maxUnreadable {
		taken, shortage, err := d.store.Acquire(ctx, Wanted{
			Upstream: demand.Upstream, Model: demand.Model, Count: demand.Count,
			TTL: ttl, SlotTTL: d.ttl, Ahead: demand.Ahead, Uncapped: d.leavesSlots(demand),
			Alias: demand.Alias, TokenID: demand.TokenID, Affinity: demand.Affinity, Exclude: demand.Exclude, Brief: counted,
		})
		if err != nil {
			return d.failed(ctx, "acquire", err)
		}
		if len(taken) == 0 && unreadable == nil {
			if counted {
				known.Lent = shortage.Lent && known.Capped > 0
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
		if leases, unreadable = d.open(ctx, taken, ttl); len(leases) > 0 {
			return Answer{Leases: leases}
		}
	}
	return d.failed(ctx, "open a token", unreadable)
}

// leavesSlots tells whether a demand is to take nothing of tokens with a cap: it is not known yet
// how many are taken, or it can do without and others can't.
func (d *Desk) leavesSlots(demand Demand) bool {
	return demand.Uncapped || d.settling(demand.Upstream) || demand.Ahead && d.isWanted(demand.Upstream)
}

// failed logs a fault of ours and words it for the asker.
func (d *Desk) failed(ctx context.Context, doing string, err error) Answer {
	d.log.LogAttrs(ctx, slog.LevelError, "lease desk call failed", slog.String("during", doing), slog.Any("error", err))
	_, part := errors.AsType[*PoolAway](d.noted(err))
	return Answer{Refused: Fault(err), PartAway: part}
}

// Fault words a failed call of the store for who waits for it. What is ours alone it does not tell.
func Fault(err error) *rpcerr.Error {
	failure := rpcerr.Parse(err)
	if failure.Reason == tokenstorev1.Reason_REASON_UNSPECIFIED {
		return &rpcerr.Error{Message: "internal error of the tokenstore", Err: err}
	}
	return failure
}

// GiveBack returns leases that were granted and reached nobody. It does not
// block for longer than one call of the store.
func (d *Desk) GiveBack(ctx context.Context, leases []LeaseRef) {
	if len(leases) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	settlements := make([]Settlement, len(leases))
	for i, lease := range leases {
		settlements[i] = Settlement{LeaseRef: lease, Effect: Unused}
	}
	d.giveBack(ctx, settlements)
}

// giveBack needs a ctx with a deadline. A failure only delays the leases' return
// to their expiry.
func (d *Desk) giveBack(ctx context.Context, settlements []Settlement) []Settled {
	settled, err := d.store.Settle(ctx, settlements)
	d.ended(settled)
	if err != nil {
		d.log.LogAttrs(ctx, slog.LevelWarn, "unused leases return at their expiry", slog.Int("leases", len(settlements)), slog.Any("error", err))
	}
	return settled
}

// Locate tells in which pool a token is.
func (d *Desk) Locate(tokenID, upstream string) { d.store.Locate(tokenID, upstream) }

// Renew prolongs leases and returns those that are lost. With [Deferred] it has prolonged the
// others.
func (d *Desk) Renew(ctx context.Context, leases []LeaseRef) ([]LeaseRef, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	lost, err := d.store.Renew(ctx, leases, d.ttl)
	return lost, d.noted(err)
}
