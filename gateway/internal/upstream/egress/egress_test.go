package egress_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/gateway/internal/headerlog"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/leaktest"
	"carousel.internal/proto/proxysim"
	"carousel.internal/proto/service/secret"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// The credentials of every proxy. They may show up nowhere.
const user, password = "suite-user", "s3cr:et/x%"

// target is an upstream that keeps who its clients were.
type target struct {
	*httptest.Server
	mu      sync.Mutex
	clients []string
}

// targets are what upstreams speak, by its name.
var targets = map[string]struct {
	tls, h2 bool
	proto   string
	asked   int // connections of a pool that only find out what the upstream speaks
}{
	"HTTP/1.1":          {proto: "HTTP/1.1"},
	"HTTP/1.1 over TLS": {tls: true, proto: "HTTP/1.1", asked: 1},
	"HTTP/2 over TLS":   {tls: true, h2: true, proto: "HTTP/2.0"},
	"h2c":               {h2: true, proto: "HTTP/2.0"},
}

// What is sent, by whatever way, and what comes back is shown to the record of the context.
func TestHeadersAreSeen(t *testing.T) {
	t.Parallel()
	s := newTarget(t, "HTTP/1.1")
	transport, err := egress.New(http.DefaultTransport.(*http.Transport).Clone(), secret.Value{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	for name, send := range map[string]func(*http.Request) (*http.Response, error){"RoundTrip": transport.RoundTrip, "Once": transport.Once} {
		ctx := headerlog.Following(t.Context(), &headerlog.Record{})
		request, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader("{}"))
		request.Header = http.Header{"Content-Type": {"application/json"}, "X-Api-Key": {"secret"}}
		response, err := send(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		sent, received := headerlog.OfAttempt(ctx)
		if !slices.Equal(sent, []headerlog.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "X-Api-Key", Hidden: true}}) {
			t.Errorf("%s: sent %v", name, sent)
		}
		if !slices.Contains(received, headerlog.Header{Name: "Content-Length", Value: "8"}) {
			t.Errorf("%s: received %v", name, received)
		}
	}
}

