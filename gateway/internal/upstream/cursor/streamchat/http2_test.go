package streamchat

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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/redial"
)

// connKey is where a request's context has its connection.
type connKey struct{}

// overHTTP2 is a driver for a server that speaks HTTP/2 alone, as the real
// upstream's edge does.
func overHTTP2(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the request came over %s", r.Proto)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", fault.FrameType)
		handler(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	pool := &http.Transport{
		ForceAttemptHTTP2: true, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	transport := redial.New(pool)
	d := newClient(server.URL, transport)
	t.Cleanup(transport.CloseIdleConnections)
	return d
}

func write(t *testing.T, w http.ResponseWriter, frames ...[]byte) {
	t.Helper()
	for _, frame := range frames {
		if _, err := w.Write(frame); err != nil {
			t.Error(err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	t.Run("parallel calls", func(t *testing.T) {
		t.Parallel()
		d := overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
			write(t, w, gzipFrame(debugFrame()), frame(0, nil), textFrame("Hello "), textFrame(r.Header.Get("X-Cursor-Timezone")), endFrame("{}"))
		})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				call := callOf(said(chat.User, "Hi"))
				call.Options.Timezone = fmt.Sprint(i)
				if text, failure := ask(t, d, call); failure != nil || text != fmt.Sprint("Hello ", i) {
					t.Errorf("%q, %v", text, failure)
				}
			})
		}
		wg.Wait()
	})

	t.Run("hanging up", func(t *testing.T) {
		t.Parallel()
		noticed := make(chan struct{})
		d := overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
			write(t, w, textFrame("Hello"))
			<-r.Context().Done()
			close(noticed)
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, err := range d.Chat(ctx, callOf(said(chat.User, "Hi"))) {
			cancel()
			var failure *upstream.Failure
			if err != nil && (!errors.As(err, &failure) || failure.Class != upstream.ClientGone) {
				t.Errorf("%v", err)
			}
		}
		select {
		case <-noticed:
		case <-time.After(time.Minute):
			t.Error("the server does not notice")
		}
	})

	t.Run("a connection that died while it was idle", func(t *testing.T) {
		t.Parallel()
		var requests atomic.Int64
		d := overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) != 2 {
				write(t, w, textFrame("Hello"), endFrame("{}"))
				return
			}
			conn, _ := r.Context().Value(connKey{}).(net.Conn)
			_ = conn.Close() // all of it, not only the stream
			<-r.Context().Done()
		})
		for decided := false; !decided; {
			requests.Store(0)
			decided = true
			for range 3 {
				began := time.Now()
				text, failure := ask(t, d, callOf(said(chat.User, "Hi")))
				if failure != nil && time.Since(began) >= time.Second {
					decided = false // the connection did not show at once that it is dead: all is tried again
				} else if failure != nil || text != "Hello" {
					t.Errorf("%q, %v", text, failure)
				}
			}
			if n := requests.Load(); decided && n != 4 {
				t.Errorf("%d requests for 3 calls, of which one meets a dead connection", n)
			}
		}
	})

	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		d := overHTTP2(t, func(w http.ResponseWriter, _ *http.Request) {
			write(t, w, textFrame("Hello"))
			panic(http.ErrAbortHandler)
		})
		text, failure := ask(t, d, callOf(said(chat.User, "Hi")))
		if failure == nil || failure.Class != upstream.Transport || text != "Hello" {
			t.Errorf("%q, %v", text, failure)
		}
	})
}
