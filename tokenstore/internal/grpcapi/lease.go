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
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/redisstore"
)

const (
	maxLeasesPerDemand = 256
	maxWait            = 10 * time.Minute
	// sendGrace is how long the end of a session waits for its last message.
	sendGrace = time.Second
	// maxBacklog bounds the answers that a session keeps for a replica that
	// doesn't read them.
	maxBacklog = 10_000
)

var errOver = errors.New("the session is over")

// Explainer runs the acquire script without committing.
type Explainer interface {
	Explain(ctx context.Context, upstream, model string) (redisstore.Explained, error)
}

// LeaseServer implements LeaseService: one Session per gateway replica.
type LeaseServer struct {
	tokenstorev1.UnsafeLeaseServiceServer
	desk    *leasing.Desk
	explain Explainer
	log     *slog.Logger
	// stopping ends all sessions, and newAge each of them after a while.
	stopping <-chan struct{}
	newAge   func() *time.Timer

	mu       sync.Mutex
	sessions map[*session]struct{}
	// orphans are by replica.
	orphans map[string]*orphans
}

// NewLeaseServer makes the server; when stopping is closed its sessions end.
func NewLeaseServer(desk *leasing.Desk, explain Explainer, log *slog.Logger, stopping <-chan struct{}) *LeaseServer {
	return &LeaseServer{desk: desk, explain: explain, log: log, stopping: stopping, newAge: newAge, sessions: map[*session]struct{}{}, orphans: map[string]*orphans{}}
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
		desk: s.desk, log: s.log, out: newOutbox(), withdraw: map[uint64]func(){},
		granted: map[leasing.LeaseRef]struct{}{}, claim: s.claim,
	}
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

	// Both end with the stream, which ends when Session returns.
	sent, received := make(chan error, 1), make(chan error, 1)
	go func() { sent <- each.out.drain(stream.Send) }()
	go func() {
		defer func() {
			if panicked := recover(); panicked != nil {
				received <- fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
			}
		}()
		received <- each.receive(stream.Context(), stream.Recv)
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

// session is one replica's. receive is its only reader, drain its only writer.
type session struct {
	desk *leasing.Desk
	log  *slog.Logger
	out  *outbox
	// claim answers what earlier sessions of the replica were granted in vain.
	claim func(*session) []leasing.LeaseRef
	// replica is the gateway's name, from its first message; receive writes it, under
	// mu.
	replica string

	// turn is held while a message is carried out; over: no further one is.
	turn sync.Mutex
	over bool

	mu sync.Mutex
	// granted are the leases that the replica has, as far as the session knows.
	granted map[leasing.LeaseRef]struct{}
	// complete: the replica has said all that it holds.
	complete bool
	// withdraw has the demands that wait; nil when the session has ended.
	withdraw map[uint64]func()
}

func (s *session) receive(ctx context.Context, recv func() (*tokenstorev1.SessionRequest, error)) error {
	for {
		request, err := recv()
		if err == nil && s.replica == "" && request.GetReplica() != "" {
			s.mu.Lock()
			s.replica = request.GetReplica()
			s.mu.Unlock()
			s.log.LogAttrs(ctx, slog.LevelInfo, "lease session opened", slog.String("replica", s.replica))
		}
		if err == nil {
			err = s.takeTurn(ctx, request)
		}
		if err != nil {
			s.log.LogAttrs(ctx, slog.LevelInfo, "lease session ended", slog.String("replica", s.replica), slog.Any("reason", err))
			return err
		}
	}
}

// takeTurn carries a message out, unless the session is over: then it is not
// acknowledged, and the replica says it again in its next session.
func (s *session) takeTurn(ctx context.Context, request *tokenstorev1.SessionRequest) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.over {
		return errOver
	}
	return s.carryOut(ctx, request)
}

// finish has the message that is being carried out be the last one, and what it has
// brought about be sent.
func (s *session) finish() {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.over = true
	s.out.finish()
}

// carryOut does what one message asks. Reports come first: what they free may
// serve the demands. An error ends the session: the replica repeats what was not
// acknowledged.
func (s *session) carryOut(ctx context.Context, request *tokenstorev1.SessionRequest) error {
	for _, id := range request.GetWithdrawn() {
		s.withdrawDemand(id)
	}
	if len(request.GetReports()) > 0 {
		if err := s.desk.Settle(ctx, reportsFrom(request.GetReports(), s.replica)); err != nil {
			return err
		}
	}
	if len(request.GetReserveReports()) > 0 {
		if err := s.reconcile(ctx, request.GetReserveReports()); err != nil {
			return err
		}
	}
	lost, err := s.renew(ctx, request)
	if err != nil {
		return err
	}
	s.heard(request)
	if request.GetComplete() {
		s.desk.GiveBack(ctx, s.claim(s))
	}
	reserve, err := s.reserve(ctx, request.GetReservation())
	if err != nil {
		return err
	}
	s.out.add(func(next *tokenstorev1.SessionResponse) {
		next.Acknowledged = request.GetSequence()
		if reserve != nil {
			next.Reserve = reserve
		}
		next.LostLeaseIds = append(next.LostLeaseIds, lost...)
	})
	for _, demand := range request.GetDemands() {
		if s.out.backlog() >= maxBacklog {
			return rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "this replica demands faster than it reads")
		}
		s.ask(demand)
	}
	return nil
}

