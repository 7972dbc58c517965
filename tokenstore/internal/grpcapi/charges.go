package grpcapi

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/clientkey"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/ledger"
)

const (
	// postTimeout bounds each call of the ledgers, postsAtOnce how many of a message's keys are
	// posted to at a time.
	postTimeout = 2 * time.Second
	postsAtOnce = 16
)

// Ledgers are the client keys and what is kept of their use.
type Ledgers interface {
	// ClientKey returns a key as it is now, or was half a second ago; KEY_NOT_FOUND where there
	// is none, or no more.
	ClientKey(ctx context.Context, id string) (*tokenstorev1.ClientKey, error)
	// Post enters a posting into the key's ledger.
	Post(ctx context.Context, key *tokenstorev1.ClientKey, posting ledger.Posting) (ledger.Posted, error)
}

// bookForm is what a book may be called: it becomes a field of a hash.
var bookForm = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

var (
	errStatement = rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT,
		"a statement names a key by 16 characters of a to z and 2 to 7, a book by 1 to 64 letters, digits, - and _, and is numbered from 1")
	errNoStatement = rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "a demand with a charge, in a message without a statement of its key")
	errManyCharged = rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "a demand with a charge is of one lease, and not ahead")
	errDeleted     = rpcerr.New(tokenstorev1.Reason_REASON_KEY_UNUSABLE, "this key was deleted")
	errDisabled    = rpcerr.New(tokenstorev1.Reason_REASON_KEY_UNUSABLE, "this key is disabled")
	errExpired     = rpcerr.New(tokenstorev1.Reason_REASON_KEY_UNUSABLE, "this key has expired")
)

// charged is a demand that is served only once its key has paid for it.
type charged struct {
	demand *tokenstorev1.Demand
	// until is when its patience ends.
	until time.Time
}

// charge is a demand that has just come.
func (s *session) charge(demand *tokenstorev1.Demand) *charged {
	return &charged{demand: demand, until: time.Now().Add(s.patience - max(demand.GetWaited().AsDuration(), 0))}
}

// enter enters what a message says of keys into their ledgers, each in one step with the charges
// of the message's demands and of those that wait. It returns the demands that are to be served
// now, in the order of their ids, which is the order in which they were asked. Statements for
// ledgers that can't be reached it defers.
func (s *session) enter(ctx context.Context, request *tokenstorev1.SessionRequest, later *deferrals) ([]*tokenstorev1.Demand, error) {
	byKey, charges := map[string][]*charged{}, 0
	for _, demand := range request.GetDemands() {
		if id := demand.GetCharge().GetKeyId(); id != "" {
			byKey[id] = append(byKey[id], s.charge(demand))
			charges++
		}
	}
	if charges > 0 && charges+s.out.backlog() > maxBacklog {
		return nil, errBacklog
	}
	for _, statement := range request.GetKeyStatements() {
		if !clientkey.IsID(statement.GetKeyId()) || !bookForm.MatchString(statement.GetBook()) || statement.GetSequence() == 0 {
			return nil, errStatement
		}
	}
	granted, err := s.stateAll(ctx, request.GetKeyStatements(), byKey, later)
	if err != nil {
		return nil, err
	}
	for _, without := range byKey {
		for _, each := range without {
			s.deny(each, errNoStatement, nil)
		}
	}
	served := slices.DeleteFunc(slices.Clone(request.GetDemands()), func(demand *tokenstorev1.Demand) bool {
		return demand.GetCharge().GetKeyId() != ""
	})
	for _, each := range granted {
		served = append(served, each.demand)
	}
	slices.SortStableFunc(served, func(a, b *tokenstorev1.Demand) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return served, nil
}

// stateAll makes the statements of a message, those of several keys at a time, and takes their
// charges out of byKey. It returns those that are granted, of demands that have waited too.
func (s *session) stateAll(
	ctx context.Context, statements []*tokenstorev1.KeyStatement, byKey map[string][]*charged, later *deferrals,
) (granted []*charged, failed error) {
	var running sync.WaitGroup
	var mu sync.Mutex
	slots, said := make(chan struct{}, postsAtOnce), map[string]bool{}
	for _, statement := range statements {
		id := statement.GetKeyId()
		if said[id] { // of each key there is one
			continue
		}
		came := byKey[id]
		said[id] = true
		delete(byKey, id)
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			err := unpanicked(func() error {
				ofKey, err := s.state(ctx, statement, came)
				mu.Lock()
				defer mu.Unlock()
				granted = append(granted, ofKey...)
				return later.key(id, err)
			})
			mu.Lock()
			defer mu.Unlock()
			failed = cmp.Or(failed, err)
		})
	}
	running.Wait()
	return granted, failed
}

