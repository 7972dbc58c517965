// Package tracing makes OpenTelemetry spans of what a service does for a request, and sends them to
// a collector, where one is configured. Else there is no Tracer and no span, and what asks for them
// pays for a look into the request's context.
//
// Nothing here is global: two services of one process have a Tracer each. A span is begun in the
// trace of its context, so only who takes requests in needs a Tracer; a nil span is one that nobody
// keeps, and is to be left alone.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope names who has made a span.
const scope = "carousel"

// lastSpans is how long the end of a service waits for its last spans to be taken.
const lastSpans = 5 * time.Second

// Tracer begins spans of requests that come in. The nil Tracer begins none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	log      *slog.Logger
}

// Service is who traces.
type Service struct {
	Name, Version string
	// Instance is unique per process start; empty: it is not told.
	Instance string
	Log      *slog.Logger
}

// Start makes a service's Tracer; nil where nothing is to be traced. It does not wait for the
// collector. Shutdown ends it.
func Start(ctx context.Context, export Export, service Service) (*Tracer, error) {
	if !export.On() {
		return nil, nil //nolint:nilnil // the nil Tracer is one
	}
	exporter, err := export.exporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("otel_exporter_otlp_endpoint: %w", err)
	}
	// Its queue has 2,048 spans; what comes while it is full is lost.
	batches := sdktrace.NewBatchSpanProcessor(&complaining{exporter: exporter, log: service.Log})
	return With(ctx, batches, export.sampler(), service), nil
}

// With makes a Tracer that gives its spans to a processor.
func With(ctx context.Context, processor sdktrace.SpanProcessor, sampler sdktrace.Sampler, service Service) *Tracer {
	about := []attribute.KeyValue{attribute.String("service.name", service.Name), attribute.String("service.version", service.Version)}
	if service.Instance != "" {
		about = append(about, attribute.String("service.instance.id", service.Instance))
	}
	// What the environment names goes before; what of it can't be read is left out.
	described, _ := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(about...), resource.WithFromEnv())
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor), sdktrace.WithSampler(sampler), sdktrace.WithResource(described))
	return &Tracer{provider: provider, tracer: provider.Tracer(scope), log: service.Log}
}

// On reports whether there is a Tracer.
func (t *Tracer) On() bool { return t != nil }

// Serve begins the span of a request that has come in, in the trace of who has sent it if ctx says
// so. The span is nil where the request is not traced.
//
//nolint:spancheck // whoever calls it ends the span
func (t *Tracer) Serve(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	if t == nil {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
	return ctx, kept(span)
}

// Shutdown sends what has not been sent, for some seconds at most, also where ctx has ended, and
// ends. What the collector does not take the log is told, and is no failure of the service's.
func (t *Tracer) Shutdown(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSpans)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.LogAttrs(ctx, slog.LevelWarn, "the last spans were not sent", slog.Any("error", err))
	}
}

// Call begins the span of a call to somebody else that is made for ctx's request. The span is nil
// where that is not traced.
//
//nolint:spancheck // whoever calls it ends the span
func Call(ctx context.Context, name string) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	return ctx, kept(span)
}

// kept is a span that somebody keeps, else nil.
func kept(span trace.Span) trace.Span {
	if !span.IsRecording() {
		return nil
	}
	return span
}

// ID is the name of the trace that ctx's request is in: 32 hexadecimal digits; empty where it is in
// none that is kept.
func ID(ctx context.Context) string {
	if context := trace.SpanContextFromContext(ctx); context.IsSampled() {
		return context.TraceID().String()
	}
	return ""
}
