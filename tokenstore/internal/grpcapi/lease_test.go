package grpcapi_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/proto/memnet"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/grpcapi"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// leaseService is a tokenstore whose gateways have sessions.
type leaseService struct {
	*service
	server   *grpcapi.LeaseServer
	client   tokenstorev1.LeaseServiceClient
	stopping chan struct{}
	faults   *faultyStore
	ledgers  *ledgers
}

// faultyStore is a store of which a test may make calls fail or wait.
type faultyStore struct {
	leasing.Store
	mu sync.Mutex
	// settle is called before each Settle; its error is the call's.
	settle func() error
	renew  func() error
	// away is a token whose pool is away: what is settled of it is deferred.
	away string
}

func (f *faultyStore) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *faultyStore) call(which *func() error) error {
	f.mu.Lock()
	before := *which
	f.mu.Unlock()
	if before == nil {
		return nil
	}
	return before()
}

// Settle implements leasing.Store.
func (f *faultyStore) Settle(ctx context.Context, settlements []leasing.Settlement) ([]leasing.Settled, error) {
	if err := f.call(&f.settle); err != nil {
		return nil, err
	}
	settled, err := f.Store.Settle(ctx, settlements)
	f.mu.Lock()
	away := f.away
	f.mu.Unlock()
	if err == nil && away != "" {
		later := &leasing.Deferred{}
		for _, each := range settlements {
			if each.TokenID == away {
				later.Add(&leasing.PoolAway{Upstream: "cursor", Err: errPartAway}, each.LeaseRef)
			}
		}
		err = later.OrNil()
	}
	return settled, err
}

// Reconcile implements leasing.Store.
func (f *faultyStore) Reconcile(ctx context.Context, replica string, uses []leasing.ReservedUse) ([]leasing.Settled, error) {
	settled, err := f.Store.Reconcile(ctx, replica, uses)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.away != "" {
		later := &leasing.Deferred{}
		for _, each := range uses {
			if each.TokenID == f.away {
				later.Add(&leasing.PoolAway{Upstream: "cursor", Err: errPartAway})
				later.Uses = append(later.Uses, each.Number)
			}
		}
		err = later.OrNil()
	}
	return settled, err
}

// Reserve implements leasing.Store.
func (f *faultyStore) Reserve(ctx context.Context, reservation leasing.Reservation) (leasing.Reserve, error) {
	reserve, err := f.Store.Reserve(ctx, reservation)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != "" {
		reserve.Away = []string{"cursor"}
	}
	return reserve, err
}

// errPartAway is what a store says of a server that is away.
var errPartAway = rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "it can't be reached")

// Renew implements leasing.Store.
func (f *faultyStore) Renew(ctx context.Context, leases []leasing.LeaseRef, ttl time.Duration) ([]leasing.LeaseRef, error) {
	if err := f.call(&f.renew); err != nil {
		return nil, err
	}
	return f.Store.Renew(ctx, leases, ttl)
}

// leaseTTL is longer than a test takes on a machine with much to do.
const leaseTTL = 2 * time.Minute

// startLeases serves leases of proven tokens with these caps; their aliases are t0, t1 …
func startLeases(t *testing.T, caps ...uint32) *leaseService {
	t.Helper()
	return startLeasesWith(t, nil, caps...)
}

