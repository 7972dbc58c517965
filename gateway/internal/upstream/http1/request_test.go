package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// What goes out, byte by byte.
func TestRequests(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		method, path string
		header       http.Header
		body, want   string
	}{
		"a question": {method: "GET", path: "/v1/models?limit=5", want: "GET /v1/models?limit=5 HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		"fields by name": {
			method: "POST", path: "/v1/chat%20x/completions", body: "{}",
			header: http.Header{"User-Agent": {"carousel"}, "Accept": {"a", "b"}, "Content-Type": {"application/json"}},
			want: "POST /v1/chat%20x/completions HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n" +
				"Accept: a\r\nAccept: b\r\nContent-Type: application/json\r\nUser-Agent: carousel\r\n\r\n{}",
		},
		"no body, of a method that has one": {method: "POST", path: "/", want: "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n"},
		"framing is not the header's to say": {
			method: "POST", path: "/", body: "hello",
			header: http.Header{"Content-Length": {"3"}, "content-length": {"4"}, "Transfer-Encoding": {"chunked"}, "Host": {"evil"}, "Trailer": {"x"}},
			want:   "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello",
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			sent := make(chan string, 1)
			s := serve(t, func(p *peer) {
				room := make([]byte, 1000)
				n, _ := io.ReadAtLeast(p, room, len(c.want)-len("HOST")+len(p.LocalAddr().String()))
				sent <- string(room[:n])
				p.say("HTTP/1.1 204 No Content\r\n\r\n")
			})
			request := newRequest(t.Context(), t, c.method, s.url()+c.path, c.body)
			if c.header != nil {
				request.Header = c.header
			}
			if _, _, err := read(newTransport(t, &http.Transport{}).RoundTrip(request)); err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(c.want, "HOST", s.listener.Addr().String(), 1)
			if diff := cmp.Diff(want, <-sent); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nothing of a request can become a second one, and nothing that may be a secret is repeated.
func TestInjection(t *testing.T) {
	t.Parallel()
	for title, spoil := range map[string]func(*http.Request){
		"a value with a line break": func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret\r\nX-A: 1") },
		"a value with a line feed":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret\nX-A: 1") },
		"a value with a null":       func(r *http.Request) { r.Header.Set("Authorization", "secret\x00") },
		"a name with a line break":  func(r *http.Request) { r.Header["X-A: 1\r\nX-B"] = []string{"secret"} },
		"a name with a colon":       func(r *http.Request) { r.Header["X-A:"] = []string{"secret"} },
		"an empty name":             func(r *http.Request) { r.Header[""] = []string{"secret"} },
		"a query with a line break": func(r *http.Request) { r.URL.RawQuery = "x=secret HTTP/1.1\r\nX-A: 1\r\n" },
		"a query with a blank":      func(r *http.Request) { r.URL.RawQuery = "x=secret y" },
		"a method of two words":     func(r *http.Request) { r.Method = "GET /secret HTTP/1.1\r\n" },
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(p *peer) { p.gone() })
			request := newRequest(t.Context(), t, http.MethodPost, s.url(), "body")
			body := &closing{Reader: strings.NewReader("body")}
			request.Body = body
			spoil(request)
			_, err := newTransport(t, &http.Transport{}).RoundTrip(request)
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v", err)
			}
			if s.opened.Load() != 0 || !body.closed {
				t.Errorf("%d connections, body closed: %v", s.opened.Load(), body.closed)
			}
		})
	}
}

