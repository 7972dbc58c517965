package tokens

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/proto/memnet"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The tests run real gRPC over an in-memory connection, in synctest bubbles: the
// times that they speak of are exact.

// fakeStore is a LeaseService that does what a test tells each session to do.
type fakeStore struct {
	tokenstorev1.UnimplementedLeaseServiceServer
	sessions chan *fakeSession
	// gone: it refuses every session.
	gone atomic.Bool
	// deaf: it does not read what the gateway says.
	deaf atomic.Bool
	// mute: it acknowledges nothing by itself.
	mute atomic.Bool
}

// fakeSession is the store's end of a session.
type fakeSession struct {
	stream   grpc.BidiStreamingServer[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]
	requests chan *tokenstorev1.SessionRequest // closed when the gateway has said its last
	broken   chan error                        // ends the session
	once     sync.Once
	mu       sync.Mutex // of Send
}

func (f *fakeStore) Session(stream grpc.BidiStreamingServer[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]) error {
	if f.gone.Load() {
		return errors.New("the store is away")
	}
	if f.deaf.Load() {
		<-stream.Context().Done()
		return nil
	}
	s := &fakeSession{stream: stream, requests: make(chan *tokenstorev1.SessionRequest, 10_000), broken: make(chan error, 1)}
	ended := make(chan error, 1)
	go func() {
		defer close(s.requests)
		for {
			request, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			s.requests <- request
			if !f.mute.Load() {
				_ = s.answer(&tokenstorev1.SessionResponse{Acknowledged: request.GetSequence()})
			}
		}
	}()
	f.sessions <- s
	select {
	case err := <-s.broken:
		return err
	case err := <-ended:
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}

// counts is an Observer.
type counts struct {
	roundTrips, ahead, asked, denied, recalled, lost, reportsLost, ready, used, reserved, outages atomic.Int64
	degraded                                                                                      atomic.Bool
}

func (c *counts) RoundTrip() { c.roundTrips.Add(1) }
func (c *counts) Leased(ahead bool, _ time.Duration) {
	if ahead {
		c.ahead.Add(1)
	} else {
		c.asked.Add(1)
	}
}
func (c *counts) LeasedInReserve(time.Duration) { c.reserved.Add(1) }
func (c *counts) Degraded(now bool) {
	if c.degraded.Swap(now) != now {
		c.outages.Add(1)
	}
}
func (c *counts) Denied()           { c.denied.Add(1) }
func (c *counts) Recalled(n int)    { c.recalled.Add(int64(n)) }
func (c *counts) Lost(n int)        { c.lost.Add(int64(n)) }
func (c *counts) ReportsLost(n int) { c.reportsLost.Add(int64(n)) }
func (c *counts) Held(ready, used int) {
	c.ready.Store(int64(ready))
	c.used.Store(int64(used))
}

// rig is a running Leases and the store that it talks to.
type rig struct {
	*Leases
	t      *testing.T
	store  *fakeStore
	counts *counts
	server *grpc.Server
	stop   context.CancelFunc // ends Run
	ended  chan struct{}      // Run has ended
}

// run calls test in a bubble, with a Leases whose Run is under way. Nothing may
// be left over when the test ends: the bubble fails otherwise.
func run(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	runWith(t, ReserveOptions{}, test)
}

// runWith is run with a Leases that keeps a reserve.
func runWith(t *testing.T, reserve ReserveOptions, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, store: &fakeStore{sessions: make(chan *fakeSession, 100)}, counts: &counts{}, ended: make(chan struct{})}
		listener := memnet.Listen()
		r.server = grpc.NewServer()
		tokenstorev1.RegisterLeaseServiceServer(r.server, r.store)
		var serving sync.WaitGroup
		serving.Go(func() { _ = r.server.Serve(listener) })
		conn, err := grpc.NewClient("passthrough:///store", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		r.Leases = NewLeases(tokenstorev1.NewLeaseServiceClient(conn), "replica-1", r.counts, slog.New(slog.DiscardHandler))
		r.KeepReserve(reserve)
		ctx, stop := context.WithCancel(t.Context())
		r.stop = stop
		go func() {
			r.Run(ctx)
			close(r.ended)
		}()
		defer func() {
			stop()
			<-r.ended
			_ = conn.Close()
			r.server.Stop()
			serving.Wait()
		}()
		test(t, r)
	})
}

