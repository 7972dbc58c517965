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
	"google.golang.org/grpc/peer"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// tick is how often a stream looks after the load and what is pending, and calmTick how
	// often while there is neither.
	tick     = 25 * time.Millisecond
	calmTick = reserveEvery / 2
	// flushEvery is how long a report waits for others to travel with, or a tick
	// less. Each message costs both services and Redis some 100 µs.
	flushEvery = 4 * tick
	// stateEvery is the same for a statement of a key: what it gives back others may need.
	stateEvery = 2 * tick
	// tendEvery is how often the stocks and the books are looked after.
	tendEvery = 50 * time.Millisecond
	// confirmEvery is how often something is said while demands wait, be it nothing: what
	// the store confirms tells how old a grant can be.
	confirmEvery = 500 * time.Millisecond
	// maxInFlight bounds the messages that the store has not acknowledged. It
	// carries them out one by one: while it is slow, what there is to say gathers
	// here, and goes in few messages.
	maxInFlight = 2
	// lastCall is how long a stream outlives its context, for what is pending.
	lastCall = time.Second
	// patience is how long the store may leave a message unanswered before it counts
	// as away; stallLimit, before the stream is given up.
	patience   = time.Second
	stallLimit = 3 * time.Second
	// moveTime is how long it may take to open another stream after one has ended before
	// the store counts as away: with several tokenstores another one goes on.
	moveTime = 250 * time.Millisecond
)

var (
	errStalled  = errors.New("the tokenstore does not answer")
	errNoStream = errors.New("the tokenstore has not been reached yet")
)

// stream is one stream to a store. run's goroutine is its only writer.
type stream struct {
	*session
	grpc.BidiStreamingClient[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]
	received <-chan error // how the stream ended
	sequence uint64
}

// run keeps a stream open until ctx ends; then it sends what is pending, for a second
// at most. A tokenstore ends streams now and then, so that they spread, and others may
// go on where one has died: after a stream that worked another one is opened at once,
// and only when that does not work requests turn to the reserve.
func (s *session) run(ctx context.Context) {
	defer s.giveUp()
	pause := backoff{}
	next, moved := attempt{why: errNoStream, within: patience}, time.Time{}
	for ctx.Err() == nil {
		err := s.converse(ctx, next)
		if ctx.Err() != nil {
			return
		}
		if s.worked() && time.Since(moved) >= moveTime {
			s.log.LogAttrs(ctx, slog.LevelInfo, "lease session ended; opening another", slog.Any("reason", err))
			next, moved, pause = attempt{why: err, within: moveTime}, time.Now(), backoff{}
			continue
		}
		s.reserve.begin(err)
		s.log.LogAttrs(ctx, slog.LevelWarn, "no lease session; opening another", slog.Any("error", err))
		next = attempt{patient: true}
		pause.wait(ctx)
	}
}

// attempt is how a stream is to be opened.
type attempt struct {
	// patient: it waits until a store can be reached.
	patient bool
	// Else the store counts as away, because of why, when it has said nothing within a
	// time.
	why    error
	within time.Duration
}

// converse runs one stream to its end.
func (s *session) converse(ctx context.Context, how attempt) error {
	streamCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.suspend()
	if !how.patient {
		late := time.AfterFunc(how.within, func() {
			if !s.works() {
				s.reserve.begin(how.why)
			}
		})
		defer late.Stop()
	}
	opening := context.AfterFunc(ctx, cancel)
	opened, err := s.client.Session(streamCtx, grpc.WaitForReady(how.patient))
	if err != nil {
		return err
	}
	if !opening() {
		return ctx.Err()
	}
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastCall, cancel) })()
	received := make(chan error, 1)
	var receiver sync.WaitGroup
	defer s.suspend()
	defer receiver.Wait()
	defer cancel()
	receiver.Go(func() { // ends with the stream
		defer close(received)
		for {
			response, err := opened.Recv()
			if err != nil {
				received <- err
				return
			}
			s.hear(response)
		}
	})
	s.resume()
	each := stream{session: s, BidiStreamingClient: opened, received: received}
	return each.keep(ctx)
}