// closing is a body that knows whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestWhatItCarries(t *testing.T) {
	t.Parallel()
	elsewhere := func(*http.Request) (*url.URL, error) { return &url.URL{Scheme: "http", Host: "proxy.example"}, nil }
	broken := func(*http.Request) (*url.URL, error) { return nil, errors.New("no proxy's URL") }
	nowhere := func(*http.Request) (*url.URL, error) { return nil, nil }
	http2 := new(http.Protocols)
	http2.SetHTTP2(true)
	for title, c := range map[string]struct {
		template *http.Transport
		change   func(*http.Request)
		want     bool
	}{
		"a usual request":          {want: true},
		"one without a body":       {change: func(r *http.Request) { r.Body, r.ContentLength = nil, 0 }, want: true},
		"one with no body":         {change: func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 }, want: true},
		"over TLS":                 {change: func(r *http.Request) { r.URL.Scheme = "https" }, want: true},
		"no proxy":                 {template: &http.Transport{Proxy: nowhere}, want: true},
		"a proxy":                  {template: &http.Transport{Proxy: elsewhere}},
		"a bad proxy":              {template: &http.Transport{Proxy: broken}},
		"another protocol":         {template: &http.Transport{Protocols: http2}},
		"a body of unknown length": {change: func(r *http.Request) { r.ContentLength = -1 }},
		"a body that may be empty": {change: func(r *http.Request) { r.ContentLength = 0 }},
		"a length without a body":  {change: func(r *http.Request) { r.Body = nil }},
		"another scheme":           {change: func(r *http.Request) { r.URL.Scheme = "ftp" }},
		"a tunnel":                 {change: func(r *http.Request) { r.Method = http.MethodConnect }},
		"a trailer":                {change: func(r *http.Request) { r.Trailer = http.Header{"X-A": nil} }},
		"the last of a connection": {change: func(r *http.Request) { r.Close = true }},
		"asking before the body":   {change: func(r *http.Request) { r.Header.Set("Expect", "100-continue") }},
		"an upgrade":               {change: func(r *http.Request) { r.Header.Set("Upgrade", "websocket") }},
		"words of the connection":  {change: func(r *http.Request) { r.Header.Set("Connection", "close") }},
		"a host beyond ASCII":      {change: func(r *http.Request) { r.URL.Host = "bücher.example" }},
		"an address with a zone":   {change: func(r *http.Request) { r.URL.Host = "[fe80::1%25eth0]" }},
		"no host":                  {change: func(r *http.Request) { r.URL.Host = "" }},
		"a host with a line break": {change: func(r *http.Request) { r.Host = "a\r\nX-A: 1" }},
	} {
		request := newRequest(t.Context(), t, http.MethodPost, "http://upstream.example/v1", "body")
		if c.change != nil {
			c.change(request)
		}
		if c.template == nil {
			c.template = &http.Transport{}
		}
		if got := New(c.template).Carries(request); got != c.want {
			t.Errorf("%s: %v", title, got)
		}
	}
}

