package token_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

func someRoute() *tokenstorev1.Route {
	return &tokenstorev1.Route{
		Name: "fast", Match: "fast",
		Targets: []*tokenstorev1.RouteTarget{
			{Upstream: "deepseek", Model: "deepseek-chat", Weight: 3},
			{Upstream: "deepseek", Priority: 100, Weight: 1000},
		},
		Parameters: []*tokenstorev1.RouteParameter{
			{Name: "reasoning_effort", Value: `"low"`},
			{Name: "temperature", Value: "0.5", OnlyDefault: true},
			{Name: "max_output_tokens", Value: "1000000"},
			{Name: "top_p", Value: "1"},
			{Name: "verbosity", Value: `"high"`},
			{Name: "service_tier", Value: `"flex"`},
		},
	}
}

func TestGoodRoutes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*tokenstorev1.Route){
		"an alias":   func(*tokenstorev1.Route) {},
		"a pattern":  func(r *tokenstorev1.Route) { r.Match, r.Targets[0].Model = "claude-*", "anthropic/claude-*" },
		"everything": func(r *tokenstorev1.Route) { r.Match = "*" },
		"32 targets": func(r *tokenstorev1.Route) {
			r.Targets = nil
			for i := range 32 {
				r.Targets = append(r.Targets, &tokenstorev1.RouteTarget{Upstream: "a", Model: strings.Repeat("m", i+1), Weight: 1})
			}
		},
		"no parameters": func(r *tokenstorev1.Route) { r.Parameters = nil },
		"a name of 64":  func(r *tokenstorev1.Route) { r.Name = "4" + strings.Repeat(".", 63) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			route := someRoute()
			change(route)
			if err := token.CheckRoute(route); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBadRoutesSayWhere(t *testing.T) {
	t.Parallel()
	parameter := func(name, value string) func(*tokenstorev1.Route) {
		return func(r *tokenstorev1.Route) {
			r.Parameters = []*tokenstorev1.RouteParameter{{Name: name, Value: value}}
		}
	}
	for problem, change := range map[string]func(*tokenstorev1.Route){
		"name: 1 to 64 ":                                    func(r *tokenstorev1.Route) { r.Name = "Fast" },
		"name: 1 to 64 lower":                               func(r *tokenstorev1.Route) { r.Name = strings.Repeat("x", 65) },
		"match: 1 to 200 bytes":                             func(r *tokenstorev1.Route) { r.Match = strings.Repeat("x", 201) },
		"match: no spaces":                                  func(r *tokenstorev1.Route) { r.Match = "a b" },
		"match: no spaces and no control":                   func(r *tokenstorev1.Route) { r.Match = "a\xff" },
		"match: at most one `*`":                            func(r *tokenstorev1.Route) { r.Match = "a*b*" },
		"targets: 1 to 32 wanted, not 0":                    func(r *tokenstorev1.Route) { r.Targets = nil },
		"targets: 1 to 32 wanted, not 33":                   func(r *tokenstorev1.Route) { r.Targets = make([]*tokenstorev1.RouteTarget, 33) },
		"targets[1].upstream: ":                             func(r *tokenstorev1.Route) { r.Targets[1].Upstream = "Deep Seek" },
		"targets[0].model: no spaces":                       func(r *tokenstorev1.Route) { r.Targets[0].Model = "a b" },
		"targets[0].model: 1 to 200 bytes":                  func(r *tokenstorev1.Route) { r.Targets[0].Model = strings.Repeat("x", 201) },
		"targets[0].model: a `*` stands":                    func(r *tokenstorev1.Route) { r.Targets[0].Model = "x-*" },
		"targets[1].priority: 0 to 100":                     func(r *tokenstorev1.Route) { r.Targets[1].Priority = 101 },
		"targets[1].weight: 1 to 1000":                      func(r *tokenstorev1.Route) { r.Targets[1].Weight = 0 },
		"targets[0].weight: 1 to 1000":                      func(r *tokenstorev1.Route) { r.Targets[0].Weight = 1001 },
		"targets[1]: has the upstream":                      func(r *tokenstorev1.Route) { r.Targets[1].Model = "deepseek-chat" },
		`parameters: "effort" is none of`:                   parameter("effort", `"low"`),
		"parameters.reasoning_effort: one ":                 parameter("reasoning_effort", `"little"`),
		"parameters.reasoning_effort: one of none, minimal": parameter("reasoning_effort", `1`),
		"parameters.temperature: a number from 0 to 2":      parameter("temperature", `2.1`),
		"parameters.temperature: a number":                  parameter("temperature", `"1"`),
		"parameters.top_p: a number from 0 to 1":            parameter("top_p", `-0.1`),
		"parameters.max_output_tokens: a whole number":      parameter("max_output_tokens", `1.5`),
		"parameters.max_output_tokens: a whole number from": parameter("max_output_tokens", `1000001`),
		"parameters.max_output_tokens: a whole":             parameter("max_output_tokens", `0`),
		"parameters.service_tier: text of 1 to 64 bytes":    parameter("service_tier", `"`+strings.Repeat("x", 65)+`"`),
		"parameters.service_tier: text":                     parameter("service_tier", `""`),
		"parameters.verbosity: text":                        parameter("verbosity", `["low"]`),
		"parameters.verbosity: JSON wanted":                 parameter("verbosity", `low`),
		"parameters.top_p: is there twice": func(r *tokenstorev1.Route) {
			r.Parameters = append(r.Parameters, &tokenstorev1.RouteParameter{Name: "top_p", Value: "0"})
		},
	} {
		t.Run(problem, func(t *testing.T) {
			t.Parallel()
			route := someRoute()
			change(route)
			if err := token.CheckRoute(route); err == nil || !strings.Contains("\n"+err.Error(), "\n"+problem) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRoutesAreCompleted(t *testing.T) {
	t.Parallel()
	put := &tokenstorev1.Route{Name: "fast", Parameters: []*tokenstorev1.RouteParameter{
		{Name: "max_output_tokens", Value: " 1e3 "}, {Name: "service_tier", Value: ` "\u0061<b" `}, {Name: "verbosity", Value: "{} "},
	}}
	before := proto.CloneOf(put)
	meant := token.CompleteRoute(put)
	if meant.GetMatch() != "fast" {
		t.Errorf("it matches %q", meant.GetMatch())
	}
	for i, want := range []string{"1000", `"a<b"`, "{} "} {
		if got := meant.GetParameters()[i].GetValue(); got != want {
			t.Errorf("value %d is %s, want %s", i, got, want)
		}
	}
	if !proto.Equal(put, before) {
		t.Error("what was put has changed")
	}
}
