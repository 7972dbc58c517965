package redial_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream/redial"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// server is an upstream that counts its connections and requests.
type server struct {
	*httptest.Server
	opened, requests atomic.Int64
}

// serve starts an upstream over TLS, or without, that answers with the version that it was asked
// over.
func serve(t *testing.T, secure, http2 bool, script http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		if script != nil {
			script(w, r)
		}
		_, _ = io.WriteString(w, r.Proto)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	s.EnableHTTP2 = http2
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *server) transport(t *testing.T) *redial.Transport {
	t.Helper()
	template := &http.Transport{ForceAttemptHTTP2: true}
	if s.Certificate() != nil {
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		template.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	transport := redial.New(template)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func ask(t *testing.T, transport http.RoundTripper, method, url, body string) (string, error) {
	t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, from)
	if err != nil {
		t.Fatal(err)
	}
	return send(transport.RoundTrip, request)
}

func send(how func(*http.Request) (*http.Response, error), request *http.Request) (string, error) {
	response, err := how(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	return string(said), err
}

// A host behind TLS is spoken to in the version that it likes, and no connection is made for
// nothing after the first.
func TestVersions(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		secure, http2 bool
		want          string
		opened        int64
	}{
		"without TLS":          {false, false, "HTTP/1.1", 1},
		"HTTP/1.1 over TLS":    {true, false, "HTTP/1.1", 2},
		"HTTP/2 over TLS":      {true, true, "HTTP/2.0", 1},
		"HTTP/2, but unspoken": {false, true, "HTTP/1.1", 1},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.secure, c.http2, nil)
			transport := s.transport(t)
			for range 5 {
				if said, err := ask(t, transport, http.MethodPost, s.URL, "question"); said != c.want || err != nil {
					t.Errorf("%q, %v", said, err)
				}
			}
			if opened := s.opened.Load(); opened != c.opened {
				t.Errorf("%d connections", opened)
			}
		})
	}
}

// A host that takes HTTP/1.1 no more is asked again.
func TestAHostThatChangesItsVersion(t *testing.T) {
	t.Parallel()
	var modern atomic.Bool
	s := &server{Server: httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))}
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLS.GetConfigForClient = func(client *tls.ClientHelloInfo) (*tls.Config, error) {
		config := s.TLS.Clone()
		switch {
		case !modern.Load():
			config.NextProtos = []string{"http/1.1"}
		case !slices.Contains(client.SupportedProtos, "h2"):
			return nil, errors.New("too old")
		}
		return config, nil
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	transport := s.transport(t)
	for range 2 {
		if said, err := ask(t, transport, http.MethodGet, s.URL, ""); said != "HTTP/1.1" || err != nil {
			t.Fatalf("%q, %v", said, err)
		}
	}
	modern.Store(true)
	transport.CloseIdleConnections()
	if _, err := ask(t, transport, http.MethodGet, s.URL, ""); err == nil {
		t.Error("there is an answer in a version that the host does not speak")
	}
	if said, err := ask(t, transport, http.MethodGet, s.URL, ""); said != "HTTP/2.0" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

// slow is when a dead connection has not shown itself at once. A machine that stops for that long
// decides nothing: then the same is tried again.
const slow = time.Second

// The second request of each connection is lost: whoever can be sent again is, once.
func TestWhatIsSentAgain(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		method, body string
		unrepeatable bool
		once         bool
		again        bool
	}{
		"a body that is whole":                       {method: http.MethodPost, body: "question", again: true},
		"a body that can't be begun again":           {method: http.MethodPost, body: "question", unrepeatable: true},
		"a question without a body":                  {method: http.MethodGet, again: true},
		"a change without a body":                    {method: http.MethodDelete},
		"once":                                       {method: http.MethodPost, body: "question", once: true, again: true},
		"a question with a body, of another reader":  {method: http.MethodGet, body: "question", unrepeatable: true},
		"a long body, sent while the answer is read": {method: http.MethodPost, body: strings.Repeat("x", 100<<10), again: true},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				var seen sync.Map
				s := serve(t, secure, false, func(_ http.ResponseWriter, r *http.Request) {
					if n, _ := seen.LoadOrStore(r.RemoteAddr, new(atomic.Int64)); n.(*atomic.Int64).Add(1) > 1 {
						panic(http.ErrAbortHandler)
					}
				})
				transport := s.transport(t)
				if secure { // the first one asks for the version
					if _, err := ask(t, transport, http.MethodGet, s.URL, ""); err != nil {
						t.Fatal(err)
					}
				}
				for decided := false; !decided; {
					if _, err := ask(t, transport, http.MethodGet, s.URL, ""); err != nil {
						t.Fatal(err)
					}
					before := s.requests.Load()
					request, err := http.NewRequestWithContext(t.Context(), c.method, s.URL, strings.NewReader(c.body))
					if err != nil {
						t.Fatal(err)
					}
					if c.body == "" {
						request.Body = nil
					}
					if c.unrepeatable || c.body == "" {
						request.GetBody = nil
					}
					how := transport.RoundTrip
					if c.once {
						how = transport.Once
					}
					began := time.Now()
					said, err := send(how, request)
					if c.again && err != nil && time.Since(began) >= slow {
						continue
					}
					decided = true
					if c.again != (err == nil) || c.again && said != "HTTP/1.1" {
						t.Errorf("%q, %v", said, err)
					}
					want := int64(1)
					if c.again && !c.once {
						want = 2
					}
					if got := s.requests.Load() - before; got != want {
						t.Errorf("%d requests, want %d", got, want)
					}
				}
			})
		}
	}
}