// startLeasesWith is startLeases with a tracer; nil: nothing is traced.
func startLeasesWith(t *testing.T, tracer *tracing.Tracer, caps ...uint32) *leaseService {
	t.Helper()
	s := &leaseService{service: start(t, testredis.Mini(t)), stopping: make(chan struct{})}
	for i, capacity := range caps {
		draft := token.NewDraft(secret.New(fmt.Sprintf("secret-%d", i)))
		draft.Upstream, draft.Alias, draft.Cap = "cursor", fmt.Sprintf("t%d", i), capacity
		if _, err := s.store.CreateToken(t.Context(), draft); err != nil {
			t.Fatal(err)
		}
		prove(t, s.store, draft.Alias)
	}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.faults = &faultyStore{Store: s.store}
	s.ledgers = &ledgers{Store: s.store, keys: map[string]*tokenstorev1.ClientKey{}, failing: map[string]error{}}
	desk := leasing.NewDesk(s.faults, leaseTTL, noObserver{}, log)
	s.server = grpcapi.NewLeaseServer(desk, s.ledgers, s.store, testAge, tracer, log, s.stopping)
	server := grpcapi.NewServer(grpcapi.Access{Secret: secret.New(sharedSecret)}, testAge, noObserver{}, log)
	tokenstorev1.RegisterLeaseServiceServer(server, s.server)

	listener := memnet.Listen()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) }) // ends with Stop
	running.Go(func() { desk.Run(ctx) })
	var once sync.Once
	listening := make(chan struct{})
	running.Go(func() {
		s.store.Listen(ctx, func(event redisstore.Event) {
			switch event.Kind {
			case redisstore.Recalled:
				s.server.Recall(event.Token, event.Epoch)
			case redisstore.KeyChanged:
				s.server.KeyChanged(event.Key)
			case redisstore.KeyWanted:
				s.server.KeyWanted(event.Key)
			case redisstore.Resync: // the first event: what happened before is not told
				once.Do(func() { close(listening) })
			default:
			}
		})
	})
	t.Cleanup(func() {
		cancel()
		server.Stop()
		running.Wait()
	})
	select {
	case <-listening:
	case <-time.After(testredis.Timeout):
		t.Fatal("no subscription to the store's events")
	}
	s.client = tokenstorev1.NewLeaseServiceClient(dial(t, listener, grpc.WithPerRPCCredentials(bearer(sharedSecret))))
	return s
}

// prove ends the quarantine of the token that has the alias.
func prove(t *testing.T, store *redisstore.Store, alias string) {
	t.Helper()
	taken, _, err := store.Acquire(t.Context(), leasing.Wanted{Upstream: "cursor", Alias: alias, Count: 1, TTL: time.Minute})
	if err != nil || len(taken) != 1 {
		t.Fatal(taken, err)
	}
	if _, err := store.Settle(t.Context(), []leasing.Settlement{{LeaseRef: taken[0].LeaseRef, Effect: leasing.Succeeded}}); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for the condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline, again := time.NewTimer(testredis.Timeout), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("not in time: %s", what)
		case <-again.C:
		}
	}
}

// What a lost session was granted in vain is free as soon as the replica has said, in
// its next one, what it has; whichever of the two the store sees end first.
func TestGrantsOfALostSessionComeBack(t *testing.T) {
	t.Parallel()
	for name, lostFirst := range map[string]bool{"the lost one ends first": true, "the next one begins first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startLeases(t, 3)
			lost := s.session(t)
			lost.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{{Id: 1, Upstream: "cursor", Count: 3}}})
			lost.until("three leases", func() bool { return len(lost.said.GetGrants()) == 1 })
			leases := lost.said.GetGrants()[0].GetLeases()
			// The replica has two of them, one has ended; the third never came.
			end := func() { lost.cancel() }
			if lostFirst {
				end()
				eventually(t, "the lost session's end", func() bool { return strings.Contains(s.log.String(), "lease session ended") })
			}
			next := s.session(t)
			sequence := next.send(&tokenstorev1.SessionRequest{
				Renewals: []*tokenstorev1.LeaseRef{{LeaseId: leases[0].GetId(), TokenId: leases[0].GetTokenId()}},
				Reports:  []*tokenstorev1.Report{{LeaseId: leases[1].GetId(), TokenId: leases[1].GetTokenId(), Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS}},
				Complete: true,
			})
			next.until("an acknowledgement", func() bool { return next.said.GetAcknowledged() == sequence })
			if !lostFirst {
				if got := s.openLeases(t, "t0"); got != 2 {
					t.Errorf("%d leases while the lost session may still deliver, want 2", got)
				}
				end()
			}
			eventually(t, "only the lease that is held", func() bool { return s.openLeases(t, "t0") == 1 })
		})
	}
}

