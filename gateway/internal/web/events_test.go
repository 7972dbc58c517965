package web_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// pipes is a listener whose connections stay within the test.
type pipes struct {
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newPipes() *pipes { return &pipes{waiting: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.waiting:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.waiting <- there
	return here
}

// serve serves the site as a gateway does; it is over when the test is.
func (s *site) serve(t *testing.T) *pipes {
	t.Helper()
	listener := newPipes()
	server := &http.Server{Handler: s.handler, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed
	t.Cleanup(func() {
		s.pages.Close()
		_ = server.Close()
		serving.Wait()
	})
	return listener
}

// listening is a browser with a stream of events.
type listening struct {
	conn net.Conn
	mu   sync.Mutex
	// heard is all that came, as it came over the wire; over: no more will.
	heard bytes.Buffer
	over  bool
}

// Write takes what comes.
func (l *listening) Write(piece []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard.Write(piece)
}

// listen opens the stream of events over a connection of its own.
func (s *site) listen(t *testing.T, at *pipes) *listening {
	t.Helper()
	l := &listening{conn: at.dial()}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/events", nil)
	r.AddCookie(s.session.Cookie(r))
	var reading sync.WaitGroup
	reading.Go(func() {
		_, _ = io.Copy(l, l.conn) // until it ends, however that is
		l.mu.Lock()
		defer l.mu.Unlock()
		l.over = true
	})
	t.Cleanup(func() {
		_ = l.conn.Close()
		reading.Wait()
	})
	if err := r.Write(l.conn); err != nil {
		t.Fatal(err)
	}
	return l
}

// read returns the events that have come, how many bytes these were, and whether the stream is
// over.
func (l *listening) read() (events []string, size int, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.heard.String()) {
		if data, is := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "data:"); is {
			events = append(events, strings.TrimSpace(data))
		}
	}
	// A chunk of no bytes ends the response, whether its connection is kept or not.
	return events, l.heard.Len(), l.over || strings.HasSuffix(l.heard.String(), "\r\n0\r\n\r\n")
}

// versioned is a store that tells versions.
func versioned(versions *tokenstorev1.GetVersionsResponse) *store {
	s := full()
	s.answers = append(s.answers, versions)
	return s
}

// set puts another answer in the place of one of its type.
func (s *store) set(answer proto.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, each := range s.answers {
		if each.ProtoReflect().Descriptor() == answer.ProtoReflect().Descriptor() {
			s.answers[i] = answer
		}
	}
}

func TestEventsTellWhatHasChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		site := newSite(t, versioned(&tokenstorev1.GetVersionsResponse{Tokens: "1", Requests: "1", Logins: "1", Admins: "1"}))
		browser := site.listen(t, site.serve(t))
		news := func(versions *tokenstorev1.GetVersionsResponse) {
			site.store.set(versions)
			time.Sleep(time.Second)
		}
		time.Sleep(1500 * time.Millisecond)
		news(&tokenstorev1.GetVersionsResponse{Tokens: "2", Requests: "1", Logins: "1", Admins: "1"})
		news(&tokenstorev1.GetVersionsResponse{Tokens: "2", Requests: "2", Logins: "2", Admins: "1"})
		news(&tokenstorev1.GetVersionsResponse{Tokens: "3", Requests: "2", Logins: "2", Admins: "2"})
		time.Sleep(8 * time.Second) // longer than a gateway waits for a request's header
		synctest.Wait()
		events, _, over := browser.read()
		// What has changed is told again, five seconds later.
		if want := []string{"all", "tokens", "logins requests", "all", "", "tokens", "logins requests", "all", "", ""}; !slices.Equal(events, want) || over {
			t.Errorf("%q, over: %t", events, over)
		}
	})
}

// A stream ends with its session, after ten minutes at the latest, and when the gateway drains.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end    func(*site, *atomic.Bool)
		within time.Duration
	}{
		"a logout":        {func(_ *site, revoked *atomic.Bool) { revoked.Store(true) }, time.Second},
		"a drain":         {func(s *site, _ *atomic.Bool) { s.pages.Close() }, time.Millisecond},
		"in the long run": {func(*site, *atomic.Bool) {}, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				site := newSite(t, versioned(&tokenstorev1.GetVersionsResponse{}))
				var revoked atomic.Bool
				site.gate.UseSessions(auth.Sessions{Secret: secret.New("shared"), Revoked: func(string) bool { return revoked.Load() }})
				browser := site.listen(t, site.serve(t))
				time.Sleep(1500 * time.Millisecond)
				synctest.Wait()
				if _, _, over := browser.read(); over {
					t.Error("it is over before")
				}
				test.end(site, &revoked)
				time.Sleep(test.within)
				synctest.Wait()
				if _, _, over := browser.read(); !over {
					t.Errorf("it goes on after %v", test.within)
				}
			})
		})
	}
}

func TestWhoGetsNoEvents(t *testing.T) {
	t.Parallel()
	site := newSite(t, versioned(&tokenstorev1.GetVersionsResponse{}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/events", nil)
	if w := site.send(r); w.Code != http.StatusUnauthorized {
		t.Errorf("without a session: %d", w.Code)
	}
	for _, from := range []string{"cross-site", "same-site", "none"} {
		if w := site.get(t, "/admin/events", "Sec-Fetch-Site", from); w.Code != http.StatusForbidden {
			t.Errorf("from %s: %d", from, w.Code)
		}
	}
	site.pages.Close()
	w := site.get(t, "/admin/events", "Sec-Fetch-Site", "same-origin")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "30" {
		t.Errorf("while it drains: %d %v", w.Code, w.Header())
	}
}

// A page of tokens that nobody looks at, and in which nothing happens, costs at most a kilobyte a
// minute over the stream: its signs of life, and at the turn of the minute two looks for what
// time has changed.
func TestIdleEventsCostLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		site := newSite(t, versioned(&tokenstorev1.GetVersionsResponse{}))
		browser := site.listen(t, site.serve(t))
		time.Sleep(90 * time.Second)
		synctest.Wait()
		before, from, _ := browser.read()
		time.Sleep(time.Minute)
		synctest.Wait()
		after, to, _ := browser.read()
		looks := 0
		for _, event := range after[len(before):] {
			if event != "" {
				looks++
			}
		}
		polled := unchangedPoll(t, site, "/admin/tokens")
		const most = 1024
		all := to - from + looks*polled
		told := fmt.Sprintf("%d bytes a minute: %d of the stream, %d looks of %d", all, to-from, looks, polled)
		if all > most || looks != 2 || len(after)-len(before) < 30 {
			t.Error(told)
		} else {
			t.Log(told)
		}
	})
}
