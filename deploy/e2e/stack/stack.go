// Package stack runs the pair for tests: built binaries of the tokenstore and of
// any number of gateways, a real redis-server, and a simulated upstream in the
// test's own process, so that the test sees what arrives there.
package stack

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/redis/go-redis/v9"

	"carousel.internal/deploy/local/embeddedredis"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/proto/freeport"
)

// AdminToken is what the stack's gateways are configured with.
const AdminToken = "sk-e2e-admin-token"

// TokenstoreSecret is what the stack's tokenstores ask their callers for.
const TokenstoreSecret = "e2e-shared-secret"

// startLimit is how long any part may take to start on a busy machine.
const startLimit = 60 * time.Second

// Options say what a stack is made of. The zero value is one gateway.
type Options struct {
	Gateways int
	// Tokenstores is how many share the Redis; the gateways take turns at them. 0: one.
	Tokenstores int
	// GatewayEnv and TokenstoreEnv are added to the environments, as KEY=value.
	GatewayEnv    []string
	TokenstoreEnv []string
	Sim           upstreamsim.Options
	// Seen is told of each request that reaches the simulator, before it is answered.
	Seen func(*http.Request)
	// Links puts a Link between each gateway and the tokenstore.
	Links bool
	// Lazy starts nothing but the simulator: the test starts the parts.
	Lazy bool
	// RedisURL is of a Redis that the test runs; empty: the stack runs one of its own.
	RedisURL string
	// Release is the folder of another version's programs, as Release returns it; empty:
	// this version's.
	Release string
}

// Stack is a running pair.
type Stack struct {
	t testing.TB
	// Folder has the data of all parts.
	Folder    string
	Sim       *upstreamsim.Simulator
	SimURL    string
	Redis     *Process
	RedisAddr string
	// Tokenstore is the first of Tokenstores.
	Tokenstore  *Process
	Tokenstores []*Process
	Gateways    []*Gateway
	options     Options
	// stores are the addresses of the tokenstores, by their order.
	stores []storeAddrs
}

// storeAddrs are where a tokenstore is.
type storeAddrs struct{ grpc, ops string }

// Gateway is one replica.
type Gateway struct {
	*Process
	// URL is its public port; Ops its ops port.
	URL string
	Ops string
	// Key is the admin token; empty: AdminToken.
	Key string
	// Link leads to the tokenstore; nil without Options.Links.
	Link *Link
	// judged is the test that fails by its answers; nil: nobody judges them.
	judged testing.TB
	// left: loads send it nothing.
	left atomic.Bool
}

// Leave takes it out of every load, as a balancer does with a gateway that is not
// ready. Requests that it has go on.
func (g *Gateway) Leave() { g.left.Store(true) }

// Join undoes Leave.
func (g *Gateway) Join() { g.left.Store(false) }

// Start starts a stack with the upstreams `cursor`, in its older protocol, and `openai` on
// the simulator and without tokens. The test's end stops it. Where there is no redis-server
// the test is skipped, unless REQUIRE_REDIS=1.
func Start(t testing.TB, options Options) *Stack {
	t.Helper()
	needRedis(t)
	s := &Stack{
		t: t, Folder: t.TempDir(), options: options, RedisAddr: freeport.MustAddr(t),
	}
	for range max(options.Tokenstores, 1) {
		s.stores = append(s.stores, storeAddrs{grpc: freeport.MustAddr(t), ops: freeport.MustAddr(t)})
	}
	s.startSim()
	if options.Lazy {
		return s
	}
	if options.RedisURL == "" {
		s.StartRedis()
	}
	s.StartTokenstore()
	for range max(options.Gateways, 1) {
		s.StartGateway()
	}
	for _, gateway := range s.Gateways {
		s.WaitReady(gateway.Ops)
	}
	s.PutUpstream("cursor", map[string]any{"driver": "cursor", "base_url": s.SimURL, "settings": s.chatSettings()})
	s.PutUpstream("openai", map[string]any{
		"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"gpt-test", "sim-count-50"},
	})
	return s
}

// chatSettings are those of the upstream `cursor`, which speaks the older protocol. Releases
// from before there were two have no setting for that.
func (s *Stack) chatSettings() map[string]string {
	settings := map[string]string{"site_url": s.SimURL}
	if s.options.Release == "" {
		settings["protocol"] = "chat"
	}
	return settings
}

