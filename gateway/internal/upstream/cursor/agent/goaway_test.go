package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
)

// A server that shuts down lets a run come to its end, and one that refuses a run by its
// GOAWAY has not begun it: it is sent again.
func TestGoAway(t *testing.T) {
	t.Parallel()
	t.Run("in the middle", func(t *testing.T) {
		t.Parallel()
		shut := make(chan struct{})
		c := serve(t, func(x *exchange) {
			x.sendNamed("text-Hi")
			server, is := x.r.Context().Value(http.ServerContextKey).(*http.Server)
			if !is {
				t.Error("no server")
				return
			}
			told := make(chan struct{})
			server.RegisterOnShutdown(func() { close(told) })
			go func() {
				defer close(shut)
				ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), patience)
				defer cancel()
				if err := server.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			}()
			<-told
			x.sendNamed("text-Hi", "turn-ended", "end")
		})
		if got := collectAnswer(t.Context(), t, c, callOf()); got.text != "HiHi" || got.failure != nil {
			t.Errorf("%+v", got)
		}
		<-shut
	})
	t.Run("before the answer", func(t *testing.T) {
		t.Parallel()
		if got := collectAnswer(t.Context(), t, goingAway(t), callOf()); got.text != "Hi" || got.failure != nil {
			t.Errorf("%+v", got)
		}
	})
}

// goingAway is a client for an upstream that goes away on the first connection, before it has
// begun a run.
func goingAway(t *testing.T) *Client {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{t: t, w: w, r: r, frames: newDecoder(r.Body)}
		if x.receive().GetRunRequest() == nil {
			t.Error("no run was asked for")
		}
		w.Header().Set("Content-Type", fault.FrameType)
		x.sendNamed("text-Hi", "turn-ended", "end")
	}))
	upstreamtest.OverHTTP2(server)
	server.Listener = &awayListener{Listener: server.Listener, t: t}
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{Protocols: server.Config.Protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return clientOf(server.URL, transport)
}

// awayListener goes away on its first connection.
type awayListener struct {
	net.Listener
	t    *testing.T
	seen atomic.Bool
}

// Accept implements net.Listener.
func (l *awayListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil && !l.seen.Swap(true) {
		l.goAway(conn)
		return l.Listener.Accept()
	}
	return conn, err
}

// goAway takes no request.
func (l *awayListener) goAway(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		l.t.Error(err)
		return
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		l.t.Error(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			l.t.Error(err)
			return
		}
		if _, is := frame.(*http2.HeadersFrame); is {
			break
		}
	}
	if err := framer.WriteGoAway(0, http2.ErrCodeNo, nil); err != nil {
		l.t.Error(err)
	}
	_, _ = io.Copy(io.Discard, conn) // until the client leaves
}