// What is lost on a new connection is not sent again, nor what was lost after the answer began.
func TestWhatIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for title, answer := range map[string]string{"on a new connection": "", "in the answer": "HTTP/1.1 200 OK\r\nContent-"} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var requests atomic.Int64
			var serving sync.WaitGroup
			serving.Go(func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					reader := bufio.NewReader(conn)
					for n := 0; ; n++ {
						request, err := http.ReadRequest(reader)
						if err != nil {
							break
						}
						_, _ = io.Copy(io.Discard, request.Body)
						if requests.Add(1) > 1 || answer == "" {
							_, _ = io.WriteString(conn, answer)
							break
						}
						_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
					}
					_ = conn.Close()
				}
			})
			t.Cleanup(func() {
				_ = listener.Close()
				serving.Wait()
			})
			transport := redial.New(&http.Transport{})
			url := "http://" + listener.Addr().String()
			if answer != "" {
				if _, err := ask(t, transport, http.MethodPost, url, "question"); err != nil {
					t.Fatal(err)
				}
			}
			before := requests.Load()
			if _, err := ask(t, transport, http.MethodPost, url, "question"); err == nil || requests.Load() != before+1 {
				t.Errorf("%v, after %d requests", err, requests.Load()-before)
			}
		})
	}
}

// A body that can't be begun again leaves the first error.
func TestABodyThatFails(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	s := serve(t, false, false, func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	})
	transport := s.transport(t)
	if _, err := ask(t, transport, http.MethodGet, s.URL, ""); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, bytes.NewReader([]byte("question")))
	if err != nil {
		t.Fatal(err)
	}
	spoilt := errors.New("spoilt")
	request.GetBody = func() (io.ReadCloser, error) { return nil, spoilt }
	if _, err := send(transport.RoundTrip, request); err == nil || errors.Is(err, spoilt) || requests.Load() != 2 {
		t.Errorf("%v, after %d requests", err, requests.Load())
	}
}

// A body that lasts until the server closes has not come to its end when it was us who closed,
// also where the server's farewell is read after ours, as TLS may do.
func TestOurOwnEndIsNoEndOfABody(t *testing.T) {
	t.Parallel()
	for title, how := range map[string]func(*redial.Transport) func(*http.Request) (*http.Response, error){
		"pooled": func(t *redial.Transport) func(*http.Request) (*http.Response, error) { return t.RoundTrip },
		"once":   func(t *redial.Transport) func(*http.Request) (*http.Response, error) { return t.Once },
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, false, false, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nhe")
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
				panic(http.ErrAbortHandler) // there is no more to say
			})
			transport := redial.New(&http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return farewell{conn}, err
			}})
			t.Cleanup(transport.CloseIdleConnections)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader("question"))
			if err != nil {
				t.Fatal(err)
			}
			request.ContentLength = -1 // which is for net/http
			response, err := how(transport)(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			because := errors.New("nobody wants it")
			cancel(because)
			if _, err := io.Copy(io.Discard, response.Body); !errors.Is(err, because) {
				t.Errorf("%v", err)
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