// nextSession waits for the gateway to open one, and welcomes it.
func (r *rig) nextSession() *fakeSession {
	r.t.Helper()
	return soon(r.t, r.store.sessions, "a session")
}

// welcomed is a session whose first message has been read.
func (r *rig) welcomed() *fakeSession {
	r.t.Helper()
	s := r.nextSession()
	s.message(r.t)
	synctest.Wait()
	return s
}

func (s *fakeSession) message(t *testing.T) *tokenstorev1.SessionRequest {
	t.Helper()
	return soon(t, s.requests, "a message")
}

// report is the next message with reports.
func (s *fakeSession) report(t *testing.T) *tokenstorev1.SessionRequest {
	t.Helper()
	for {
		if m := s.message(t); len(m.GetReports()) > 0 {
			return m
		}
	}
}

// said answers what has come in the given time, as one.
func (s *fakeSession) said(within time.Duration) *tokenstorev1.SessionRequest {
	all := &tokenstorev1.SessionRequest{}
	for deadline := time.After(within); ; {
		select {
		case m := <-s.requests:
			all.Demands = append(all.Demands, m.GetDemands()...)
			all.Reports = append(all.Reports, m.GetReports()...)
			all.Renewals = append(all.Renewals, m.GetRenewals()...)
			all.Withdrawn = append(all.Withdrawn, m.GetWithdrawn()...)
			all.ReserveReports = append(all.ReserveReports, m.GetReserveReports()...)
			if m.GetReservation() != nil {
				all.Reservation = m.GetReservation()
			}
			all.Sequence = m.GetSequence()
		case <-deadline:
			return all
		}
	}
}

func (s *fakeSession) send(t *testing.T, response *tokenstorev1.SessionResponse) {
	t.Helper()
	if err := s.answer(response); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func (s *fakeSession) answer(response *tokenstorev1.SessionResponse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Send(response)
}

func (s *fakeSession) acknowledge(t *testing.T, message *tokenstorev1.SessionRequest) {
	t.Helper()
	s.send(t, &tokenstorev1.SessionResponse{Acknowledged: message.GetSequence()})
}

func (s *fakeSession) grant(t *testing.T, demand *tokenstorev1.Demand, leases ...*tokenstorev1.Lease) {
	t.Helper()
	s.send(t, &tokenstorev1.SessionResponse{Grants: []*tokenstorev1.Grant{{DemandId: demand.GetId(), Upstream: demand.GetUpstream(), Leases: leases}}})
}

// end ends the session in good order.
func (s *fakeSession) end() { s.once.Do(func() { s.broken <- nil }) }

func (s *fakeSession) breakOff() { s.once.Do(func() { s.broken <- errors.New("the store fails") }) }

// leaseOf makes a lease of a token for ten seconds.
func leaseOf(token string, id int) *tokenstorev1.Lease {
	return &tokenstorev1.Lease{
		Id: "1-" + strconv.Itoa(id), TokenId: token, Epoch: 1, Ttl: durationpb.New(10 * time.Second), Secret: "secret of " + token,
		Proxy: "proxy of " + token, Renewable: true, DeviceId: "device", MacHash: "mac", Alias: "alias of " + token, Fingerprint: "f-" + token, MaskedSecret: "masked " + token,
	}
}

func capped(l *tokenstorev1.Lease) *tokenstorev1.Lease {
	l.Capped = true
	return l
}

// soon is what the channel has within moments of the bubble's time.
func soon[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case got, open := <-from:
		if !open {
			t.Fatalf("%s: closed", what)
		}
		return got
	case <-time.After(10 * time.Second):
		t.Fatalf("waited for %s in vain", what)
		panic("unreachable")
	}
}

// acquired is what a call of Acquire answers.
type acquired struct {
	lease *lease.Lease
	err   error
}

// acquire calls Acquire in a goroutine of its own.
func (r *rig) acquire(ctx context.Context, demand lease.Demand) <-chan acquired {
	answer := make(chan acquired, 1)
	go func() {
		got, err := r.Acquire(ctx, demand)
		answer <- acquired{got, err}
	}()
	synctest.Wait()
	return answer
}

