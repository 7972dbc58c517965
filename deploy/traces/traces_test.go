package traces

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/proto/freeport"
)

func TestMain(m *testing.M) { stack.Main(m) }

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientID = "00f067aa0ba902b7"
	prompt   = "a question that no trace may have"
)

// upstream is what the simulated upstream has been told of traces.
type upstream struct {
	mu   sync.Mutex
	told http.Header
}

func (u *upstream) note(r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/chat/completions") {
		u.mu.Lock()
		u.told = r.Header.Clone()
		u.mu.Unlock()
	}
}

func (u *upstream) header(name string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.told.Get(name)
}

// start runs a pair that sends its spans, a moment after they end.
func start(t *testing.T, u *upstream, endpoint, protocol string, more ...string) *stack.Stack {
	t.Helper()
	env := append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol, "OTEL_BSP_SCHEDULE_DELAY=50"}, more...)
	s := stack.Start(t, stack.Options{GatewayEnv: env, TokenstoreEnv: env, Seen: u.note})
	s.AddTokens("openai", "o", 2, 0)
	ask(t, s, "00-"+strings.Repeat("1", 32)+"-"+clientID+"-00") // Redis has the script from then on
	return s
}

// sampled is what a traced client says.
const sampled = "00-" + traceID + "-" + clientID + "-01"

// ask sends a streamed chat request, and returns its id.
func ask(t *testing.T, s *stack.Stack, traceparent string) string {
	t.Helper()
	body, _ := json.Marshal(map[string]any{
		"model": "openai/gpt-test", "stream": true, "messages": []map[string]string{{"role": "user", "content": prompt}},
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Gateways[0].URL+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{
		"Authorization": {"Bearer " + stack.AdminToken}, "Content-Type": {"application/json"},
		"Traceparent": {traceparent}, "Tracestate": {"vendor=word"}, "Baggage": {"user=anna"},
	}
	response, err := stack.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", response.StatusCode, answer.String(), err)
	}
	return response.Header.Get("X-Request-Id")
}

// whole is a trace as it must be: a line for each span, below its parent.
const whole = `carousel-gateway SERVER POST /v1/chat/completions
  carousel-gateway CLIENT lease
    carousel-tokenstore SERVER grant
      carousel-tokenstore CLIENT EVALSHA acquire
  carousel-gateway CLIENT chat gpt-test
`

const wholeSpans = 5

// drawn is the tree of a trace below the span that has an id.
func drawn(spans []Span, parent []byte, indent string) string {
	var text strings.Builder
	for _, span := range spans {
		if bytes.Equal(span.GetParentSpanId(), parent) {
			kind := strings.TrimPrefix(span.GetKind().String(), "SPAN_KIND_")
			fmt.Fprintf(&text, "%s%s %s %s\n%s", indent, span.Service, kind, span.GetName(), drawn(spans, span.GetSpanId(), indent+"  "))
		}
	}
	return text.String()
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// holdsWhole checks that a request's trace is one piece.
func holdsWhole(t *testing.T, r *Receiver) []Span {
	t.Helper()
	spans := r.Await(t, unhex(t, traceID), wholeSpans)
	if got := drawn(spans, unhex(t, clientID), ""); got != whole {
		t.Errorf("the trace is\n%s\nwant\n%s", got, whole)
	}
	return spans
}

func TestARequestIsOneTrace(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			u, r := &upstream{}, Receive(t)
			endpoint := map[string]string{"grpc": r.GRPC, "http/protobuf": r.HTTP}[protocol]
			s := start(t, u, endpoint, protocol, "TRACE_UPSTREAMS=openai")
			id := ask(t, s, sampled)
			spans := holdsWhole(t, r)
			if t.Failed() {
				return
			}
			tellsGenAI(t, spans)
			tellsNoSecret(t, spans)
			if got, want := u.header("Traceparent"), fmt.Sprintf("00-%s-%x-01", traceID, called(spans, "chat gpt-test").GetSpanId()); got != want {
				t.Errorf("the upstream is told %q, want %q", got, want)
			}
			if got := u.header("Tracestate"); got != "vendor=word" {
				t.Errorf("the upstream is told the tracestate %q", got)
			}
			if got := u.header("Baggage"); got != "" {
				t.Errorf("the upstream is told the baggage %q", got)
			}
			logHasTrace(t, s, id)
		})
	}
}