func needRedis(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("REQUIRE_REDIS") == "1" {
			t.Fatal(err)
		}
		t.Skip("no redis-server here")
	}
}

func (s *Stack) startSim() {
	s.Sim = upstreamsim.New(s.options.Sim)
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		s.t.Fatal(err)
	}
	server := s.Sim.Server()
	if seen := s.options.Seen; seen != nil {
		answer := server.Handler
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen(r)
			answer.ServeHTTP(w, r)
		})
	}
	go func() { _ = server.Serve(listener) }() // ends with Close
	s.SimURL = "http://" + listener.Addr().String()
	s.t.Cleanup(func() {
		s.Sim.Close()
		_ = server.Close()
	})
}

// StartRedis starts the redis-server, as compose configures it.
func (s *Stack) StartRedis() {
	_, port, _ := net.SplitHostPort(s.RedisAddr)
	folder := filepath.Join(s.Folder, "redis")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.Redis = startProcess(s.t, "redis", "redis-server", folder, []string{
		"--port", port, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes",
		"--appendfsync", embeddedredis.AppendFsync(s.t.Context(), "redis-server"), "--save", "",
	}, nil)
	s.WaitRedis()
}

// WaitRedis waits until Redis answers.
func (s *Stack) WaitRedis() {
	s.t.Helper()
	client := s.RedisClient()
	defer func() { _ = client.Close() }()
	s.Eventually("Redis answers", startLimit, func() bool { return client.Ping(s.t.Context()).Err() == nil })
}

// RedisClient connects to the stack's Redis; the caller closes it.
func (s *Stack) RedisClient() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.RedisAddr})
}

// AwaitReserves waits until every gateway has slots of the upstream in reserve, and knows it: it
// has said so since.
func (s *Stack) AwaitReserves(upstream string) {
	s.t.Helper()
	// Several servers, or an earlier release, which says it elsewhere: a reserve is renewed twice a
	// second.
	if s.options.RedisURL != "" || s.options.Release != "" {
		<-time.After(4 * time.Second)
		return
	}
	client := s.RedisClient()
	defer func() { _ = client.Close() }()
	s.AwaitReservesIn(client, upstream)
}

// AwaitReservesIn is AwaitReserves for a Redis of several servers, such as that of a RedisSet.
func (s *Stack) AwaitReservesIn(client redis.UniversalClient, upstream string) {
	s.t.Helper()
	pool := "c1:{pool:" + upstream + "}:"
	// heard tells when the replicas that hold something were heard last.
	heard := func() map[string]string {
		at := client.HGetAll(s.t.Context(), pool+"holders").Val()
		maps.DeleteFunc(at, func(replica, _ string) bool { return client.SCard(s.t.Context(), pool+"holds:"+replica).Val() == 0 })
		return at
	}
	before := map[string]string{}
	s.Eventually("every gateway has a reserve of "+upstream, 0, func() bool {
		before = heard()
		return len(before) >= len(s.Gateways)
	})
	for range 2 { // what was on its way said nothing of it yet
		s.Eventually("every gateway says that it has a reserve of "+upstream, 0, func() bool {
			now := heard()
			maps.DeleteFunc(now, func(replica, at string) bool { return before[replica] == at })
			if len(now) < len(s.Gateways) {
				return false
			}
			before = now
			return true
		})
	}
}

// StartTokenstore starts the tokenstores. They share a folder, as they must.
func (s *Stack) StartTokenstore() {
	s.Tokenstores = nil
	for i, at := range s.stores {
		name := "tokenstore"
		if i > 0 {
			name += fmt.Sprintf(" %d", i+1)
			s.WaitReady(s.stores[0].ops) // which has made the seal key
		}
		s.Tokenstores = append(s.Tokenstores, startProcess(s.t, name, s.program("tokenstore"), s.Folder, nil, append([]string{
			"GRPC_ADDR=" + at.grpc, "OPS_ADDR=" + at.ops, "REDIS_URL=" + cmp.Or(s.options.RedisURL, "redis://"+s.RedisAddr+"/0"),
			"TOKENSTORE_SECRET=" + TokenstoreSecret, "SEAL_KEY_FILE=seal.key", "TOKEN_FILE=.token", "TOKEN_LIST_FILE=.token-list", // in its folder
		}, s.options.TokenstoreEnv...)))
	}
	s.Tokenstore = s.Tokenstores[0]
}

