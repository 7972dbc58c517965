package tokens

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// answerSlack is how much longer than it may queue a demand waits for its
	// answer, outages of the session included.
	answerSlack = 3 * time.Second
	// maxPending bounds the reports that wait while the store is away. Beyond it
	// the oldest are given up: their leases return at their expiry.
	maxPending = 50_000
	// recallMemory is how long a recall is remembered: a grant that was made
	// before it may come after it.
	recallMemory = 10 * time.Second
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
	// connected tells whether a session is open and the store has answered on it.
	connected bool
	nextID    uint64
	waiting   map[uint64]*waiter
	stocks    map[pool]*stock
	// open has the leases that were granted and not settled, by what Acquire
	// answers.
	open map[*lease.Lease]*held
	// ttl is how long the store's leases live between renewals, as far as known.
	ttl      time.Duration
	recalled map[string]recalled
	outbound tokenstorev1.SessionRequest
	// unacknowledged are the reports of messages that the store has not
	// confirmed, by the message's sequence.
	unacknowledged []sentReports
	// acknowledged is the last message of the session that the store has carried
	// out; stalled: there is more to say, and it waits for that.
	acknowledged uint64
	stalled      bool
	// silentSince is when the first message went out that the store has not
	// acknowledged; zero: it has acknowledged all.
	silentSince time.Time
	// sent is the last message of the session.
	sent uint64
	// complete: the session's messages have said all that is held.
	complete bool

	reserve reserve
	// outage is the present one; nil while all is well. away is closed when one
	// begins.
	outage *outage
	away   chan struct{}
}

// Observer counts what the session does. Its methods must not block.
type Observer interface {
	// RoundTrip is one message to the store.
	RoundTrip()
	// Leased is a lease handed to a request after a wait; ahead: without asking
	// the store.
	Leased(ahead bool, waited time.Duration)
	// LeasedInReserve is one that the reserve served, while the store was away.
	LeasedInReserve(waited time.Duration)
	// Degraded tells that requests are served from the reserve from now on, or no
	// longer.
	Degraded(now bool)
	// Denied is a request that got no lease.
	Denied()
	// Recalled counts leases taken ahead that the store withdrew.
	Recalled(n int)
	// Lost counts leases that expired while their requests ran.
	Lost(n int)
	// Held is how many leases there are now, taken ahead and used by requests.
	Held(ready, used int)
	// ReportsLost counts reports that were given up.
	ReportsLost(n int)
}

type pool struct{ upstream, model string }

// waiter is a demand that has not been answered.
type waiter struct {
	// demand has an id once it is asked: those that wait for the stock have none.
	demand *tokenstorev1.Demand
	pool   pool
	answer chan answer // buffered; nil when the leases are for the stock
	sent   bool
}

type answer struct {
	lease *lease.Lease
	err   *chat.Error
	// ahead: the lease comes from the stock.
	ahead bool
}

// held is a lease that the store has granted and that has not been settled.
type held struct {
	lease  lease.Lease
	epoch  uint64
	capped bool
	// term is the lease's.
	term lease.Term
	// renewed is when more time was last asked for, or the lease granted.
	renewed time.Time
	// stocked: no request has it yet.
	stocked bool
	// from is where it comes from when the store did not grant it.
	from *hold
}

// recalled says which leases of a token must not be used any more.
type recalled struct {
	below uint64
	at    time.Time
}

type sentReports struct {
	sequence uint64
	reports  []*tokenstorev1.Report
	reserved []*tokenstorev1.ReserveReport
}

// NewLeases makes the client; Run keeps its session.
func NewLeases(client tokenstorev1.LeaseServiceClient, replica string, observe Observer, log *slog.Logger) *Leases {
	return &Leases{
		client: client, replica: replica, log: log, observe: observe, kick: make(chan struct{}, 1),
		waiting: map[uint64]*waiter{}, stocks: map[pool]*stock{}, open: map[*lease.Lease]*held{}, recalled: map[string]recalled{},
		reserve: reserve{holds: map[string]*hold{}}, away: make(chan struct{}),
	}
}

// errand is a demand with its time.
type errand struct {
	demand          lease.Demand
	began, deadline time.Time
}

// Acquire takes a lease: from the stock where there is one, else from the store;
// while that is away, from the reserve. Whoever gets one calls Settle. Errors are
// *chat.Error.
func (l *Leases) Acquire(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
	now := time.Now()
	errand := errand{demand: demand, began: now, deadline: now.Add(demand.MaxWait + answerSlack)}
	for {
		taken, retry, err := l.acquireGranted(ctx, errand)
		if !retry {
			return taken, err
		}
		if taken, retry, err = l.acquireReserved(ctx, errand); !retry {
			return taken, err
		}
	}
}

