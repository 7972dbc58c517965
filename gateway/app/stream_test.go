package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/relay"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/anthropic"
	"carousel.internal/gateway/internal/upstream/openai"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// streamPath is a pair of a client's and an upstream's API.
type streamPath struct {
	name string
	// path is where the client asks, end how its stream ends.
	path, end string
	driver    upstream.Constructor
	// events are those of an upstream's answer with so many pieces of text.
	events func(pieces int) []string
}

var streamPaths = []streamPath{
	{"chat", "/v1/chat/completions", "data: [DONE]\n\n", openai.New, chatEvents},
	{"messages", "/v1/messages", "\"message_stop\"}\n\n", anthropic.New, messagesEvents},
	{"messages over chat", "/v1/messages", "\"message_stop\"}\n\n", openai.New, chatEvents},
	{"chat over messages", "/v1/chat/completions", "data: [DONE]\n\n", anthropic.New, messagesEvents},
}

func chatEvents(pieces int) []string {
	const head = `data: {"id":"chatcmpl-8f3a","object":"chat.completion.chunk","created":1763800000,"model":"gpt-4o-2024-08-06","system_fingerprint":"fp_b376dfbbd5","choices":[`
	events := []string{head + `{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"}
	for range pieces {
		events = append(events, head+`{"index":0,"delta":{"content":" w~rld"},"finish_reason":null}]}`+"\n\n")
	}
	return append(events, head+`{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n",
		head+`],"usage":{"prompt_tokens":3,"completion_tokens":50,"total_tokens":53}}`+"\n\n", "data: [DONE]\n\n")
}