// openLeases counts the leases that Redis has of a token.
func (s *leaseService) openLeases(t *testing.T, alias string) int {
	t.Helper()
	tokens, _, err := s.store.ListTokens(t.Context(), redisstore.TokenFilter{Query: alias}, 10, "")
	if err != nil || len(tokens) != 1 {
		t.Fatal(tokens, err)
	}
	return int(tokens[0].GetInFlight())
}

// replica is the gateway's end of a session.
type replica struct {
	t        *testing.T
	stream   grpc.BidiStreamingClient[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]
	cancel   context.CancelFunc
	sequence uint64
	// said is all that the store has said that was not asked for yet.
	said tokenstorev1.SessionResponse
}

func (s *leaseService) session(t *testing.T) *replica {
	t.Helper()
	return s.sessionWith(t, &tokenstorev1.SessionRequest{Defers: true})
}

// sessionWith is session with another first message.
func (s *leaseService) sessionWith(t *testing.T, first *tokenstorev1.SessionRequest) *replica {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testredis.Timeout)
	t.Cleanup(cancel)
	stream, err := s.client.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{t: t, stream: stream, cancel: cancel}
	first.Replica = "r1"
	r.send(first)
	r.until("an acknowledgement", func() bool { return r.said.GetAcknowledged() == 1 })
	return r
}

// send answers the message's sequence.
func (r *replica) send(request *tokenstorev1.SessionRequest) uint64 {
	r.t.Helper()
	r.sequence++
	request.Sequence = r.sequence
	if err := r.stream.Send(request); err != nil {
		r.t.Fatal(err)
	}
	return r.sequence
}

// receive adds the next message to what was said.
func (r *replica) receive() *tokenstorev1.SessionResponse {
	r.t.Helper()
	next, err := r.stream.Recv()
	if err != nil {
		r.t.Fatal(err)
	}
	if next.GetAcknowledged() == 0 {
		next.Acknowledged = r.said.GetAcknowledged()
	}
	proto.Merge(&r.said, next)
	return next
}

func (r *replica) until(what string, so func() bool) {
	r.t.Helper()
	for !so() {
		if r.receive(); r.t.Failed() {
			r.t.Fatal("waiting for", what)
		}
	}
}

// demand answers the leases, or the denial.
func (r *replica) demand(demand *tokenstorev1.Demand) ([]*tokenstorev1.Lease, *tokenstorev1.Denial) {
	r.t.Helper()
	r.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{demand}})
	return r.answer(demand.GetId())
}

func (r *replica) answer(id uint64) ([]*tokenstorev1.Lease, *tokenstorev1.Denial) {
	r.t.Helper()
	for {
		for _, grant := range r.said.GetGrants() {
			if grant.GetDemandId() == id {
				return grant.GetLeases(), nil
			}
		}
		for _, denial := range r.said.GetDenials() {
			if denial.GetDemandId() == id {
				return nil, denial
			}
		}
		r.receive()
	}
}

// take is a demand of one that gets it.
func (r *replica) take(id uint64) *tokenstorev1.Lease {
	r.t.Helper()
	leases, denial := r.demand(&tokenstorev1.Demand{Id: id, Upstream: "cursor", Model: "m", Count: 1})
	if denial != nil {
		r.t.Fatal(denial)
	}
	return leases[0]
}

// end answers the error that the session ends with.
func (r *replica) end() error {
	for {
		if _, err := r.stream.Recv(); err != nil {
			return err
		}
	}
}

func report(lease *tokenstorev1.Lease, outcome tokenstorev1.Outcome) *tokenstorev1.Report {
	return &tokenstorev1.Report{LeaseId: lease.GetId(), TokenId: lease.GetTokenId(), Outcome: outcome, Model: "m", Detail: "evidence"}
}

func reports(outcome tokenstorev1.Outcome, leases ...*tokenstorev1.Lease) *tokenstorev1.SessionRequest {
	request := &tokenstorev1.SessionRequest{}
	for _, lease := range leases {
		request.Reports = append(request.Reports, report(lease, outcome))
	}
	return request
}

