package tokens

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// flushEvery is how long a report waits for other messages to travel with.
	flushEvery = 25 * time.Millisecond
	// renewEvery is how often open leases are looked at.
	renewEvery = 500 * time.Millisecond
	// renewBelow is the rest of a lease's life at which it is renewed.
	renewBelow = 8 * time.Second
	// answerSlack is how much longer than it may queue a demand waits for its
	// answer, outages of the session included.
	answerSlack = 3 * time.Second
	// maxPending bounds the reports that wait while the store is away. Beyond it
	// the oldest are given up: their leases return at their expiry.
	maxPending = 50_000
)

// Leases takes leases and gives them back, over one session with the store that
// it keeps open. Demands go out at once; reports wait briefly to travel together.
// At load it takes leases ahead (see stock), so that a request rarely waits for
// the store.
type Leases struct {
	client  tokenstorev1.LeaseServiceClient
	replica string
	log     *slog.Logger
	observe Observer
	kick    chan struct{}

	mu sync.Mutex
	// connected tells whether a session is open.
	connected bool
	nextID    uint64
	waiting   map[uint64]*waiter
	stocks    map[pool]*stock
	open      map[string]*held
	outbound  tokenstorev1.SessionRequest
	// unacknowledged are the reports of messages that the store has not
	// confirmed, by the message's sequence.
	unacknowledged []sentReports
}

// Observer counts what the session does.
type Observer interface {
	// RoundTrip is one message to the store.
	RoundTrip()
	// Leased is a lease handed to a request; ahead: without asking the store.
	Leased(ahead bool)
	// ReportsLost counts reports that were given up.
	ReportsLost(n int)
}

type pool struct{ upstream, model string }

// waiter is a demand that has not been answered.
type waiter struct {
	demand *tokenstorev1.Demand
	pool   pool
	answer chan answer // buffered; nil when the leases are for the stock
	sent   bool
}

type answer struct {
	lease *lease.Lease
	err   *chat.Error
}

// held is a lease that the store has granted and that has not been settled.
type held struct {
	lease   *lease.Lease
	pool    pool
	epoch   uint64
	capped  bool
	expires time.Time
	// stocked: no request has it yet.
	stocked bool
}

type sentReports struct {
	sequence uint64
	reports  []*tokenstorev1.Report
}

// NewLeases makes the client; Run keeps its session.
func NewLeases(client tokenstorev1.LeaseServiceClient, replica string, observe Observer, log *slog.Logger) *Leases {
	return &Leases{
		client: client, replica: replica, log: log, observe: observe, kick: make(chan struct{}, 1),
		waiting: map[uint64]*waiter{}, stocks: map[pool]*stock{}, open: map[string]*held{},
	}
}

// Acquire takes a lease: from the stock where there is one, else from the store.
// Whoever gets one calls Settle. Errors are *chat.Error.
func (l *Leases) Acquire(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
	key := pool{demand.Upstream, demand.Model}
	l.mu.Lock()
	ahead := l.stockOf(key)
	ahead.asked++
	if taken := ahead.take(demand.Exclude, time.Now()); taken != nil {
		l.refill(key, ahead)
		l.mu.Unlock()
		l.observe.Leased(true)
		return taken.lease, nil
	}
	mine := l.demand(key, &tokenstorev1.Demand{
		Upstream: demand.Upstream, Model: demand.Model, Count: 1,
		ExcludeTokenIds: demand.Exclude, MaxWait: durationOf(demand.MaxWait),
	}, make(chan answer, 1))
	l.refill(key, ahead)
	l.mu.Unlock()
	l.nudge()

	timer := time.NewTimer(demand.MaxWait + answerSlack)
	defer timer.Stop()
	select {
	case got := <-mine.answer:
		if got.err != nil {
			return nil, got.err
		}
		l.observe.Leased(false)
		return got.lease, nil
	case <-ctx.Done():
		l.withdraw(mine)
		return nil, chat.AsError(context.Cause(ctx))
	case <-timer.C:
		l.withdraw(mine)
		return nil, &chat.Error{
			Kind: chat.StoreUnavailable, Message: "the tokenstore can't be reached", RetryAfter: time.Second,
		}
	}
}

// Settle ends a lease with its outcome. It does not block.
func (l *Leases) Settle(done *lease.Lease, outcome lease.Outcome) {
	report := &tokenstorev1.Report{
		LeaseId: done.ID, TokenId: done.TokenID, Outcome: outcomeOf(outcome.Class), Model: outcome.Model,
		RetryAfter: durationOf(outcome.RetryAfter), Detail: outcome.Detail, RequestId: outcome.RequestID,
	}
	l.mu.Lock()
	was := l.open[keyOf(done)]
	delete(l.open, keyOf(done))
	l.report(report)
	l.mu.Unlock()
	// Somebody may be waiting for the room under the cap; and a failure should
	// be known before the token is picked again.
	if was == nil || was.capped || report.GetOutcome() != tokenstorev1.Outcome_OUTCOME_SUCCESS {
		l.nudge()
	}
}