func messagesEvents(pieces int) []string {
	event := func(name, rest string) string {
		return fmt.Sprintf("event: %[1]s\ndata: {\"type\":%[1]q%[2]s}\n\n", name, rest)
	}
	events := []string{
		event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}`),
		event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`),
	}
	for range pieces {
		events = append(events, event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":" w~rld"}`))
	}
	return append(events, event("content_block_stop", `,"index":0`),
		event("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":50}`), event("message_stop", ""))
}

// port is a public port over an upstream that streams the same events to whoever asks, without
// anything that lends, prices or keeps. One stream is under way at a time.
type port struct {
	api     streamPath
	request []byte
	client  net.Conn
	reader  *bufio.Reader
	// paced: an event is sent when the client has had the one before it.
	paced chan struct{}
	// reads and writes are those of the connection that the port has to its client.
	reads, writes atomic.Int64
}

func newPort(t testing.TB, api streamPath, pieces int, paced bool) *port {
	t.Helper()
	p := &port{api: api}
	if paced {
		p.paced = make(chan struct{}, 1)
	}
	up := listen(t)
	go p.serveUpstream(up, api.events(pieces))
	driver, err := api.driver(upstream.Config{Name: "up", BaseURL: "http://" + up.Addr().String() + "/v1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	server := publicServer(t.Context(), p.handler(driver), 100, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = server.Close() })
	public := listen(t)
	go func() { _ = server.Serve(limited(countingListener{public, p}, 100)) }()

	body := `{"model":"m","stream":true,"max_tokens":1000,"messages":[{"role":"user","content":"Hi"}]}`
	p.request = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer right\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", api.path, len(body), body)
	if p.client, err = net.Dial("tcp", public.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.client.Close() })
	p.reader = bufio.NewReaderSize(p.client, 64<<10)
	return p
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func (p *port) handler(driver upstream.Driver) http.Handler {
	logger := slog.New(slog.DiscardHandler)
	target := catalog.Target{Upstream: "up", Driver: driver, Model: "m", Discipline: &catalog.Discipline{RetryPercent: 20}}
	free := idle{&lease.Lease{ID: "1", TokenID: "a", Credential: upstream.Credential{Secret: secret.New("sk-1")}}}
	return httpapi.New(httpapi.Deps{
		Relay: relay.New(relay.Params{
			Catalog: only{target}, Leases: free, Prices: free, Recorder: free, Counter: free, StatusOf: statusOf, Logger: logger,
			Replicas: func() int { return 1 }, Policy: func() relay.Policy { return relay.Policy{MaxAttempts: 3, HoldBack: true} },
		}),
		Dialects: dialects, Models: func() []chat.Model { return nil }, Settings: func() *tokenstorev1.Settings { return nil },
		Gate: auth.New(secret.New("right"), nil), Metrics: metrics.New(prometheus.NewRegistry()), Access: accesslog.New(logger), Log: logger,
	})
}

// only is a catalog of one target.
type only struct{ target catalog.Target }

func (o only) Resolve(catalog.Wish) (catalog.Plan, error) { return catalog.InOrder(o.target), nil }
func (only) Current(target catalog.Target) catalog.Target { return target }

// idle lends one lease and forgets everything.
type idle struct{ held *lease.Lease }

func (i idle) Acquire(context.Context, lease.Demand) (*lease.Lease, error)    { return i.held, nil }
func (idle) Settle(*lease.Lease, lease.Outcome)                               {}
func (idle) SetAside(context.Context, *lease.Charge) bool                     { return true }
func (idle) Pay(*lease.Charge, lease.Amounts)                                 {}
func (idle) Record(context.Context, reqlog.Entry)                             {}
func (idle) Attempt(string, upstream.Class)                                   {}
func (idle) Retried(string)                                                   {}
func (idle) RetryDenied(string)                                               {}
func (idle) FellBack(string)                                                  {}
func (idle) Ignored(string, string)                                           {}
func (idle) Ended(string, *reqlog.Entry)                                      {}
func (idle) Most(string, string, int, int) money.Pico                         { return 0 }
func (idle) MaxOutput(string, string) int                                     { return 0 }
func (idle) Cost(string, string, chat.Usage) (money.Pico, reqlog.CostQuality) { return 0, "" }

// countingListener counts what is read from and written to its connections.
type countingListener struct {
	net.Listener
	port *port
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &countingConn{conn, l.port}, err
}

type countingConn struct {
	net.Conn
	port *port
}

func (c *countingConn) Read(p []byte) (int, error) {
	c.port.reads.Add(1)
	return c.Conn.Read(p)
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.port.writes.Add(1)
	return c.Conn.Write(p)
}

// mark is in each piece of text, and nowhere else.
var mark = []byte("~")

// serveUpstream answers all requests of all connections with the same events.
func (p *port) serveUpstream(listener net.Listener, events []string) {
	chunks := make([][]byte, len(events))
	for i, event := range events {
		chunks[i] = fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
	}
	chunks[0] = append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"), chunks[0]...)
	chunks[len(chunks)-1] = append(chunks[len(chunks)-1], "0\r\n\r\n"...)
	if p.paced == nil {
		chunks = [][]byte{bytes.Join(chunks, nil)}
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go p.answer(conn, chunks)
	}
}

func (p *port) answer(conn net.Conn, chunks [][]byte) {
	defer func() { _ = conn.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		read := 0
		for !bytes.Contains(buffer[:read], []byte(`"messages"`)) || buffer[read-1] != '}' {
			n, err := conn.Read(buffer[read:])
			if err != nil {
				return
			}
			read += n
		}
		for _, chunk := range chunks {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
			if p.paced != nil && bytes.Contains(chunk, mark) {
				<-p.paced
			}
		}
	}
}

var errOtherEnd = errors.New("the stream has another end")

// ask sends the request and reads the answer to its end.
func (p *port) ask() error {
	if _, err := p.client.Write(p.request); err != nil {
		return err
	}
	tail := []byte(p.api.end + "\r\n0\r\n\r\n")
	var last [64]byte
	for read := 0; ; {
		if _, err := p.reader.Peek(1); err != nil {
			return err
		}
		piece, _ := p.reader.Peek(p.reader.Buffered())
		keep := piece[max(0, len(piece)-len(last)):]
		copy(last[:], last[len(keep):])
		copy(last[len(last)-len(keep):], keep)
		if read == 0 && !bytes.HasPrefix(piece, []byte("HTTP/1.1 200 OK\r\n")) {
			return fmt.Errorf("%q: %w", piece, errOtherEnd)
		}
		read += len(piece)
		ended := bytes.HasSuffix(last[:], []byte("\r\n0\r\n\r\n"))
		for i := 0; p.paced != nil && i < bytes.Count(piece, mark); i++ {
			p.paced <- struct{}{}
		}
		_, _ = p.reader.Discard(len(piece))
		if ended {
			if !bytes.HasSuffix(last[:], tail) {
				return fmt.Errorf("%q: %w", last, errOtherEnd)
			}
			return nil
		}
	}
}

// BenchmarkStream is a stream of 50 pieces through a whole gateway but for the tokenstore, over
// loopback: in one piece, and with each event when the client has had the one before. A client
// and an upstream that cost next to nothing are in it.
func BenchmarkStream(b *testing.B) {
	for _, api := range streamPaths {
		for name, paced := range map[string]bool{"burst": false, "paced": true} {
			b.Run(api.name+"/"+name, func(b *testing.B) {
				p := newPort(b, api, 50, paced)
				if err := p.ask(); err != nil {
					b.Fatal(err)
				}
				reads, writes := p.reads.Load(), p.writes.Load()
				b.ReportAllocs()
				for b.Loop() {
					if err := p.ask(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(p.reads.Load()-reads)/float64(b.N), "reads/op")
				b.ReportMetric(float64(p.writes.Load()-writes)/float64(b.N), "writes/op")
			})
		}
	}
}

// A burst of 10 KiB, and the head and the end of the answer, take no more writes than it takes
// reads: net/http alone would need one for every 4 KiB.
func TestBurstInFewWrites(t *testing.T) {
	p := newPort(t, streamPaths[0], 50, false)
	least := int64(math.MaxInt64)
	for range 20 { // the upstream's one write may come in several pieces
		before := p.writes.Load()
		if err := p.ask(); err != nil {
			t.Fatal(err)
		}
		least = min(least, p.writes.Load()-before)
	}
	if least > 2 {
		t.Errorf("an answer took %d writes", least)
	}
}

// mostAllocations bounds what an event more of a stream allocates, in all that a gateway does
// about it.
const mostAllocations = 0.1

// An event that says nothing but a piece of text costs no more than is written above. Whoever
// makes it cheaper lowers the bound.
func TestAllocationsOfAnEvent(t *testing.T) {
	for _, api := range streamPaths {
		t.Run(api.name, func(t *testing.T) {
			of := func(pieces int) float64 {
				p := newPort(t, api, pieces, false)
				least := math.Inf(1)
				for range 5 { // what else allocates now and then is no event's
					least = min(least, testing.AllocsPerRun(8, func() {
						if err := p.ask(); err != nil {
							t.Fatal(err)
						}
					}))
				}
				return least
			}
			const few, many = 50, 1050
			each := (of(many) - of(few)) / (many - few)
			if each > mostAllocations {
				t.Errorf("%.3f allocations an event, and %g may be", each, mostAllocations)
			}
			t.Logf("%.3f allocations an event", each)
		})
	}
}