// program is the path of a service's program, of the version that is wanted.
func (s *Stack) program(service string) string {
	if s.options.Release != "" {
		return filepath.Join(s.options.Release, service)
	}
	return Binary(s.t, service)
}

// TokenstoreReady tells whether the tokenstore says that it is ready.
func (s *Stack) TokenstoreReady() bool { return ready(s.t.Context(), s.stores[0].ops) }

// TokenstoreAddr is where the first tokenstore is called.
func (s *Stack) TokenstoreAddr() string { return s.stores[0].grpc }

// TokenstoreOps is the ops address of the first tokenstore.
func (s *Stack) TokenstoreOps() string { return s.stores[0].ops }

// TokenstoreHealth is what the tokenstore says of itself; status 0: it does not answer.
func (s *Stack) TokenstoreHealth() (status int, body string) {
	return Readyz(s.t.Context(), s.stores[0].ops)
}

// StartGateway starts one more gateway.
func (s *Stack) StartGateway() *Gateway {
	addr, opsAddr := freeport.MustAddr(s.t), freeport.MustAddr(s.t)
	_, port, _ := net.SplitHostPort(addr)
	gateway := &Gateway{URL: "http://" + addr, Ops: opsAddr, judged: s.t}
	storeAddr := s.stores[len(s.Gateways)%len(s.stores)].grpc
	if s.options.Links {
		gateway.Link = newLink(s.t, storeAddr)
		storeAddr = gateway.Link.Addr()
	}
	gateway.Process = startProcess(s.t, fmt.Sprintf("gateway %d", len(s.Gateways)+1), s.program("gateway"), s.Folder, nil, append([]string{
		"PORT=" + port, "OPS_ADDR=" + opsAddr, "TOKENSTORE_ADDR=" + storeAddr, "TOKENSTORE_SECRET=" + TokenstoreSecret,
		"AUTH_TOKEN=" + AdminToken, "DRAIN_DELAY=0s", "SHUTDOWN_GRACE=5s",
	}, s.options.GatewayEnv...))
	s.Gateways = append(s.Gateways, gateway)
	return gateway
}

// WaitReady waits until the process with that ops address is ready.
func (s *Stack) WaitReady(opsAddr string) {
	s.t.Helper()
	s.Eventually(opsAddr+" is ready", startLimit, func() bool { return ready(s.t.Context(), opsAddr) })
}

func ready(ctx context.Context, opsAddr string) bool {
	status, _ := Readyz(ctx, opsAddr)
	return status == http.StatusOK
}

// Readyz asks a process whether it is ready; status 0: it does not answer.
func Readyz(ctx context.Context, opsAddr string) (status int, body string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+opsAddr+"/readyz", nil)
	if err != nil {
		return 0, err.Error()
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// Eventually waits until the condition holds, or fails the test. See the function.
func (s *Stack) Eventually(what string, limit time.Duration, condition func() bool) {
	s.t.Helper()
	Eventually(s.t, what, limit, condition)
}

// Slack is what waits have beyond their limits, which are those of a machine that has nothing else
// to do: one that has keeps a process from its work for seconds. A wait that succeeds early has
// none of it.
const Slack = 30 * time.Second

// Eventually waits until the condition holds, or fails the test: after the limit, and Slack.
func Eventually(t testing.TB, what string, limit time.Duration, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(limit + Slack)
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", limit+Slack, what)
		}
	}
}

// Remote is a gateway that something else runs.
func Remote(t testing.TB, url string) *Gateway { return &Gateway{judged: t, URL: url} }

// SDK is the official client for one gateway. It does not retry: a test sees
// every answer.
func (g *Gateway) SDK(options ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(g.URL + "/v1"), option.WithAPIKey(g.key()), option.WithMaxRetries(0), option.WithHTTPClient(Client(g.judged)),
	}, options...)...)
}

func (g *Gateway) key() string {
	if g.Key == "" {
		return AdminToken
	}
	return g.Key
}

// Answer is what the admin API said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body into the value.
func (a Answer) JSON(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("%v in %s", err, a.Body)
	}
}

// adminLimit bounds a call of the admin API: a change of thousands of tokens takes a busy machine
// more than half a minute.
const adminLimit = 2 * time.Minute