// newTarget starts an upstream that answers what it was asked over.
func newTarget(t *testing.T, name string) *target {
	t.Helper()
	s := &target{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Proto)
	}))
	s.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.clients = append(s.clients, conn.RemoteAddr().String())
		}
	}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // clients that go away while they connect
	is := targets[name]
	switch {
	case is.tls:
		s.EnableHTTP2 = is.h2
		s.StartTLS()
	case is.h2:
		s.Config.Protocols = &http.Protocols{}
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	default:
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// visits are the connections so far: through the proxy, and otherwise.
func (s *target) visits(proxy *proxysim.Proxy) (through, otherwise int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, client := range s.clients {
		if proxy.Reached(client) {
			through++
		} else {
			otherwise++
		}
	}
	return through, otherwise
}

// template trusts the upstream and the proxies, and speaks what the upstream speaks.
func (s *target) template(proxies ...*proxysim.Proxy) *http.Transport {
	roots := x509.NewCertPool()
	for _, proxy := range proxies {
		if proxy.Certificate() != nil {
			roots.AddCert(proxy.Certificate())
		}
	}
	if s.Certificate() != nil {
		roots.AddCert(s.Certificate())
	}
	template := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	if s.Config.Protocols != nil {
		template.Protocols = &http.Protocols{}
		template.Protocols.SetUnencryptedHTTP2(true)
	}
	return template
}

// transport makes one for the upstream, with a proxy of its own or none.
func (s *target) transport(t *testing.T, own string, proxies ...*proxysim.Proxy) *egress.Transport {
	t.Helper()
	return newTransport(t, s.template(proxies...), own)
}

func newTransport(t *testing.T, template *http.Transport, own string) *egress.Transport {
	t.Helper()
	transport, err := egress.New(template, secret.New(own))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func newProxy(t *testing.T, kind proxysim.Kind) *proxysim.Proxy {
	t.Helper()
	proxy, err := proxysim.Start(proxysim.Options{Kind: kind, User: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	return proxy
}

// ask makes a request and returns what the upstream answers.
func ask(ctx context.Context, send func(*http.Request) (*http.Response, error), at string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader("a question"))
	if err != nil {
		return "", err
	}
	response, err := send(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	return string(said), err
}

// Whatever is spoken with the proxy and with the upstream: all passes the proxy, over one
// connection where it can, and nothing goes to the upstream directly.
func TestEverythingGoesThroughTheProxy(t *testing.T) {
	t.Parallel()
	for _, kind := range proxysim.Kinds() {
		for name, is := range targets {
			t.Run(fmt.Sprintf("%s over %s", name, kind), func(t *testing.T) {
				t.Parallel()
				proxy, upstream := newProxy(t, kind), newTarget(t, name)
				own := upstream.transport(t, proxy.URL(), proxy)
				named := upstream.transport(t, "", proxy)
				through := egress.Through(t.Context(), secret.New(proxy.URL()))
				for range 3 {
					for _, way := range []struct {
						ctx  context.Context
						send func(*http.Request) (*http.Response, error)
					}{{t.Context(), own.RoundTrip}, {through, named.RoundTrip}, {through, named.Once}} {
						if said, err := ask(way.ctx, way.send, upstream.URL); err != nil || said != is.proto {
							t.Fatalf("%q, %v; want %s", said, err, is.proto)
						}
					}
				}
				through1, otherwise := upstream.visits(proxy)
				want := 2*(1+is.asked) + 3 // one pool each, and three that are used once
				if otherwise != 0 || through1 != want {
					t.Errorf("%d connections through the proxy, want %d; %d past it, want none", through1, want, otherwise)
				}
				counts := proxy.Counts()
				if counts.Targets[upstream.Listener.Addr().String()] != want || counts.Sent == 0 || counts.Received == 0 {
					t.Errorf("%+v", counts)
				}
			})
		}
	}
}

// A proxy of the request comes before the one of the transport, and that before what the
// environment says.
func TestWhichProxy(t *testing.T) {
	t.Parallel()
	upstream := newTarget(t, "HTTP/1.1 over TLS")
	environment, own, named := newProxy(t, proxysim.HTTP), newProxy(t, proxysim.HTTP), newProxy(t, proxysim.SOCKS5)
	template := func() *http.Transport {
		of := upstream.template()
		at, err := url.Parse(environment.URL())
		if err != nil {
			t.Fatal(err)
		}
		of.Proxy = http.ProxyURL(at)
		return of
	}
	plain, owning := newTransport(t, template(), ""), newTransport(t, template(), own.URL())
	for _, step := range []struct {
		transport *egress.Transport
		named     string
		way       *proxysim.Proxy
	}{
		{plain, "", environment}, {owning, "", own}, {plain, named.URL(), named}, {owning, named.URL(), named},
	} {
		before := step.way.Counts().Tunnels()
		ctx := egress.Through(t.Context(), secret.New(step.named))
		if _, err := ask(ctx, step.transport.RoundTrip, upstream.URL); err != nil {
			t.Fatal(err)
		}
		if step.way.Counts().Tunnels() != before+1 {
			t.Errorf("%+v: it went elsewhere", step)
		}
	}
	if all := environment.Counts().Tunnels() + own.Counts().Tunnels() + named.Counts().Tunnels(); all != 4 {
		t.Errorf("%d tunnels for 4 requests", all)
	}
}

// Where an upstream is, is the proxy's to find out: no question for its name passes it.
func TestTheProxyResolvesNames(t *testing.T) {
	t.Parallel()
	for _, kind := range proxysim.Kinds() {
		proxy, upstream := newProxy(t, kind), newTarget(t, "HTTP/1.1")
		_, port, err := net.SplitHostPort(upstream.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t.Context(), upstream.transport(t, proxy.URL(), proxy).RoundTrip, "http://localhost:"+port); err != nil {
			t.Fatal(err)
		}
		if counts := proxy.Counts(); counts.Targets["localhost:"+port] != 1 {
			t.Errorf("%s: %v", kind, counts.Targets)
		}
	}
}

// What was opened with one password serves no other, nor do connections of one proxy serve
// another.
func TestProxiesShareNoConnections(t *testing.T) {
	t.Parallel()
	upstream := newTarget(t, "HTTP/2 over TLS")
	first, second := newProxy(t, proxysim.HTTP), newProxy(t, proxysim.HTTP)
	transport := upstream.transport(t, "")
	var calls sync.WaitGroup
	for _, proxy := range []*proxysim.Proxy{first, second} {
		for range 8 {
			calls.Go(func() {
				if _, err := ask(egress.Through(t.Context(), secret.New(proxy.URL())), transport.RoundTrip, upstream.URL); err != nil {
					t.Error(err)
				}
			})
		}
	}
	calls.Wait()
	for _, proxy := range []*proxysim.Proxy{first, second} {
		if proxy.Counts().Tunnels() == 0 {
			t.Error("nothing went through one of them")
		}
	}
	ctx := egress.Through(t.Context(), secret.New(first.URLFor(user, "another")))
	_, err := ask(ctx, transport.RoundTrip, upstream.URL)
	wantBlame(t, err, first.Address())
}

// A proxy that dies breaks what is under way; what comes then is its fault, until it is back.
func TestAProxyDiesAndComesBack(t *testing.T) {
	t.Parallel()
	for _, kind := range proxysim.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			proxy, upstream := newProxy(t, kind), newTarget(t, "HTTP/2 over TLS")
			upstream.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "begun")
				_ = http.NewResponseController(w).Flush()
				if r.URL.Path == "/long" {
					<-r.Context().Done()
				}
			})
			transport := upstream.transport(t, proxy.URL(), proxy)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, upstream.URL+"/long", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if _, err := io.ReadFull(response.Body, make([]byte, len("begun"))); err != nil {
				t.Fatal(err)
			}
			proxy.Close()
			if _, err := io.ReadAll(response.Body); err == nil {
				t.Error("an answer that is cut off ends well")
			}
			_, err = ask(t.Context(), transport.RoundTrip, upstream.URL)
			wantBlame(t, err, proxy.Address())
			if err := proxy.Reopen(); err != nil {
				t.Fatal(err)
			}
			if said, err := askUntilBack(t, transport, upstream.URL); said != "begun" || err != nil {
				t.Errorf("%q, %v", said, err)
			}
			if _, otherwise := upstream.visits(proxy); otherwise != 0 {
				t.Errorf("%d connections past the proxy", otherwise)
			}
		})
	}
}

