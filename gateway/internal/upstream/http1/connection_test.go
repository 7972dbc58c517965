package http1

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// kept are the connections in the pool.
func kept(transport *Transport) []*conn {
	transport.idle.mu.Lock()
	defer transport.idle.mu.Unlock()
	return slices.Clone(transport.idle.all)
}

// awaitIdle waits until a connection is in the pool, where an upload may still give it back.
func awaitIdle(t *testing.T, transport *Transport) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if len(kept(transport)) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no connection comes back")
		}
	}
}

// Only a connection on which nothing is left is used again.
func TestReuse(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		script func(*peer)
		first  func(*testing.T, *http.Response)
		reused bool
	}{
		"after a whole answer": {script: always(hello), reused: true},
		"after an answer that was read without its end being asked for": {
			script: always(hello), reused: true,
			first: func(t *testing.T, r *http.Response) {
				if _, err := io.ReadFull(r.Body, make([]byte, 5)); err != nil {
					t.Error(err)
				}
			},
		},
		"after half an answer":       {script: always(hello), first: func(_ *testing.T, r *http.Response) { _, _ = r.Body.Read(make([]byte, 2)) }},
		"after an answer not read":   {script: always(hello), first: func(*testing.T, *http.Response) {}},
		"chunks, but not their end":  {script: always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")},
		"after the server hangs up":  {script: func(p *peer) { p.request(); p.say(hello) }},
		"after words unasked":        {script: always(hello + hello)},
		"after words unasked, later": {script: always(hello)},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			later, said := make(chan struct{}), make(chan struct{})
			script := c.script
			if strings.HasSuffix(title, "later") {
				script = func(p *peer) {
					p.request()
					p.say(hello)
					<-later
					p.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
					close(said)
					p.gone()
				}
			}
			s := serve(t, script)
			transport := newTransport(t, &http.Transport{})
			response, err := transport.RoundTrip(newRequest(t.Context(), t, http.MethodGet, s.url(), ""))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.first != nil:
				c.first(t, response)
			case strings.HasPrefix(title, "chunks"):
				_, _ = io.ReadFull(response.Body, make([]byte, 5))
			default:
				if _, err := io.Copy(io.Discard, response.Body); err != nil {
					t.Error(err)
				}
			}
			_ = response.Body.Close()
			switch {
			case strings.HasSuffix(title, "later"):
				close(later)
				<-said
				awaitLoud(t, kept(transport)[0])
			case strings.HasSuffix(title, "hangs up"):
				for _, c := range kept(transport) { // none, where the end came before the answer was read
					awaitLoud(t, c)
				}
			}
			lent := transport.idle.take("http", s.listener.Addr().String())
			if c.reused != (lent != nil) {
				t.Errorf("is it used again? want %v", c.reused)
			}
			if lent != nil {
				lent.cut()
			}
		})
	}
}

// awaitLoud waits until something has come on a connection.
func awaitLoud(t *testing.T, c *conn) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if !c.quiet() {
			return
		}
	}
	t.Fatal("nothing comes")
}

// phases are where a request may be when nobody wants it any more.
var phases = map[string]struct {
	script func(p *peer, reached func())
	long   bool // the request has a long body
	answer bool // there is a response before the end
}{
	"writing the body": {long: true, script: func(p *peer, reached func()) {
		_, _ = p.reader.Peek(1)
		reached()
		p.gone()
	}},
	"before the head": {script: func(p *peer, reached func()) {
		p.request()
		reached()
		p.gone()
	}},
	"in the head": {script: func(p *peer, reached func()) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-")
		reached()
		p.gone()
	}},
	"behind an interim answer": {script: func(p *peer, reached func()) {
		p.request()
		p.say("HTTP/1.1 103 Early Hints\r\n\r\n")
		reached()
		p.gone()
	}},
	"before the body": {answer: true, script: func(p *peer, reached func()) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
		reached()
		p.gone()
	}},
	"in a body of a length": {answer: true, script: func(p *peer, reached func()) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
		reached()
		p.gone()
	}},
	"in a chunk": {answer: true, script: func(p *peer, reached func()) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")
		reached()
		p.gone()
	}},
	"in a body without an end": {answer: true, script: func(p *peer, reached func()) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\n\r\nhe")
		reached()
		p.gone()
	}},
}

