package grpcapi

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

const (
	maxLeasesPerDemand = 256
	maxWait            = 10 * time.Minute
	// maxBacklog bounds the answers that a session keeps for a replica that
	// doesn't read them.
	maxBacklog = 10_000
)

var errOver = errors.New("the session is over")

var errBacklog = rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "this replica demands faster than it reads")

// session is one replica's. receive is its only reader, drain its only writer.
type session struct {
	desk    *leasing.Desk
	ledgers Ledgers
	tracer  *tracing.Tracer
	log     *slog.Logger
	out     *outbox
	// claim returns what earlier sessions of the replica were granted in vain.
	claim func(*session) []leasing.LeaseRef
	// stated tells that a statement of a key has been taken in.
	stated func(keyID string)
	// patience is how long a charge waits for what others have set aside.
	patience time.Duration
	// waits and freed have one value while charges have begun to wait, or may have room.
	waits, freed chan struct{}
	// replica is the gateway's name, from its first message; receive writes it, under
	// mu.
	replica string
	// defers is what the first message says.
	defers bool
	// owed are, by upstream, the first uses of the reserve that were deferred: to count one behind
	// it would make it look counted.
	owed map[string]uint64

	// turn is held while a message is carried out, or charges that wait are tried; over: none
	// is any more.
	turn sync.Mutex
	over bool

	mu sync.Mutex
	// granted are the leases that the replica has, as far as the session knows.
	granted map[leasing.LeaseRef]struct{}
	// complete: the replica has said all that it holds.
	complete bool
	// withdraw has the demands that wait; nil when the session has ended.
	withdraw map[uint64]func()
	// keys are those of which there were statements, by id.
	keys map[string]*keyWaits
}

func (s *session) receive(ctx context.Context, recv func() (*tokenstorev1.SessionRequest, error)) error {
	for {
		request, err := recv()
		if err == nil && s.replica == "" && request.GetReplica() != "" {
			s.mu.Lock()
			s.replica, s.defers = request.GetReplica(), request.GetDefers()
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
// brought about be sent. Charges that wait are said again in the replica's next session.
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
	s.locate(request)
	later := deferrals{allowed: s.defers}
	if len(request.GetReports()) > 0 {
		if err := later.leases(s.desk.Settle(ctx, reportsFrom(request.GetReports(), s.replica))); err != nil {
			return err
		}
	}
	if len(request.GetReserveReports()) > 0 {
		if err := s.reconcile(ctx, request.GetReserveReports(), &later); err != nil {
			return err
		}
	}
	lost, err := s.renew(ctx, request)
	if err := later.leases(err); err != nil {
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
	demands, err := s.enter(ctx, request, &later)
	if err != nil {
		return err
	}
	s.out.add(func(next *tokenstorev1.SessionResponse) {
		next.Acknowledged = request.GetSequence()
		if reserve != nil {
			next.Reserve = reserve
		}
		next.LostLeaseIds = append(next.LostLeaseIds, lost...)
		next.DeferredLeaseIds = append(next.DeferredLeaseIds, later.leaseIDs...)
		next.DeferredKeyIds = append(next.DeferredKeyIds, later.keyIDs...)
		next.DeferredUses = append(next.DeferredUses, later.uses...)
	})
	for _, demand := range demands {
		if s.out.backlog() >= maxBacklog {
			return errBacklog
		}
		s.ask(demand)
	}
	return nil
}

// renew prolongs leases and returns the ids of those that are lost. One that the
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
		s.answer(id, demand.GetUpstream(), leasing.Answer{Refused: refused})
		return
	}
	if demand.GetAlias() != "" && demand.GetTokenId() != "" {
		s.answer(id, demand.GetUpstream(), leasing.Answer{Refused: rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "a demand for an alias and a token's id; only one can be asked for")})
		return
	}
	wanted := leasing.Demand{
		Upstream: demand.GetUpstream(), Model: demand.GetModel(), Count: int(demand.GetCount()),
		Ahead: demand.GetAhead(), Uncapped: demand.GetAhead() && !s.defers, Alias: demand.GetAlias(), TokenID: demand.GetTokenId(), Affinity: demand.GetAffinityKey(), Exclude: demand.GetExcludeTokenIds(),
	}
	if waited := min(demand.GetWaited().AsDuration(), maxWait); waited > 0 {
		wanted.Since = time.Now().Add(-waited)
	}
	if wait := min(demand.GetMaxWait().AsDuration(), maxWait); wait > 0 && !wanted.Ahead {
		wanted.Until = time.Now().Add(wait)
	}
	wanted.Span = s.beginGrant(demand)
	answered := false
	withdraw := s.desk.Ask(wanted, func(answer leasing.Answer) bool {
		endGrant(wanted.Span, answer)
		s.mu.Lock()
		answered = true
		delete(s.withdraw, id)
		s.mu.Unlock()
		return s.answer(id, wanted.Upstream, answer)
	})
	if wanted.Span != nil {
		leave := withdraw
		withdraw = func() { leave(); withdrawn(wanted.Span) }
	}
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

// answer returns false when the session has ended.
func (s *session) answer(id uint64, upstream string, answer leasing.Answer) bool {
	undo := s.took(answer)
	if s.out.add(func(next *tokenstorev1.SessionResponse) { appendAnswer(next, id, upstream, answer) }) {
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
		return
	}
	s.withdrawCharged(id)
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