// Admin calls the admin API of a gateway.
func (g *Gateway) Admin(t testing.TB, method, path string, body any) Answer {
	t.Helper()
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	ctx, cancel := context.WithTimeout(t.Context(), adminLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, g.URL+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+g.key())
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: text}
}

// MustAdmin is Admin that expects a status.
func (g *Gateway) MustAdmin(t testing.TB, want int, method, path string, body any) Answer {
	t.Helper()
	answer := g.Admin(t, method, path, body)
	if answer.Status != want {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, answer.Status, want, answer.Body)
	}
	return answer
}

// PutUpstream configures an upstream and waits until every gateway knows it.
func (s *Stack) PutUpstream(name string, config map[string]any) {
	s.t.Helper()
	answer := s.Gateways[0].Admin(s.t, http.MethodPut, "/admin/api/upstreams/"+name, config)
	if answer.Status >= 300 {
		s.t.Fatalf("put upstream %s: %d %s", name, answer.Status, answer.Body)
	}
	model := "gpt-4o"
	if models, _ := config["models"].([]string); len(models) > 0 {
		model = models[0]
	}
	path := "/admin/api/explain?model=" + url.QueryEscape(name+"/"+model)
	s.Eventually("every gateway knows the upstream "+name, startLimit, func() bool {
		for _, gateway := range s.Gateways {
			if !gateway.left.Load() && gateway.Admin(s.t, http.MethodGet, path, nil).Status != http.StatusOK {
				return false
			}
		}
		return true
	})
}

// Token is a token of the pool as the admin API shows it.
type Token struct {
	ID       string   `json:"id"`
	Upstream string   `json:"upstream"`
	Alias    string   `json:"alias"`
	Tags     []string `json:"tags"`
	Enabled  bool     `json:"enabled"`
	State    string   `json:"state"`
	Token    string   `json:"token"`
	Cap      int      `json:"cap"`
	Weight   int      `json:"weight"`
	InFlight int      `json:"in_flight"`
	Requests int      `json:"requests"`
	Failures int      `json:"failures"`
	Version  int      `json:"version"`
	// Secret is what was added; the API never shows it.
	Secret string `json:"-"`
}

// AddTokens adds n tokens `<prefix>-1`… to an upstream, with a cap (0: none).
func (s *Stack) AddTokens(upstream, prefix string, n, limit int) []Token {
	s.t.Helper()
	tokens := make([]Token, n)
	for i := range tokens {
		secret := fmt.Sprintf("sk-secret-%s-%04d-of-the-e2e-test", prefix, i+1)
		answer := s.Gateways[0].MustAdmin(s.t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{
			"token": secret, "upstream": upstream, "alias": fmt.Sprintf("%s-%d", prefix, i+1), "cap": limit,
		})
		answer.JSON(s.t, &tokens[i])
		tokens[i].Secret = secret
	}
	return tokens
}

// Tokens lists the pool.
func (g *Gateway) Tokens(t testing.TB) []Token {
	t.Helper()
	var page struct {
		Tokens []Token `json:"tokens"`
		Next   *string `json:"next"`
	}
	g.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens?limit=1000", nil).JSON(t, &page)
	return page.Tokens
}

// LogIDs counts the entries of the request log by their id.
func (g *Gateway) LogIDs(t testing.TB) map[string]int {
	t.Helper()
	ids, cursor := map[string]int{}, ""
	for {
		var page struct {
			Logs []struct {
				ID string `json:"id"`
			} `json:"logs"`
			Next *string `json:"next"`
		}
		g.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?limit=1000&cursor="+cursor, nil).JSON(t, &page)
		for _, entry := range page.Logs {
			ids[entry.ID]++
		}
		if page.Next == nil || *page.Next == "" {
			return ids
		}
		cursor = *page.Next
	}
}

// Metric is the sum of a metric's series on an ops port whose labels contain the
// text, such as `state="stored"`; 0 where there is none.
func Metric(t testing.TB, opsAddr, name, labels string) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Slack)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+opsAddr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	sum, lines := 0.0, bufio.NewScanner(response.Body)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), " ")
		metric, of, _ := strings.Cut(series, "{")
		if number, err := strconv.ParseFloat(value, 64); metric == name && strings.Contains(of, labels) && err == nil {
			sum += number
		}
	}
	return sum
}
