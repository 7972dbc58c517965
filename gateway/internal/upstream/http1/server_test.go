package http1

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience bounds what should happen at once, on a machine that is not busy.
const patience = time.Minute

// peer is the server's end of a connection.
type peer struct {
	net.Conn
	reader *bufio.Reader
}

// request reads a request with its body; nil: the client has hung up.
func (p *peer) request() *http.Request {
	request, err := http.ReadRequest(p.reader)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil
	}
	request.Body = io.NopCloser(strings.NewReader(string(body)))
	return request
}

func (p *peer) say(text string) { _, _ = io.WriteString(p, text) }

// gone waits until the client has hung up.
func (p *peer) gone() { _, _ = io.Copy(io.Discard, p.reader) }

// server follows a script on each connection, which ends with it.
type server struct {
	listener net.Listener
	// opened counts connections; closed is told of each end.
	opened atomic.Int64
	closed chan struct{}
}

func serve(t testing.TB, script func(*peer)) *server {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, listener, script)
}

func serveOn(t testing.TB, listener net.Listener, script func(*peer)) *server {
	s := &server{listener: listener, closed: make(chan struct{}, 1000)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.opened.Add(1)
			running.Go(func() {
				script(&peer{conn, bufio.NewReader(conn)})
				_ = conn.Close()
				s.closed <- struct{}{}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return s
}

// always answers each request with the same bytes.
func always(answer string) func(*peer) {
	return func(p *peer) {
		for p.request() != nil {
			p.say(answer)
		}
	}
}

func (s *server) url() string { return "http://" + s.listener.Addr().String() }

// awaitClosed waits for the end of a connection.
func (s *server) awaitClosed(t *testing.T) {
	t.Helper()
	select {
	case <-s.closed:
	case <-time.After(patience):
		t.Fatal("the connection stays open")
	}
}

func newTransport(t testing.TB, template *http.Transport) *Transport {
	t.Helper()
	transport := New(template)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func newRequest(ctx context.Context, t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, from)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// ask sends a request and reads the answer to its end.
func ask(t testing.TB, transport *Transport, url string) (*http.Response, string, error) {
	t.Helper()
	return read(transport.RoundTrip(newRequest(t.Context(), t, http.MethodPost, url, "question")))
}

func read(response *http.Response, err error) (*http.Response, string, error) {
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}
