package tracing

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"carousel.internal/proto/service/secret"
)

// Export says where spans go, and which. It is a part of each service's configuration. Its keys are
// OpenTelemetry's own variables; what others there are the SDK reads from the environment.
type Export struct {
	Endpoint       string       `key:"otel_exporter_otlp_endpoint" doc:"URL of an OpenTelemetry collector, such as http://localhost:4318; spans of requests go there. Empty, and otel_exporter_otlp_traces_endpoint too: nothing is traced."`
	TracesEndpoint string       `key:"otel_exporter_otlp_traces_endpoint" doc:"The same for traces alone, with its whole path: it goes before the other one."`
	Protocol       string       `key:"otel_exporter_otlp_protocol" doc:"How the collector is spoken to: http/protobuf or grpc."`
	Headers        secret.Value `key:"otel_exporter_otlp_headers" doc:"Headers that the collector asks for, as in name=value,name=value; values are percent-encoded. A secret, because it may hold a key."`
	Sampler        string       `key:"otel_traces_sampler" doc:"Which requests are traced: always_on, always_off, traceidratio, or one of these behind parentbased_, which does as the caller's traceparent says where there is one."`
	SamplerArg     string       `key:"otel_traces_sampler_arg" doc:"The share of requests for traceidratio, 0 to 1; empty: all."`
}

// The protocols.
const (
	overHTTP = "http/protobuf"
	overGRPC = "grpc"
)

// Default is what is exported when nothing is configured: nothing.
func Default() Export { return Export{Protocol: overHTTP, Sampler: "parentbased_always_on"} }

// On reports whether anything is to be traced.
func (e Export) On() bool { return e.Endpoint != "" || e.TracesEndpoint != "" }

// CheckTracing returns every problem, each beginning with its key.
func (e Export) CheckTracing() []error {
	var problems []error
	wrong := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf(key+": "+format, args...))
	}
	for key, text := range map[string]string{"otel_exporter_otlp_endpoint": e.Endpoint, "otel_exporter_otlp_traces_endpoint": e.TracesEndpoint} {
		if text != "" && !isEndpoint(text) {
			wrong(key, "a URL such as http://localhost:4318 wanted, without a user or a query, not %q", text)
		}
	}
	if e.Protocol != overHTTP && e.Protocol != overGRPC {
		wrong("otel_exporter_otlp_protocol", "http/protobuf or grpc wanted, not %q", e.Protocol)
	}
	if _, err := e.headers(); err != nil {
		wrong("otel_exporter_otlp_headers", "%w", err)
	}
	if !slices.Contains(samplers, strings.TrimPrefix(e.Sampler, parentBased)) {
		wrong("otel_traces_sampler", "always_on, always_off or traceidratio wanted, perhaps behind parentbased_, not %q", e.Sampler)
	}
	if _, err := e.ratio(); err != nil {
		wrong("otel_traces_sampler_arg", "a number from 0 to 1 wanted, not %q", e.SamplerArg)
	}
	return problems
}

// isEndpoint reports whether a text is the URL of a collector. What is secret belongs into headers:
// endpoints are shown.
func isEndpoint(text string) bool {
	at, err := url.Parse(text)
	return err == nil && (at.Scheme == "http" || at.Scheme == "https") && at.Hostname() != "" && at.User == nil && at.RawQuery == "" && at.Fragment == ""
}

// tracesURL is where spans are sent.
func (e Export) tracesURL() string {
	if e.TracesEndpoint != "" {
		return e.TracesEndpoint
	}
	return strings.TrimSuffix(e.Endpoint, "/") + "/v1/traces" // gRPC leaves a path alone
}

// headers are those that the collector asks for. Errors have no value in them.
func (e Export) headers() (map[string]string, error) {
	headers := map[string]string{}
	for i, pair := range strings.Split(e.Headers.Reveal(), ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || name == "" || err != nil {
			return nil, fmt.Errorf("name=value wanted, with commas between, which number %d is not", i+1)
		}
		headers[name] = value
	}
	return headers, nil
}

// parentBased stands before a sampler that is asked only where the caller has not decided.
const parentBased = "parentbased_"

var samplers = []string{"always_on", "always_off", "traceidratio"}

// sampler decides which requests are traced.
func (e Export) sampler() sdktrace.Sampler {
	name, obeys := strings.CutPrefix(e.Sampler, parentBased)
	var own sdktrace.Sampler
	switch name {
	case "always_off":
		own = sdktrace.NeverSample()
	case "traceidratio":
		share, _ := e.ratio() // CheckTracing has seen it
		own = sdktrace.TraceIDRatioBased(share)
	default:
		own = sdktrace.AlwaysSample()
	}
	if obeys {
		return sdktrace.ParentBased(own)
	}
	return own
}

func (e Export) ratio() (float64, error) {
	if e.SamplerArg == "" {
		return 1, nil
	}
	share, err := strconv.ParseFloat(e.SamplerArg, 64)
	if err == nil && !(share >= 0 && share <= 1) {
		err = strconv.ErrRange
	}
	return share, err
}
