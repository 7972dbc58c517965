package tokens

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/proto/memnet"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What a request of a key with limits pays for that at load: its charge to the allowance.
func BenchmarkChargeAndPay(b *testing.B) {
	books := newBooks(func() {})
	charge := &lease.Charge{KeyID: "k", Most: lease.Amounts{Requests: 1, Tokens: 1000, Cost: 1000, AtOnce: 1}}
	books.charge(charge)
	of := books.of("k")
	of.since, of.ttl, of.rate = time.Now(), time.Hour, 10_000
	of.standings = []caller.Standing{{Limit: caller.Limit{Unit: caller.Requests, Period: caller.Minute, Amount: 1 << 40}}}
	b.ReportAllocs()
	for b.Loop() {
		of.holding = of.reserved.plus(of.target(of.drawn))
		if !books.charge(charge) {
			b.Fatal("no allowance")
		}
		books.pay(charge, lease.Amounts{Requests: 1, Tokens: 500, Cost: 500})
	}
}

// What the request path pays for its log entry.
func BenchmarkRecord(b *testing.B) {
	entry := reqlog.Entry{
		ID: "chatcmpl-0123456789abcdef0123456789abcdef", Dialect: "openai", StartedAt: time.Now(), Total: 80 * time.Millisecond, FirstByte: 70 * time.Millisecond,
		Model: "gpt-4o-mini", ServedModel: "gpt-4o-mini", Upstream: "simulated", TokenID: "t000000000000001", TokenAlias: "work", TokenFingerprint: "0123456789abcdef",
		MaskedSecret: "sk-a…wxyz", HTTPStatus: 200, End: reqlog.Done, Attempts: 1, Usage: chat.Usage{Prompt: 120, Completion: 60, Source: chat.UsageReported},
		Cost: 12_000_000, Quality: reqlog.CostReported, Prompt: strings.Repeat("what is a lease? ", 30),
	}
	entry.Note(reqlog.Attempt{
		StartedAt: time.Now(), Total: 79 * time.Millisecond, Upstream: "simulated", Model: "gpt-4o-mini", TokenID: "t000000000000001", TokenAlias: "work",
		TokenFingerprint: "0123456789abcdef", MaskedSecret: "sk-a…wxyz", Effect: reqlog.NoEffect, Status: 200,
	})
	s, _ := newShipper(&fakeLog{})
	b.ReportAllocs()
	for b.Loop() {
		s.Record(entry)
		if len(s.queue) == maxBatch {
			s.queue, s.bytes = s.queue[:0], 0
		}
	}
}

// What the request path pays for a token at load: a lease from the stock, and
// its report.
func BenchmarkAcquireAndSettle(b *testing.B) {
	l := NewLeases(nil, "replica-1", &counts{}, slog.New(slog.DiscardHandler))
	now := time.Now()
	granted := heldFrom(leaseOf("a", 1), "", now, now)
	b.ReportAllocs()
	for b.Loop() {
		now := time.Now()
		granted.term.Extend(now.Add(time.Second))
		l.stocks.mu.Lock()
		l.stocks.of(pool{demand.Upstream, demand.Model}).put(granted, now)
		l.stocks.mu.Unlock()
		l.session.mu.Lock()
		if len(l.session.pending.reports) == maxInMessage {
			l.session.pending.reports = nil
		}
		l.session.mu.Unlock()

		held, err := l.Acquire(b.Context(), demand)
		if err != nil {
			b.Fatal(err)
		}
		l.Settle(held, lease.Outcome{Model: "gpt-4o", RequestID: "request"})
	}
}

// What a request costs at the rates of people, both ends of the session together: CPU,
// messages, and how many requests wait for the store. It is asked in real time.
func BenchmarkDemandAtLowRate(b *testing.B) {
	for _, capped := range []bool{false, true} {
		for _, rate := range []int{5, 50, 300} {
			b.Run(fmt.Sprintf("capped=%v/rate=%d", capped, rate), func(b *testing.B) {
				benchmarkDemand(b, rate, capped)
			})
		}
	}
}

func benchmarkDemand(b *testing.B, rate int, capped bool) {
	b.Helper()
	store := &fakeStore{sessions: make(chan *fakeSession, 1)}
	store.mute.Store(true)
	listener := memnet.Listen()
	server := grpc.NewServer()
	tokenstorev1.RegisterLeaseServiceServer(server, store)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { _ = server.Serve(listener) })
	defer server.Stop()
	conn, err := grpc.NewClient("passthrough:///store", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	seen := &counts{}
	l := NewLeases(tokenstorev1.NewLeaseServiceClient(conn), "replica-1", seen, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	running.Go(func() { l.Run(ctx) })
	grants := newAutomatic("a", "b", "c")
	grants.capped = capped
	opened := <-store.sessions
	running.Go(func() { grants.serve(opened) })

	pace := time.NewTicker(time.Second / time.Duration(rate))
	defer pace.Stop()
	before, messages := cpuTime(b), seen.roundTrips.Load()
	b.ResetTimer()
	for range b.N {
		<-pace.C
		held, err := l.Acquire(b.Context(), demand)
		if err != nil {
			b.Fatal(err)
		}
		l.Settle(held, lease.Outcome{Model: "gpt-4o", RequestID: "request"})
	}
	n := float64(b.N)
	b.ReportMetric(0, "ns/op") // the pace's
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/n, "cpu-µs/req")
	b.ReportMetric(float64(seen.roundTrips.Load()-messages)/n, "messages/req")
	b.ReportMetric(float64(seen.asked.Load())/n, "waits/req")
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
