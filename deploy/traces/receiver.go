// Package traces shows, with real processes and a collector of OpenTelemetry, that a request is one
// trace from its client to its upstream.
package traces

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // in which collectors pack what they send on
	"google.golang.org/protobuf/proto"
)

// Receiver takes spans by OTLP, over gRPC and over HTTP, and keeps them.
type Receiver struct {
	collectorv1.UnimplementedTraceServiceServer
	// GRPC and HTTP are the URLs of a collector, by protocol.
	GRPC, HTTP string

	mu      sync.Mutex
	spans   []Span
	changed chan struct{}
}

// Span is a span, and which service has made it.
type Span struct {
	*tracev1.Span
	Service string
}

// Attribute is the text, or the list's first text, of an attribute; empty where there is none.
func (s Span) Attribute(name string) string {
	for _, each := range s.GetAttributes() {
		if each.GetKey() == name {
			return cmp.Or(each.GetValue().GetStringValue(), each.GetValue().GetArrayValue().String())
		}
	}
	return ""
}

// Number is the whole number of an attribute; 0 where there is none.
func (s Span) Number(name string) int64 {
	for _, each := range s.GetAttributes() {
		if each.GetKey() == name {
			return each.GetValue().GetIntValue()
		}
	}
	return 0
}

// Receive starts a receiver. The test's end stops it.
func Receive(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{changed: make(chan struct{})}
	overGRPC, overHTTP := listen(t), listen(t)
	r.GRPC, r.HTTP = "http://"+overGRPC.Addr().String(), "http://"+overHTTP.Addr().String()
	rpc := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(rpc, r)
	plain := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	var running sync.WaitGroup
	running.Go(func() { _ = rpc.Serve(overGRPC) })   // ends with Stop
	running.Go(func() { _ = plain.Serve(overHTTP) }) // ends with Close
	t.Cleanup(func() {
		rpc.Stop()
		_ = plain.Close()
		running.Wait()
	})
	return r
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// Export implements the service of OTLP.
func (r *Receiver) Export(_ context.Context, request *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range request.GetResourceSpans() {
		service := ""
		for _, each := range of.GetResource().GetAttributes() {
			if each.GetKey() == "service.name" {
				service = each.GetValue().GetStringValue()
			}
		}
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				r.spans = append(r.spans, Span{Span: span, Service: service})
			}
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// ServeHTTP takes what is sent to /v1/traces, as OTLP wants it.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, 16<<20))
	var sent collectorv1.ExportTraceServiceRequest
	if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer, _ := r.Export(request.Context(), &sent) // it has no error
	encoded, _ := proto.Marshal(answer)             // nor has that
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(encoded)
}

// Trace are the spans of a trace that have come, in the order in which they began.
func (r *Receiver) Trace(id []byte) []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var spans []Span
	for _, span := range r.spans {
		if slices.Equal(span.GetTraceId(), id) {
			spans = append(spans, span)
		}
	}
	slices.SortStableFunc(spans, func(a, b Span) int { return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano()) })
	return spans
}

// patience is how long spans may take to come, on a machine with much to do.
const patience = 2 * time.Minute

// Await waits until a trace has so many spans.
func (r *Receiver) Await(t testing.TB, id []byte, n int) []Span {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		spans := r.Trace(id)
		if len(spans) >= n {
			return spans
		}
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("%d spans have come, want %d: %v", len(spans), n, spans)
		}
	}
}
