package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/leaktest"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/app"
	"carousel.internal/tokenstore/internal/testredis"
)

const sharedSecret = "a shared secret of the pair"

func TestMain(m *testing.M) { leaktest.Main(m) }

// output is a log that may be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// running is a tokenstore that serves.
type running struct {
	*app.Tokenstore
	log  *output
	conn *grpc.ClientConn
	// stop ends it and answers what Run did.
	stop func() error
}

// environ is an environment in which nothing outside the test is touched.
func environ(t *testing.T, pairs map[string]string) func(string) (string, bool) {
	t.Helper()
	folder := t.TempDir()
	all := map[string]string{
		"TOKENSTORE_SECRET": sharedSecret, "GRPC_ADDR": "127.0.0.1:0", "OPS_ADDR": "127.0.0.1:0", "REDIS_URL": "unix:///nowhere",
		"SEAL_KEY_FILE": filepath.Join(folder, "seal.key"), "TOKEN_FILE": filepath.Join(folder, "t"), "TOKEN_LIST_FILE": filepath.Join(folder, "l"),
		"SHUTDOWN_GRACE": "2s", "LOG_LEVEL": "debug",
	}
	for name, value := range pairs {
		all[name] = value
	}
	return func(name string) (string, bool) { value, set := all[name]; return value, set }
}

func run(t *testing.T, options app.Options) *running {
	t.Helper()
	r := &running{log: &output{}}
	options.Output = r.log
	var err error
	if r.Tokenstore, err = app.New(options); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(testredis.Timeout):
			return errors.New("it does not stop")
		}
	})
	if r.conn, err = grpc.NewClient(r.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer{})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.conn.Close()
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

type bearer struct{}

func (bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + sharedSecret}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

func load(t *testing.T, file string, pairs map[string]string) app.Config {
	t.Helper()
	cfg, err := app.LoadConfig(file, environ(t, pairs))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// until waits for the condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(testredis.Timeout)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (r *running) untilReady(t *testing.T, ready bool) {
	t.Helper()
	until(t, "ready", func() bool { return (r.Ready(t.Context()) == nil) == ready })
}

// watch begins a watch of the configuration. A store that has not answered in its time is asked
// again, as gateways do.
func (r *running) watch(t *testing.T) (stream grpc.ServerStreamingClient[tokenstorev1.WatchResponse], first *tokenstorev1.WatchResponse) {
	t.Helper()
	until(t, "a watch begins", func() (begun bool) {
		var err error
		if stream, err = tokenstorev1.NewConfigServiceClient(r.conn).Watch(t.Context(), &tokenstorev1.WatchRequest{}); err == nil {
			first, err = stream.Recv()
		}
		if err != nil && !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
			t.Fatal(err)
		}
		return err == nil
	})
	return stream, first
}

// readyz is the answer of the ops port.
func (r *running) readyz(t *testing.T) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.OpsAddr()+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return response.StatusCode
}

