package grpcapi

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

// beginGrant begins the span of a demand, from when it joins its queue, in the trace that it names;
// nil where it is not traced. The session's stream is one call for all: a demand says itself whose
// it is.
func (s *session) beginGrant(demand *tokenstorev1.Demand) trace.Span {
	if !s.tracer.On() || demand.GetTraceparent() == "" {
		return nil
	}
	_, span := s.tracer.Serve(tracing.Below(context.Background(), demand.GetTraceparent()), "grant",
		attribute.String("carousel.upstream", demand.GetUpstream()), attribute.String("gen_ai.request.model", demand.GetModel()))
	return span
}

// endGrant ends a demand's span with its answer.
func endGrant(span trace.Span, answer leasing.Answer) {
	if span == nil {
		return
	}
	if len(answer.Leases) > 0 {
		span.SetAttributes(attribute.String("carousel.token.id", answer.Leases[0].TokenID))
	}
	if refused := answer.Refused; refused != nil {
		tracing.Fail(span, refused.Reason.String(), refused.Message)
	}
	span.End()
}

// withdrawn ends the span of a demand for which nobody waits any more.
func withdrawn(span trace.Span) {
	if span != nil {
		span.SetAttributes(attribute.Bool("carousel.withdrawn", true))
		span.End()
	}
}
