package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/proto/service/tracing"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	sampled  = "00-" + traceID + "-00f067aa0ba902b7-01"
	skipping = "00-" + traceID + "-00f067aa0ba902b7-00"
)

// tracedEdge is an edge that traces, and what a test sees of that.
func tracedEdge(t *testing.T, answers relay) (*edge, *tracetest.SpanRecorder) {
	t.Helper()
	seen := tracetest.NewSpanRecorder()
	tracer := tracing.With(t.Context(), seen, sdktrace.ParentBased(sdktrace.AlwaysSample()), tracing.Service{Name: "gateway"})
	t.Cleanup(func() { tracer.Shutdown(context.Background()) })
	return newEdge(t, answers, func(deps *httpapi.Deps) { deps.Tracer = tracer }), seen
}

// of is an attribute of a span, as text; empty where there is none.
func of(span sdktrace.ReadOnlySpan, name attribute.Key) string {
	for _, each := range span.Attributes() {
		if each.Key == name {
			return each.Value.String()
		}
	}
	return ""
}

func TestARequestIsASpan(t *testing.T) {
	t.Parallel()
	var within string
	e, seen := tracedEdge(t, func(ctx context.Context, req *chat.Request, yield func(chat.Event, error) bool) {
		within = tracing.ID(ctx)
		says(nil, greeting...)(ctx, req, yield)
	})
	r := request(t, http.MethodPost, "/v1/chat/completions?token=hush", key, helloStream)
	r.Header.Set("Traceparent", sampled)
	w := do(t, e, r)
	if w.Code != http.StatusOK || len(seen.Ended()) != 1 {
		t.Fatalf("%d %s, %d spans", w.Code, w.Body, len(seen.Ended()))
	}
	span := seen.Ended()[0]
	if span.Name() != "POST /v1/chat/completions" || span.SpanKind() != trace.SpanKindServer || span.Parent().SpanID().String() != "00f067aa0ba902b7" || within != traceID {
		t.Errorf("%s %s below %s; the request is in %s", span.Name(), span.SpanKind(), span.Parent().SpanID(), within)
	}
	for name, want := range map[attribute.Key]string{
		"http.request.method": "POST", "http.route": "/v1/chat/completions", "url.path": "/v1/chat/completions", "url.scheme": "http",
		"http.response.status_code": "200", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": "3", "gen_ai.usage.output_tokens": "2",
		"gen_ai.response.finish_reasons": `["stop"]`, "carousel.request.id": w.Header().Get("X-Request-Id"), "error.type": "", "url.query": "", "client.address": "",
	} {
		if got := of(span, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if log := e.log.String(); !strings.Contains(log, `"trace_id":"`+traceID+`"`) {
		t.Errorf("the line does not name the trace: %s", log)
	}
}

// A server's span fails by what the server could not do, not by what its clients do wrong.
func TestWhichSpansFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers relay
		body    string
		failed  bool
		kind    string
	}{
		"it has no answer":           {says(chat.Errorf(chat.UpstreamUnavailable, "busy")), hello, true, string(chat.UpstreamUnavailable)},
		"a stream breaks":            {says(chat.Errorf(chat.UpstreamProtocol, "cut"), greeting[:2]...), helloStream, true, string(chat.UpstreamProtocol)},
		"the request makes no sense": {says(nil, greeting...), "{", false, string(chat.InvalidRequest)},
		"the client goes":            {says(chat.Errorf(chat.Canceled, "gone"), greeting[:2]...), helloStream, false, string(chat.Canceled)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, seen := tracedEdge(t, c.answers)
			do(t, e, request(t, http.MethodPost, "/v1/chat/completions", key, c.body))
			span := seen.Ended()[0]
			if failed := span.Status().Code.String() == "Error"; failed != c.failed || of(span, "error.type") != c.kind {
				t.Errorf("%v, error.type %q", span.Status(), of(span, "error.type"))
			}
		})
	}
}

// Paths can be anything where no route is for them; and who does not want a trace gets none.
func TestWhatIsNotTraced(t *testing.T) {
	t.Parallel()
	e, seen := tracedEdge(t, says(nil, greeting...))
	do(t, e, request(t, http.MethodGet, "/health", "", ""))
	do(t, e, request(t, http.MethodGet, "/v1/hush", key, ""))
	do(t, e, request(t, http.MethodGet, "/hush", "", ""))
	r := request(t, http.MethodPost, "/v1/chat/completions", key, hello)
	r.Header.Set("Traceparent", skipping)
	do(t, e, r)
	if n := len(seen.Started()); n != 0 {
		t.Errorf("%d spans", n)
	}
	if strings.Contains(e.log.String(), "trace_id") {
		t.Error("the log names a trace that is not kept")
	}
}
