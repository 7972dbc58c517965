package app_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/app"
	"carousel.internal/tokenstore/internal/testredis"
)

// gateway is what a gateway does in its session: it takes and reports leases, renews
// its reserve, and gives slots up when others want them.
type gateway struct {
	t      *testing.T
	name   string
	stream grpc.BidiStreamingClient[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]

	mu       sync.Mutex
	sequence uint64
	demands  uint64
	waiting  map[uint64]chan *tokenstorev1.Lease
	slots    map[string]uint32
}

func (r *running) gateway(t *testing.T, name string, reserving bool) *gateway {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := tokenstorev1.NewLeaseServiceClient(r.conn).Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, name: name, stream: stream, waiting: map[uint64]chan *tokenstorev1.Lease{}, slots: map[string]uint32{}}
	var running sync.WaitGroup
	running.Go(g.receive)
	if reserving {
		running.Go(func() {
			every := time.NewTicker(100 * time.Millisecond)
			defer every.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-every.C:
					g.send(&tokenstorev1.SessionRequest{Reservation: g.reservation()})
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return g
}

func (g *gateway) send(request *tokenstorev1.SessionRequest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sequence++
	request.Sequence, request.Replica = g.sequence, g.name
	_ = g.stream.Send(request) // its end is seen by receive
}

func (g *gateway) reservation() *tokenstorev1.Reservation {
	g.mu.Lock()
	defer g.mu.Unlock()
	asked := &tokenstorev1.Reservation{Instance: g.name, Ttl: durationpb.New(time.Minute)}
	for id, slots := range g.slots {
		asked.Holds = append(asked.Holds, &tokenstorev1.Slots{TokenId: id, Slots: slots})
	}
	return asked
}

func (g *gateway) receive() {
	for {
		response, err := g.stream.Recv()
		if err != nil {
			return
		}
		var again []uint64
		g.mu.Lock()
		for _, id := range response.GetReserve().GetDroppedTokenIds() {
			delete(g.slots, id)
		}
		for _, added := range response.GetReserve().GetAdded() {
			g.slots[added.GetLease().GetTokenId()] = added.GetSlots()
		}
		for _, grant := range response.GetGrants() {
			g.waiting[grant.GetDemandId()] <- grant.GetLeases()[0]
		}
		for _, denial := range response.GetDenials() {
			if denial.GetReason() == tokenstorev1.Reason_REASON_STORE_UNAVAILABLE {
				again = append(again, denial.GetDemandId()) // Redis was kept from its work for longer than a desk waits
				continue
			}
			g.waiting[denial.GetDemandId()] <- nil
		}
		wanted := len(response.GetWanted()) > 0
		if wanted {
			clear(g.slots)
		}
		g.mu.Unlock()
		for _, id := range again {
			g.demand(id, testredis.Timeout)
		}
		if wanted {
			g.send(&tokenstorev1.SessionRequest{Reservation: g.reservation()})
		}
	}
}

func (g *gateway) demand(id uint64, wait time.Duration) {
	g.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{{Id: id, Upstream: "cursor", Count: 1, MaxWait: durationpb.New(wait)}}})
}

// request takes a lease, has it for a while and gives it back; it tells whether it got
// one.
func (g *gateway) request(wait, busy time.Duration) bool {
	answer := make(chan *tokenstorev1.Lease, 1)
	g.mu.Lock()
	g.demands++
	id := g.demands
	g.waiting[id] = answer
	g.mu.Unlock()
	g.demand(id, wait)
	select {
	case lease := <-answer:
		if lease == nil {
			return false
		}
		time.Sleep(busy) // the request itself
		g.send(&tokenstorev1.SessionRequest{Reports: []*tokenstorev1.Report{{
			TokenId: lease.GetTokenId(), LeaseId: lease.GetId(), Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS,
		}}})
		return true
	case <-time.After(2 * wait):
		g.t.Errorf("demand %d of %s is not answered", id, g.name)
		return false
	}
}

