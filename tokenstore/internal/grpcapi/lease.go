package grpcapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/redisstore"
)

// sendGrace is how long the end of a session waits for its last message.
const sendGrace = time.Second

// Explainer runs the acquire script without committing.
type Explainer interface {
	Explain(ctx context.Context, upstream, model string) (redisstore.Explained, error)
}

// LeaseServer implements LeaseService: one Session per gateway replica.
type LeaseServer struct {
	tokenstorev1.UnsafeLeaseServiceServer
	desk    *leasing.Desk
	ledgers Ledgers
	explain Explainer
	tracer  *tracing.Tracer
	log     *slog.Logger
	// stopping ends all sessions, and newAge each of them after a while.
	stopping <-chan struct{}
	newAge   func() *time.Timer
	// patience is how long a charge waits for what others have set aside.
	patience time.Duration

	mu       sync.Mutex
	sessions map[*session]struct{}
	// orphans are by replica.
	orphans map[string]*orphans
}

// NewLeaseServer makes the server; its sessions end by their age, and all when stopping is
// closed.
func NewLeaseServer(desk *leasing.Desk, ledgers Ledgers, explain Explainer, age Age, tracer *tracing.Tracer, log *slog.Logger, stopping <-chan struct{}) *LeaseServer {
	return &LeaseServer{
		desk: desk, ledgers: ledgers, explain: explain, tracer: tracer, log: log, stopping: stopping, newAge: age.timer, patience: chargePatience,
		sessions: map[*session]struct{}{}, orphans: map[string]*orphans{},
	}
}

// Recall tells every session that leases of the token from before epoch must
// not be used any more; an empty id recalls all.
func (s *LeaseServer) Recall(tokenID string, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for each := range s.sessions {
		each.out.recall(tokenID, epoch)
	}
}

// Want tells the desk and every session that demands wait for slots of the upstream.
// The desk comes first: what the sessions give up must not go back into a reserve.
func (s *LeaseServer) Want(upstream string) {
	s.desk.NoteWanted(upstream)
	s.mu.Lock()
	defer s.mu.Unlock()
	for each := range s.sessions {
		each.out.add(func(next *tokenstorev1.SessionResponse) {
			if !slices.Contains(next.GetWanted(), upstream) {
				next.Wanted = append(next.Wanted, upstream)
			}
		})
	}
}

// Session implements LeaseService.
func (s *LeaseServer) Session(stream grpc.BidiStreamingServer[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]) error {
	each := &session{
		desk: s.desk, ledgers: s.ledgers, tracer: s.tracer, log: s.log, out: newOutbox(), withdraw: map[uint64]func(){},
		granted: map[leasing.LeaseRef]struct{}{}, claim: s.claim, stated: s.keyStated, patience: s.patience,
		keys: map[string]*keyWaits{}, owed: map[string]uint64{}, waits: make(chan struct{}, 1), freed: make(chan struct{}, 1),
	}
	each.out.keyChanged("") // what the replica has missed is not known
	s.mu.Lock()
	s.sessions[each] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.sessions, each)
		s.mu.Unlock()
		each.close(stream.Context())
		s.desk.GiveBack(context.WithoutCancel(stream.Context()), s.abandon(each))
	}()

	// All end with the stream, which ends when Session returns.
	sent, received, retried := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { sent <- each.out.drain(stream.Send) }()
	go func() {
		received <- unpanicked(func() error { return each.receive(stream.Context(), stream.Recv) })
	}()
	go func() {
		if err := unpanicked(func() error { each.retry(stream.Context()); return nil }); err != nil {
			retried <- err
		}
	}()
	age := s.newAge()
	defer age.Stop()
	var err error
	select {
	case err = <-sent:
		return err
	case err = <-received:
		if errors.Is(err, io.EOF) {
			err = nil
		}
		each.out.close()
	case err = <-retried:
		each.out.close()
	case <-age.C: // the replica opens another one, perhaps elsewhere
		each.finish()
	case <-s.stopping:
		err = errStopping
		each.finish()
	}
	select { // a message may be on its way, to a replica that reads or one that doesn't
	case last := <-sent:
		err = cmp.Or(err, last)
	case <-time.After(sendGrace):
	}
	return err
}

// unpanicked makes an error of a panic: it ends one session, not the process.
func unpanicked(run func() error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	return run()
}

// Explain implements LeaseService.
func (s *LeaseServer) Explain(ctx context.Context, request *tokenstorev1.ExplainRequest) (*tokenstorev1.ExplainResponse, error) {
	explained, err := s.explain.Explain(ctx, request.GetUpstream(), request.GetModel())
	if err != nil {
		return nil, err
	}
	answer := &tokenstorev1.ExplainResponse{
		ChosenTokenId: explained.Chosen, AsOf: timestamppb.New(explained.AsOf), Cause: explained.Cause,
	}
	if explained.Cause != "" {
		answer.CauseUntil = timestamppb.New(explained.CauseUntil)
	}
	for _, candidate := range explained.Candidates {
		converted := &tokenstorev1.Candidate{
			TokenId: candidate.TokenID, Alias: candidate.Alias, ExcludedBy: candidate.ExcludedBy, Score: candidate.Score,
		}
		if !candidate.Until.IsZero() {
			converted.Until = timestamppb.New(candidate.Until)
		}
		answer.Candidates = append(answer.Candidates, converted)
	}
	return answer, nil
}
