package reqbody

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener that has one connection.
type oneConn struct {
	conns chan net.Conn
	over  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	close(l.over)
	return nil
}

func (*oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// exchange sends a request's head, then pieces with pauses between, and returns the
// answer and when it came.
func exchange(t *testing.T, handler http.HandlerFunc, head string, pieces int, piece string, pause time.Duration) (status int, body string, after time.Duration) {
	t.Helper()
	client, server := net.Pipe()
	listener := &oneConn{conns: make(chan net.Conn, 1), over: make(chan struct{})}
	listener.conns <- server
	serving := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	ended := make(chan error, 1)
	go func() { ended <- serving.Serve(listener) }()
	began := time.Now()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := io.WriteString(client, "POST / HTTP/1.1\r\nHost: x\r\n"+head+"\r\n\r\n"); err != nil {
			return
		}
		for range pieces {
			time.Sleep(pause)
			if _, err := io.WriteString(client, piece); err != nil {
				return
			}
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	after = time.Since(began)
	_ = client.Close()
	<-sent
	_ = serving.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	return response.StatusCode, string(answer), after
}

// reader answers with how its body came in.
func reader(timeout time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		watched, release := Watch(w, r, timeout, NewBudget(1<<30))
		defer release()
		body, err := ReadAll(watched, r, 16*mebibyte)
		if err != nil {
			watched.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(watched, err.Error())
			return
		}
		time.Sleep(time.Hour) // no deadline of the body's is left
		if r.Context().Err() != nil {
			return
		}
		_, _ = io.WriteString(watched, strings.Repeat("x", len(body)>>20))
	}
}

// A large body on a slow line gets the time it needs, one that hardly moves does not.
func TestTheTimeOfABodyGrowsWithIt(t *testing.T) {
	t.Parallel()
	const chunk = "8000\r\n"
	for _, c := range []struct {
		name, head    string
		pieces        int
		piece         string
		pause         time.Duration
		status        int
		after, within time.Duration
	}{
		{"15 MiB in two minutes", "Content-Length: 15728640", 480, strings.Repeat("x", 32<<10), 250 * time.Millisecond, 200, time.Hour + 2*time.Minute, time.Hour + 2*time.Minute + time.Second},
		{"in chunks", "Transfer-Encoding: chunked", 480, chunk + strings.Repeat("x", 32<<10) + "\r\n", 250 * time.Millisecond, 400, 9 * time.Minute, 11 * time.Minute},
		{"a byte a second", "Content-Length: 1000", 1000, "x", time.Second, 400, time.Minute, time.Minute + 2*time.Second},
		{"nothing", "Content-Length: 1000", 0, "", 0, 400, time.Minute, time.Minute + 2*time.Second},
		{"a trailer that does not end", "Transfer-Encoding: chunked\r\nTrailer: X-A", 1, "1\r\nx\r\n0\r\nX-A: ", 0, 400, time.Minute, time.Minute + 2*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, body, after := exchange(t, reader(time.Minute), c.head, c.pieces, c.piece, c.pause)
				if status != c.status || after < c.after || after > c.within {
					t.Errorf("%d after %s, want %d between %s and %s: %.100q", status, after, c.status, c.after, c.within, body)
				}
				if status != http.StatusOK && !strings.Contains(body, "took too long") {
					t.Errorf("the reason: %q", body)
				}
			})
		})
	}
}

// What nobody has asked for has less time: whoever sends it may be anybody.
func TestABodyThatNobodyAskedForHasLessTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status, _, after := exchange(t, func(w http.ResponseWriter, r *http.Request) {
			watched, release := Watch(w, r, time.Minute, NewBudget(1<<30))
			defer release()
			if _, err := io.ReadAll(r.Body); err == nil {
				t.Error("a body that has not come was read")
			}
			watched.WriteHeader(http.StatusBadRequest)
		}, "Content-Length: 1000", 100, "x", time.Second)
		if status != http.StatusBadRequest || after > unreadTime+2*time.Second {
			t.Errorf("%d after %s", status, after)
		}
	})
}