// take has the gateway ask for a lease and the store grant it.
func (r *rig) take(s *fakeSession, granted *tokenstorev1.Lease) *lease.Lease {
	r.t.Helper()
	answer := r.acquire(r.t.Context(), demand)
	s.grant(r.t, s.message(r.t).GetDemands()[0], granted)
	got := soon(r.t, answer, "a lease")
	if got.err != nil {
		r.t.Fatal(got.err)
	}
	return got.lease
}

// shelve puts leases into the stock, as a grant for it would at load. The stock
// asks for no more.
func (r *rig) shelve(leases ...*tokenstorev1.Lease) {
	now := time.Now()
	key := pool{demand.Upstream, demand.Model}
	r.stocks.mu.Lock()
	ahead := r.stocks.of(key)
	ahead.rate, ahead.asked = 10_000, now
	ahead.denied(now)
	r.stocks.mu.Unlock()
	r.session.mu.Lock()
	r.session.nextID++
	id := r.session.nextID
	r.session.waiting[id] = &waiter{
		pool: key, demand: &tokenstorev1.Demand{Id: id}, sent: now,
		filled: func(leases []*held, denied bool) { r.stocks.filled(key, leases, len(leases), denied) },
	}
	r.session.mu.Unlock()
	r.session.hear(&tokenstorev1.SessionResponse{Grants: []*tokenstorev1.Grant{{DemandId: id, Leases: leases}}})
}

// ahead returns the stock that demands are for.
func (r *rig) ahead() *stock { return r.stocks.of(pool{demand.Upstream, demand.Model}) }

var demand = lease.Demand{Upstream: "cursor", Model: "gpt-4o", MaxWait: 2 * time.Second}

// automatic is a store that grants every demand, round-robin over tokens, and
// acknowledges everything. It keeps book of what is out.
type automatic struct {
	mu      sync.Mutex
	tokens  []string
	next    int
	refused bool          // leases ahead
	capped  bool          // all tokens
	slow    time.Duration // before each answer
	out     map[string]string
	ended   map[tokenstorev1.Outcome]int
	twice   []string // settled more than once, or never granted
	// aheadDemands are the times at which they came.
	aheadDemands []time.Time
}

func newAutomatic(tokens ...string) *automatic {
	return &automatic{tokens: tokens, out: map[string]string{}, ended: map[tokenstorev1.Outcome]int{}}
}

// serve answers until the session ends.
func (a *automatic) serve(s *fakeSession) {
	for m := range s.requests {
		if a.slow > 0 {
			<-time.After(a.slow)
		}
		if s.answer(a.answer(m)) != nil {
			return
		}
	}
}

func (a *automatic) answer(m *tokenstorev1.SessionRequest) *tokenstorev1.SessionResponse {
	a.mu.Lock()
	defer a.mu.Unlock()
	response := &tokenstorev1.SessionResponse{Acknowledged: m.GetSequence()}
	for _, report := range m.GetReports() {
		if a.out[report.GetLeaseId()] != report.GetTokenId() {
			a.twice = append(a.twice, report.GetLeaseId())
		}
		delete(a.out, report.GetLeaseId())
		a.ended[report.GetOutcome()]++
	}
	for _, d := range m.GetDemands() {
		if d.GetAhead() {
			a.aheadDemands = append(a.aheadDemands, time.Now())
			if a.refused {
				response.Denials = append(response.Denials, &tokenstorev1.Denial{DemandId: d.GetId(), Reason: tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE})
				continue
			}
		}
		grant := &tokenstorev1.Grant{DemandId: d.GetId()}
		for range d.GetCount() {
			a.next++
			granted := leaseOf(a.tokens[a.next%len(a.tokens)], a.next)
			granted.Capped = a.capped
			if d.GetAhead() {
				granted.Ttl = durationpb.New(2 * time.Second)
			}
			a.out[granted.GetId()] = granted.GetTokenId()
			grant.Leases = append(grant.Leases, granted)
		}
		response.Grants = append(response.Grants, grant)
	}
	return response
}

func (a *automatic) outstanding() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.out)
}

func (a *automatic) endedWith(outcome tokenstorev1.Outcome) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended[outcome]
}

func (a *automatic) aheadSince(from time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(a.aheadDemands), from.After))
}