// askUntilBack asks again while a proxy counts as dead: where the failure took long, as on a
// machine that stops, it is remembered for as long as it took.
func askUntilBack(t *testing.T, transport *egress.Transport, at string) (said string, err error) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); <-tick.C {
		said, err = ask(t.Context(), transport.RoundTrip, at)
		if _, blamed := errors.AsType[*egress.Error](err); !blamed {
			return said, err
		}
	}
	return said, err
}

// wantBlame holds an error to what is promised of an *egress.Error.
func wantBlame(t *testing.T, err error, address string) {
	t.Helper()
	var blamed *egress.Error
	if !errors.As(err, &blamed) || !strings.Contains(blamed.Error(), address) {
		t.Errorf("%v: no error of the proxy %s", err, address)
	}
	wantDiscretion(t, err)
}

// wantDiscretion fails if an error shows the credentials in any way.
func wantDiscretion(t *testing.T, err error) {
	t.Helper()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("failed", "error", err)
	slog.New(slog.NewTextHandler(&log, nil)).Info("failed", "error", err)
	shown := fmt.Sprintf("%v %+v %#v %s", err, err, err, &log)
	if at, _ := url.QueryUnescape(shown); strings.Contains(shown+at, password) || strings.Contains(shown, "s3cr") || strings.Contains(shown, user) {
		t.Errorf("it shows the user or the password: %s", shown)
	}
}

// Wrong credentials are the proxy's matter, whoever names the proxy.
func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	for _, kind := range proxysim.Kinds() {
		for title, at := range map[string]func(*proxysim.Proxy) string{
			"wrong password": func(p *proxysim.Proxy) string { return p.URLFor(user, password+"x") },
			"wrong user":     func(p *proxysim.Proxy) string { return p.URLFor(user+"x", password) },
			"none":           func(p *proxysim.Proxy) string { return p.URLFor("", "") },
		} {
			t.Run(fmt.Sprintf("%s, %s", kind, title), func(t *testing.T) {
				t.Parallel()
				proxy, upstream := newProxy(t, kind), newTarget(t, "HTTP/1.1")
				_, err := ask(t.Context(), upstream.transport(t, at(proxy), proxy).RoundTrip, upstream.URL)
				if err == nil || !strings.Contains(err.Error(), "user name") {
					t.Errorf("%v", err)
				}
				var blamed *egress.Error
				if !errors.As(err, &blamed) || proxy.Counts().Refused != 1 {
					t.Errorf("%T, %+v", err, proxy.Counts())
				}
				if through, otherwise := upstream.visits(proxy); through+otherwise != 0 {
					t.Error("the upstream was reached")
				}
			})
		}
	}
}