func refOf(lease *tokenstorev1.Lease) *tokenstorev1.LeaseRef {
	return &tokenstorev1.LeaseRef{LeaseId: lease.GetId(), TokenId: lease.GetTokenId()}
}

func TestASessionLeases(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1, 0)
	r := s.session(t)
	leases, denial := r.demand(&tokenstorev1.Demand{Id: 7, Upstream: "cursor", Model: "m", Count: 2})
	if denial != nil || len(leases) != 2 {
		t.Fatal(leases, denial)
	}
	capped := leases[slices.IndexFunc(leases, (*tokenstorev1.Lease).GetCapped)]
	if capped.GetSecret() != "secret-0" || capped.GetAlias() != "t0" || len(capped.GetDeviceId()) != 64 || len(capped.GetMacHash()) != 64 ||
		capped.GetFingerprint() == "" || capped.GetMaskedSecret() != "…" || capped.GetTtl().AsDuration() != leaseTTL || capped.GetEpoch() != 1 {
		t.Errorf("%v", capped)
	}
	if named, denial := r.demand(&tokenstorev1.Demand{Id: 17, Upstream: "cursor", Count: 1, Alias: "t0"}); denial == nil || len(named) > 0 ||
		denial.GetReason() != tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE || denial.GetPool().GetTotal() != 1 {
		t.Errorf("the capped one, by name: %v, %v", named, denial)
	}
	if _, denial := r.demand(&tokenstorev1.Demand{Id: 18, Upstream: "cursor", Count: 1, Alias: "x"}); denial.GetReason() != tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND {
		t.Errorf("by a name that nobody has: %v", denial)
	}
	free := leases[slices.IndexFunc(leases, func(each *tokenstorev1.Lease) bool { return !each.GetCapped() })].GetTokenId()
	if again, denial := r.demand(&tokenstorev1.Demand{Id: 19, Upstream: "cursor", Count: 1, TokenId: free}); denial != nil || again[0].GetTokenId() != free {
		t.Errorf("by its id: %v, %v", again, denial)
	}
	if _, denial := r.demand(&tokenstorev1.Demand{Id: 20, Upstream: "cursor", Count: 1, TokenId: "x"}); denial.GetReason() != tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND {
		t.Errorf("by an id that nobody has: %v", denial)
	}
	if _, denial := r.demand(&tokenstorev1.Demand{Id: 21, Upstream: "cursor", Count: 1, TokenId: free, Alias: "t0"}); denial.GetReason() != tokenstorev1.Reason_REASON_INVALID_ARGUMENT {
		t.Errorf("by an id and an alias: %v", denial)
	}
	_, denial = r.demand(&tokenstorev1.Demand{Id: 8, Upstream: "nowhere", Count: 1})
	if denial.GetReason() != tokenstorev1.Reason_REASON_NO_TOKENS || denial.GetRetryAfter() != nil {
		t.Errorf("%v", denial)
	}
	_, denial = r.demand(&tokenstorev1.Demand{Id: 9, Upstream: "cursor", Count: 1, ExcludeTokenIds: []string{leases[0].GetTokenId(), leases[1].GetTokenId()}})
	if denial.GetReason() != tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE || denial.GetPool().GetTried() != 2 || denial.GetPool().GetTotal() != 2 {
		t.Errorf("%v", denial)
	}
}

func TestInvalidCounts(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	r := s.session(t)
	for id, count := range []uint32{0, 257, 1 << 31} {
		_, denial := r.demand(&tokenstorev1.Demand{Id: uint64(id) + 1, Upstream: "cursor", Count: count})
		if denial.GetReason() != tokenstorev1.Reason_REASON_INVALID_ARGUMENT {
			t.Errorf("%d: %v", count, denial)
		}
	}
	if leases, denial := r.demand(&tokenstorev1.Demand{Id: 9, Upstream: "cursor", Count: 256}); len(leases) != 256 {
		t.Errorf("%d leases, %v", len(leases), denial)
	}
}

