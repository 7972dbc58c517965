package tokens

import (
	"context"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/proto/service/tracing"
)

// A demand says which span waits for it; one of a request that is not traced says nothing.
func TestADemandNamesItsTrace(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		tracer := tracing.With(t.Context(), tracetest.NewSpanRecorder(), sdktrace.AlwaysSample(), tracing.Service{Name: "gateway"})
		defer tracer.Shutdown(context.Background())
		ctx, span := tracer.Serve(t.Context(), "request")
		defer span.End()
		s := r.welcomed()
		for name, of := range map[string]context.Context{"traced": ctx, "not traced": t.Context()} {
			answer := r.acquire(of, demand)
			asked := s.message(t).GetDemands()[0]
			if got := asked.GetTraceparent(); got != tracing.Parent(of) {
				t.Errorf("%s: the demand says %q", name, got)
			}
			s.grant(t, asked, leaseOf("a", 7))
			if got := soon(t, answer, "the lease"); got.err != nil || got.lease.Source != lease.Asked {
				t.Errorf("%s: %v, from %q", name, got.err, got.lease.Source)
			}
		}
	})
}

// What is taken ahead belongs to no request: whoever gets it is told.
func TestALeaseTakenAheadSaysSo(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		store := newAutomatic("a")
		go store.serve(r.nextSession())
		r.load(300, 3*time.Second)
		held, err := r.Acquire(t.Context(), demand)
		if err != nil || held.Source != lease.Ahead {
			t.Fatalf("%v, from %+v", err, held)
		}
		r.Settle(held, lease.Outcome{})
	})
}