// Whoever wants no more is let go in any phase, by cancelling or by the deadline, and the server
// hears of it, also where nobody reads.
func TestCancel(t *testing.T) {
	t.Parallel()
	because := errors.New("nobody wants it")
	for title, c := range phases {
		for _, secure := range []bool{false, true} {
			for _, reads := range []bool{false, true} {
				if !c.answer && !reads {
					continue
				}
				t.Run(fmt.Sprintf("%s, TLS %v, reads %v", title, secure, reads), func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					reached, answered := make(chan struct{}), make(chan struct{})
					script := func(p *peer) { c.script(p, sync.OnceFunc(func() { close(reached) })) }
					s, transport := serveEither(t, secure, script)
					body := "question"
					if c.long {
						body = strings.Repeat("x", 16<<20)
					}
					var calls sync.WaitGroup
					calls.Go(func() {
						<-reached
						if c.answer {
							<-answered
						}
						cancel(because)
					})
					response, err := transport.RoundTrip(newRequest(ctx, t, http.MethodPost, schemeOf(secure)+s.listener.Addr().String(), body))
					close(answered)
					if c.answer != (err == nil) {
						t.Fatalf("%v", err)
					}
					if c.answer && reads {
						_, err = io.Copy(io.Discard, response.Body)
					}
					if reads && !errors.Is(err, because) {
						t.Errorf("%v", err)
					}
					s.awaitClosed(t)
					if c.answer {
						_ = response.Body.Close()
					}
					calls.Wait()
					if len(kept(transport)) != 0 {
						t.Error("the connection is kept")
					}
				})
			}
		}
	}
}

// A body that lasts until the server closes has not come to its end when it was us who closed,
// also where the server's farewell is read after ours, as TLS may do.
func TestOurOwnEndIsNoEndOfABody(t *testing.T) {
	t.Parallel()
	because := errors.New("nobody wants it")
	for title, cancels := range map[string]bool{"cancelled": true, "the request's body breaks": false} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(p *peer) {
				_, _ = p.reader.Peek(1)
				p.say("HTTP/1.1 200 OK\r\n\r\nhe")
				p.gone()
			})
			transport := newTransport(t, &http.Transport{
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					return farewell{conn}, err
				},
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			body, broken := io.Pipe()
			request := newRequest(ctx, t, http.MethodPost, s.url(), "")
			request.Body, request.ContentLength = body, 1<<30
			var sending sync.WaitGroup
			defer sending.Wait()
			defer func() { _ = broken.CloseWithError(because) }()
			sending.Go(func() { _, _ = broken.Write(make([]byte, 1<<20)) })
			response, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if cancels {
				cancel(because)
			} else {
				_ = broken.CloseWithError(because)
			}
			if _, err := io.Copy(io.Discard, response.Body); err == nil {
				t.Error("it reads as a whole answer")
			}
		})
	}
}

// farewell is a connection on which the other's end is read after one's own.
type farewell struct{ net.Conn }

func (f farewell) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, err
}

func schemeOf(secure bool) string {
	if secure {
		return "https://"
	}
	return "http://"
}

// serveEither starts a server with TLS or without, and makes a Transport that trusts it.
func serveEither(t *testing.T, secure bool, script func(*peer)) (*server, *Transport) {
	t.Helper()
	if !secure {
		return serve(t, script), newTransport(t, &http.Transport{})
	}
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	config := certified.TLS.Clone()
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	certified.Close()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	return serveOn(t, tls.NewListener(corked{listener}, config), script),
		newTransport(t, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
}

// While a connection is being made it can be given up as well.
func TestCancelWhileConnecting(t *testing.T) {
	t.Parallel()
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		s := serve(t, always(hello))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newTransport(t, &http.Transport{}).RoundTrip(newRequest(ctx, t, http.MethodGet, s.url(), ""))
		if !errors.Is(err, context.Canceled) || s.opened.Load() != 0 {
			t.Errorf("%v, %d connections", err, s.opened.Load())
		}
	})
	t.Run("in the dial", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		transport := newTransport(t, &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, errors.New("given up")
		}})
		if _, err := transport.RoundTrip(newRequest(ctx, t, http.MethodGet, "http://upstream.example", "")); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	t.Run("in the handshake", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		s := serve(t, func(p *peer) {
			_, _ = p.reader.Peek(1)
			cancel()
			p.gone()
		})
		_, err := newTransport(t, &http.Transport{}).RoundTrip(newRequest(ctx, t, http.MethodGet, "https://"+s.listener.Addr().String(), ""))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		s.awaitClosed(t)
	})
	t.Run("by the handshake's own timeout", func(t *testing.T) {
		t.Parallel()
		s := serve(t, func(p *peer) { p.gone() })
		transport := newTransport(t, &http.Transport{TLSHandshakeTimeout: 10 * time.Millisecond})
		_, err := transport.RoundTrip(newRequest(t.Context(), t, http.MethodGet, "https://"+s.listener.Addr().String(), ""))
		if failed, is := errors.AsType[*HandshakeError](err); !is || !errors.Is(failed, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		s.awaitClosed(t)
	})
}