// resume makes a new stream take over from the one before: what that left
// unanswered or unconfirmed is said again.
func (s *session) resume() {
	s.stocks.empty() // what was recalled while nobody listened is unknown
	s.mu.Lock()
	var again []endedReport
	var uses []*tokenstorev1.ReserveReport
	for _, sent := range s.progress.unconfirmed {
		again = append(again, sent.reports...)
		uses = append(uses, sent.uses...)
	}
	s.progress = progress{busy: s.progress.busy}
	s.pending = pending{reports: append(again, s.pending.reports...)}
	s.sayAgain()
	var fills []*waiter
	for _, id := range slices.Sorted(maps.Keys(s.waiting)) { // who came first asks first
		w := s.waiting[id]
		if w.filled != nil { // a stock asks again by itself
			delete(s.waiting, id)
			fills = append(fills, w)
			continue
		}
		w.again()
		s.pending.demands = append(s.pending.demands, w.demand)
	}
	for _, each := range s.open {
		s.pending.renew(each, time.Now())
	}
	s.books.resume()
	s.mu.Unlock()
	s.reserve.renew(uses)
	for _, w := range fills {
		w.filled(nil, false)
	}
}

// suspend notes that no stream is open.
func (s *session) suspend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress.worked = s.progress.heard
	s.progress.heard = false
	s.progress.silentSince = time.Time{}
}

// worked reports whether the store has said something on the last stream.
func (s *session) worked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress.worked
}

// keep talks until the stream or ctx ends.
func (s *stream) keep(ctx context.Context) error {
	pace := tick
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	defer s.calm.Store(false)
	kicked, said := true, time.Time{}
	tended, renewed := time.Now(), time.Now()
	for {
		if now := time.Now(); kicked || s.isTime(now.Sub(said)) {
			kicked, said = false, now
			s.stocks.topUp(now)
			if err := s.say(maxInFlight); err != nil {
				return err
			}
		}
		if next := s.pace(); next != pace {
			pace = next
			ticker.Reset(pace)
		}
		select {
		case <-ctx.Done():
			return s.finish()
		case err := <-s.received:
			return err
		case <-s.kick:
			kicked = true
		case <-s.roused:
		case now := <-ticker.C:
			if s.silent(now) {
				s.reset()
				return errStalled
			}
			if window := now.Sub(tended); window >= tendEvery {
				s.tend(now, window)
				tended = now
			}
			if now.Sub(renewed) >= renewEvery {
				s.renewAging(now)
				renewed = now
			}
		}
	}
}

// isTime reports whether what can wait has waited long enough for others to travel with. Little
// has come since the last message, if that is less than flushEvery ago, and a kick if it can't
// wait.
func (s *stream) isTime(since time.Duration) bool {
	return since >= flushEvery-tick/2 || since >= stateEvery-tick/2 && s.books.due()
}

// pace is how often the stream is to look after what there is.
func (s *session) pace() time.Duration {
	s.calm.Store(true)
	if s.busy() { // looked at last: who makes it busy rouses it from now on
		s.calm.Store(false)
		return tick
	}
	return calmTick
}

// busy reports whether there is anything that can't be left alone for long.
func (s *session) busy() bool {
	if s.stocks.busy() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.pending.empty() || len(s.waiting)+len(s.open) > 0 || !s.progress.silentSince.IsZero() || s.books.busy(time.Now())
}

// silent begins an outage when the store has not answered for too long. It reports
// whether the stream is to be given up.
func (s *session) silent(now time.Time) bool {
	s.mu.Lock()
	since := s.progress.silentSince
	s.mu.Unlock()
	if since.IsZero() || now.Sub(since) < patience {
		return false
	}
	s.reserve.begin(errStalled)
	return now.Sub(since) >= stallLimit
}

