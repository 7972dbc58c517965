package upstreamtest

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/upstream"
)

// server is an upstream that follows a script.
type server struct {
	*httptest.Server
	// opened and closed count connections.
	opened, closed atomic.Int64
}

// exchange is one request that the server has read whole, and its answer.
type exchange struct {
	t    *testing.T
	wire Wire
	w    http.ResponseWriter
	r    *http.Request
	body []byte
}

// serve starts a server; script answers each request.
func serve(t *testing.T, wire Wire, script func(*exchange)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := wire.Request
		if read == nil {
			read = io.ReadAll
		}
		body, err := read(r.Body)
		if err != nil {
			t.Errorf("the request's body: %v", err)
		}
		script(&exchange{t, wire, w, r, body})
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state { //nolint:exhaustive // only these two are counted
		case http.StateNew:
			s.opened.Add(1)
		case http.StateClosed:
			s.closed.Add(1)
		}
	}
	if wire.HTTP2 {
		OverHTTP2(s.Server)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// driver builds a driver for the server. It is closed before the server is.
func (s *server) driver(t *testing.T, harness Harness, settings map[string]string) upstream.Driver {
	t.Helper()
	driver, err := harness.New(s.URL, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver
}

// begin sends the headers of a streamed answer.
func (x *exchange) begin() {
	maps.Copy(x.w.Header(), x.wire.Header)
	x.w.WriteHeader(http.StatusOK)
	x.flush()
}

// send writes one piece to the network.
func (x *exchange) send(piece []byte) {
	// An error means that the driver has hung up; the cases that mind wait for it.
	_, _ = x.w.Write(piece)
	x.flush()
}

func (x *exchange) flush() { _ = http.NewResponseController(x.w).Flush() }

// answer sends a whole response.
func (x *exchange) answer(answer Answer) {
	maps.Copy(x.w.Header(), answer.Header)
	x.w.WriteHeader(answer.Status)
	_, _ = x.w.Write(answer.Body)
}

// abort cuts the connection, with all that is on it.
func (x *exchange) abort() {
	if x.wire.HTTP2 {
		Cut(x.r)
	}
	panic(http.ErrAbortHandler)
}

// gone waits until the driver has hung up.
func (x *exchange) gone() { <-x.r.Context().Done() }