// What proxies answer, and whose fault it is.
func TestRefusals(t *testing.T) {
	t.Parallel()
	http1 := func(status string) func(io.ReadWriter) {
		return func(conn io.ReadWriter) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\n\r\n")
			}
		}
	}
	socks := func(reply ...byte) func(io.ReadWriter) {
		return func(conn io.ReadWriter) {
			_, _ = io.ReadFull(conn, make([]byte, 4))
			_, _ = conn.Write([]byte{5, 0})
			_, _ = io.ReadFull(conn, make([]byte, 10))
			_, _ = conn.Write(append(reply, 0, 1, 0, 0, 0, 0, 0, 0))
		}
	}
	greeting := func(said ...byte) func(io.ReadWriter) {
		return func(conn io.ReadWriter) {
			_, _ = io.ReadFull(conn, make([]byte, 4))
			_, _ = conn.Write(said)
		}
	}
	for title, c := range map[string]struct {
		kind   string
		script func(io.ReadWriter)
		blamed bool
		words  string
	}{
		"403":                     {"http", http1("403 No <script>"), true, "refuses a way to 192.0.2.1:80 (HTTP 403 Forbidden)"},
		"500":                     {"http", http1("500 Oops"), true, "HTTP 500"},
		"502":                     {"http", http1("502 Bad Gateway"), false, "behind the proxy"},
		"503":                     {"http", http1("503 No"), false, "HTTP 503"},
		"504":                     {"http", http1("504 No"), false, "HTTP 504"},
		"a redirect":              {"http", http1("302 Found"), true, "HTTP 302"},
		"it hangs up":             {"http", func(io.ReadWriter) {}, true, "hangs up"},
		"another protocol":        {"http", func(conn io.ReadWriter) { _, _ = io.WriteString(conn, "220 mail "+password+"\r\n") }, true, "does not answer as HTTP proxies do"},
		"no TLS":                  {"https", func(conn io.ReadWriter) { _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }, true, "TLS handshake"},
		"general failure":         {"socks5", socks(5, 1), true, "general failure"},
		"rules":                   {"socks5", socks(5, 2), true, "not allowed by its rules"},
		"network unreachable":     {"socks5", socks(5, 3), false, "network unreachable"},
		"host unreachable":        {"socks5", socks(5, 4), false, "host unreachable"},
		"connection refused":      {"socks5", socks(5, 5), false, "connection refused"},
		"TTL expired":             {"socks5", socks(5, 6), false, "TTL expired"},
		"not supported":           {"socks5h", socks(5, 7), true, "command not supported"},
		"a reply of its own":      {"socks5", socks(5, 99), true, "reply 99"},
		"SOCKS 4":                 {"socks5", greeting(4, 0), true, "does not answer as SOCKS 5"},
		"half SOCKS":              {"socks5", socks(4, 0), true, "does not answer as SOCKS 5"},
		"wants something else":    {"socks5", greeting(5, 0xff), true, "takes no user name"},
		"it hangs up on greeting": {"socks5", func(io.ReadWriter) {}, true, "breaks off"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			address := scripted(t, c.script)
			at := url.URL{Scheme: c.kind, Host: address, User: url.UserPassword(user, password)}
			transport := newTransport(t, &http.Transport{}, at.String())
			_, err := ask(t.Context(), transport.RoundTrip, "http://192.0.2.1/")
			if err == nil || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), address) {
				t.Errorf("%v; want %q", err, c.words)
			}
			if _, blamed := errors.AsType[*egress.Error](err); blamed != c.blamed {
				t.Errorf("%v: is it the proxy's fault? want %v", err, c.blamed)
			}
			wantDiscretion(t, err)
		})
	}
}

// scripted starts a proxy that follows a script, with each client, and returns its address.
func scripted(t *testing.T, script func(io.ReadWriter)) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				script(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// An upstream behind an https proxy is who it says, or nothing is sent to it.
func TestTLSIsWithTheUpstream(t *testing.T) {
	t.Parallel()
	proxy, upstream := newProxy(t, proxysim.HTTPS), newTarget(t, "HTTP/1.1 over TLS")
	roots := x509.NewCertPool()
	roots.AddCert(proxy.Certificate())
	transport := newTransport(t, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, proxy.URL())
	_, err := ask(t.Context(), transport.RoundTrip, upstream.URL)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || proxy.Counts().Tunnels() != 1 {
		t.Errorf("%v", err)
	}
	strange := newProxy(t, proxysim.HTTPS) // whom nobody trusts
	_, err = ask(egress.Through(t.Context(), secret.New(strange.URL())), transport.RoundTrip, upstream.URL)
	wantBlame(t, err, strange.Address())
}

// A URL that can't be is refused when the transport is made, and a request that names one is
// not sent.
func TestAURLThatIsNone(t *testing.T) {
	t.Parallel()
	const bad = "ftp://" + user + ":s3cr@127.0.0.1:1"
	if _, err := egress.New(&http.Transport{}, secret.New(bad)); err == nil {
		t.Error("New takes it")
	}
	upstream := newTarget(t, "HTTP/1.1")
	transport := upstream.transport(t, "")
	for _, send := range []func(*http.Request) (*http.Response, error){transport.RoundTrip, transport.Once} {
		_, err := ask(egress.Through(t.Context(), secret.New(bad)), send, upstream.URL)
		if _, blamed := errors.AsType[*egress.Error](err); !blamed {
			t.Errorf("%v", err)
		}
		wantDiscretion(t, err)
	}
	if len(upstream.clients) != 0 {
		t.Error("the request was sent")
	}
}