// What is acknowledged has been carried out.
func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1)
	r := s.session(t)
	lease := r.take(1)
	entered, release := make(chan struct{}), make(chan struct{})
	s.faults.set(func() {
		s.faults.settle = func() error {
			close(entered)
			<-release
			return nil
		}
	})
	sequence := r.send(reports(tokenstorev1.Outcome_OUTCOME_SUCCESS, lease))
	<-entered
	s.server.Recall("x", 1) // something to say meanwhile
	r.until("the recall", func() bool { return len(r.said.GetRecalls()) > 0 })
	if r.said.GetAcknowledged() >= sequence {
		t.Error("acknowledged before it was carried out")
	}
	s.faults.set(func() { s.faults.settle = nil })
	close(release)
	r.until("the acknowledgement", func() bool { return r.said.GetAcknowledged() == sequence })
	if open := s.openLeases(t, "t0"); open != 0 {
		t.Errorf("%d leases are open", open)
	}
}

// A store that fails ends the session: what was not acknowledged is repeated in
// the next one.
func TestTheStoreFails(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 2)
	unavailable := rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "the store can't be reached")
	unavailable.Err = errors.New("dial unix /secret/path")
	first := s.session(t)
	lease := first.take(1)
	s.faults.set(func() { s.faults.settle = func() error { return unavailable } })
	unsaid := first.send(reports(tokenstorev1.Outcome_OUTCOME_SUCCESS, lease))
	err := first.end()
	wantReason(t, err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, codes.Unavailable)
	if first.said.GetAcknowledged() >= unsaid || rpcerr.Parse(err).Message != unavailable.Message {
		t.Errorf("acknowledged %d, %v", first.said.GetAcknowledged(), err)
	}

	s.faults.set(func() { s.faults.settle, s.faults.renew = nil, func() error { return unavailable } })
	second := s.session(t)
	second.send(&tokenstorev1.SessionRequest{Renewals: []*tokenstorev1.LeaseRef{refOf(lease)}})
	wantReason(t, second.end(), tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, codes.Unavailable)

	s.faults.set(func() { s.faults.renew = nil })
	third := s.session(t)
	sequence := third.send(reports(tokenstorev1.Outcome_OUTCOME_SUCCESS, lease))
	third.until("the acknowledgement", func() bool { return third.said.GetAcknowledged() == sequence })
	if open := s.openLeases(t, "t0"); open != 0 {
		t.Errorf("%d leases are open", open)
	}
}