// reset breaks the connection under the stream.
func (s *stream) reset() {
	if under, ok := peer.FromContext(s.Context()); ok {
		s.reserve.reset(under.Addr)
	}
}

// tend looks after the stocks, and tells how much is held.
func (s *session) tend(now time.Time, window time.Duration) {
	ready := s.stocks.tend(now)
	s.books.tend(now, window)
	s.mu.Lock()
	used := len(s.open)
	s.mu.Unlock()
	s.observe.Held(ready, used)
}

// say sends what is pending, while less than inFlight messages are on their way. What
// comes while it sends waits for others to travel with.
func (s *stream) say(inFlight uint64) error {
	for more := true; more; {
		var message *tokenstorev1.SessionRequest
		if message, more = s.next(s.sequence+1, inFlight); message == nil {
			return nil
		}
		s.sequence++
		s.observe.RoundTrip()
		if err := s.Send(message); err != nil {
			return errors.Join(err, <-s.received) // Recv has the status
		}
	}
	return nil
}

// next takes what is pending as one message, and tells whether that does not hold it
// all; nil when nothing is, or when it has to wait. A stream's first message goes
// out in any case: its answer shows that the stream works.
func (s *session) next(sequence, inFlight uint64) (message *tokenstorev1.SessionRequest, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	overdue := len(s.waiting) > 0 && now.Sub(s.progress.spoke) >= confirmEvery
	if sequence > 1 && s.pending.empty() && !overdue && !s.reserve.due(now, s.progress.quiet(now)) && !s.reserve.unsaid() && !s.books.due() {
		return nil, false
	}
	if sequence > s.progress.acknowledged+inFlight {
		s.progress.stalled = true
		return nil, false
	}
	if s.progress.busy.IsZero() || !s.pending.empty() {
		s.progress.busy = now // the start counts, another stream does not
	}
	message = &tokenstorev1.SessionRequest{Sequence: sequence}
	if sequence == 1 {
		message.Replica, message.Defers = s.replica, true
	}
	message.Reservation, message.ReserveReports = s.reserve.say(now)
	for _, demand := range s.pending.demands {
		if w := s.waiting[demand.GetId()]; w != nil {
			w.age(now)
		}
	}
	reports, renewed := s.pending.take(message, s.open, now)
	if !s.progress.complete && s.pending.owed() == 0 {
		s.progress.complete, message.Complete = true, true
	}
	message.KeyStatements = s.books.say(now, message.GetDemands())
	for _, demand := range message.GetDemands() {
		if w := s.waiting[demand.GetId()]; w != nil {
			w.sent = now
		}
	}
	s.progress.send(sentMessage{
		sequence: sequence, at: now, reports: reports, uses: message.GetReserveReports(), renewals: renewed, statements: message.GetKeyStatements(),
	})
	return message, !s.pending.empty() || s.reserve.unsaid() || s.books.due()
}

// finish returns the stock and sends the last reports, then waits until the
// store has carried them out or the stream is cancelled.
func (s *stream) finish() error {
	s.stocks.empty()
	s.books.giveBack([]string{""}, time.Hour)
	s.mu.Lock()
	s.pending.demands = nil
	s.sayAgain()
	s.mu.Unlock()
	s.reserve.leave()
	if err := s.say(math.MaxUint32); err != nil {
		return err
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	err := <-s.received
	if errors.Is(err, io.EOF) { // it has read all
		s.mu.Lock()
		s.progress.unconfirmed = nil
		s.mu.Unlock()
	}
	return err
}

// giveUp counts the reports that no stream will bring to the store.
func (s *session) giveUp() {
	s.mu.Lock()
	lost := len(s.pending.reports) + len(s.later)
	for _, sent := range s.progress.unconfirmed {
		lost += len(sent.reports) + len(sent.uses)
	}
	s.mu.Unlock()
	if lost += s.reserve.left(); lost > 0 {
		s.observe.ReportsLost(lost)
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "reports lost at shutdown; their leases return at their expiry", slog.Int("reports", lost))
	}
}