func called(spans []Span, name string) Span {
	for _, span := range spans {
		if span.GetName() == name {
			return span
		}
	}
	return Span{}
}

func tellsGenAI(t *testing.T, spans []Span) {
	t.Helper()
	chat := called(spans, "chat gpt-test")
	for name, want := range map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-test",
		"carousel.upstream": "openai", "carousel.lease.source": "asked", "error.type": "",
	} {
		if got := chat.Attribute(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if chat.Number("gen_ai.usage.input_tokens") <= 0 || chat.Number("gen_ai.usage.output_tokens") <= 0 {
		t.Errorf("no usage: %v", chat.GetAttributes())
	}
	if len(chat.GetEvents()) != 1 || chat.GetEvents()[0].GetName() != "first_chunk" {
		t.Errorf("events %v", chat.GetEvents())
	}
	if chat.Attribute("carousel.token.id") == "" || chat.Attribute("carousel.token.id") != called(spans, "grant").Attribute("carousel.token.id") {
		t.Error("the token that was granted is not the one that was used")
	}
	if got := chat.GetStatus().GetCode(); got != tracev1.Status_STATUS_CODE_UNSET {
		t.Errorf("status %v", got)
	}
}

func tellsNoSecret(t *testing.T, spans []Span) {
	t.Helper()
	for _, span := range spans {
		for _, secret := range []string{prompt, stack.AdminToken, stack.TokenstoreSecret, "sk-secret-", "of-the-e2e-test", "anna"} {
			if strings.Contains(span.String(), secret) {
				t.Errorf("a span tells %q: %v", secret, span)
			}
		}
	}
}

func logHasTrace(t *testing.T, s *stack.Stack, id string) {
	t.Helper()
	s.Eventually("the log has the request's trace", patience, func() bool {
		answer := s.Gateways[0].Admin(t, http.MethodGet, "/admin/api/logs?limit=10", nil)
		return strings.Contains(string(answer.Body), id) && strings.Contains(string(answer.Body), `"trace_id":"`+traceID+`"`)
	})
}

// Which trace a request is in tells an upstream what else somebody does: none is told unless its
// operator wants that.
func TestUpstreamsAreNotToldTheTrace(t *testing.T) {
	t.Parallel()
	u, r := &upstream{}, Receive(t)
	s := start(t, u, r.GRPC, "grpc", "TRACE_UPSTREAMS=another")
	ask(t, s, sampled)
	holdsWhole(t, r)
	if got := u.header("Traceparent") + u.header("Tracestate"); got != "" {
		t.Errorf("the upstream is told %q", got)
	}
}

// A collector that is not there holds nobody up.
func TestNoRequestWaitsForACollector(t *testing.T) {
	t.Parallel()
	u := &upstream{}
	s := start(t, u, "http://"+freeport.MustAddr(t), "http/protobuf", "OTEL_EXPORTER_OTLP_TIMEOUT=100")
	ask(t, s, sampled)
	s.Gateways[0].WaitLog("the collector of traces does not take spans", patience)
}

// The same by way of a real collector of OpenTelemetry, which takes the spans and sends them on.
// "make trace-test" builds it.
func TestARealCollectorHasTheWholeTrace(t *testing.T) {
	t.Parallel()
	program := os.Getenv("COLLECTOR")
	if program == "" {
		t.Skip(`"make trace-test" builds the collector`)
	}
	u, r := &upstream{}, Receive(t)
	s := start(t, u, "http://"+collect(t, program, r), "grpc", "TRACE_UPSTREAMS=*")
	ask(t, s, sampled)
	holdsWhole(t, r)
}