// What is said of a pool, or a ledger, that alone is away is deferred: the session goes on, and
// says what is to be repeated. The session of a gateway that does not know of this ends, with
// nothing acknowledged.
func TestWhatIsAwayIsDeferred(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		say      func(s *leaseService, there, away *tokenstorev1.Lease) *tokenstorev1.SessionRequest
		deferred func(said *tokenstorev1.SessionResponse, away *tokenstorev1.Lease) bool
	}{
		"reports": {
			func(_ *leaseService, there, away *tokenstorev1.Lease) *tokenstorev1.SessionRequest {
				return reports(tokenstorev1.Outcome_OUTCOME_SUCCESS, there, away)
			},
			func(said *tokenstorev1.SessionResponse, away *tokenstorev1.Lease) bool {
				return slices.Equal(said.GetDeferredLeaseIds(), []string{away.GetId()})
			},
		},
		"uses of the reserve": {
			func(_ *leaseService, there, away *tokenstorev1.Lease) *tokenstorev1.SessionRequest {
				return uses(there, away)
			},
			func(said *tokenstorev1.SessionResponse, _ *tokenstorev1.Lease) bool {
				return slices.Equal(said.GetDeferredUses(), []uint64{2})
			},
		},
		"a reservation": {
			func(*leaseService, *tokenstorev1.Lease, *tokenstorev1.Lease) *tokenstorev1.SessionRequest {
				return &tokenstorev1.SessionRequest{Reservation: &tokenstorev1.Reservation{Instance: "i1", Ttl: durationpb.New(time.Minute)}}
			},
			func(said *tokenstorev1.SessionResponse, _ *tokenstorev1.Lease) bool {
				return slices.Equal(said.GetReserve().GetAwayUpstreams(), []string{"cursor"})
			},
		},
		"a statement": {
			func(s *leaseService, _, _ *tokenstorev1.Lease) *tokenstorev1.SessionRequest {
				s.ledgers.put(parallel(theKey, 1))
				s.ledgers.failOf(theKey, &ledger.Away{Err: errPartAway})
				return &tokenstorev1.SessionRequest{KeyStatements: []*tokenstorev1.KeyStatement{statement("b1", 1)}}
			},
			func(said *tokenstorev1.SessionResponse, _ *tokenstorev1.Lease) bool {
				return slices.Equal(said.GetDeferredKeyIds(), []string{theKey})
			},
		},
	} {
		for _, defers := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, known %t", what, defers), func(t *testing.T) {
				t.Parallel()
				s := startLeases(t, 1, 1)
				r := s.sessionWith(t, &tokenstorev1.SessionRequest{Defers: defers})
				there, away := r.take(1), r.take(2)
				s.faults.set(func() { s.faults.away = away.GetTokenId() })
				sequence := r.send(test.say(s, there, away))
				if !defers {
					wantReason(t, r.end(), tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, codes.Unavailable)
					return
				}
				r.until("the acknowledgement", func() bool { return r.said.GetAcknowledged() == sequence })
				if !test.deferred(&r.said, away) {
					t.Errorf("it says %v", &r.said)
				}
			})
		}
	}
}

// uses are reports of a reserve, numbered from 1.
func uses(of ...*tokenstorev1.Lease) *tokenstorev1.SessionRequest {
	request := &tokenstorev1.SessionRequest{}
	for i, lease := range of {
		ended := report(lease, tokenstorev1.Outcome_OUTCOME_SUCCESS)
		ended.LeaseId, ended.Upstream = "1-0", "cursor"
		request.ReserveReports = append(request.ReserveReports, &tokenstorev1.ReserveReport{Number: uint64(i + 1), Report: ended})
	}
	return request
}

// What was on its way behind a use that is deferred waits for it: it would look counted.
func TestDeferredUsesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1, 1)
	r := s.session(t)
	there, away := r.take(1), r.take(2)
	say := func(request *tokenstorev1.SessionRequest, want ...uint64) {
		t.Helper()
		r.said.Reset()
		sequence := r.send(request)
		r.until("the acknowledgement", func() bool { return r.said.GetAcknowledged() == sequence })
		if got := r.said.GetDeferredUses(); !slices.Equal(got, want) {
			t.Errorf("deferred are %v, want %v", got, want)
		}
	}
	s.faults.set(func() { s.faults.away = away.GetTokenId() })
	all := uses(there, away, there, there)
	part := func(from, to int) *tokenstorev1.SessionRequest {
		return &tokenstorev1.SessionRequest{ReserveReports: all.GetReserveReports()[from:to]}
	}
	say(part(0, 2), 2)
	s.faults.set(func() { s.faults.away = "" })
	say(part(2, 3), 3)
	say(part(1, 4))
}

// Slots of tokens with a cap are lent ahead only to a gateway that gives them back when they are
// wanted.
func TestSlotsAreLentToWhomGivesThemBack(t *testing.T) {
	t.Parallel()
	for _, defers := range []bool{true, false} {
		t.Run(fmt.Sprint("known ", defers), func(t *testing.T) {
			t.Parallel()
			s := startLeases(t, 8)
			r := s.sessionWith(t, &tokenstorev1.SessionRequest{Defers: defers})
			leases, denial := r.demand(&tokenstorev1.Demand{Id: 1, Upstream: "cursor", Model: "m", Count: 1, Ahead: true})
			if (len(leases) == 1) != defers {
				t.Errorf("leases %v, denial %v", leases, denial)
			}
			if !defers {
				r.take(2)
			}
		})
	}
}

