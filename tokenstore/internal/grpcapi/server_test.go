package grpcapi_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"carousel.internal/proto/memnet"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/grpcapi"
	"carousel.internal/tokenstore/internal/notify"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
	"carousel.internal/tokenstore/internal/tokenfile"
)

const sharedSecret = "a shared secret of the pair"

// service is a tokenstore's API over an in-memory connection.
type service struct {
	store    *redisstore.Store
	files    *tokenfile.Files
	changes  *grpcapi.Changes
	errands  *grpcapi.ErrandServer
	notifier *notify.Notifier
	stopping chan struct{}
	log      *lockedText
	conn     *grpc.ClientConn
	// open has no secret of its own.
	open *grpc.ClientConn
}

// lockedText is what was logged.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

type noObserver struct{}

func (noObserver) Called(string, codes.Code, time.Duration) {}

func (noObserver) Ran(string, time.Duration, bool) {}

func (noObserver) Refreshed(string) {}

func (noObserver) SharedCause(string, string) {}

func (noObserver) Judged(string, string, string) {}

func (noObserver) Answered(string, bool, int, string, time.Duration) {}

func start(t *testing.T, client redis.UniversalClient) *service {
	t.Helper()
	keys, err := seal.Parse([]byte("k1 " + base64.StdEncoding.EncodeToString(make([]byte, 32))))
	if err != nil {
		t.Fatal(err)
	}
	s := &service{changes: grpcapi.NewChanges(), stopping: make(chan struct{}), log: &lockedText{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.store = redisstore.New(testredis.Patient(client), redisstore.Options{
		Scripts: noObserver{},
		Keys:    keys, Defaults: token.DefaultSettings(), Logger: log, Responses: redisstore.ResponseBounds{Age: time.Hour, Bytes: 8 << 20},
	})
	if _, err := s.store.SeedUpstream(t.Context(), &tokenstorev1.Upstream{Name: "cursor", Driver: "cursor", BaseUrl: "https://example.com"}); err != nil {
		t.Fatal(err)
	}
	server := grpcapi.NewServer(grpcapi.Access{Secret: secret.New(sharedSecret)}, testAge, noObserver{}, log)
	folder := t.TempDir()
	s.files = tokenfile.New(s.store, filepath.Join(folder, ".token"), filepath.Join(folder, ".token-list"), log)
	tokenstorev1.RegisterTokenServiceServer(server, grpcapi.NewTokenServer(s.store, s.files.Changed, log))
	tokenstorev1.RegisterTokenFileServiceServer(server, grpcapi.NewTokenFileServer(s.files, log))
	config := grpcapi.NewConfigServer(s.store, s.changes, testAge, s.stopping, log)
	config.SetWatch(time.Hour, testredis.Timeout) // what is seen, somebody has told of
	tokenstorev1.RegisterConfigServiceServer(server, config)
	tokenstorev1.RegisterResponseServiceServer(server, grpcapi.NewResponseServer(s.store))
	s.notifier = testNotifier(s.store)
	tokenstorev1.RegisterNotificationServiceServer(server, grpcapi.NewNotificationServer(s.store, s.notifier))
	tokenstorev1.RegisterPriceServiceServer(server, grpcapi.NewPriceServer(s.store))
	tokenstorev1.RegisterRequestLogServiceServer(server, grpcapi.NewRequestLogServer(s.store))
	tokenstorev1.RegisterUsageServiceServer(server, grpcapi.NewUsageServer(s.store))
	tokenstorev1.RegisterAuditServiceServer(server, grpcapi.NewAuditServer(s.store))
	tokenstorev1.RegisterFleetServiceServer(server, grpcapi.NewFleetServer(s.store, func() []redisstore.Warning { return []redisstore.Warning{{Kind: redisstore.Evicts, Text: "it evicts"}} }))
	tokenstorev1.RegisterIdempotencyServiceServer(server, grpcapi.NewIdempotencyServer(s.store))
	s.errands = grpcapi.NewErrandServer(s.store, s.files.Changed, noObserver{}, s.stopping)
	tokenstorev1.RegisterErrandServiceServer(server, s.errands)
	tokenstorev1.RegisterLoginServiceServer(server, grpcapi.NewLoginServer(s.store))
	tokenstorev1.RegisterKeyServiceServer(server, grpcapi.NewKeyServer(s.store))
	tokenstorev1.RegisterBackupServiceServer(server, grpcapi.NewBackupServer(s.store, s.files.Changed, log))
	tokenstorev1.RegisterNewsServiceServer(server, grpcapi.NewNewsServer(s.store))
	healthv1.RegisterHealthServer(server, health.NewServer())

	listener := memnet.Listen()
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) }) // ends with Stop
	t.Cleanup(func() {
		server.Stop()
		running.Wait()
	})
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() { s.files.Run(ctx) })
	running.Go(func() {
		s.store.Listen(ctx, func(redisstore.Event) { s.changes.Announce() })
	})
	t.Cleanup(cancel)
	s.open = dial(t, listener)
	s.conn = dial(t, listener, grpc.WithPerRPCCredentials(bearer(sharedSecret)))
	return s
}