// A body that is not as long as announced is an error, and the server never takes it for a
// whole one.
func TestBodiesOfAnotherLength(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*promptBody)
	for title, c := range map[string]struct {
		announced int64
		body      io.Reader
		words     string
	}{
		"shorter":                {6, strings.NewReader("hello"), "ends early"},
		"longer":                 {4, strings.NewReader("hello"), "longer than"},
		"unreadable":             {5, io.MultiReader(strings.NewReader("he"), failing{}), "spoilt"},
		"long, and shorter":      {int64(len(long)) + 1, strings.NewReader(long), "ends early"},
		"long, and longer":       {int64(len(long)) - 1, strings.NewReader(long), "longer than"},
		"long, and unreadable":   {int64(len(long)) + 1, io.MultiReader(strings.NewReader(long), failing{}), "spoilt"},
		"readable, but no end":   {5, io.MultiReader(strings.NewReader("hello"), failing{}), "spoilt"},
		"long, without progress": {int64(len(long)), io.MultiReader(strings.NewReader(long), stuck{}), "no data"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(p *peer) { p.gone() })
			request := newRequest(t.Context(), t, http.MethodPost, s.url(), "")
			body := &closing{Reader: c.body}
			request.Body, request.ContentLength = body, c.announced
			transport := newTransport(t, &http.Transport{})
			if _, err := transport.RoundTrip(request); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v; want %q", err, c.words)
			}
			if len(kept(transport)) != 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the file is spoilt") }

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// A long body arrives whole, and its connection serves on.
func TestLongBodies(t *testing.T) {
	t.Parallel()
	for _, size := range []int{promptBody - 1, promptBody, promptBody + 1, 10 * promptBody, 2 << 20} {
		s := serve(t, func(p *peer) {
			for r := p.request(); r != nil; r = p.request() {
				body, _ := io.ReadAll(r.Body)
				if len(body) != size || bytes.Count(body, []byte("x")) != size {
					t.Errorf("%d of %d bytes", len(body), size)
				}
				p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
		transport := newTransport(t, &http.Transport{})
		for range 5 {
			request := newRequest(t.Context(), t, http.MethodPost, s.url(), strings.Repeat("x", size))
			if _, body, err := read(transport.RoundTrip(request)); body != "ok" || err != nil {
				t.Fatalf("%q, %v", body, err)
			}
			awaitIdle(t, transport)
		}
		if s.opened.Load() != 1 {
			t.Errorf("%d bytes: %d connections", size, s.opened.Load())
		}
	}
}

// A server may refuse a request before it has read it. What it says arrives, and what it does not
// want ends with the connection.
func TestAnswersBeforeTheBodyIsSent(t *testing.T) {
	t.Parallel()
	for title, after := range map[string]func(*peer){
		"and hangs up":             func(*peer) {},
		"and does not read on":     func(p *peer) { p.say(strings.Repeat("x", 16<<20)) },
		"and resets the rest soon": func(p *peer) { _ = p.Conn.(*net.TCPConn).SetLinger(0); _, _ = p.reader.Discard(100 << 10) },
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(p *peer) {
				if _, err := http.ReadRequest(p.reader); err != nil {
					return
				}
				p.say("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
				after(p)
			})
			transport := newTransport(t, &http.Transport{})
			const size = 16 << 20 // more than what is on its way
			request := newRequest(t.Context(), t, http.MethodPost, s.url(), strings.Repeat("x", size))
			response, body, err := read(transport.RoundTrip(request))
			if err != nil || response.StatusCode != http.StatusRequestEntityTooLarge || body != "large" {
				t.Errorf("%v, %q", err, body)
			}
			s.awaitClosed(t)
		})
	}
}

// Where the server reads the rest all the same there is nothing amiss, and the connection is kept.
func TestAnswersBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where the rest has time to be sent
		near, far := net.Pipe()
		var serving sync.WaitGroup
		serving.Go(func() {
			p := &peer{far, bufio.NewReader(far)}
			if _, err := http.ReadRequest(p.reader); err != nil {
				t.Error(err)
			}
			_, _ = p.reader.Discard(promptBody) // of the body this much is sent before anything is read
			p.say("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
			p.gone()
			_ = far.Close()
		})
		transport := New(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
		request := newRequest(t.Context(), t, http.MethodPost, "http://upstream.example", strings.Repeat("x", 256<<10))
		response, body, err := read(transport.RoundTrip(request))
		if err != nil || response.StatusCode != http.StatusRequestEntityTooLarge || body != "large" {
			t.Errorf("%v, %q", err, body)
		}
		synctest.Wait()
		if len(kept(transport)) != 1 {
			t.Error("the connection is not kept")
		}
		transport.CloseIdleConnections()
		serving.Wait()
	})
}

// The trace says when a request may have reached the server, and not before.
func TestTrace(t *testing.T) {
	t.Parallel()
	s := serve(t, always("HTTP/1.1 204 No Content\r\n\r\n"))
	transport := newTransport(t, &http.Transport{})
	for url, want := range map[string]bool{s.url(): true, "http://127.0.0.1:1": false} {
		wrote := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteHeaders: func() { wrote = true }})
		_, _, err := read(transport.RoundTrip(newRequest(ctx, t, http.MethodGet, url, "")))
		if wrote != want || (err == nil) != want {
			t.Errorf("%s: %v, %v", url, wrote, err)
		}
	}
}