// corked connections send what was written when they are read from: in one piece.
type corked struct{ net.Listener }

func (l corked) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &corkedConn{Conn: conn}, err
}

type corkedConn struct {
	net.Conn
	written []byte
}

func (c *corkedConn) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	return len(p), nil
}

func (c *corkedConn) Read(p []byte) (int, error) {
	if _, err := c.Conn.Write(c.written); err != nil {
		return 0, err
	}
	c.written = nil
	return c.Conn.Read(p)
}

// Over TLS all is as without, and what TLS has read ahead is nobody's answer.
func TestTLS(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		script func(*peer)
		opened int64
	}{
		"an answer":                   {always(hello), 1},
		"chunks":                      {always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), 1},
		"words unasked in the record": {always(hello + hello), 3},
		"words unasked in another record": {func(p *peer) {
			for p.request() != nil {
				p.say(hello)
				p.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			}
		}, 3},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s, transport := serveEither(t, true, c.script)
			for range 3 {
				if _, body, err := ask(t, transport, "https://"+s.listener.Addr().String()); body != "hello" || err != nil {
					t.Errorf("%q, %v", body, err)
				}
			}
			if opened := s.opened.Load(); opened != c.opened {
				t.Errorf("%d connections, want %d", opened, c.opened)
			}
		})
	}
}

// A connection that is lost before anything was answered is told by type, and whether it had
// served before.
func TestLost(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 2)
	s := serve(t, func(p *peer) {
		for n := 0; p.request() != nil; n++ {
			asked <- struct{}{}
			if n == 1 {
				return
			}
			p.say(hello)
		}
	})
	transport := newTransport(t, &http.Transport{})
	if _, _, err := ask(t, transport, s.url()); err != nil {
		t.Fatal(err)
	}
	_, _, err := ask(t, transport, s.url())
	lost, is := errors.AsType[*LostError](err)
	if !is || !lost.Reused || !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	silent := serve(t, func(p *peer) { p.request() })
	_, _, err = ask(t, transport, silent.url())
	if lost, is := errors.AsType[*LostError](err); !is || lost.Reused {
		t.Errorf("a new connection: %v", err)
	}
}

// Once uses no connection again, and says so.
func TestOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(p *peer) {
		for r := p.request(); r != nil; r = p.request() {
			p.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(fmt.Sprint(r.Close)), fmt.Sprint(r.Close)))
		}
	})
	transport := newTransport(t, &http.Transport{})
	if _, said, err := ask(t, transport, s.url()); said != "false" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
	for range 2 {
		if _, said, err := read(transport.Once(newRequest(t.Context(), t, http.MethodGet, s.url(), ""))); said != "true" || err != nil {
			t.Errorf("%q, %v", said, err)
		}
	}
	if s.opened.Load() != 3 {
		t.Errorf("%d connections", s.opened.Load())
	}
}

// pipes connects to servers that answer, without a network.
func pipes(running *sync.WaitGroup) *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		running.Go(func() {
			httpServer := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })}
			done := make(chan struct{})
			httpServer.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					close(done)
				}
			}
			listener := &single{conn: far, done: done}
			_ = httpServer.Serve(listener)
		})
		return near, nil
	}}
}

// single is a listener with one connection.
type single struct {
	conn net.Conn
	done chan struct{}
}

func (s *single) Accept() (net.Conn, error) {
	if conn := s.conn; conn != nil {
		s.conn = nil
		return conn, nil
	}
	<-s.done
	return nil, net.ErrClosed
}
func (*single) Close() error   { return nil }
func (*single) Addr() net.Addr { return &net.TCPAddr{} }