func dial(t *testing.T, listener *memnet.Listener, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	conn, err := grpc.NewClient("passthrough:///memory", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

func wantReason(t *testing.T, err error, reason tokenstorev1.Reason, code codes.Code) {
	t.Helper()
	if !rpcerr.Is(err, reason) || status.Code(err) != code {
		t.Errorf("got %v, want %v", err, reason)
	}
}

func TestCallersMustShowTheSecret(t *testing.T) {
	t.Parallel()
	s := start(t, testredis.Mini(t))
	ctx, cancel := context.WithTimeout(t.Context(), testredis.Timeout)
	defer cancel()
	for name, shown := range map[string][]string{
		"nothing": nil, "wrong": {"Bearer wrong"}, "bare": {sharedSecret}, "empty": {""}, "twice": {"Bearer " + sharedSecret, "Bearer x"},
	} {
		with := metadata.NewOutgoingContext(ctx, metadata.MD{"authorization": shown})
		_, err := tokenstorev1.NewConfigServiceClient(s.open).GetSettings(with, &tokenstorev1.GetSettingsRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_UNAUTHENTICATED, codes.Unauthenticated)
		watch, err := tokenstorev1.NewConfigServiceClient(s.open).Watch(with, &tokenstorev1.WatchRequest{})
		if err == nil {
			_, err = watch.Recv()
		}
		if wantReason(t, err, tokenstorev1.Reason_REASON_UNAUTHENTICATED, codes.Unauthenticated); t.Failed() {
			t.Fatal(name)
		}
	}
	if _, err := healthv1.NewHealthClient(s.open).Check(ctx, &healthv1.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
	if _, err := tokenstorev1.NewConfigServiceClient(s.conn).GetSettings(ctx, &tokenstorev1.GetSettingsRequest{}); err != nil {
		t.Errorf("with the secret: %v", err)
	}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	redisServer := testredis.NewServer(t)
	s := start(t, redisServer.Client(t))
	redisServer.Kill()
	_, err := tokenstorev1.NewTokenServiceClient(s.conn).ListTokens(t.Context(), &tokenstorev1.ListTokensRequest{})
	wantReason(t, err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, codes.Unavailable)
	if parsed := rpcerr.Parse(err); parsed.RetryAfter <= 0 || strings.Contains(parsed.Message, "unix") {
		t.Errorf("got %+v", parsed)
	}
	if !strings.Contains(s.log.String(), "list tokens") {
		t.Error("the cause is not in the log")
	}
	redisServer.Start(t)
	if _, err := tokenstorev1.NewTokenServiceClient(s.conn).ListTokens(t.Context(), &tokenstorev1.ListTokensRequest{}); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// What is no typed error is a fault of ours: the log has it, the caller does not.
func TestFaultsStayInside(t *testing.T) {
	t.Parallel()
	client := testredis.Mini(t)
	s := start(t, client)
	if err := client.Set(t.Context(), "c1:{config}:settings", "not a hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	_, err := tokenstorev1.NewConfigServiceClient(s.conn).GetSettings(t.Context(), &tokenstorev1.GetSettingsRequest{})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(s.log.String(), "WRONGTYPE") {
		t.Errorf("the log says only:\n%s", s.log)
	}
}

func TestAPanicEndsOnlyItsCall(t *testing.T) {
	t.Parallel()
	log := &lockedText{}
	server := grpcapi.NewServer(grpcapi.Access{Secret: secret.New(sharedSecret)}, testAge, noObserver{}, slog.New(slog.NewTextHandler(log, nil)))
	tokenstorev1.RegisterTokenServiceServer(server, grpcapi.NewTokenServer(nil, nil, nil)) // no store: every call panics
	listener := memnet.Listen()
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		running.Wait()
	})
	client := tokenstorev1.NewTokenServiceClient(dial(t, listener, grpc.WithPerRPCCredentials(bearer(sharedSecret))))
	for range 2 {
		if _, err := client.GetToken(t.Context(), &tokenstorev1.GetTokenRequest{Id: "t0123456789abcdef"}); status.Code(err) != codes.Internal {
			t.Errorf("got %v", err)
		}
	}
	if !strings.Contains(log.String(), "panic") {
		t.Errorf("the log says only:\n%s", log)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		s := start(t, client)
		ctx, cancel := context.WithTimeout(t.Context(), testredis.Timeout)
		defer cancel()
		config := tokenstorev1.NewConfigServiceClient(s.conn)
		watch, err := config.Watch(ctx, &tokenstorev1.WatchRequest{Replica: "g1"})
		if err != nil {
			t.Fatal(err)
		}
		next := func() *tokenstorev1.WatchResponse {
			t.Helper()
			snapshot, err := watch.Recv()
			if err != nil {
				t.Fatal(err)
			}
			return snapshot
		}
		if first := next(); first.GetSettings().GetVersion() != 1 || len(first.GetUpstreams()) != 1 || len(first.GetAdminTokenHash()) != 0 {
			t.Errorf("at first: %v", first)
		}
		if _, err := s.store.UpdateSettings(ctx, redisstore.SettingsUpdate{Settings: &tokenstorev1.Settings{EnableSlowPool: true}, Names: []string{"enable_slow_pool"}}); err != nil {
			t.Fatal(err)
		}
		if snapshot := next(); !snapshot.GetSettings().GetEnableSlowPool() {
			t.Errorf("after a change: %v", snapshot)
		}
		if _, err := config.PutUpstream(ctx, &tokenstorev1.PutUpstreamRequest{Upstream: &tokenstorev1.Upstream{Name: "a", Driver: "openai", BaseUrl: "http://x"}}); err != nil {
			t.Fatal(err)
		}
		if snapshot := next(); len(snapshot.GetUpstreams()) != 2 {
			t.Errorf("after a new upstream: %v", snapshot)
		}
		route := &tokenstorev1.Route{Name: "fast", Targets: []*tokenstorev1.RouteTarget{{Upstream: "a", Weight: 1}}}
		if _, err := config.PutRoute(ctx, &tokenstorev1.PutRouteRequest{Route: route}); err != nil {
			t.Fatal(err)
		}
		if snapshot := next(); len(snapshot.GetRoutes()) != 1 || snapshot.GetRoutes()[0].GetMatch() != "fast" {
			t.Errorf("after a new route: %v", snapshot)
		}
		if _, err := config.ClaimAdminToken(ctx, &tokenstorev1.ClaimAdminTokenRequest{TokenHash: make([]byte, 32)}); err != nil {
			t.Fatal(err)
		}
		if snapshot := next(); len(snapshot.GetAdminTokenHash()) != 32 {
			t.Errorf("after a claim: %v", snapshot)
		}
		close(s.stopping)
		if _, err := watch.Recv(); !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) || errors.Is(err, io.EOF) {
			t.Errorf("when the server stops: %v", err)
		}
	})
}

// A watch that has begun outlives its Redis.
func TestWatchOutlivesRedis(t *testing.T) {
	t.Parallel()
	redisServer := testredis.NewServer(t)
	s := start(t, redisServer.Client(t))
	ctx, cancel := context.WithTimeout(t.Context(), 2*testredis.Timeout)
	defer cancel()
	watch, err := tokenstorev1.NewConfigServiceClient(s.conn).Watch(ctx, &tokenstorev1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	redisServer.Kill()
	s.changes.Announce()
	redisServer.Start(t)
	for {
		_, err = s.store.UpdateSettings(ctx, redisstore.SettingsUpdate{Settings: &tokenstorev1.Settings{MaxAttempts: 7}, Names: []string{"max_attempts"}})
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if snapshot, err := watch.Recv(); err != nil || snapshot.GetSettings().GetMaxAttempts() != 7 {
		t.Errorf("got %v, %v", snapshot, err)
	}
}
