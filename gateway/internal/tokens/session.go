package tokens

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// tick is how often a session looks after the load and what is pending.
	tick = 25 * time.Millisecond
	// flushEvery is how long a report waits for others to travel with, or a tick
	// less. Each message costs both services some 100 µs.
	flushEvery = 2 * tick
	// renewEvery is how often open leases are looked at.
	renewEvery = 500 * time.Millisecond
	// maxInMessage bounds the reports and the renewals of one message: the store
	// carries them out in one step.
	maxInMessage = 1000
	// maxInFlight bounds the messages that the store has not acknowledged. It
	// carries them out one by one: while it is slow, what there is to say gathers
	// here, and goes in few messages.
	maxInFlight = 2
	// lastCall is how long a session outlives its context, for what is pending.
	lastCall = time.Second
)

// Run keeps a session open until ctx ends; then it sends what is pending, for a
// second at most.
func (l *Leases) Run(ctx context.Context) {
	defer l.giveUp()
	pause := backoff{}
	for ctx.Err() == nil {
		began := time.Now()
		err := l.session(ctx)
		if ctx.Err() != nil {
			return
		}
		l.lost(err)
		if time.Since(began) > time.Minute {
			pause = backoff{}
		}
		l.log.LogAttrs(ctx, slog.LevelWarn, "lease session broke; opening another", slog.Any("error", err))
		pause.wait(ctx)
	}
}

// session is one stream to the store. Run's goroutine is its only writer.
type session struct {
	*Leases
	stream   grpc.BidiStreamingClient[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]
	received <-chan error // how the stream ended
	sequence uint64
}

// session runs one session to its end.
func (l *Leases) session(ctx context.Context) error {
	streamCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastCall, cancel) })()
	stream, err := l.client.Session(streamCtx)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	var receiver sync.WaitGroup
	defer l.suspend()
	defer receiver.Wait()
	defer cancel()
	receiver.Go(func() { // ends with the stream
		defer close(received)
		for {
			response, err := stream.Recv()
			if err != nil {
				received <- err
				return
			}
			l.carryOut(response)
		}
	})
	l.resume()
	s := session{Leases: l, stream: stream, received: received}
	return s.converse(ctx)
}

// resume makes a new session take over from the one before: what that left
// unanswered or unacknowledged is said again.
func (l *Leases) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var again []*tokenstorev1.Report
	var reserved []*tokenstorev1.ReserveReport
	for _, sent := range l.unacknowledged {
		again = append(again, sent.reports...)
		reserved = append(reserved, sent.reserved...)
	}
	l.unacknowledged, l.acknowledged, l.stalled = nil, 0, false
	l.sent, l.silentSince, l.complete = 0, time.Time{}, false
	l.reserve.reports = append(reserved, l.reserve.reports...)
	l.reserve.asked, l.reserve.due = time.Time{}, true
	l.outbound.Reports = append(again, l.outbound.Reports...)
	l.outbound.Withdrawn = nil
	l.outbound.Demands = nil
	for _, id := range slices.Sorted(maps.Keys(l.waiting)) { // who came first asks first
		w := l.waiting[id]
		if w.answer == nil { // for a stock, which asks again below
			delete(l.waiting, id)
			l.stockOf(w.pool).filled()
			continue
		}
		w.sent = false
		l.outbound.Demands = append(l.outbound.Demands, w.demand)
	}
	l.emptyStocks() // what was recalled while nobody listened is unknown
	for key, each := range l.stocks {
		l.serve(key, each, time.Now())
	}
	l.outbound.Renewals = nil
	for _, each := range l.open {
		l.renew(each, time.Now())
	}
}

func (l *Leases) suspend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected = false
	l.silentSince = time.Time{}
}

// lost begins an outage because the session is.
func (l *Leases) lost(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beginOutage(why)
}

func (s *session) converse(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	kicked, said := true, time.Time{}
	measured, renewed := time.Now(), time.Now()
	for {
		// Little has come since the last message if that is less than flushEvery
		// ago, and a kick if it can't wait.
		if now := time.Now(); kicked || now.Sub(said) >= flushEvery-tick/2 {
			kicked, said = false, now
			s.topUp(now)
			if err := s.say(maxInFlight); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return s.finish()
		case err := <-s.received:
			return err
		case <-s.kick:
			kicked = true
		case now := <-ticker.C:
			if err := s.watch(now); err != nil {
				s.reserve.Reset() // never changed while Run runs
				return err
			}
			if window := now.Sub(measured); window >= rateWindow {
				s.tend(now, window)
				measured = now
			}
			if now.Sub(renewed) >= renewEvery {
				s.renewAging(now)
				renewed = now
			}
		}
	}
}

