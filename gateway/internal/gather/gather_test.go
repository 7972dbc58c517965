package gather_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/gateway/internal/gather"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// wire is a connection that notes what is written to it, piece by piece.
type wire struct {
	net.Conn
	mu     sync.Mutex
	pieces []string
	fail   error
	closed bool
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return 0, w.fail
	}
	w.pieces = append(w.pieces, string(p))
	if w.Conn != nil {
		return w.Conn.Write(p)
	}
	return len(p), nil
}

func (w *wire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	if w.Conn != nil {
		return w.Conn.Close()
	}
	return nil
}

func (w *wire) SetWriteDeadline(at time.Time) error {
	if w.Conn != nil {
		return w.Conn.SetWriteDeadline(at)
	}
	return nil
}

func (w *wire) SetDeadline(time.Time) error { return nil }

func (w *wire) written() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.pieces, "|")
}

// accepted is the Conn of a wire.
func accepted(t *testing.T, w *wire) *gather.Conn {
	t.Helper()
	conn, err := gather.Listener(&one{conn: w}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	return gather.Of(gather.Context(t.Context(), conn))
}

// one is a listener to which one connection comes.
type one struct {
	net.Listener
	conn net.Conn
}

func (o *one) Accept() (net.Conn, error) { return o.conn, nil }

func TestHeldWrites(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 20<<10)
	cases := map[string]struct {
		do   func(c *gather.Conn)
		want string
	}{
		"nothing is held unasked": {func(c *gather.Conn) { say(c, "a", "b") }, "a|b"},
		"held until the release": {func(c *gather.Conn) {
			c.Hold()
			say(c, "a", "b")
			_ = c.Release()
			say(c, "c")
		}, "ab|c"},
		"an empty release": {func(c *gather.Conn) { _ = c.Release() }, ""},
		"a new deadline": {func(c *gather.Conn) {
			c.Hold()
			say(c, "a")
			_ = c.SetWriteDeadline(time.Now().Add(time.Hour))
			say(c, "b")
		}, ""},
		"the deadline's end": {func(c *gather.Conn) {
			c.Hold()
			say(c, "a", "b")
			_ = c.SetWriteDeadline(time.Time{})
			say(c, "c")
		}, "ab|c"},
		"the end of both deadlines": {func(c *gather.Conn) {
			c.Hold()
			say(c, "a", "b")
			_ = c.SetDeadline(time.Time{})
		}, "ab"},
		"close": {func(c *gather.Conn) {
			c.Hold()
			say(c, "a", "b")
			_ = c.Close()
		}, "ab"},
		"more than is held": {func(c *gather.Conn) {
			c.Hold()
			say(c, "a", large, large, "b")
			_ = c.Release()
		}, "a" + large + "|" + large + "|b"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &wire{}
			test.do(accepted(t, w))
			if got := w.written(); got != test.want {
				t.Errorf("written was %.80q, want %.80q", got, test.want)
			}
		})
	}
}

func say(c *gather.Conn, words ...string) {
	for _, word := range words {
		_, _ = io.WriteString(c, word)
	}
}

// Whoever wrote what is lost was told that it is well: nothing may follow it.
func TestNothingFollowsWhatIsLost(t *testing.T) {
	t.Parallel()
	w := &wire{fail: errors.New("gone")}
	c := accepted(t, w)
	c.Hold()
	say(c, "a")
	if err := c.Release(); !errors.Is(err, w.fail) || !w.closed {
		t.Errorf("%v, closed: %t", err, w.closed)
	}
}

// The end of an answer that is held leaves with what net/http puts behind it, in one write, and
// the connection can be used again.
func TestAnswersOfNetHTTP(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	notes := &noting{Listener: inner}
	body := strings.Repeat("word ", 3000)
	server := &http.Server{ReadHeaderTimeout: time.Minute, ConnContext: gather.Context, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn := gather.Of(r.Context())
		conn.Hold()
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		_ = conn.Release()
		conn.Hold()
		_, _ = io.WriteString(w, body)
	})}
	go func() { _ = server.Serve(gather.Listener(notes)) }()
	t.Cleanup(func() { _ = server.Close() })

	client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	reader := bufio.NewReader(client)
	for range 3 {
		_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(got) != body+body {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	if pieces := strings.Count(notes.conn.written(), "|") + 1; pieces != 3*2 {
		t.Errorf("three answers took %d writes", pieces)
	}
}

// noting is a listener that keeps the connection that it has accepted.
type noting struct {
	net.Listener
	conn *wire
}

func (n *noting) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n.conn = &wire{Conn: conn}
	return n.conn, nil
}
