package grpcapi_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	spanOfOne = "00-11111111111111111111111111111111-1111111111111111-01"
	spanOfTwo = "00-22222222222222222222222222222222-2222222222222222-01"
	untraced  = "00-33333333333333333333333333333333-3333333333333333-00"
)

// startTracedLeases is startLeases with spans that the test sees.
func startTracedLeases(t *testing.T, caps ...uint32) (*leaseService, *tracetest.SpanRecorder) {
	t.Helper()
	seen := tracetest.NewSpanRecorder()
	tracer := tracing.With(t.Context(), seen, sdktrace.ParentBased(sdktrace.AlwaysSample()), tracing.Service{Name: "tokenstore"})
	t.Cleanup(func() { tracer.Shutdown(context.Background()) })
	return startLeasesWith(t, tracer, caps...), seen
}

// spansOf are a trace's spans that have ended, by name.
func spansOf(seen *tracetest.SpanRecorder, traceparent string) map[string]sdktrace.ReadOnlySpan {
	spans := map[string]sdktrace.ReadOnlySpan{}
	for _, span := range seen.Ended() {
		if span.SpanContext().TraceID().String() == traceparent[3:35] {
			spans[span.Name()] = span
		}
	}
	return spans
}

func attributeOf(span sdktrace.ReadOnlySpan, name attribute.Key) string {
	for _, each := range span.Attributes() {
		if each.Key == name {
			return each.Value.String()
		}
	}
	return ""
}

// Two demands share a script, and each of their traces has it.
func TestAGrantIsInTheTraceOfItsRequest(t *testing.T) {
	t.Parallel()
	s, seen := startTracedLeases(t, 9)
	r := s.session(t)
	r.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{
		{Id: 1, Upstream: "cursor", Model: "m", Count: 1, Traceparent: spanOfOne},
		{Id: 2, Upstream: "cursor", Model: "m", Count: 1, Traceparent: spanOfTwo},
		{Id: 3, Upstream: "cursor", Model: "m", Count: 1, Traceparent: untraced},
		{Id: 4, Upstream: "cursor", Model: "m", Count: 1, Traceparent: "\tnonsense"},
	}})
	r.until("four leases", func() bool { return len(r.said.GetGrants()) == 4 })
	for _, traceparent := range []string{spanOfOne, spanOfTwo} {
		spans := spansOf(seen, traceparent)
		grant, script := spans["grant"], spans["EVALSHA acquire"]
		if script == nil { // Redis had it not
			script = spans["EVAL acquire"]
		}
		if grant == nil || script == nil {
			t.Fatalf("spans %v", spans)
		}
		if grant.Parent().SpanID().String() != traceparent[36:52] || script.Parent().SpanID() != grant.SpanContext().SpanID() {
			t.Error("the script is not the grant's, or the grant not the request's")
		}
		if attributeOf(grant, "carousel.token.id") == "" || attributeOf(script, "db.stored_procedure.name") != "acquire" {
			t.Errorf("%v, %v", grant.Attributes(), script.Attributes())
		}
	}
	if spans := spansOf(seen, untraced); len(spans) != 0 {
		t.Errorf("spans %v of a request that is not traced", spans)
	}
}

func TestSpansOfDemandsThatGetNothing(t *testing.T) {
	t.Parallel()
	s, seen := startTracedLeases(t, 1)
	r := s.session(t)
	r.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{{Id: 1, Upstream: "cursor", Count: 1}}})
	r.until("the only lease", func() bool { return len(r.said.GetGrants()) == 1 })

	r.send(&tokenstorev1.SessionRequest{Demands: []*tokenstorev1.Demand{
		{Id: 2, Upstream: "cursor", Count: 1, Traceparent: spanOfOne},
		{Id: 3, Upstream: "cursor", Count: 1, Traceparent: spanOfTwo, MaxWait: durationpb.New(time.Minute)},
	}})
	r.until("a denial", func() bool { return len(r.said.GetDenials()) == 1 })
	if denied := spansOf(seen, spanOfOne)["grant"]; denied == nil || attributeOf(denied, "error.type") != "REASON_NO_TOKEN_AVAILABLE" {
		t.Errorf("the denied demand's span is %v", denied)
	}
	r.send(&tokenstorev1.SessionRequest{Withdrawn: []uint64{3}})
	eventually(t, "the withdrawn demand's span", func() bool {
		left := spansOf(seen, spanOfTwo)["grant"]
		return left != nil && attributeOf(left, "carousel.withdrawn") == "true"
	})
}
