package grpcapi_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/grpcapi"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// BenchmarkGateways tells what a request costs a tokenstore and its Redis when one gateway, five
// or twenty have sessions with it: with 40 requests out among all of them, and with 10 out at
// each. A request asks for its lease and reports its end. The gateways are simulated; cpu-µs is of
// this process, which is them and the tokenstore.
func BenchmarkGateways(b *testing.B) {
	for name, out := range map[string]func(gateways int) int{
		"40 in all": func(gateways int) int { return 40 / gateways },
		"10 each":   func(int) int { return 10 },
	} {
		b.Run(name, func(b *testing.B) { compareFleets(b, out) })
	}
}

// compareFleets has fleets of one, five and twenty gateways serve in turns: whatever else the
// machine does meets all alike.
func compareFleets(b *testing.B, out func(gateways int) int) {
	gateways := []int{1, 5, 20}
	fleets := make([]*simulatedFleet, len(gateways))
	for i, count := range gateways {
		fleets[i] = startSimulatedFleet(b, count, out(count))
	}
	const turn = 400
	spent := make([]cost, len(fleets))
	requests := 0.0
	for done := 0; done < b.N; done += turn {
		for i, fleet := range fleets {
			before := fleet.cost(b)
			fleet.serve(b, turn)
			spent[i].add(fleet.cost(b), before)
		}
		requests += turn
	}
	b.ReportMetric(0, "ns/op")
	for i, count := range gateways {
		b.ReportMetric(spent[i].redis/requests, fmt.Sprint(count, "-redis-µs"))
		b.ReportMetric(spent[i].redis/spent[0].redis, fmt.Sprint(count, "-redis-share"))
		b.ReportMetric(spent[i].process/requests, fmt.Sprint(count, "-cpu-µs"))
		b.ReportMetric(spent[i].process/spent[0].process, fmt.Sprint(count, "-cpu-share"))
	}
}

// cost is CPU time, in µs: of Redis's main thread, and of this process.
type cost struct{ redis, process float64 }

func (c *cost) add(now, then cost) {
	c.redis += now.redis - then.redis
	c.process += now.process - then.process
}

// simulatedFleet are gateways with sessions at tokenstores, which have Redis servers of their own.
type simulatedFleet struct {
	redis    []redis.UniversalClient
	gateways []*simulatedGateway
}

func startSimulatedFleet(b *testing.B, gateways, out int) *simulatedFleet {
	b.Helper()
	client := testredis.Start(b)
	log := slog.New(slog.DiscardHandler)
	store := newBenchStore(b, client, log)
	fillPool(b, store, "cursor", 50)
	address := serveLeases(b, store, log)
	fleet := &simulatedFleet{redis: []redis.UniversalClient{client}}
	for i := range gateways {
		fleet.gateways = append(fleet.gateways, startSimulatedGateway(b, address, fmt.Sprint("g", i), "cursor", out))
	}
	return fleet
}

func newBenchStore(b *testing.B, client redis.UniversalClient, log *slog.Logger) *redisstore.Store {
	b.Helper()
	keys, err := seal.Parse([]byte("k1 " + base64.StdEncoding.EncodeToString(make([]byte, 32))))
	if err != nil {
		b.Fatal(err)
	}
	return redisstore.New(client, redisstore.Options{Keys: keys, Defaults: token.DefaultSettings(), Logger: log})
}

// fillPool makes an upstream with so many tokens that are past their quarantine.
func fillPool(b *testing.B, store *redisstore.Store, upstream string, tokens int) {
	b.Helper()
	if _, err := store.SeedUpstream(b.Context(), &tokenstorev1.Upstream{Name: upstream, Driver: token.DriverCursor, BaseUrl: "https://example.com"}); err != nil {
		b.Fatal(err)
	}
	for i := range tokens {
		draft := token.NewDraft(secret.New(fmt.Sprint("secret-", i)))
		draft.Upstream, draft.Alias = upstream, fmt.Sprint(upstream, "-t", i)
		if _, err := store.CreateToken(b.Context(), draft); err != nil {
			b.Fatal(err)
		}
		proveToken(b, store, upstream, draft.Alias)
	}
}

// proveToken ends a new token's quarantine.
func proveToken(b *testing.B, store *redisstore.Store, upstream, alias string) {
	b.Helper()
	taken, _, err := store.Acquire(b.Context(), leasing.Wanted{Upstream: upstream, Alias: alias, Count: 1, TTL: time.Minute})
	if err != nil || len(taken) != 1 {
		b.Fatal(taken, err)
	}
	if _, err := store.Settle(b.Context(), []leasing.Settlement{{LeaseRef: taken[0].LeaseRef, Effect: leasing.Succeeded}}); err != nil {
		b.Fatal(err)
	}
}