// Whoever has a session hears of a token that cools, whoever reported it.
func TestRecallsReachEverySession(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	reporter, other := s.session(t), s.session(t)
	lease := reporter.take(1)
	reporter.send(reports(tokenstorev1.Outcome_OUTCOME_RATE_LIMIT, lease))
	for _, r := range []*replica{reporter, other} {
		recalled := func() bool {
			return slices.ContainsFunc(r.said.GetRecalls(), func(recall *tokenstorev1.Recall) bool {
				return recall.GetTokenId() == lease.GetTokenId() && recall.GetEpoch() == 2
			})
		}
		r.until("the recall", recalled)
	}
	_, denial := other.demand(&tokenstorev1.Demand{Id: 1, Upstream: "cursor", Model: "m", Count: 1})
	if denial.GetPool().GetCooling() != 1 || denial.GetRetryAfter().AsDuration() <= 0 {
		t.Errorf("%v", denial)
	}
}

// A token whose lease another session returns goes to the one that waits.
func TestWaitingAcrossSessions(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1)
	holder, waits := s.session(t), s.session(t)
	lease := holder.take(1)
	waits.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{
		{Id: 1, Upstream: "cursor", Model: "m", Count: 1, MaxWait: durationpb.New(time.Minute)},
		{Id: 2, Upstream: "cursor", Model: "m", Count: 1},
	}})
	if _, denial := waits.answer(2); denial.GetPool().GetCapped() != 1 {
		t.Errorf("who does not wait: %v", denial)
	}
	if len(waits.said.GetGrants()) > 0 {
		t.Error("two have the token")
	}
	holder.send(reports(tokenstorev1.Outcome_OUTCOME_SUCCESS, lease))
	if leases, denial := waits.answer(1); len(leases) != 1 {
		t.Errorf("who waits: %v", denial)
	}
}

// The end of a session, and a withdrawal, end the waiting: the token goes to
// those who are left.
func TestWhoIsGoneWaitsNoMore(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1)
	holder, leaves, quits, stays := s.session(t), s.session(t), s.session(t), s.session(t)
	lease := holder.take(1)
	waiting := func(r *replica) {
		request := &tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{
			{Id: 5, Upstream: "cursor", Model: "m", Count: 1, MaxWait: durationpb.New(time.Minute)},
		}}
		sequence := r.send(request)
		r.until("the demand was read", func() bool { return r.said.GetAcknowledged() == sequence })
	}
	waiting(leaves)
	waiting(quits)
	waiting(stays)
	leaves.cancel()
	if err := leaves.end(); err == nil {
		t.Error("the session goes on")
	}
	sequence := quits.send(&tokenstorev1.SessionRequest{Withdrawn: []uint64{5, 6}})
	quits.until("the withdrawal was read", func() bool { return quits.said.GetAcknowledged() == sequence })
	holder.send(reports(tokenstorev1.Outcome_OUTCOME_SUCCESS, lease))
	if leases, denial := stays.answer(5); len(leases) != 1 {
		t.Fatal(denial)
	}
	if len(quits.said.GetGrants())+len(quits.said.GetDenials()) > 0 {
		t.Error("who has withdrawn was answered")
	}
	if open := s.openLeases(t, "t0"); open != 1 {
		t.Errorf("%d leases are open", open)
	}
}

func TestRenewals(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1)
	r := s.session(t)
	lease := r.take(1)
	gone := &tokenstorev1.LeaseRef{LeaseId: "9-9", TokenId: lease.GetTokenId()}
	r.send(&tokenstorev1.SessionRequest{Renewals: []*tokenstorev1.LeaseRef{gone, refOf(lease)}})
	r.until("what is lost", func() bool { return len(r.said.GetLostLeaseIds()) > 0 })
	if lost := r.said.GetLostLeaseIds(); !slices.Equal(lost, []string{"9-9"}) {
		t.Errorf("lost %v", lost)
	}
	// One message ends the lease and, from before, asks for more time: it has ended.
	last := reports(tokenstorev1.Outcome_OUTCOME_SUCCESS, lease)
	last.Renewals = []*tokenstorev1.LeaseRef{refOf(lease)}
	sequence := r.send(last)
	r.until("the acknowledgement", func() bool { return r.said.GetAcknowledged() == sequence })
	if open := s.openLeases(t, "t0"); open != 0 {
		t.Errorf("%d leases are open", open)
	}
}

