package tracing_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"carousel.internal/proto/leaktest"
	"carousel.internal/proto/service/secret"
	"carousel.internal/proto/service/tracing"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	sampled   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// recording makes a Tracer whose spans a test sees.
func recording(t *testing.T) (*tracing.Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	seen := tracetest.NewSpanRecorder()
	tracer := tracing.With(t.Context(), seen, sdktrace.ParentBased(sdktrace.AlwaysSample()), tracing.Service{Name: "service"})
	t.Cleanup(func() { tracer.Shutdown(context.Background()) })
	return tracer, seen
}

func exported(change func(*tracing.Export)) tracing.Export {
	export := tracing.Default()
	export.Endpoint = "http://localhost:4318"
	change(&export)
	return export
}

func TestWhatIsWrongWithAnExport(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*tracing.Export)
		want   string
	}{
		"all is well":         {func(*tracing.Export) {}, ""},
		"nothing is set":      {func(e *tracing.Export) { e.Endpoint = "" }, ""},
		"no URL":              {func(e *tracing.Export) { e.Endpoint = "localhost:4318" }, "otel_exporter_otlp_endpoint"},
		"a password in it":    {func(e *tracing.Export) { e.Endpoint = "http://a:b@localhost:4318" }, "otel_exporter_otlp_endpoint"},
		"a key in it":         {func(e *tracing.Export) { e.TracesEndpoint = "http://localhost/?key=k" }, "otel_exporter_otlp_traces_endpoint"},
		"another protocol":    {func(e *tracing.Export) { e.Protocol = "http/json" }, "otel_exporter_otlp_protocol"},
		"headers":             {func(e *tracing.Export) { e.Headers = secret.New("a=b, c=d%20e") }, ""},
		"a header":            {func(e *tracing.Export) { e.Headers = secret.New("a=b,hush") }, "otel_exporter_otlp_headers"},
		"its encoding":        {func(e *tracing.Export) { e.Headers = secret.New("a=hush%z") }, "otel_exporter_otlp_headers"},
		"another sampler":     {func(e *tracing.Export) { e.Sampler = "jaeger_remote" }, "otel_traces_sampler"},
		"a share":             {func(e *tracing.Export) { e.Sampler, e.SamplerArg = "parentbased_traceidratio", "0.25" }, ""},
		"a share that is one": {func(e *tracing.Export) { e.SamplerArg = "1.5" }, "otel_traces_sampler_arg"},
		"no number":           {func(e *tracing.Export) { e.SamplerArg = "NaN" }, "otel_traces_sampler_arg"},
	} {
		problems := exported(c.change).CheckTracing()
		switch {
		case c.want == "" && len(problems) > 0:
			t.Errorf("%s: %v", name, problems)
		case c.want != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), c.want+":") || strings.Contains(problems[0].Error(), "hush")):
			t.Errorf("%s: %v, want one of %s", name, problems, c.want)
		}
	}
}

// Where nothing is traced, what asks for spans costs no memory.
func TestNothingIsAllocatedWhereNothingIsTraced(t *testing.T) {
	tracer, err := tracing.Start(t.Context(), tracing.Default(), tracing.Service{Name: "service"})
	if err != nil || tracer.On() {
		t.Fatal("something is traced", err)
	}
	defer tracer.Shutdown(t.Context())
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		_, served := tracer.Serve(ctx, "request")
		_, called := tracing.Call(ctx, "call")
		joint := tracing.Each(tracing.Jointly(ctx, nil), "script")
		joint.End("")
		if served != nil || called != nil || joint != nil || tracing.ID(ctx) != "" || tracing.Parent(ctx) != "" || tracing.Named(request) != request {
			t.Fatal("something is traced")
		}
	}); n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}

// What a client has decided holds for all that is done for it.
func TestAClientDecides(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header string
		spans  int
		id     string
	}{
		"it traces":          {sampled, 2, "4bf92f3577b34da6a3ce929d0e0e4736"},
		"it does not":        {unsampled, 0, ""},
		"it says nonsense":   {"00-nonsense", 2, ""},
		"it says nothing":    {"", 2, ""},
		"a form of tomorrow": {"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", 2, "4bf92f3577b34da6a3ce929d0e0e4736"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer, seen := recording(t)
			ctx, served := tracer.Serve(tracing.From(t.Context(), http.Header{"Traceparent": {c.header}}), "request")
			callCtx, called := tracing.Call(ctx, "call")
			for _, span := range []trace.Span{called, served} {
				if span != nil {
					span.End()
				}
			}
			if got := len(seen.Ended()); got != c.spans {
				t.Fatalf("%d spans, want %d", got, c.spans)
			}
			if id := tracing.ID(ctx); c.spans == 0 && id != "" || c.id != "" && id != c.id {
				t.Errorf("the trace is %q", id)
			}
			if parent := tracing.Parent(callCtx); (parent == "") != (c.spans == 0) {
				t.Errorf("messages are told %q", parent)
			}
			if c.spans > 0 && seen.Ended()[0].Parent().SpanID() != seen.Ended()[1].SpanContext().SpanID() {
				t.Error("the call is not the request's")
			}
		})
	}
}