func (g *gateway) holds() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.slots)
}

// twoStores runs two tokenstores on one Redis that has one token with a cap of one. The
// second is farther away from it by latency.
func twoStores(t *testing.T, latency time.Duration) (near, far *running) {
	t.Helper()
	server, pairs := testredis.NewServer(t), map[string]string{"SEAL_KEY_FILE": filepath.Join(t.TempDir(), "seal.key")}
	near = run(t, app.Options{Config: load(t, "", pairs), Redis: server.Client(t)})
	near.untilReady(t, true)
	if _, err := tokenstorev1.NewTokenServiceClient(near.conn).CreateToken(t.Context(), &tokenstorev1.CreateTokenRequest{
		Upstream: "cursor", Secret: "a-secret-of-the-test", Cap: 1,
	}); err != nil {
		t.Fatal(err)
	}
	client := server.Client(t)
	client.AddHook(distance(latency))
	far = run(t, app.Options{Config: load(t, "", pairs), Redis: client})
	far.untilReady(t, true)
	return near, far
}

// distance is a hook that makes each call take so much longer.
type distance time.Duration

func (d distance) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d distance) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		time.Sleep(time.Duration(d)) // the way to Redis
		return next(ctx, cmd)
	}
}

func (d distance) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		time.Sleep(time.Duration(d)) // the way to Redis
		return next(ctx, cmds)
	}
}

// A slot that gateways of another tokenstore hold in reserve goes to who waits for it,
// and not back into a reserve.
func TestSlotsOfAnotherTokenstoresGatewaysAreServed(t *testing.T) {
	near, far := twoStores(t, 0)
	asking := near.gateway(t, "asking", false)
	if !asking.request(testredis.Timeout, 0) { // the token is new: nothing of it is reserved
		t.Fatal("the first request is refused")
	}
	var holding []*gateway
	for i := range 3 {
		holding = append(holding, far.gateway(t, fmt.Sprintf("holding-%d", i), true))
	}
	until(t, "a slot in reserve", func() bool { return holding[0].holds()+holding[1].holds()+holding[2].holds() > 0 })
	var served atomic.Int32
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 4 {
				if asking.request(testredis.Timeout/3, 20*time.Millisecond) {
					served.Add(1)
				}
			}
		})
	}
	clients.Wait()
	if served.Load() != 16 {
		t.Errorf("%d of 16 requests were served", served.Load())
	}
}

// Requests that come through two tokenstores wait in one line, as it were: where one of
// them always has some that wait, the other's have their turns all the same, even if it
// is farther away from Redis.
func TestTwoTokenstoresTakeTurns(t *testing.T) {
	for name, latency := range map[string]time.Duration{"side by side": 0, "one is farther away": 2 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := twoStores(t, latency)
			gateways := []*gateway{near.gateway(t, "near", false), far.gateway(t, "far", false)}
			if !gateways[0].request(testredis.Timeout, 0) {
				t.Fatal("the first request is refused")
			}
			var served [2]atomic.Int32
			var shared atomic.Bool
			var clients sync.WaitGroup
			over := time.Now().Add(testredis.Timeout) // either may rest for a while where the machine has much to do
			for i, each := range gateways {
				for range []int{6, 2}[i] { // there is always somebody at the near one
					clients.Go(func() {
						for time.Now().Before(over) && !shared.Load() {
							if !each.request(testredis.Timeout, 10*time.Millisecond) {
								t.Errorf("a request through the %s tokenstore is refused", each.name)
								return
							}
							served[i].Add(1)
							if many, few := served[0].Load(), served[1].Load(); few >= 40 && few >= many/6 { // a third would be exact
								shared.Store(true)
							}
						}
					})
				}
			}
			clients.Wait()
			if !shared.Load() {
				t.Errorf("%d requests were served through one tokenstore, %d through the other", served[0].Load(), served[1].Load())
			}
		})
	}
}