// acquireGranted takes a lease that the store has granted or grants. retry: the
// store is away.
func (l *Leases) acquireGranted(ctx context.Context, errand errand) (taken *lease.Lease, retry bool, err error) {
	demand, now := errand.demand, time.Now()
	key := pool{demand.Upstream, demand.Model}
	l.mu.Lock()
	away := l.away
	if l.outage != nil {
		l.mu.Unlock()
		return nil, true, nil
	}
	if demand.Alias != "" || demand.Sticky != "" { // what lies in the stock is of any token
		mine := newWaiter(key, demand)
		l.ask(mine)
		l.nudge()
		l.mu.Unlock()
		return l.await(ctx, mine, errand, away)
	}
	ahead := l.stockOf(key)
	ahead.ask()
	if shelved := ahead.take(demand.Exclude, now); shelved != nil {
		l.refill(key, ahead, now)
		l.mu.Unlock()
		l.observe.Leased(true, 0)
		return &shelved.lease, false, nil
	}
	mine := newWaiter(key, demand)
	l.refill(key, ahead, now)
	if ahead.filling && len(demand.Exclude) == 0 {
		ahead.queue = append(ahead.queue, mine)
	} else {
		l.ask(mine)
		l.nudge()
	}
	l.mu.Unlock()
	return l.await(ctx, mine, errand, away)
}

func newWaiter(key pool, demand lease.Demand) *waiter {
	return &waiter{pool: key, answer: make(chan answer, 1), demand: &tokenstorev1.Demand{
		Upstream: demand.Upstream, Model: demand.Model, Alias: demand.Alias, StickyKey: demand.Sticky, Count: 1,
		ExcludeTokenIds: demand.Exclude, MaxWait: durationOf(demand.MaxWait),
	}}
}

// await waits for a demand's answer, and withdraws the demand when that takes too
// long, or when the store goes away.
func (l *Leases) await(ctx context.Context, mine *waiter, errand errand, away <-chan struct{}) (taken *lease.Lease, retry bool, err error) {
	timer := time.NewTimer(time.Until(errand.deadline))
	defer timer.Stop()
	select {
	case got := <-mine.answer:
		if got.err != nil {
			l.observe.Denied()
			return nil, false, got.err
		}
		l.observe.Leased(got.ahead, time.Since(errand.began))
		return got.lease, false, nil
	case <-away:
		retry = true
	case <-ctx.Done():
		err = chat.AsError(context.Cause(ctx))
	case <-timer.C:
		err = &chat.Error{Kind: chat.StoreUnavailable, Message: "the tokenstore can't be reached", RetryAfter: time.Second}
	}
	l.withdraw(mine)
	return nil, retry, err
}

// Settle ends a lease with its outcome; a second time it does nothing. It does
// not block.
func (l *Leases) Settle(done *lease.Lease, outcome lease.Outcome) {
	report := reportOf(done, outcome)
	l.mu.Lock()
	was := l.open[done]
	delete(l.open, done)
	switch {
	case was == nil:
	case was.from != nil:
		if lost := l.reserve.settle(was.from, report, time.Now()); lost > 0 {
			l.observe.ReportsLost(lost)
		}
		l.serveReserved(time.Now())
	default:
		l.report(report)
	}
	l.mu.Unlock()
	// Somebody may be waiting for the room under the cap; and a failure should
	// be known before the token is picked again.
	if was != nil && (was.capped || report.GetOutcome() != tokenstorev1.Outcome_OUTCOME_SUCCESS) {
		l.nudge()
	}
}

func reportOf(done *lease.Lease, outcome lease.Outcome) *tokenstorev1.Report {
	if outcome.Unused {
		return unusedReport(done)
	}
	return &tokenstorev1.Report{
		LeaseId: done.ID, TokenId: done.TokenID, Outcome: outcomeOf(outcome.Class), Model: outcome.Model,
		RetryAfter: durationOf(outcome.RetryAfter), Detail: outcome.Detail, RequestId: outcome.RequestID,
		ModelOnly: outcome.ModelOnly,
	}
}

func unusedReport(of *lease.Lease) *tokenstorev1.Report {
	return &tokenstorev1.Report{LeaseId: of.ID, TokenId: of.TokenID, Outcome: tokenstorev1.Outcome_OUTCOME_UNUSED}
}

// report queues a report; mu is held.
func (l *Leases) report(report *tokenstorev1.Report) {
	l.outbound.Reports = append(l.outbound.Reports, report)
	if over := len(l.outbound.Reports) - maxPending; over > 0 {
		over += maxPending / 10 // so that it does not come to this each time
		l.outbound.Reports = l.outbound.Reports[over:]
		l.observe.ReportsLost(over)
	}
}

// ask queues a new demand; mu is held.
func (l *Leases) ask(w *waiter) {
	l.nextID++
	w.demand.Id = l.nextID
	l.waiting[l.nextID] = w
	l.outbound.Demands = append(l.outbound.Demands, w.demand)
}

// withdraw gives a demand up. If its lease was on the way, it goes back.
func (l *Leases) withdraw(w *waiter) {
	l.mu.Lock()
	id := w.demand.GetId()
	if ahead := l.stockOf(w.pool); id == 0 {
		ahead.queue = slices.DeleteFunc(ahead.queue, func(each *waiter) bool { return each == w })
	} else if _, waits := l.waiting[id]; waits {
		delete(l.waiting, id)
		if w.sent {
			l.outbound.Withdrawn = append(l.outbound.Withdrawn, id)
		} else {
			l.dropDemand(id)
		}
	}
	select {
	case got := <-w.answer:
		if got.lease != nil {
			l.giveBack(l.open[got.lease])
		}
	default:
	}
	l.mu.Unlock()
	l.nudge()
}

