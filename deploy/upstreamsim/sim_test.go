package upstreamsim

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/leaktest"
)

// patience is how long a test waits for what must happen.
const patience = 90 * time.Second

func TestMain(m *testing.M) { leaktest.Main(m) }

// serving starts a server for a simulator and ends both with the test.
func serving(t *testing.T, options Options) (*Simulator, *httptest.Server) {
	t.Helper()
	sim := New(options)
	server := httptest.NewUnstartedServer(nil)
	server.Config = sim.Server()
	server.Start()
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	return sim, server
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// received is a response as it came.
type received struct {
	status int
	header http.Header
	body   []byte
	err    error // of the request, or of reading the body
}

func roundTrip(t *testing.T, server *httptest.Server, request *http.Request) received {
	t.Helper()
	response, err := server.Client().Do(request)
	if err != nil {
		return received{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return received{response.StatusCode, response.Header, body, err}
}

// recorder is a response whose flushes are kept apart.
type recorder struct {
	header  http.Header
	status  int
	pending bytes.Buffer
	flushed []string
}

func (r *recorder) Header() http.Header             { return r.header }
func (r *recorder) WriteHeader(status int)          { r.status = status }
func (r *recorder) Write(event []byte) (int, error) { return r.pending.Write(event) }
func (r *recorder) Flush() {
	r.flushed = append(r.flushed, r.pending.String())
	r.pending.Reset()
}

// record serves a request without a connection.
func record(sim *Simulator, request *http.Request) *recorder {
	r := &recorder{header: http.Header{}}
	sim.ServeHTTP(r, request)
	return r
}

func (r *recorder) all() []byte { return []byte(strings.Join(r.flushed, "") + r.pending.String()) }

// noViolations fails where a request of the test was refused.
func noViolations(t *testing.T, sim *Simulator) {
	t.Helper()
	for _, violation := range sim.Ledger().Violations {
		t.Errorf("violation: %+v", violation)
	}
}
