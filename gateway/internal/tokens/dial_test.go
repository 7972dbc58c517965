package tokens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/proto/memnet"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// network is a network in memory with a name server, in a bubble: the time that
// reconnecting takes is exact.
type network struct {
	t  *testing.T
	mu sync.Mutex
	// hosts are those that can be reached, named those that the name has.
	hosts map[string]*host
	named []string
	// silent: the name server does not answer.
	silent bool
	// lookups are when the name was looked up.
	lookups []time.Time
}

// sessionAge is how long the sessions of a host last at least; twice that at most.
const sessionAge = 20 * time.Second

// host is a machine on which a tokenstore runs: it acknowledges everything, and grants
// each demand a lease of its own token.
type host struct {
	tokenstorev1.UnimplementedLeaseServiceServer
	name     string
	server   *grpc.Server
	listener *memnet.Listener
	serving  sync.WaitGroup

	mu       sync.Mutex
	sessions map[string]int // by replica
	granted  int
	settled  map[string]bool
}

func newNetwork(t *testing.T) *network {
	return &network{t: t, hosts: map[string]*host{}}
}

// start has a tokenstore run on a host, which the name has.
func (n *network) start(name string) *host {
	h := &host{
		name: name, server: grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: 5 * time.Second, PermitWithoutStream: true, // as a tokenstore has it
		})), listener: memnet.Listen(),
		sessions: map[string]int{}, settled: map[string]bool{},
	}
	tokenstorev1.RegisterLeaseServiceServer(h.server, h)
	h.serving.Go(func() { _ = h.server.Serve(h.listener) })
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name] = h
	n.named = append(n.named, name)
	return h
}

// stop ends the tokenstore of a host at once, and its name.
func (n *network) stop(name string) {
	n.mu.Lock()
	h := n.hosts[name]
	delete(n.hosts, name)
	n.named = slices.DeleteFunc(n.named, func(each string) bool { return each == name })
	n.mu.Unlock()
	h.server.Stop()
	h.serving.Wait()
}

// close ends all.
func (n *network) close() {
	for _, name := range slices.Collect(maps.Keys(n.hosts)) {
		n.stop(name)
	}
}

func (n *network) lookup(ctx context.Context, host string) ([]string, error) {
	n.mu.Lock()
	n.lookups = append(n.lookups, time.Now())
	named, silent := slices.Clone(n.named), n.silent
	n.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if len(named) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return named, nil
}

func (n *network) connect(ctx context.Context, addr string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	h := n.hosts[name]
	n.mu.Unlock()
	if h == nil {
		return nil, errors.New("connection refused")
	}
	conn, err := h.listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	return remote{conn, addr}, nil
}

// remote is a connection that knows where it leads.
type remote struct {
	net.Conn
	addr string
}

func (r remote) RemoteAddr() net.Addr { return address(r.addr) }

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

// Session implements LeaseService.
func (h *host) Session(stream grpc.BidiStreamingServer[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]) error {
	requests, ended := make(chan *tokenstorev1.SessionRequest), make(chan error, 1)
	go func() {
		for {
			request, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			select {
			case requests <- request:
			case <-stream.Context().Done():
				return
			}
		}
	}()
	replica := ""
	defer func() { h.count(replica, -1) }()
	age := time.NewTimer(sessionAge + rand.N(sessionAge)) // as a tokenstore does it, each at its own time
	defer age.Stop()
	for {
		select {
		case <-age.C:
			return nil
		case err := <-ended:
			return err
		case <-stream.Context().Done(): // the reader may have stopped with a request in its hand
			return stream.Context().Err()
		case request := <-requests:
			if replica == "" {
				replica = request.GetReplica()
				h.count(replica, 1)
			}
			if err := stream.Send(h.answer(request)); err != nil {
				return err
			}
		}
	}
}

func (h *host) count(replica string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[replica] += n
}

func (h *host) answer(request *tokenstorev1.SessionRequest) *tokenstorev1.SessionResponse {
	h.mu.Lock()
	defer h.mu.Unlock()
	response := &tokenstorev1.SessionResponse{Acknowledged: request.GetSequence()}
	if request.GetReservation() != nil {
		response.Reserve = &tokenstorev1.Reserve{}
	}
	for _, report := range request.GetReports() {
		h.settled[report.GetLeaseId()] = true
	}
	for _, demand := range request.GetDemands() {
		grant := &tokenstorev1.Grant{DemandId: demand.GetId()}
		h.granted++
		granted := leaseOf("of "+h.name, h.granted)
		granted.Id = fmt.Sprintf("%s-%d", h.name, h.granted)
		grant.Leases = append(grant.Leases, granted)
		response.Grants = append(response.Grants, grant)
	}
	return response
}

func (h *host) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := 0
	for _, n := range h.sessions {
		sum += n
	}
	return sum
}

// gateway is a Leases with a connection of its own.
func (n *network) gateway(name string) (leases *Leases, stop func()) {
	conn, err := dial("tokenstore:7070", secret.New("shared"), nil, way{find: n.lookup, connect: n.connect, patience: time.Second})
	if err != nil {
		n.t.Fatal(err)
	}
	leases = NewLeases(tokenstorev1.NewLeaseServiceClient(conn), name, &counts{}, slog.New(slog.DiscardHandler))
	leases.KeepReserve(ReserveOptions{Time: degradedTime, Instance: name, Reset: conn.Reset})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { leases.Run(ctx) })
	return leases, func() {
		cancel()
		running.Wait()
		_ = conn.Close()
	}
}

// within fails the test unless the condition holds before the time is over, and returns
// how long it took.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; {
		synctest.Wait()
		if took := time.Since(began); holds() {
			return took
		} else if took > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func works(leases *Leases) func() bool {
	return func() bool {
		_, away := leases.reserve.watch("")
		return !away && leases.session.works()
	}
}

