package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// w3c is the form in which traces go from one program to the next: the headers traceparent and
// tracestate. Baggage, which may hold anything, is neither taken nor passed on.
var w3c = propagation.TraceContext{}

// From makes a context in the trace that a request's headers name, if they name one.
func From(ctx context.Context, header http.Header) context.Context {
	return w3c.Extract(ctx, propagation.HeaderCarrier(header))
}

const parentHeader = "traceparent"

// Parent is the traceparent of what is done within ctx, for a message of ours; empty where that is
// not kept.
func Parent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	w3c.Inject(ctx, carrier)
	return carrier[parentHeader]
}

// Below makes a context below a traceparent that a message of ours has brought. One that can't be
// read changes nothing.
func Below(ctx context.Context, parent string) context.Context {
	return w3c.Extract(ctx, propagation.MapCarrier{parentHeader: parent})
}

type passedOn struct{}

// PassedOn makes a context whose requests name the trace that they are in, to whom they are sent.
func PassedOn(ctx context.Context) context.Context {
	return context.WithValue(ctx, passedOn{}, true)
}

// Named is a request that names its trace where its context is PassedOn. One that has a name of its
// own keeps it.
func Named(request *http.Request) *http.Request {
	ctx := request.Context()
	if ctx.Value(passedOn{}) == nil || request.Header.Get(parentHeader) != "" {
		return request
	}
	named := *request // nobody changes a request that was given to a RoundTripper
	named.Header = request.Header.Clone()
	if named.Header == nil {
		named.Header = http.Header{}
	}
	w3c.Inject(ctx, propagation.HeaderCarrier(named.Header))
	return &named
}