// A message's trace is that of who has sent it.
func TestParentsTravelInMessages(t *testing.T) {
	t.Parallel()
	tracer, _ := recording(t)
	ctx, here := tracer.Serve(t.Context(), "request")
	defer here.End()
	if there := tracing.Below(context.Background(), tracing.Parent(ctx)); tracing.ID(there) != tracing.ID(ctx) {
		t.Error("the trace has changed on the way")
	}
	if tracing.ID(tracing.Below(context.Background(), "\xff")) != "" {
		t.Error("nonsense is a trace")
	}
}

func TestRequestsThatNameTheirTrace(t *testing.T) {
	t.Parallel()
	tracer, _ := recording(t)
	from := http.Header{"Traceparent": {sampled}, "Tracestate": {"v=1"}, "Baggage": {"user=anna"}}
	ctx, span := tracer.Serve(tracing.From(t.Context(), from), "request")
	defer span.End()
	of := func(ctx context.Context, own string) http.Header {
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody)
		if own != "" {
			request.Header.Set("Traceparent", own)
		}
		before := request.Header.Clone()
		named := tracing.Named(request)
		if len(request.Header) != len(before) {
			t.Error("the request that was given was changed")
		}
		return named.Header
	}
	if header := of(ctx, ""); len(header) != 0 {
		t.Errorf("named unasked: %v", header)
	}
	header := of(tracing.PassedOn(ctx), "")
	if header.Get("Traceparent") != tracing.Parent(ctx) || header.Get("Tracestate") != "v=1" || header.Get("Baggage") != "" {
		t.Errorf("%v", header)
	}
	if header := of(tracing.PassedOn(ctx), unsampled); header.Get("Traceparent") != unsampled {
		t.Errorf("a name of its own is lost: %v", header)
	}
	if header := of(tracing.PassedOn(t.Context()), ""); len(header) != 0 {
		t.Errorf("outside of any trace: %v", header)
	}
}

// What is done at once for several requests is in the trace of each.
func TestOneCallForSeveral(t *testing.T) {
	t.Parallel()
	tracer, seen := recording(t)
	_, one := tracer.Serve(t.Context(), "one")
	_, two := tracer.Serve(t.Context(), "two")
	tracing.Each(tracing.Jointly(t.Context(), []trace.Span{one, two}), "script", attribute.String("name", "acquire")).End("redis")
	calls := seen.Ended()
	if len(calls) != 2 {
		t.Fatalf("%d spans, want 2", len(calls))
	}
	for i, parent := range []trace.Span{one, two} {
		if calls[i].Parent().SpanID() != parent.SpanContext().SpanID() || calls[i].SpanContext().TraceID() != parent.SpanContext().TraceID() {
			t.Errorf("call %d is not the request's", i)
		}
		if !calls[i].StartTime().Equal(calls[0].StartTime()) || calls[i].Status().Code.String() != "Error" {
			t.Errorf("call %d: %v %v", i, calls[i].StartTime(), calls[i].Status())
		}
	}
	one.End()
	two.End()
}

// What a collector does not take is lost, and the log is told once, not each time, without what
// the collector is sent.
func TestACollectorThatRefuses(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/prefix/v1/traces" && r.Header.Get("X-Key") == "hush hush" {
			asked.Add(1)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer collector.Close()
	var log bytes.Buffer
	export := exported(func(e *tracing.Export) {
		e.Endpoint, e.Headers = collector.URL+"/prefix/", secret.New("x-key=hush%20hush")
	})
	tracer, err := tracing.Start(t.Context(), export, tracing.Service{Name: "service", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, span := tracer.Serve(t.Context(), "request")
		span.End()
	}
	tracer.Shutdown(t.Context())
	if asked.Load() == 0 {
		t.Error("the collector was not asked as it wants to be")
	}
	if said := log.String(); strings.Count(said, "they are lost") != 1 || strings.Contains(said, "hush") {
		t.Errorf("the log has %s", said)
	}
}

// Of requests whose clients don't say, the share that is wanted is traced.
func TestShares(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]func(int) bool{
		"0": func(n int) bool { return n == 0 }, "": func(n int) bool { return n == 100 }, "0.5": func(n int) bool { return n > 10 && n < 90 },
	} {
		export := exported(func(e *tracing.Export) { e.Sampler, e.SamplerArg = "parentbased_traceidratio", arg })
		tracer, err := tracing.Start(t.Context(), export, tracing.Service{Name: "service", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		traced := 0
		for range 100 {
			if _, span := tracer.Serve(t.Context(), "request"); span != nil { // never ended: nothing is sent
				traced++
			}
		}
		tracer.Shutdown(t.Context())
		if !want(traced) {
			t.Errorf("of the share %q, %d of 100 are traced", arg, traced)
		}
	}
}