// Much that is asked at once is answered in few messages.
func TestMessagesCoalesce(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 0)
	r := s.session(t)
	const many = 500
	request := &tokenstorev1.SessionRequest{}
	for id := range uint64(many) {
		request.Demands = append(request.Demands, &tokenstorev1.Demand{Id: id + 1, Upstream: "cursor", Model: "m", Count: 1})
	}
	r.send(request)
	messages := 0
	for len(r.said.GetGrants())+len(r.said.GetDenials()) < many { // some where the store is too slow for all
		r.receive()
		messages++
	}
	if messages > many/5 {
		t.Errorf("%d answers in %d messages", many, messages)
	}
}

// A replica that demands and never reads fills no memory: its session ends.
func TestAReplicaThatDoesNotRead(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1)
	r := s.session(t)
	request := &tokenstorev1.SessionRequest{}
	for id := range uint64(5000) {
		request.Demands = append(request.Demands, &tokenstorev1.Demand{Id: id + 1, Upstream: "nowhere", Count: 1})
	}
	var demanding sync.WaitGroup
	defer demanding.Wait()
	demanding.Go(func() {
		for r.stream.Send(request) == nil { // until the session has ended
		}
	})
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !strings.Contains(s.log.String(), "faster than it reads") {
		select {
		case <-again.C:
		case <-r.stream.Context().Done():
			t.Fatal("the session goes on")
		}
	}
	wantReason(t, r.end(), tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, codes.Unavailable)
}

func TestStoppingEndsSessions(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1)
	idle, waits := s.session(t), s.session(t)
	idle.take(1)
	waits.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{
		{Id: 1, Upstream: "cursor", Model: "m", Count: 1, MaxWait: durationpb.New(time.Minute)},
	}})
	close(s.stopping)
	for _, r := range []*replica{idle, waits} {
		wantReason(t, r.end(), tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, codes.Unavailable)
	}
}

// A replica that leaves in order has its last reports carried out first.
func TestLeavingInOrder(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1)
	r := s.session(t)
	r.send(reports(tokenstorev1.Outcome_OUTCOME_SUCCESS, r.take(1)))
	if err := r.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err.Error() != "EOF" {
		t.Errorf("ended with %v", err)
	}
	if open := s.openLeases(t, "t0"); open != 0 {
		t.Errorf("%d leases are open", open)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := startLeases(t, 1, 0)
	r := s.session(t)
	leases, denial := r.demand(&tokenstorev1.Demand{Id: 1, Upstream: "cursor", Model: "m", Count: 2})
	if denial != nil {
		t.Fatal(denial)
	}
	answer, err := s.client.Explain(t.Context(), &tokenstorev1.ExplainRequest{Upstream: "cursor", Model: "m"})
	if err != nil || len(answer.GetCandidates()) != 2 || answer.GetAsOf().AsTime().IsZero() {
		t.Fatal(answer, err)
	}
	for _, candidate := range answer.GetCandidates() {
		capped := leases[slices.IndexFunc(leases, func(l *tokenstorev1.Lease) bool { return l.GetTokenId() == candidate.GetTokenId() })].GetCapped()
		switch {
		case capped != (candidate.GetAlias() == "t0"), capped && candidate.GetExcludedBy() != "capped", !capped && candidate.GetExcludedBy() != "",
			capped == (answer.GetChosenTokenId() == candidate.GetTokenId()):
			t.Errorf("chosen %s, candidate %v", answer.GetChosenTokenId(), candidate)
		}
	}
}
