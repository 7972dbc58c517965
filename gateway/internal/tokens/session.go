package tokens

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

type sessionStream = grpc.BidiStreamingClient[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]

// Run keeps a session open until ctx ends; then it sends what is pending, for a
// second at most.
func (l *Leases) Run(ctx context.Context) {
	pause := backoff{}
	for ctx.Err() == nil {
		began := time.Now()
		err := l.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = backoff{}
		}
		l.log.LogAttrs(ctx, slog.LevelWarn, "lease session broke; opening another", slog.Any("error", err))
		pause.wait(ctx)
	}
}

// session runs one session to its end.
func (l *Leases) session(ctx context.Context) error {
	// The stream outlives ctx by the flush at the end.
	streamCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stream, err := l.client.Session(streamCtx, grpc.WaitForReady(false))
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	var receiver sync.WaitGroup
	defer receiver.Wait()
	defer cancel()
	receiver.Go(func() { // ends with the stream
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
	defer l.suspend()
	err = l.send(ctx, stream, received)
	if ctx.Err() != nil {
		lastCall := time.AfterFunc(time.Second, cancel)
		defer lastCall.Stop()
		l.finish(stream, received)
	}
	return err
}

// resume makes a new session take over from the one before: what that left
// unanswered or unacknowledged is said again.
func (l *Leases) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected = true
	var again []*tokenstorev1.Report
	for _, sent := range l.unacknowledged {
		again = append(again, sent.reports...)
	}
	l.unacknowledged = nil
	l.outbound.Reports = append(again, l.outbound.Reports...)
	l.outbound.Withdrawn = nil
	l.outbound.Demands = nil
	for id, w := range l.waiting {
		if w.answer == nil { // for the stock: the load will ask again
			delete(l.waiting, id)
			l.stockOf(w.pool).filled()
			continue
		}
		w.sent = false
		l.outbound.Demands = append(l.outbound.Demands, w.demand)
	}
	// What was recalled while nobody listened is unknown.
	for _, s := range l.stocks {
		for _, back := range s.recall("", 0) {
			l.giveBackLocked(back.lease)
		}
	}
	l.nudge()
}

func (l *Leases) suspend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected = false
}

// send is the session's only writer.
func (l *Leases) send(ctx context.Context, stream sessionStream, received <-chan error) error {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	var sequence uint64
	measured, renewed := time.Now(), time.Time{} // renew at once: the session before may have ended a while ago
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-received:
			return err
		case <-l.kick:
		case now := <-flush.C:
			l.mu.Lock()
			if window := now.Sub(measured); window >= rateWindow {
				l.tend(now, window)
				measured = now
			}
			if now.Sub(renewed) >= renewEvery {
				l.renew(now)
				renewed = now
			}
			l.mu.Unlock()
		}
		sequence++
		message := l.next(sequence)
		if message == nil {
			sequence--
			continue
		}
		l.observe.RoundTrip()
		if err := stream.Send(message); err != nil {
			return errors.Join(err, <-received) // Recv has the status
		}
	}
}

// next takes what is pending as one message; nil when nothing is.
func (l *Leases) next(sequence uint64) *tokenstorev1.SessionRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	pending := &l.outbound
	if len(pending.Demands)+len(pending.Reports)+len(pending.Renewals)+len(pending.Withdrawn) == 0 {
		return nil
	}
	message := &tokenstorev1.SessionRequest{
		Sequence: sequence, Replica: l.replica, Demands: pending.Demands, Reports: pending.Reports,
		Renewals: pending.Renewals, Withdrawn: pending.Withdrawn,
	}
	pending.Demands, pending.Reports, pending.Renewals, pending.Withdrawn = nil, nil, nil, nil
	for _, demand := range message.GetDemands() {
		if w := l.waiting[demand.GetId()]; w != nil {
			w.sent = true
		}
	}
	if len(message.GetReports()) > 0 {
		l.unacknowledged = append(l.unacknowledged, sentReports{sequence, message.GetReports()})
	}
	return message
}

// renew asks for more time for the leases that need it; mu is held.
func (l *Leases) renew(now time.Time) {
	for _, each := range l.open {
		if each.expires.Sub(now) < renewBelow && !each.stocked {
			l.outbound.Renewals = append(l.outbound.Renewals, &tokenstorev1.LeaseRef{LeaseId: each.lease.ID, TokenId: each.lease.TokenID})
			// Until the next look; the store's own clock decides.
			each.expires = now.Add(renewBelow + 2*renewEvery)
		}
	}
}

// finish returns the stock and sends the last reports, then waits until the
// store has carried them out or the stream is cancelled.
func (l *Leases) finish(stream sessionStream, received <-chan error) {
	l.mu.Lock()
	for _, s := range l.stocks {
		for _, back := range s.recall("", 0) {
			l.giveBackLocked(back.lease)
		}
	}
	l.mu.Unlock()
	if last := l.next(1 << 62); last != nil {
		if stream.Send(last) != nil {
			return
		}
	}
	if stream.CloseSend() != nil {
		return
	}
	<-received
}

// Ready answers nil while a session is open.
func (l *Leases) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.connected {
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

// errorOfDenial words a denial for the client.
func errorOfDenial(denial *tokenstorev1.Denial) *chat.Error {
	err := &chat.Error{Kind: chat.StoreUnavailable, Message: denial.GetMessage(), RetryAfter: denial.GetRetryAfter().AsDuration()}
	switch denial.GetReason() {
	case tokenstorev1.Reason_REASON_NO_TOKENS:
		err.Kind = chat.NoTokens
	case tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE:
		err.Kind = chat.NoTokenAvailable
	case tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:
	default:
		err.Kind = chat.Internal
	}
	return err
}