func keyOf(l *lease.Lease) string { return l.TokenID + "/" + l.ID }

// report queues a report; mu is held.
func (l *Leases) report(report *tokenstorev1.Report) {
	if len(l.outbound.Reports) >= maxPending {
		l.outbound.Reports = l.outbound.Reports[maxPending/10:]
		l.observe.ReportsLost(maxPending / 10)
	}
	l.outbound.Reports = append(l.outbound.Reports, report)
}

// demand queues a demand; mu is held.
func (l *Leases) demand(key pool, demand *tokenstorev1.Demand, answers chan answer) *waiter {
	l.nextID++
	demand.Id = l.nextID
	w := &waiter{demand: demand, pool: key, answer: answers}
	l.waiting[demand.Id] = w
	l.outbound.Demands = append(l.outbound.Demands, demand)
	return w
}

// withdraw gives a demand up. If its lease was on the way, it goes back.
func (l *Leases) withdraw(w *waiter) {
	l.mu.Lock()
	if _, waits := l.waiting[w.demand.GetId()]; waits {
		delete(l.waiting, w.demand.GetId())
		if w.sent {
			l.outbound.Withdrawn = append(l.outbound.Withdrawn, w.demand.GetId())
		} else {
			l.dropDemand(w.demand.GetId())
		}
	}
	l.mu.Unlock()
	select {
	case got := <-w.answer:
		if got.lease != nil {
			l.giveBack(got.lease)
		}
	default:
	}
	l.nudge()
}

func (l *Leases) dropDemand(id uint64) {
	for i, demand := range l.outbound.Demands {
		if demand.GetId() == id {
			l.outbound.Demands = append(l.outbound.Demands[:i], l.outbound.Demands[i+1:]...)
			return
		}
	}
}

func (l *Leases) giveBack(unused *lease.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveBackLocked(unused)
}

func (l *Leases) giveBackLocked(unused *lease.Lease) {
	delete(l.open, keyOf(unused))
	l.report(&tokenstorev1.Report{
		LeaseId: unused.ID, TokenId: unused.TokenID, Outcome: tokenstorev1.Outcome_OUTCOME_UNUSED,
	})
}

// nudge has the session send now.
func (l *Leases) nudge() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// carryOut takes in what the store says.
func (l *Leases) carryOut(response *tokenstorev1.SessionResponse) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.unacknowledged) > 0 && l.unacknowledged[0].sequence <= response.GetAcknowledged() {
		l.unacknowledged = l.unacknowledged[1:]
	}
	for _, grant := range response.GetGrants() {
		l.granted(grant, now)
	}
	for _, denial := range response.GetDenials() {
		l.denied(denial)
	}
	for _, recall := range response.GetRecalls() {
		for _, each := range l.stocks {
			for _, back := range each.recall(recall.GetTokenId(), recall.GetEpoch()) {
				l.giveBackLocked(back.lease)
			}
		}
	}
	for _, id := range response.GetLostLeaseIds() {
		l.log.LogAttrs(context.Background(), slog.LevelWarn, "an open lease was lost; its request goes on", slog.String("lease_id", id))
	}
}

func (l *Leases) granted(grant *tokenstorev1.Grant, now time.Time) {
	w := l.waiting[grant.GetDemandId()]
	delete(l.waiting, grant.GetDemandId())
	for i, granted := range grant.GetLeases() {
		each := heldFrom(granted, now)
		switch {
		case w == nil: // withdrawn
			l.giveBackLocked(each.lease)
		case w.answer != nil && i == 0:
			each.pool = w.pool
			l.open[keyOf(each.lease)] = each
			w.answer <- answer{lease: each.lease}
		default:
			each.pool = w.pool
			l.open[keyOf(each.lease)] = each
			l.stockOf(w.pool).put(each)
		}
	}
	if w != nil && w.answer == nil {
		l.stockOf(w.pool).filled()
	}
}

func (l *Leases) denied(denial *tokenstorev1.Denial) {
	w := l.waiting[denial.GetDemandId()]
	delete(l.waiting, denial.GetDemandId())
	switch {
	case w == nil:
	case w.answer == nil:
		l.stockOf(w.pool).denied(time.Now())
	default:
		w.answer <- answer{err: errorOfDenial(denial)}
	}
}

func heldFrom(granted *tokenstorev1.Lease, now time.Time) *held {
	return &held{
		lease: &lease.Lease{
			ID: granted.GetId(), TokenID: granted.GetTokenId(), Alias: granted.GetAlias(), Fingerprint: granted.GetFingerprint(),
			Credential: upstream.Credential{
				Secret: secret.New(granted.GetSecret()), DeviceID: granted.GetDeviceId(), MACHash: granted.GetMacHash(),
			},
		},
		epoch: granted.GetEpoch(), capped: granted.GetCapped(), expires: now.Add(granted.GetTtl().AsDuration()),
	}
}