// state posts a statement with what waits of its key and has just come, and returns which of
// that is to be served. Charges of a key that can't be used are refused; its statements still
// count.
func (s *session) state(ctx context.Context, statement *tokenstorev1.KeyStatement, came []*charged) ([]*charged, error) {
	id := statement.GetKeyId()
	came = slices.DeleteFunc(came, func(each *charged) bool {
		odd := each.demand.GetCount() != 1 || each.demand.GetAhead()
		if odd {
			s.deny(each, errManyCharged, nil)
		}
		return odd
	})
	pending := append(s.stopWaiting(id), came...)
	key, unusable, err := s.usable(ctx, id)
	if err != nil {
		s.denyAway(pending, err)
		return nil, err
	}
	if unusable != nil {
		for _, each := range pending {
			s.deny(each, unusable, nil)
		}
		pending = nil
	}
	if key == nil {
		return nil, nil
	}
	posting := ledger.Posting{
		Book: statement.GetBook(), Ahead: ledger.AmountsOf(statement.GetAhead()), TTL: s.desk.TTL(),
		Statement: &ledger.Statement{
			Sequence: statement.GetSequence(), Fresh: s.begins(id, statement.GetBook()), Spent: ledger.AmountsOf(statement.GetSpent()),
			Granted: ledger.AmountsOf(statement.GetGranted()), Holding: ledger.AmountsOf(statement.GetHolding()),
		},
	}
	granted, err := s.post(ctx, key, posting, pending)
	if err != nil {
		return granted, err
	}
	s.stated(id)
	return granted, nil
}

// usable returns a key, nil when there is none, and why no request may be charged to it.
func (s *session) usable(ctx context.Context, id string) (*tokenstorev1.ClientKey, *rpcerr.Error, error) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	key, err := s.ledgers.ClientKey(ctx, id)
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_KEY_NOT_FOUND) {
		return nil, errDeleted, nil
	}
	if err != nil {
		return nil, nil, err
	}
	switch clientkey.State(key, time.Time{}, time.Now()) {
	case tokenstorev1.KeyState_KEY_STATE_DISABLED:
		return key, errDisabled, nil
	case tokenstorev1.KeyState_KEY_STATE_EXPIRED:
		return key, errExpired, nil
	default:
		return key, nil, nil
	}
}

// post posts the charges, as many at a time as one step may have, and says what has become of
// them. It returns those that are granted. What it says of one book goes into the outbox in the
// order in which the ledger has decided it, because only one turn at a time posts.
func (s *session) post(ctx context.Context, key *tokenstorev1.ClientKey, posting ledger.Posting, pending []*charged) ([]*charged, error) {
	var granted []*charged
	ahead := posting.Ahead
	for first := true; first || len(pending) > 0; first = false {
		now := pending[:min(len(pending), ledger.MaxCharges)]
		pending = pending[len(now):]
		posting.Charges, posting.Ahead = nil, ledger.Amounts{}
		for _, each := range now {
			posting.Charges = append(posting.Charges, ledger.AmountsOf(each.demand.GetCharge().GetMost()))
		}
		if len(pending) == 0 {
			posting.Ahead = ahead
		}
		bounded, cancel := context.WithTimeout(ctx, postTimeout)
		posted, err := s.ledgers.Post(bounded, key, posting)
		cancel()
		if refused := notEntered(err); refused != nil {
			for _, each := range slices.Concat(now, pending) {
				s.deny(each, refused, nil)
			}
			return granted, nil
		}
		if err != nil {
			s.denyAway(slices.Concat(now, pending), err)
			return granted, err
		}
		granted = append(granted, s.tell(key.GetId(), posting, posted, now)...)
		posting.Statement = nil
	}
	return granted, nil
}

// notEntered is why a ledger does not take a posting, where that says nothing of the store.
func notEntered(err error) *rpcerr.Error {
	for _, each := range []*rpcerr.Error{ledger.ErrCrowded, ledger.ErrNoBook} {
		if errors.Is(err, each) {
			return each
		}
	}
	return nil
}

// tell says what a posting has brought about; what may be granted soon waits. It returns the
// charges that are granted.
func (s *session) tell(keyID string, posting ledger.Posting, posted ledger.Posted, charges []*charged) []*charged {
	grant := &tokenstorev1.KeyGrant{
		KeyId: keyID, Book: posting.Book, Granted: posted.Granted.Proto(), Ttl: durationpb.New(posting.TTL), Standing: posted.Standing,
	}
	var granted, waits []*charged
	now := time.Now()
	for i, each := range charges {
		switch outcome := posted.Verdicts[i].Outcome; {
		case outcome == ledger.Granted:
			granted = append(granted, each)
			grant.DemandIds = append(grant.DemandIds, each.demand.GetId())
		case outcome == ledger.Waits && now.Before(each.until):
			waits = append(waits, each)
		default:
			refused, standing := posted.Refusal(i, posting.Charges[i])
			s.deny(each, refused, standing)
		}
	}
	if posting.Statement != nil || len(granted) > 0 {
		s.out.keyGrant(grant)
	}
	s.wait(keyID, waits)
	return granted
}

// denyAway refuses charges of a key whose ledger can't be reached, while others can. Where nothing
// can be reached the session ends, and they are asked for again in the next one.
func (s *session) denyAway(charges []*charged, err error) {
	if _, part := errors.AsType[*ledger.Away](err); !part {
		return
	}
	refused := leasing.Fault(err)
	for _, each := range charges {
		denial := denialOf(each.demand.GetId(), refused)
		denial.PartAway = true
		s.out.add(func(next *tokenstorev1.SessionResponse) { next.Denials = append(next.Denials, denial) })
	}
}

func (s *session) deny(each *charged, refused *rpcerr.Error, standing *tokenstorev1.KeyStanding) {
	denial := denialOf(each.demand.GetId(), refused)
	denial.KeyStanding = standing
	s.out.add(func(next *tokenstorev1.SessionResponse) { next.Denials = append(next.Denials, denial) })
}
