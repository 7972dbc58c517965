package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

type joint struct{}

// Jointly makes a context of what is done for several requests at once, of which some have spans.
// What is begun by Each belongs to the traces of all, so that each is whole.
func Jointly(ctx context.Context, spans []trace.Span) context.Context {
	if len(spans) == 0 {
		return ctx
	}
	return context.WithValue(ctx, joint{}, spans)
}

// Joint are the spans of one thing that is done for several requests: one in each trace. There are
// none where nobody traces.
type Joint []trace.Span

// Each begins a span of a call in the trace of each request that ctx is for. Their length is that
// of one call, not its share.
//
//nolint:spancheck // End ends them
func Each(ctx context.Context, name string, attributes ...attribute.KeyValue) Joint {
	whose, _ := ctx.Value(joint{}).([]trace.Span)
	if len(whose) == 0 {
		return nil
	}
	began := trace.WithTimestamp(time.Now())
	attributes = append(attributes[:len(attributes):len(attributes)], attribute.Int("carousel.requests", len(whose)))
	spans := make(Joint, len(whose))
	for i, parent := range whose {
		_, spans[i] = parent.TracerProvider().Tracer(scope).Start(trace.ContextWithSpan(ctx, parent), name,
			trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...), began)
	}
	return spans
}

// End ends them; kind is what went wrong, empty where nothing did.
func (j Joint) End(kind string) {
	for _, span := range j {
		Fail(span, kind, "")
		span.End()
	}
}

// Fail notes what a span's work has failed by: the kind of failure, and in words, which may be
// empty. An empty kind is none.
func Fail(span trace.Span, kind, words string) {
	if kind != "" {
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, words)
	}
}