// serveLeases serves sessions until the benchmark ends, and answers where.
func serveLeases(b *testing.B, store *redisstore.Store, log *slog.Logger) string {
	b.Helper()
	desk := leasing.NewDesk(store, 15*time.Second, noObserver{}, log)
	stopping := make(chan struct{})
	leases := grpcapi.NewLeaseServer(desk, store, store, testAge, nil, log, stopping)
	leases.SetAge(time.NewTimer(time.Hour))
	server := grpcapi.NewServer(grpcapi.Access{Secret: secret.New(sharedSecret)}, testAge, noObserver{}, log)
	tokenstorev1.RegisterLeaseServiceServer(server, leases)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) }) // ends with Stop
	running.Go(func() { desk.Run(ctx) })
	b.Cleanup(func() {
		close(stopping)
		cancel()
		server.Stop()
		running.Wait()
	})
	return listener.Addr().String()
}

// serve has the fleet make so many requests.
func (f *simulatedFleet) serve(b *testing.B, requests int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(requests))
	var running sync.WaitGroup
	for _, gateway := range f.gateways {
		running.Go(func() {
			if err := gateway.serve(&left); err != nil {
				b.Error(err)
			}
		})
	}
	running.Wait()
}

func (f *simulatedFleet) cost(b *testing.B) cost {
	b.Helper()
	var spent cost
	for _, server := range f.redis {
		spent.redis += redisTime(b, server)
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	spent.process = float64(time.Duration(used.Utime.Nano() + used.Stime.Nano()).Microseconds())
	return spent
}

// redisTime is the CPU time of a server's main thread so far, in µs.
func redisTime(b *testing.B, server redis.UniversalClient) (spent float64) {
	b.Helper()
	info, err := server.Info(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name != "used_cpu_user_main_thread" && name != "used_cpu_sys_main_thread" {
			continue
		}
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil {
			b.Fatal(err)
		}
		spent += seconds * 1e6
	}
	return spent
}

// simulatedGateway is a gateway's end of a session. It has up to so many requests out at a time,
// each of which ends as soon as it has its lease.
type simulatedGateway struct {
	stream   grpc.BidiStreamingClient[tokenstorev1.SessionRequest, tokenstorev1.SessionResponse]
	upstream string
	out      int
	// ahead is how many leases each demand is for, as one of a stock is; 0: it is a request's own.
	ahead    int64
	sequence uint64
	demand   uint64
}

func startSimulatedGateway(b *testing.B, address, name, upstream string, out int) *simulatedGateway {
	b.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer(sharedSecret)))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(func() {
		cancel()
		_ = conn.Close()
	})
	stream, err := tokenstorev1.NewLeaseServiceClient(conn).Session(ctx)
	if err != nil {
		b.Fatal(err)
	}
	g := &simulatedGateway{stream: stream, upstream: upstream, out: out}
	if err := g.send(&tokenstorev1.SessionRequest{Replica: name, Complete: true, Defers: true}); err != nil {
		b.Fatal(err)
	}
	return g
}

func (g *simulatedGateway) send(message *tokenstorev1.SessionRequest) error {
	g.sequence++
	message.Sequence = g.sequence
	return g.stream.Send(message)
}

// serve makes requests while any are left, and returns when all that it has begun have ended and
// are reported.
func (g *simulatedGateway) serve(left *atomic.Int64) error {
	waiting := 0
	count := max(g.ahead, 1)
	begin := func(message *tokenstorev1.SessionRequest) {
		for ; waiting < g.out && left.Add(-count) >= 0; waiting++ {
			g.demand++
			message.Demands = append(message.Demands, &tokenstorev1.Demand{
				Id: g.demand, Upstream: g.upstream, Model: "gpt-4", Count: uint32(count), Ahead: g.ahead > 0,
			})
		}
	}
	first := new(tokenstorev1.SessionRequest)
	begin(first)
	if len(first.GetDemands()) == 0 {
		return nil
	}
	if err := g.send(first); err != nil {
		return err
	}
	for acknowledged := uint64(0); waiting > 0 || acknowledged < g.sequence; {
		said, err := g.stream.Recv()
		if err != nil {
			return err
		}
		acknowledged = max(acknowledged, said.GetAcknowledged())
		if denials := said.GetDenials(); len(denials) > 0 {
			return fmt.Errorf("denied: %v", denials[0])
		}
		next := new(tokenstorev1.SessionRequest)
		for _, grant := range said.GetGrants() {
			waiting--
			for _, lease := range grant.GetLeases() {
				next.Reports = append(next.Reports, &tokenstorev1.Report{
					LeaseId: lease.GetId(), TokenId: lease.GetTokenId(), Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS,
				})
			}
		}
		if len(next.GetReports()) == 0 {
			continue
		}
		begin(next)
		if err := g.send(next); err != nil {
			return err
		}
	}
	return nil
}