// say sends what is pending, while less than inFlight messages are on their way. What
// comes while it sends waits for others to travel with.
func (s *session) say(inFlight uint64) error {
	for more := true; more; {
		var message *tokenstorev1.SessionRequest
		if message, more = s.next(s.sequence+1, inFlight); message == nil {
			return nil
		}
		s.sequence++
		s.observe.RoundTrip()
		if err := s.stream.Send(message); err != nil {
			return errors.Join(err, <-s.received) // Recv has the status
		}
	}
	return nil
}

// next takes what is pending as one message, and tells whether that does not hold it
// all; nil when nothing is, or when it has to wait. A session's first message goes
// out in any case: its answer shows that the session works.
func (l *Leases) next(sequence, inFlight uint64) (message *tokenstorev1.SessionRequest, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pending, now := &l.outbound, time.Now()
	if sequence > 1 && !l.reserve.mayAsk(now) &&
		len(pending.Demands)+len(pending.Reports)+len(pending.Renewals)+len(pending.Withdrawn)+len(l.reserve.reports) == 0 {
		return nil, false
	}
	if sequence > l.acknowledged+inFlight {
		l.stalled = true
		return nil, false
	}
	message = &tokenstorev1.SessionRequest{
		Reservation: l.reserve.reservation(now), ReserveReports: upTo(maxInMessage, &l.reserve.reports),
		Sequence: sequence, Demands: pending.Demands, Withdrawn: pending.Withdrawn,
		Reports: upTo(maxInMessage, &pending.Reports), Renewals: upTo(maxInMessage, &pending.Renewals),
	}
	pending.Demands, pending.Withdrawn = nil, nil
	if sequence == 1 {
		message.Replica = l.replica
	}
	if !l.complete && len(pending.Reports)+len(pending.Renewals) == 0 {
		l.complete, message.Complete = true, true
	}
	for _, demand := range message.GetDemands() {
		if w := l.waiting[demand.GetId()]; w != nil {
			w.sent = true
		}
	}
	if len(message.GetReports())+len(message.GetReserveReports()) > 0 {
		l.unacknowledged = append(l.unacknowledged, sentReports{sequence, message.GetReports(), message.GetReserveReports()})
	}
	if l.sent = sequence; l.silentSince.IsZero() {
		l.silentSince = now
	}
	return message, len(pending.Reports)+len(pending.Renewals)+len(l.reserve.reports) > 0
}

// upTo takes the first n of a queue, or all.
func upTo[T any](n int, queue *[]T) []T {
	if len(*queue) <= n {
		all := *queue
		*queue = nil
		return all
	}
	first := (*queue)[:n:n]
	*queue = (*queue)[n:]
	return first
}

// renewAging asks for more time for the leases that have used up half of theirs.
func (l *Leases) renewAging(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, each := range l.open {
		if now.Sub(each.renewed) > l.ttl/2-renewEvery {
			l.renew(each, now)
		}
	}
}

// renew asks for more time for a lease that a request has; mu is held.
func (l *Leases) renew(each *held, now time.Time) {
	if each.stocked || each.from != nil {
		return
	}
	l.outbound.Renewals = append(l.outbound.Renewals, &tokenstorev1.LeaseRef{LeaseId: each.lease.ID, TokenId: each.lease.TokenID})
	each.renewed = now
	each.term.Extend(now.Add(l.ttl))
}

// finish returns the stock and sends the last reports, then waits until the
// store has carried them out or the stream is cancelled.
func (s *session) finish() error {
	s.mu.Lock()
	s.emptyStocks()
	s.outbound.Demands = nil
	s.reserve.leave()
	s.mu.Unlock()
	if err := s.say(math.MaxUint32); err != nil {
		return err
	}
	if err := s.stream.CloseSend(); err != nil {
		return err
	}
	err := <-s.received
	if errors.Is(err, io.EOF) { // it has read all
		s.mu.Lock()
		s.unacknowledged = nil
		s.mu.Unlock()
	}
	return err
}