func (r *running) serving(t *testing.T) bool {
	t.Helper()
	answer, err := healthv1.NewHealthClient(r.conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	return err == nil && answer.GetStatus() == healthv1.HealthCheckResponse_SERVING
}

func (r *running) tokens(t *testing.T) []*tokenstorev1.Token {
	t.Helper()
	list, err := tokenstorev1.NewTokenServiceClient(r.conn).ListTokens(t.Context(), &tokenstorev1.ListTokensRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return list.GetTokens()
}

func TestServesOnAGivenRedis(t *testing.T) {
	client := testredis.Mini(t)
	synced := make(chan struct{}, 100)
	r := run(t, app.Options{Config: load(t, "", nil), Redis: client, Sync: func(context.Context) error {
		synced <- struct{}{}
		return nil
	}})
	r.untilReady(t, true)
	if !r.serving(t) || r.readyz(t) != http.StatusOK {
		t.Error("not serving")
	}
	upstreams, err := tokenstorev1.NewConfigServiceClient(r.conn).ListUpstreams(t.Context(), &tokenstorev1.ListUpstreamsRequest{})
	if err != nil || len(upstreams.GetUpstreams()) != 1 || upstreams.GetUpstreams()[0].GetBaseUrl() != "https://api2.cursor.sh" {
		t.Errorf("upstreams %v, %v", upstreams, err)
	}
	if len(synced) == 0 {
		t.Error("the given Sync is not used")
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := client.Ping(context.Background()).Err(); err != nil {
		t.Errorf("it closed what is not its own: %v", err)
	}
}

// The first callers wait for the first look at the store, and don't hear that it is away:
// gateways would go on without it for a while.
func TestFirstCallersWaitUntilTheStoreIsUsable(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Second // theirs: on a machine that is slower than that they are told
	for range 10 {
		began := time.Now()
		r := run(t, app.Options{Config: load(t, "", map[string]string{"REDIS_URL": "unix://" + testredis.NewServer(t).Options().Addr})})
		_, err := tokenstorev1.NewTokenServiceClient(r.conn).ListTokens(t.Context(), &tokenstorev1.ListTokensRequest{})
		if err == nil {
			return
		}
		if waited := time.Since(began); waited < patience {
			t.Fatalf("after %v: %v", waited, err)
		}
	}
	t.Error("they were told that the store is away each time")
}

// Redis is absent at the start, comes, goes, and comes back: each is said once,
// and nobody has to restart anything.
func TestRedisComesAndGoes(t *testing.T) {
	server := testredis.NewServer(t, "--appendfsync", "always")
	server.Kill()
	r := run(t, app.Options{Config: load(t, "", map[string]string{"REDIS_URL": "unix://" + server.Options().Addr})})
	until(t, "says so", func() bool { return strings.Contains(r.log.String(), "store can't be used; retrying") })
	if r.serving(t) || r.readyz(t) != http.StatusServiceUnavailable {
		t.Error("serving without Redis")
	}
	_, err := tokenstorev1.NewConfigServiceClient(r.conn).GetSettings(t.Context(), &tokenstorev1.GetSettingsRequest{})
	if !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		t.Errorf("got %v", err)
	}
	for range 2 {
		server.Start(t)
		r.untilReady(t, true)
		if !r.serving(t) || r.readyz(t) != http.StatusOK {
			t.Error("not serving when Redis is back")
		}
		server.Kill()
		r.untilReady(t, false)
	}
	if said := strings.Count(r.log.String(), "store is usable"); said != 2 {
		t.Errorf("said %d times that the store is usable", said)
	}
}

func TestAnotherSchemaIsRefused(t *testing.T) {
	client := testredis.Mini(t)
	if err := client.Set(t.Context(), "c1:{pool}:schema", "99", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r := run(t, app.Options{Config: load(t, "", nil), Redis: client})
	until(t, "says so", func() bool { return strings.Contains(r.log.String(), "schema version") })
	if r.serving(t) || r.Ready(t.Context()) == nil {
		t.Error("serves data of another version")
	}
}

// A Redis that is emptied while it is in use is noticed, said, and no empty pool.
func TestEmptiedRedisIsNoticed(t *testing.T) {
	server := testredis.NewServer(t)
	r := run(t, app.Options{Config: load(t, "", map[string]string{"REDIS_URL": "unix://" + server.Options().Addr})})
	r.untilReady(t, true)
	config := tokenstorev1.NewConfigServiceClient(r.conn)
	if _, first := r.watch(t); len(first.GetUpstreams()) != 1 {
		t.Fatal(first)
	}
	if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r.untilReady(t, false)
	if r.serving(t) || r.readyz(t) != http.StatusServiceUnavailable {
		t.Error("it says that it serves")
	}
	if err := r.Ready(t.Context()); !strings.Contains(err.Error(), "lost all of its data") {
		t.Errorf("the reason is: %v", err)
	}
	until(t, "says so", func() bool { return strings.Contains(r.log.String(), "lost all of its data") })
	_, err := config.PutUpstream(t.Context(), &tokenstorev1.PutUpstreamRequest{Upstream: &tokenstorev1.Upstream{Name: "a", Driver: "openai", BaseUrl: "http://a"}})
	if !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		t.Errorf("a write: %v", err)
	}
	_, err = config.ListUpstreams(t.Context(), &tokenstorev1.ListUpstreamsRequest{})
	if !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		t.Errorf("a read: %v", err)
	}
}

// A tokenstore that starts on an empty Redis can't know what was in it; but a seal key file
// tells that something was.
func TestStartOnAnEmptiedRedisSaysSo(t *testing.T) {
	client, key := testredis.Mini(t), filepath.Join(t.TempDir(), "seal.key")
	start := func() string {
		t.Helper()
		r := run(t, app.Options{Config: load(t, "", map[string]string{"SEAL_KEY_FILE": key}), Redis: client})
		r.untilReady(t, true)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		return r.log.String()
	}
	const alarm = "its data are gone"
	if log := start() + start(); strings.Contains(log, alarm) {
		t.Errorf("it says so of a new store:\n%s", log)
	}
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if log := start(); !strings.Contains(log, alarm) {
		t.Errorf("it does not say so:\n%s", log)
	}
}

// With a lost or a foreign seal key a tokenstore never becomes ready, says which key is
// missing, and makes none.
func TestForeignSealKeyIsRefused(t *testing.T) {
	for name, content := range map[string]string{"lost": "", "foreign": "kother " + strings.Repeat("A", 43) + "=\n"} {
		t.Run(name, func(t *testing.T) {
			client, key := testredis.Mini(t), filepath.Join(t.TempDir(), "seal.key")
			first := run(t, app.Options{Config: load(t, "", map[string]string{"SEAL_KEY_FILE": key}), Redis: client})
			first.untilReady(t, true)
			if err := first.stop(); err != nil {
				t.Fatal(err)
			}
			id, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(key); err != nil {
				t.Fatal(err)
			}
			if content != "" {
				if err := os.WriteFile(key, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := run(t, app.Options{Config: load(t, "", map[string]string{"SEAL_KEY_FILE": key}), Redis: client})
			missing, _, _ := strings.Cut(string(id), " ")
			until(t, "says so", func() bool { return strings.Contains(r.log.String(), missing) })
			if err := r.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), missing) || r.serving(t) {
				t.Errorf("ready: %v", err)
			}
			if _, err := os.Stat(key); (err == nil) != (content != "") {
				t.Errorf("a key file was made: %v", err)
			}
		})
	}
}

func TestSealKeyThatOthersCanReadIsRefused(t *testing.T) {
	key := filepath.Join(t.TempDir(), "seal.key")
	if err := os.WriteFile(key, []byte("k1 "+strings.Repeat("A", 43)+"=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if started, err := app.New(app.Options{Config: load(t, "", map[string]string{"SEAL_KEY_FILE": key}), Redis: testredis.Mini(t), Output: io.Discard}); err == nil {
		_ = started.Close()
		t.Error("it started")
	}
}

// A watch and a lease session do not hold the stop up.
func TestStopEndsStreams(t *testing.T) {
	r := run(t, app.Options{Config: load(t, "", map[string]string{"SHUTDOWN_GRACE": "1m"}), Redis: testredis.Mini(t)})
	r.untilReady(t, true)
	watch, _ := r.watch(t)
	session, err := tokenstorev1.NewLeaseServiceClient(r.conn).Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Send(&tokenstorev1.SessionRequest{Sequence: 1, Replica: "g1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if _, err := watch.Recv(); err == nil {
		t.Error("the watch goes on")
	}
}

func TestUpstreamsOfTheConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := "upstreams:\n  - {name: a, driver: openai, base_url: http://a}\n  - {name: b, driver: openai, base_url: http://b}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	client := testredis.Mini(t)
	pairs := map[string]string{"SEAL_KEY_FILE": filepath.Join(t.TempDir(), "seal.key")}
	names := func(r *running) string {
		t.Helper()
		r.untilReady(t, true)
		list, err := tokenstorev1.NewConfigServiceClient(r.conn).ListUpstreams(t.Context(), &tokenstorev1.ListUpstreamsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, upstream := range list.GetUpstreams() {
			all = append(all, upstream.GetName()+" "+upstream.GetBaseUrl())
		}
		return strings.Join(all, ", ")
	}
	first := run(t, app.Options{Config: load(t, file, pairs), Redis: client})
	if got := names(first); got != "a http://a, b http://b" {
		t.Errorf("at first: %s", got)
	}
	if _, err := tokenstorev1.NewConfigServiceClient(first.conn).PutUpstream(t.Context(), &tokenstorev1.PutUpstreamRequest{
		Upstream: &tokenstorev1.Upstream{Name: "a", Driver: "openai", BaseUrl: "http://changed"},
	}); err != nil {
		t.Fatal(err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if got := names(run(t, app.Options{Config: load(t, file, pairs), Redis: client})); got != "a http://changed, b http://b" {
		t.Errorf("after a restart: %s", got)
	}
}

// Routes of the configuration are a start, too; one whose match an admin has given to
// another keeps nobody from starting.
func TestRoutesOfTheConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := "routes:\n  - {name: fast, targets: [{upstream: cursor, model: m}]}\n  - {name: slow, targets: [{upstream: cursor}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	client := testredis.Mini(t)
	pairs := map[string]string{"SEAL_KEY_FILE": filepath.Join(t.TempDir(), "seal.key")}
	routes := func(r *running) string {
		t.Helper()
		r.untilReady(t, true)
		list, err := tokenstorev1.NewConfigServiceClient(r.conn).ListRoutes(t.Context(), &tokenstorev1.ListRoutesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, route := range list.GetRoutes() {
			all = append(all, route.GetName()+" "+route.GetMatch())
		}
		return strings.Join(all, ", ")
	}
	first := run(t, app.Options{Config: load(t, file, pairs), Redis: client})
	if got := routes(first); got != "fast fast, slow slow" {
		t.Errorf("at first: %s", got)
	}
	config := tokenstorev1.NewConfigServiceClient(first.conn)
	if _, err := config.DeleteRoute(t.Context(), &tokenstorev1.DeleteRouteRequest{Name: "slow"}); err != nil {
		t.Fatal(err)
	}
	if _, err := config.PutRoute(t.Context(), &tokenstorev1.PutRouteRequest{
		Route: &tokenstorev1.Route{Name: "fast", Match: "slow", Targets: []*tokenstorev1.RouteTarget{{Upstream: "a", Weight: 1}}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := run(t, app.Options{Config: load(t, file, pairs), Redis: client})
	if got := routes(second); got != "fast slow" {
		t.Errorf("after a restart: %s", got)
	}
	if !strings.Contains(second.log.String(), "route of the configuration not created") {
		t.Error("the log says nothing of the other one")
	}
}

// Token files are imported where they are new or have changed; what an admin has
// changed since stays.
func TestTokenFiles(t *testing.T) {
	client := testredis.Mini(t)
	folder := t.TempDir()
	tokenFile, listFile, key := filepath.Join(folder, ".token"), filepath.Join(folder, ".token-list"), filepath.Join(folder, "key")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sum := checksum.New().At(time.Now())
	write(listFile, "listed::T1,"+sum+"\nT2,"+checksum.New().At(time.Now())+"\n")
	write(tokenFile, "named::T1\nT3\na::b::secret-of-a-bad-line\n")
	pairs := map[string]string{"TOKEN_FILE": tokenFile, "TOKEN_LIST_FILE": listFile, "SEAL_KEY_FILE": key}
	restart := func() *running {
		t.Helper()
		r := run(t, app.Options{Config: load(t, "", pairs), Redis: client})
		r.untilReady(t, true)
		return r
	}
	aliases := func(r *running) string {
		t.Helper()
		var all []string
		for _, each := range r.tokens(t) {
			all = append(all, each.GetAlias())
		}
		return strings.Join(all, ",")
	}

	first := restart()
	if got := aliases(first); got != "named,," {
		t.Errorf("at first: %q", got)
	}
	if log := first.log.String(); !strings.Contains(log, `"line":3`) || strings.Contains(log, "secret-of-a-bad-line") {
		t.Errorf("the log says:\n%s", log)
	}
	tokens := tokenstorev1.NewTokenServiceClient(first.conn)
	known := first.tokens(t)
	if _, err := tokens.DeleteToken(t.Context(), &tokenstorev1.DeleteTokenRequest{Id: known[2].GetId()}); err != nil {
		t.Fatal(err)
	}
	exported, err := tokens.ExportTokens(t.Context(), &tokenstorev1.ExportTokensRequest{Format: tokenstorev1.TokenFileFormat_TOKEN_FILE_FORMAT_TOKEN_LIST})
	if err != nil || !strings.Contains(exported.GetContent(), sum[8:]) {
		t.Errorf("the checksum of the list is lost: %v", err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	second := restart()
	if got := aliases(second); got != "named," {
		t.Errorf("a deleted token came back: %q", got)
	}
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}

	write(tokenFile, "other::T1\nT4\n")
	if err := os.Remove(listFile); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(listFile, 0o700); err != nil { // can't be read
		t.Fatal(err)
	}
	third := restart()
	if got := aliases(third); got != "other,," {
		t.Errorf("after a change of the file: %q", got)
	}
	if !strings.Contains(third.log.String(), "can't be read; nothing was changed") {
		t.Error("the unreadable file is not told")
	}
}

func TestNewRefuses(t *testing.T) {
	good := load(t, "", nil)
	for name, spoil := range map[string]func(*app.Config){
		"configuration": func(cfg *app.Config) { cfg.LeaseTTL = 0 },
		"key file":      func(cfg *app.Config) { cfg.SealKeyFile = t.TempDir() },
		"port":          func(cfg *app.Config) { cfg.GRPCAddr = "203.0.113.1:1" },
		"ops port":      func(cfg *app.Config) { cfg.OpsAddr = "203.0.113.1:1" },
	} {
		cfg := good
		spoil(&cfg)
		if store, err := app.New(app.Options{Config: cfg, Output: io.Discard}); err == nil {
			t.Errorf("%s: accepted, %v", name, store.Close())
		}
	}
	store, err := app.New(app.Options{Config: good, Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

func TestMainCommands(t *testing.T) {
	server := testredis.NewServer(t)
	for name, value := range map[string]string{
		"TOKENSTORE_SECRET": sharedSecret, "REDIS_URL": "unix://" + server.Options().Addr, "SEAL_KEY_FILE": filepath.Join(t.TempDir(), "key"),
		"GRPC_ADDR": "127.0.0.1:0", "OPS_ADDR": "127.0.0.1:0", "CONFIG_FILE": "", "TOKEN_FILE": filepath.Join(t.TempDir(), "t"),
	} {
		t.Setenv(name, value)
	}
	command := func(args ...string) (int, string) {
		var text output
		code := app.Main(t.Context(), "tokenstore", "v1.2.3", args, &text, &text)
		return code, text.String()
	}
	for _, test := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"version"}, 0, "v1.2.3"},
		{[]string{"config"}, 0, "tokenstore_secret=[redacted]"},
		{[]string{"config"}, 0, "redis_url=[redacted]"},
		{[]string{"reseal"}, 0, "0 tokens resealed"},
		{[]string{"healthcheck"}, 1, "tokenstore:"},
		{[]string{"nonsense"}, 2, "usage"},
		{[]string{"serve", "more"}, 2, "usage"},
		{[]string{"--nonsense"}, 2, "usage"},
		{[]string{"--config", "/nowhere.yaml"}, 1, "/nowhere.yaml"},
	} {
		if code, text := command(test.args...); code != test.code || !strings.Contains(text, test.text) || strings.Contains(text, sharedSecret) {
			t.Errorf("%v: %d\n%s", test.args, code, text)
		}
	}
	t.Setenv("LEASE_TTL", "soon")
	t.Setenv("LOG_LEVEL", "loud")
	if code, text := command(); code != 1 || !strings.Contains(text, "lease_ttl") || !strings.Contains(text, "log_level") {
		t.Errorf("%d\n%s", code, text)
	}
	t.Setenv("LEASE_TTL", "")
	t.Setenv("LOG_LEVEL", "")
	ctx, cancel := context.WithCancel(t.Context())
	var text output
	done := make(chan int, 1)
	go func() { done <- app.Main(ctx, "tokenstore", "v1", nil, &text, &text) }()
	until(t, "serves", func() bool { return strings.Contains(text.String(), "store is usable") })
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("%d\n%s", code, text.String())
	}
	redis.SetLogger(quiet{})
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// A leaked admin token is replaced beside the running store, whose gateways hear of it.
func TestNewAdminToken(t *testing.T) {
	server, key := testredis.NewServer(t), filepath.Join(t.TempDir(), "seal.key")
	pairs := map[string]string{"REDIS_URL": "unix://" + server.Options().Addr, "SEAL_KEY_FILE": key}
	r := run(t, app.Options{Config: load(t, "", pairs)})
	r.untilReady(t, true)
	config := tokenstorev1.NewConfigServiceClient(r.conn)
	leaked := sha256.Sum256([]byte("sk-carousel-leaked"))
	if _, err := config.ClaimAdminToken(t.Context(), &tokenstorev1.ClaimAdminTokenRequest{TokenHash: leaked[:]}); err != nil {
		t.Fatal(err)
	}
	watch, first := r.watch(t)
	if !bytes.Equal(first.GetAdminTokenHash(), leaked[:]) {
		t.Fatal(first)
	}
	for name, value := range pairs {
		t.Setenv(name, value)
	}
	t.Setenv("TOKENSTORE_SECRET", sharedSecret)
	var printed, problems bytes.Buffer
	if code := app.Main(t.Context(), "tokenstore", "test", []string{"new-admin-token"}, &printed, &problems); code != 0 {
		t.Fatalf("code %d: %s%s", code, &printed, &problems)
	}
	_, rest, _ := strings.Cut(printed.String(), "admin token: ")
	made, _, _ := strings.Cut(rest, "\n")
	if !strings.HasPrefix(made, "sk-carousel-") || len(made) < 30 {
		t.Fatalf("printed %q", printed.String())
	}
	want := sha256.Sum256([]byte(made))
	for {
		now, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(now.GetAdminTokenHash(), want[:]) {
			break
		}
	}
	claimed, err := config.ClaimAdminToken(t.Context(), &tokenstorev1.ClaimAdminTokenRequest{TokenHash: leaked[:]})
	if err != nil || claimed.GetClaimed() || !bytes.Equal(claimed.GetTokenHash(), want[:]) {
		t.Errorf("the leaked one comes back: %v, %v", claimed, err)
	}
}