// Idle connections are bounded in number and age, and the one that was used last serves first.
func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running sync.WaitGroup
		template := pipes(&running)
		template.MaxIdleConnsPerHost, template.IdleConnTimeout = 3, time.Minute
		transport := New(template)
		count := func() int { return len(kept(transport)) }
		var responses []*http.Response
		for range 10 {
			response, err := transport.RoundTrip(newRequest(t.Context(), t, http.MethodGet, "http://upstream.example", ""))
			if err != nil {
				t.Fatal(err)
			}
			responses = append(responses, response)
		}
		for _, response := range responses {
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Error(err)
			}
		}
		if count() != 3 {
			t.Errorf("%d idle connections", count())
		}
		last := kept(transport)[2]
		time.Sleep(30 * time.Second)
		for range 3 {
			if _, _, err := ask(t, transport, "http://upstream.example"); err != nil {
				t.Fatal(err)
			}
			if kept(transport)[2] != last {
				t.Error("another one served")
			}
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if count() != 1 {
			t.Errorf("%d idle connections after a minute, of which one was used", count())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		transport.idle.mu.Lock()
		ticks := transport.idle.timer != nil
		transport.idle.mu.Unlock()
		if count() != 0 || ticks {
			t.Errorf("%d idle connections in the end, and a timer: %v", count(), ticks)
		}
		if _, _, err := ask(t, transport, "http://upstream.example"); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		running.Wait()
	})
}

// A connection that is in use when the pool is emptied serves to the end, and then nobody any more,
// unless the pool is used again.
func TestEmptiedWhileInUse(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		s := serve(t, always(hello))
		transport := newTransport(t, &http.Transport{})
		send := func() *http.Response {
			response, err := transport.RoundTrip(newRequest(t.Context(), t, http.MethodGet, s.url(), ""))
			if err != nil {
				t.Fatal(err)
			}
			return response
		}
		first := send()
		transport.CloseIdleConnections()
		var second *http.Response
		if again {
			second = send()
		}
		if _, body, err := read(first, nil); body != "hello" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		if len(kept(transport)) != 0 != again {
			t.Errorf("%d connections are kept; is the pool used again? %v", len(kept(transport)), again)
		}
		if again {
			_ = second.Body.Close()
		}
		s.awaitClosed(t)
	}
}

// Connections of one host serve no other.
func TestHostsShareNoConnections(t *testing.T) {
	t.Parallel()
	first, second := serve(t, always(hello)), serve(t, always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nme"))
	transport := newTransport(t, &http.Transport{})
	for range 3 {
		for s, want := range map[*server]string{first: "hello", second: "me"} {
			if _, body, err := ask(t, transport, s.url()); body != want || err != nil {
				t.Errorf("%q, %v", body, err)
			}
		}
	}
	if first.opened.Load() != 1 || second.opened.Load() != 1 {
		t.Errorf("%d and %d connections", first.opened.Load(), second.opened.Load())
	}
}

// Many callers at once, of whom some give up: answers are not mixed, and nothing is left.
func TestManyCallers(t *testing.T) {
	t.Parallel()
	s := serve(t, func(p *peer) {
		for r := p.request(); r != nil; r = p.request() {
			body, _ := io.ReadAll(r.Body)
			p.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body))
		}
	})
	transport := newTransport(t, &http.Transport{MaxIdleConnsPerHost: 8})
	var calls sync.WaitGroup
	for caller := range 16 {
		calls.Go(func() {
			for n := range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				want := fmt.Sprintf("%d of %d", n, caller)
				if n%5 == 4 {
					calls.Go(cancel)
				}
				response, body, err := read(transport.RoundTrip(newRequest(ctx, t, http.MethodPost, s.url(), want)))
				switch {
				case n%5 == 4 && err != nil:
				case err != nil || body != want:
					t.Errorf("%v, %q, %v", response, body, err)
				}
				cancel()
			}
		})
	}
	calls.Wait()
	if n := len(kept(transport)); n > 8 {
		t.Errorf("%d idle connections", n)
	}
}

// The body may be closed while it is read, and says afterwards that it is closed.
func TestCloseWhileReading(t *testing.T) {
	t.Parallel()
	s := serve(t, func(p *peer) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
		p.gone()
	})
	response, err := newTransport(t, &http.Transport{}).RoundTrip(newRequest(t.Context(), t, http.MethodGet, s.url(), ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	var closing sync.WaitGroup
	closing.Go(func() { _ = response.Body.Close() })
	if n, err := io.Copy(io.Discard, response.Body); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	closing.Wait()
	s.awaitClosed(t)
}