// giveUp counts the reports that no session will bring to the store.
func (l *Leases) giveUp() {
	l.mu.Lock()
	lost := len(l.outbound.Reports)
	lost += len(l.reserve.reports)
	for _, sent := range l.unacknowledged {
		lost += len(sent.reports) + len(sent.reserved)
	}
	l.mu.Unlock()
	if lost > 0 {
		l.observe.ReportsLost(lost)
		l.log.LogAttrs(context.Background(), slog.LevelWarn, "reports lost at shutdown; their leases return at their expiry", slog.Int("reports", lost))
	}
}

// Ready answers nil while a session is open and works, or the reserve serves.
func (l *Leases) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outage != nil && l.reserve.usable(time.Now()) {
		return nil
	}
	if !l.connected || l.outage != nil {
		return errors.New("no session with the tokenstore")
	}
	return nil
}

// outcomes says how each class of failure is reported.
var outcomes = map[upstream.Class]tokenstorev1.Outcome{
	"":                       tokenstorev1.Outcome_OUTCOME_SUCCESS,
	upstream.CallerFault:     tokenstorev1.Outcome_OUTCOME_CALLER_FAULT,
	upstream.ClientGone:      tokenstorev1.Outcome_OUTCOME_CLIENT_GONE,
	upstream.Auth:            tokenstorev1.Outcome_OUTCOME_AUTH,
	upstream.ModelNotAllowed: tokenstorev1.Outcome_OUTCOME_MODEL_NOT_ALLOWED,
	upstream.ModelUnknown:    tokenstorev1.Outcome_OUTCOME_CALLER_FAULT, // no token's fault
	upstream.Quota:           tokenstorev1.Outcome_OUTCOME_QUOTA,
	upstream.RateLimit:       tokenstorev1.Outcome_OUTCOME_RATE_LIMIT,
	upstream.TooLarge:        tokenstorev1.Outcome_OUTCOME_TOO_LARGE,
	upstream.OutdatedClient:  tokenstorev1.Outcome_OUTCOME_OUTDATED_CLIENT,
	upstream.Broken:          tokenstorev1.Outcome_OUTCOME_UPSTREAM,
	upstream.Transport:       tokenstorev1.Outcome_OUTCOME_TRANSPORT,
	upstream.Truncated:       tokenstorev1.Outcome_OUTCOME_TRUNCATED,
	upstream.Region:          tokenstorev1.Outcome_OUTCOME_REGION,
}

func outcomeOf(class upstream.Class) tokenstorev1.Outcome {
	outcome, known := outcomes[class]
	if !known {
		return tokenstorev1.Outcome_OUTCOME_UPSTREAM
	}
	return outcome
}

func durationOf(d time.Duration) *durationpb.Duration {
	if d <= 0 {
		return nil
	}
	return durationpb.New(d)
}

// poolOf is nil where the store has counted no tokens.
func poolOf(pool *tokenstorev1.PoolSummary) *chat.Pool {
	if pool.GetTotal() == 0 {
		return nil
	}
	return &chat.Pool{
		Total: int(pool.GetTotal()), Busy: int(pool.GetCapped()), Cooling: int(pool.GetCooling()), Probing: int(pool.GetProbing()),
		Quarantined: int(pool.GetQuarantined()), Tried: int(pool.GetTried()), Parked: int(pool.GetParked()),
		Disabled: int(pool.GetDisabled()), Expired: int(pool.GetExpired()),
	}
}

// errorOfDenial words a denial for the client.
func errorOfDenial(denial *tokenstorev1.Denial) *chat.Error {
	err := &chat.Error{
		Kind: chat.StoreUnavailable, Message: denial.GetMessage(), RetryAfter: denial.GetRetryAfter().AsDuration(), Pool: poolOf(denial.GetPool()),
	}
	switch denial.GetReason() {
	case tokenstorev1.Reason_REASON_NO_TOKENS:
		err.Kind = chat.NoTokens
	case tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE:
		err.Kind = chat.NoTokenAvailable
	case tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND: // only a demand with an alias can be told that
		err.Kind = chat.AliasNotFound
	case tokenstorev1.Reason_REASON_UPSTREAM_FAILING:
		err.Kind = chat.UpstreamUnavailable
	case tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:
	default:
		err.Kind = chat.Internal
	}
	return err
}