// However long an outage was, and whatever happened to the name and the addresses, the
// gateway is back within two seconds.
func TestGatewayIsBackSoonAfterAnOutage(t *testing.T) {
	for _, lasted := range []time.Duration{time.Second, 20 * time.Second, 100 * time.Second} {
		for name, c := range map[string]struct {
			during func(*network)
			back   string
		}{
			"at the same address, its name gone meanwhile": {func(*network) {}, "10.0.0.1"},
			"at another address":                           {func(*network) {}, "10.0.0.2"},
			"at the same address, its name still there":    {func(n *network) { n.named = []string{"10.0.0.1"} }, "10.0.0.1"},
			"at another address, the old one still named":  {func(n *network) { n.named = []string{"10.0.0.1"} }, "10.0.0.2"},
			"the name server silent meanwhile":             {func(n *network) { n.silent = true }, "10.0.0.2"},
		} {
			t.Run(fmt.Sprintf("%v, %s", lasted, name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := newNetwork(t)
					defer n.close()
					n.start("10.0.0.1")
					leases, stop := n.gateway("g1")
					defer stop()
					within(t, time.Second, "the first session", works(leases))
					<-time.After(time.Minute)

					n.stop("10.0.0.1")
					n.mu.Lock()
					c.during(n)
					n.lookups = nil
					n.mu.Unlock()
					<-time.After(lasted)
					n.mu.Lock()
					if most := int(lasted/retryEvery) + 2; len(n.lookups) > most {
						t.Errorf("%d look-ups in %v", len(n.lookups), lasted)
					}
					n.silent, n.named = false, nil
					n.mu.Unlock()
					n.start(c.back)
					t.Logf("back after %v", within(t, 2*time.Second, "another session", works(leases)))
				})
			})
		}
	}
}

// spread counts the sessions of each host.
func spread(hosts ...*host) []int {
	var open []int
	for _, each := range hosts {
		open = append(open, each.open())
	}
	return open
}

func sum(of []int) (all int) {
	for _, each := range of {
		all += each
	}
	return all
}

// Sessions are spread over all tokenstores that the name has. When one dies those of it
// go on at the others at once; when it comes back they spread again, as sessions end
// in good order. No request fails meanwhile, and no lease is lost.
func TestSessionsSpreadOverTokenstores(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.close()
		a, b, c := n.start("10.0.0.1"), n.start("10.0.0.2"), n.start("10.0.0.3")
		var gateways []*Leases
		const many = 12
		for i := range many {
			leases, stop := n.gateway(fmt.Sprintf("g%d", i))
			defer stop()
			gateways = append(gateways, leases)
		}
		within(t, 2*time.Second, "all sessions", func() bool { return sum(spread(a, b, c)) == many })
		everywhere := func(hosts ...*host) {
			within(t, 10*time.Minute, "sessions everywhere", func() bool {
				open := spread(hosts...)
				return slices.Min(open) > 0 && sum(open) == many
			})
		}
		everywhere(a, b, c)

		// Each gateway has requests all the time.
		ended := make(chan struct{})
		var requests sync.WaitGroup
		for _, leases := range gateways {
			requests.Go(func() {
				for {
					select {
					case <-ended:
						return
					case <-time.After(200 * time.Millisecond):
					}
					held, err := leases.Acquire(t.Context(), lease.Demand{Upstream: "u", Model: "m", MaxWait: 2 * time.Second})
					if err != nil {
						t.Errorf("a request failed: %v", err)
						return
					}
					leases.Settle(held, lease.Outcome{})
				}
			})
		}
		<-time.After(time.Second)
		n.stop("10.0.0.2")
		within(t, time.Second, "sessions at the others", func() bool { return sum(spread(a, c)) == many })
		<-time.After(20 * time.Second)
		gone := b
		b = n.start("10.0.0.2")
		everywhere(a, b, c)
		<-time.After(5 * time.Second)
		close(ended)
		requests.Wait()
		<-time.After(forgottenAfter + time.Second) // what was taken ahead goes back
		for _, each := range []*host{a, b, c} {
			each.mu.Lock()
			if each.granted == 0 {
				t.Errorf("%s granted nothing", each.name)
			}
			for i := range each.granted {
				id := fmt.Sprintf("%s-%d", each.name, i+1)
				settled := each.settled[id]
				for _, other := range []*host{a, b, c, gone} { // its session may have moved meanwhile
					if other != each {
						other.mu.Lock()
						settled = settled || other.settled[id]
						other.mu.Unlock()
					}
				}
				if !settled {
					t.Errorf("lease %s was never settled", id)
				}
			}
			each.mu.Unlock()
		}
	})
}

// A tokenstore that is frozen, or behind a dead network, is left for another one.
func TestSessionLeavesASilentTokenstore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := &Conn{lines: map[net.Conn]struct{}{}}
		conn.connect = func(_ context.Context, addr string) (net.Conn, error) {
			here, _ := net.Pipe()
			return remote{here, addr}, nil
		}
		dead, err := conn.dial(t.Context(), "10.0.0.1:7070")
		if err != nil {
			t.Fatal(err)
		}
		alive, err := conn.dial(t.Context(), "10.0.0.2:7070")
		if err != nil {
			t.Fatal(err)
		}
		conn.Reset(address("10.0.0.1:7070"))
		if _, err := dead.Write([]byte("x")); err == nil {
			t.Error("the dead connection is still open")
		}
		if len(conn.lines) != 1 {
			t.Errorf("%d connections left", len(conn.lines))
		}
		_ = alive.Close()
	})
}