// renew prolongs leases and answers the ids of those that are lost. One that the
// same message reports has ended: it must not be taken again.
func (s *session) renew(ctx context.Context, request *tokenstorev1.SessionRequest) ([]string, error) {
	if len(request.GetRenewals()) == 0 {
		return nil, nil
	}
	ended := make(map[leasing.LeaseRef]bool, len(request.GetReports()))
	for _, report := range request.GetReports() {
		ended[leasing.LeaseRef{TokenID: report.GetTokenId(), LeaseID: report.GetLeaseId()}] = true
	}
	var open []leasing.LeaseRef
	for _, renewal := range request.GetRenewals() {
		if ref := (leasing.LeaseRef{TokenID: renewal.GetTokenId(), LeaseID: renewal.GetLeaseId()}); !ended[ref] {
			open = append(open, ref)
		}
	}
	lost, err := s.desk.Renew(ctx, open)
	ids := make([]string, len(lost))
	for i, ref := range lost {
		ids[i] = ref.LeaseID
	}
	return ids, err
}

func (s *session) ask(demand *tokenstorev1.Demand) {
	id := demand.GetId()
	if demand.GetCount() < 1 || demand.GetCount() > maxLeasesPerDemand {
		refused := rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "a demand for %d leases; 1 to %d can be asked for",
			demand.GetCount(), maxLeasesPerDemand)
		s.answer(id, leasing.Answer{Refused: refused})
		return
	}
	wanted := leasing.Demand{
		Upstream: demand.GetUpstream(), Model: demand.GetModel(), Count: int(demand.GetCount()),
		Ahead: demand.GetAhead(), Alias: demand.GetAlias(), Sticky: demand.GetStickyKey(), Exclude: demand.GetExcludeTokenIds(),
	}
	if waited := min(demand.GetWaited().AsDuration(), maxWait); waited > 0 {
		wanted.Since = time.Now().Add(-waited)
	}
	if wait := min(demand.GetMaxWait().AsDuration(), maxWait); wait > 0 && !wanted.Ahead {
		wanted.Until = time.Now().Add(wait)
	}
	answered := false
	withdraw := s.desk.Ask(wanted, func(answer leasing.Answer) bool {
		s.mu.Lock()
		answered = true
		delete(s.withdraw, id)
		s.mu.Unlock()
		return s.answer(id, answer)
	})
	s.mu.Lock()
	ended := s.withdraw == nil
	if !answered && !ended {
		s.withdraw[id] = withdraw
	}
	s.mu.Unlock()
	if ended {
		withdraw()
	}
}

// answer answers false when the session has ended.
func (s *session) answer(id uint64, answer leasing.Answer) bool {
	undo := s.took(answer)
	if s.out.add(func(next *tokenstorev1.SessionResponse) { appendAnswer(next, id, answer) }) {
		return true
	}
	undo()
	return false
}

func (s *session) withdrawDemand(id uint64) {
	s.mu.Lock()
	withdraw := s.withdraw[id]
	delete(s.withdraw, id)
	s.mu.Unlock()
	if withdraw != nil {
		withdraw()
	}
}

// close withdraws what waits and returns what was granted but not sent. Leases
// that are out live on until they expire or the replica's next session renews
// them.
func (s *session) close(ctx context.Context) {
	s.mu.Lock()
	waiting := s.withdraw
	s.withdraw = nil
	s.mu.Unlock()
	for _, withdraw := range waiting {
		withdraw()
	}
	s.out.close()
	var unsent []leasing.LeaseRef
	for _, grant := range s.out.take().GetGrants() {
		for _, lease := range grant.GetLeases() {
			unsent = append(unsent, leasing.LeaseRef{TokenID: lease.GetTokenId(), LeaseID: lease.GetId()})
		}
	}
	s.desk.GiveBack(ctx, unsent)
}

func reportsFrom(reports []*tokenstorev1.Report, replica string) []leasing.Report {
	converted := make([]leasing.Report, len(reports))
	for i, report := range reports {
		converted[i] = reportFrom(report, replica)
	}
	return converted
}

func reportFrom(report *tokenstorev1.Report, replica string) leasing.Report {
	return leasing.Report{
		LeaseRef: leasing.LeaseRef{TokenID: report.GetTokenId(), LeaseID: report.GetLeaseId()},
		Outcome:  report.GetOutcome(), Model: report.GetModel(), RetryAfter: report.GetRetryAfter().AsDuration(),
		Detail: report.GetDetail(), RequestID: report.GetRequestId(), ModelOnly: report.GetModelOnly(), Replica: replica,
	}
}

func appendAnswer(next *tokenstorev1.SessionResponse, id uint64, answer leasing.Answer) {
	if answer.Refused != nil {
		next.Denials = append(next.Denials, denialFrom(id, answer.Refused, answer.Shortage))
		return
	}
	grant := &tokenstorev1.Grant{DemandId: id}
	for _, lease := range answer.Leases {
		granted := leaseOnWire(lease)
		granted.Id, granted.Epoch, granted.Ttl = lease.LeaseID, lease.Epoch(), durationpb.New(lease.TTL)
		grant.Leases = append(grant.Leases, granted)
	}
	next.Grants = append(next.Grants, grant)
}

func denialFrom(id uint64, refused *rpcerr.Error, shortage leasing.Shortage) *tokenstorev1.Denial {
	count := func(n int) uint32 { return uint32(n) } //nolint:gosec // counts of tokens
	denial := &tokenstorev1.Denial{
		DemandId: id, Reason: refused.Reason, Message: refused.Message,
		Pool: &tokenstorev1.PoolSummary{
			Total: count(shortage.Total), Disabled: count(shortage.Disabled), Expired: count(shortage.Expired),
			Cooling: count(shortage.Cooling), Capped: count(shortage.Capped), Tried: count(shortage.Tried),
			Parked: count(shortage.Parked), Probing: count(shortage.Probing), Quarantined: count(shortage.Quarantined),
		},
	}
	if refused.RetryAfter > 0 {
		denial.RetryAfter = durationpb.New(refused.RetryAfter)
	}
	return denial
}
