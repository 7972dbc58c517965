package config_test

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/config"
)

func TestWhereATraceCanBeLookedAt(t *testing.T) {
	t.Parallel()
	for text, right := range map[string]bool{
		"":                                      true,
		"https://traces.example.com/{trace_id}": true,
		"http://grafana:3000/explore?left={%22query%22:%22{trace_id}%22}": true,
		"https://traces.example.com/":                                     false,
		"traces.example.com/{trace_id}":                                   false,
		"javascript:alert({trace_id})":                                    false,
	} {
		got, err := config.Load("", environment(map[string]string{"TRACE_URL": text}))
		if (err == nil) != right || err != nil && !strings.HasPrefix(err.Error(), "trace_url: ") {
			t.Errorf("%q: %v", text, err)
		}
		if page := got.TracePage("0af7"); text != "" && right && !strings.Contains(page, "0af7") {
			t.Errorf("%q leads to %q", text, page)
		}
	}
}

func TestWhichUpstreamsAreToldTheTrace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": false, "vllm": true, "a, vllm ,b": true, "*": true, "vllm2": false, ",": false} {
		got, err := config.Load("", environment(map[string]string{"TRACE_UPSTREAMS": text}))
		if err != nil || got.NamesTrace("vllm") != want {
			t.Errorf("%q: %v, %v", text, got.NamesTrace("vllm"), err)
		}
	}
}

// What is wrong with the collector is told with everything else.
func TestACollectorThatCantBe(t *testing.T) {
	t.Parallel()
	_, err := config.Load("", environment(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", "PORT": "70000"}))
	if err == nil || !strings.Contains(err.Error(), "otel_exporter_otlp_endpoint: ") || !strings.Contains(err.Error(), "port: ") {
		t.Error(err)
	}
}
