package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends spans to the collector.
func (e Export) exporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	headers, err := e.headers()
	if err != nil {
		return nil, err
	}
	if e.Protocol == overGRPC {
		return otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(e.tracesURL()), otlptracegrpc.WithHeaders(headers))
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(e.tracesURL()), otlptracehttp.WithHeaders(headers))
}

// complainEvery is how often the log is told that spans are lost.
const complainEvery = time.Minute

// complaining tells the log, now and then, of spans that the collector has not taken. They are
// lost: no request waits for a collector.
type complaining struct {
	exporter sdktrace.SpanExporter
	log      *slog.Logger
	// next is when the log may be told again, in Unix ns; lost are the spans since it was told.
	next, lost atomic.Int64
}

// ExportSpans implements sdktrace.SpanExporter.
func (c *complaining) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.exporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	c.lost.Add(int64(len(spans)))
	if now := time.Now(); now.UnixNano() >= c.next.Load() {
		c.next.Store(now.Add(complainEvery).UnixNano())
		c.log.LogAttrs(ctx, slog.LevelWarn, "the collector of traces does not take spans; they are lost", slog.Int64("spans", c.lost.Swap(0)), slog.Any("error", err))
	}
	return nil // the SDK would tell standard error
}

// Shutdown implements sdktrace.SpanExporter.
func (c *complaining) Shutdown(ctx context.Context) error { return c.exporter.Shutdown(ctx) }
