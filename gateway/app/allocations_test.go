package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/relay"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	askBody = `{"model":"bench-echo","messages":[{"role":"system","content":"You are a helpful assistant. Answer in one short paragraph."},` +
		`{"role":"user","content":"Our team has four replicas of a service behind a load balancer, and one of them is slower than the others. ` +
		`Which three measurements would you look at first, and what would each of them tell you?"}],"temperature":0.7,"stream":false}`
	answerBody = `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"bench-echo","choices":[{"index":0,"message":{"role":"assistant",` +
		`"content":"Latency by percentile, the rate of errors, and how busy the processor is."},"logprobs":null,"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":61,"completion_tokens":15,"total_tokens":76}}`
	adminToken = "sk-carousel-admin"
)

var clientToken = "sk-carousel-abcdefgh234567xy-" + string(bytes.Repeat([]byte("A"), 43))

// cannedUpstream answers every request with the same bytes. It allocates nothing for one, so that
// what a benchmark counts is the gateway's.
func cannedUpstream(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answerBody), answerBody)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerAll(conn, answer)
		}
	}()
	return "http://" + listener.Addr().String() + "/v1"
}

// answerAll answers what ends as askBody does, until the connection does.
func answerAll(conn net.Conn, answer []byte) {
	defer func() { _ = conn.Close() }()
	room := make([]byte, 16<<10)
	held := 0
	for {
		n, err := conn.Read(room[held:])
		if err != nil {
			return
		}
		if held += n; !bytes.HasSuffix(room[:held], []byte("}")) {
			continue
		}
		held = 0
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// freeStore is a store that always has a lease, and forgets what it is told.
type freeStore struct{ held *lease.Lease }

func (f freeStore) Acquire(context.Context, lease.Demand) (*lease.Lease, error) { return f.held, nil }
func (freeStore) Settle(*lease.Lease, lease.Outcome)                            {}
func (freeStore) SetAside(context.Context, *lease.Charge) bool                  { return true }
func (freeStore) Pay(*lease.Charge, lease.Amounts)                              {}
func (freeStore) Record(reqlog.Entry)                                           {}

func (freeStore) Find(context.Context, caller.Secret, bool) (*caller.Key, time.Time, error) {
	return &oneKey, time.Time{}, nil
}

var oneKey = caller.Key{ID: "abcdefgh234567xy", Name: "ci"}

// servingHandler is the public port's handler over a canned upstream, with a store that costs
// nothing.
func servingHandler(tb testing.TB) http.Handler {
	tb.Helper()
	output := accesslog.NewBuffer(io.Discard, logDelay)
	tb.Cleanup(func() { _ = output.Close() })
	log := slog.New(slog.NewJSONHandler(output, nil)).With("service", "gateway", "replica", "r")
	store := freeStore{&lease.Lease{ID: "1", TokenID: "t", Fingerprint: "f", MaskedSecret: "sk…1", Credential: upstream.Credential{Secret: secret.New("sk-1")}}}
	counts := metrics.New(prometheus.NewRegistry())
	served := catalog.New(drivers(Config{FirstByteTimeout: time.Minute, IdleTimeout: time.Minute}), nil, log)
	served.Update([]upstream.Config{{Name: "up", Driver: "openai", BaseURL: cannedUpstream(tb), Models: []string{"bench-echo"}}}, nil)
	access := accesslog.NewJSON(log, output, slog.String("service", "gateway"), slog.String("replica", "r"))
	settings := &tokenstorev1.Settings{EnableStreamCheck: true, IncludeStopStream: true, MaxAttempts: 3, Affinity: "conversations", LogPrompts: true}
	gate := auth.New(secret.New(adminToken), nil)
	gate.UseKeys(store)
	return httpapi.New(httpapi.Deps{
		Relay: relay.New(relay.Params{
			Catalog: served, Leases: store, Recorder: recorder{store}, Counter: newObserver(counts), Prices: &pricing.Table{},
			Policy: func() relay.Policy { return policyOf(settings, Config{RequestTimeout: time.Hour}) }, Tune: tune, StatusOf: statusOf,
			Replicas: func() int { return 1 }, Logger: log,
		}),
		Dialects: dialects, Models: func() []chat.Model { return nil }, Settings: func() *tokenstorev1.Settings { return settings },
		Gate: gate, Metrics: counts, Access: access, Log: log,
	})
}

// asker sends the same request to a handler again and again, as cheaply as can be.
type asker struct {
	handler http.Handler
	request *http.Request
	header  http.Header
	body    rewound
	status  int
	answer  []byte
}

func newAsker(tb testing.TB, token string) *asker {
	tb.Helper()
	a := &asker{handler: servingHandler(tb), header: http.Header{}}
	a.request, _ = http.NewRequestWithContext(tb.Context(), http.MethodPost, "/v1/chat/completions", http.NoBody)
	a.request.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, "User-Agent": {"bench"}}
	a.request.RemoteAddr, a.request.ContentLength = "192.0.2.1:1234", int64(len(askBody))
	return a
}

func (a *asker) ask() {
	clear(a.header)
	a.body.Reset([]byte(askBody))
	a.request.Body, a.status, a.answer = &a.body, http.StatusOK, a.answer[:0]
	a.handler.ServeHTTP(a, a.request)
}

func (a *asker) Header() http.Header    { return a.header }
func (a *asker) WriteHeader(status int) { a.status = status }

func (a *asker) Write(p []byte) (int, error) {
	a.answer = append(a.answer, p...)
	return len(p), nil
}

func (*asker) SetReadDeadline(time.Time) error  { return nil }
func (*asker) SetWriteDeadline(time.Time) error { return nil }

// rewound is a body that can be sent again.
type rewound struct{ bytes.Reader }

func (*rewound) Close() error { return nil }

var askers = []struct {
	name, token string
	// most bounds the allocations of one request: they are counted below, and may not grow unseen.
	most float64
}{
	{"admin", adminToken, 90},
	{"key", clientToken, 93},
}

// A plain request costs no more allocations than is written here, from its arrival at the handler
// to its answer and its line in the log, the connection to the upstream included. Whoever makes
// it cheaper lowers the bounds.
func TestAllocationsOfARequest(t *testing.T) {
	if underRace {
		t.Skip("pools forget under the race detector, and what they had is allocated again")
	}
	for _, c := range askers {
		t.Run(c.name, func(t *testing.T) {
			a := newAsker(t, c.token)
			a.ask()
			if a.status != http.StatusOK || !bytes.Contains(a.answer, []byte("Latency by percentile")) {
				t.Fatalf("%d %s", a.status, a.answer)
			}
			var counts []float64
			for range 5 { // what else allocates now and then is no request's
				counts = append(counts, testing.AllocsPerRun(200, a.ask))
			}
			if least := slices.Min(counts); least > c.most {
				t.Errorf("%.0f allocations a request, and %.0f may be", least, c.most)
			} else {
				t.Logf("%.0f allocations a request", least)
			}
		})
	}
}

// What a request costs, without net/http's server:
//
//	go test -run '^$' -bench Request -cpuprofile cpu.out -memprofile mem.out -memprofilerate 1 ./app
func BenchmarkRequest(b *testing.B) {
	for _, c := range askers {
		b.Run(c.name, func(b *testing.B) {
			a := newAsker(b, c.token)
			b.ReportAllocs()
			for b.Loop() {
				a.ask()
			}
		})
	}
}