// dropDemand forgets a demand that was not sent; mu is held.
func (l *Leases) dropDemand(id uint64) {
	for i, demand := range l.outbound.Demands {
		if demand.GetId() == id {
			l.outbound.Demands = append(l.outbound.Demands[:i], l.outbound.Demands[i+1:]...)
			return
		}
	}
}

// giveBack returns leases that no request has used; mu is held.
func (l *Leases) giveBack(unused ...*held) {
	for _, each := range unused {
		delete(l.open, &each.lease)
		l.report(unusedReport(&each.lease))
	}
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
	l.connected = true
	l.hear(response.GetAcknowledged(), now)
	if l.stalled {
		l.stalled = false
		l.nudge()
	}
	for len(l.unacknowledged) > 0 && l.unacknowledged[0].sequence <= response.GetAcknowledged() {
		l.unacknowledged = l.unacknowledged[1:]
	}
	for _, recall := range response.GetRecalls() {
		l.recall(recall, now)
	}
	for _, grant := range response.GetGrants() {
		l.granted(grant, now)
	}
	for _, denial := range response.GetDenials() {
		l.denied(denial, now)
	}
	l.tendReserve(response, now)
	l.mu.Unlock()
	if lost := response.GetLostLeaseIds(); len(lost) > 0 {
		l.observe.Lost(len(lost))
		l.log.LogAttrs(context.Background(), slog.LevelWarn, "open leases were lost; their requests go on", slog.Any("lease_ids", lost))
	}
}

// recall takes the leases that nobody uses yet out of the stocks; mu is held.
func (l *Leases) recall(recall *tokenstorev1.Recall, now time.Time) {
	tokenID, below := recall.GetTokenId(), recall.GetEpoch()
	if tokenID != "" {
		l.recalled[tokenID] = recalled{below: max(below, l.recalled[tokenID].below), at: now}
		l.reserve.recall(tokenID, below)
	}
	for _, each := range l.stocks {
		if back := each.recall(tokenID, below); len(back) > 0 {
			l.giveBack(back...)
			l.observe.Recalled(len(back))
		}
	}
}

// granted hands the leases to whom they are for; mu is held.
func (l *Leases) granted(grant *tokenstorev1.Grant, now time.Time) {
	w := l.waiting[grant.GetDemandId()]
	delete(l.waiting, grant.GetDemandId())
	forRequest := w != nil && w.answer != nil
	overtaken := false
	for _, granted := range grant.GetLeases() {
		each := heldFrom(granted, now)
		switch {
		case w == nil: // withdrawn
			l.giveBack(each)
			l.nudge() // there may be somebody to whom it goes next
		case each.epoch < l.recalled[each.lease.TokenID].below:
			l.giveBack(each)
			overtaken = true
		case forRequest:
			l.open[&each.lease] = each
			l.ttl = granted.GetTtl().AsDuration()
			w.answer <- answer{lease: &each.lease}
			forRequest = false
		default:
			l.open[&each.lease] = each
			l.stockOf(w.pool).put(each, now)
		}
	}
	if forRequest && overtaken { // by a recall: ask again
		w.demand, w.sent = proto.CloneOf(w.demand), false
		l.ask(w)
		l.nudge()
	}
	if w != nil && w.answer == nil {
		filled := l.stockOf(w.pool)
		filled.filled()
		l.serve(w.pool, filled, now)
	}
}

// denied tells who asked; mu is held.
func (l *Leases) denied(denial *tokenstorev1.Denial, now time.Time) {
	w := l.waiting[denial.GetDemandId()]
	delete(l.waiting, denial.GetDemandId())
	switch {
	case w == nil:
	case w.answer == nil:
		refused := l.stockOf(w.pool)
		refused.denied(now)
		l.serve(w.pool, refused, now)
	case denial.GetReason() == tokenstorev1.Reason_REASON_STORE_UNAVAILABLE && l.beginOutage(errors.New(denial.GetMessage())):
		// It turns to the reserve.
	default:
		w.answer <- answer{err: errorOfDenial(denial)}
	}
}

func heldFrom(granted *tokenstorev1.Lease, now time.Time) *held {
	made := &held{
		lease: lease.Lease{
			ID: granted.GetId(), TokenID: granted.GetTokenId(), Alias: granted.GetAlias(), Fingerprint: granted.GetFingerprint(),
			MaskedSecret: granted.GetMaskedSecret(),
			Credential: upstream.Credential{
				Secret: secret.New(granted.GetSecret()), DeviceID: granted.GetDeviceId(), MACHash: granted.GetMacHash(),
			},
		},
		epoch: granted.GetEpoch(), capped: granted.GetCapped(), renewed: now,
	}
	made.lease.Term = &made.term
	made.term.Extend(now.Add(granted.GetTtl().AsDuration()))
	return made
}
