package config_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/config"
)

func loadRoutes(t *testing.T, text string) (config.Config, error) {
	t.Helper()
	return config.Load(write(t, text), environment(map[string]string{"TOKENSTORE_SECRET": sharedSecret}))
}

func TestRoutesOfAFile(t *testing.T) {
	t.Parallel()
	got, err := loadRoutes(t, `
routes:
  - name: fast
    targets:
      - {upstream: deepseek, model: Deepseek-Chat, weight: 3}
      - {upstream: openai, priority: 2}
    parameters:
      reasoning_effort: none
      temperature: {default: 0.5}
      max_output_tokens: 1e3
      service_tier: "1"
  - name: claude
    match: claude-*
    targets: [{upstream: anthropic}]
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []*tokenstorev1.Route{
		{
			Name: "fast", Match: "fast",
			Targets: []*tokenstorev1.RouteTarget{
				{Upstream: "deepseek", Model: "Deepseek-Chat", Weight: 3}, {Upstream: "openai", Priority: 2, Weight: 1},
			},
			Parameters: []*tokenstorev1.RouteParameter{
				{Name: "max_output_tokens", Value: "1000"},
				{Name: "reasoning_effort", Value: `"none"`},
				{Name: "service_tier", Value: `"1"`},
				{Name: "temperature", Value: "0.5", OnlyDefault: true},
			},
		},
		{Name: "claude", Match: "claude-*", Targets: []*tokenstorev1.RouteTarget{{Upstream: "anthropic", Weight: 1}}},
	}
	if len(got.Routes) != len(want) {
		t.Fatalf("%d routes", len(got.Routes))
	}
	for i, each := range got.Routes {
		if route, err := each.Message(); err != nil || !proto.Equal(route, want[i]) {
			t.Errorf("route %d is %v, %v", i, route, err)
		}
	}
	if text := fmt.Sprint(got.Routes); !strings.Contains(text, "{deepseek Deepseek-Chat 0 3}") || strings.Contains(text, "0x") {
		t.Errorf("printed: %s", text)
	}
}

func TestBadRoutesOfAFile(t *testing.T) {
	t.Parallel()
	for problem, text := range map[string]string{
		"routes: a list of objects":                               "{name: a, targets: [{upstream: a, wieght: 3}]}",
		"routes: number 1: targets[0].priority: 0 to 100":         "{name: a, targets: [{upstream: a, priority: -1}]}",
		"routes: number 1: name: 1 to 64":                         "{targets: [{upstream: a}]}",
		"routes: number 1: targets: 1 to 32":                      "{name: a}",
		"routes: number 1: targets[0].weight: 1 to 1000":          "{name: a, targets: [{upstream: a, weight: 0}]}",
		"targets[0].upstream: the name of an upstream wanted":     "{name: a, targets: [{model: m}]}",
		"routes: number 2: the name \"a\" is there twice":         "{name: a, targets: [{upstream: a}]}\n  - {name: a, targets: [{upstream: a}]}",
		"routes: number 2: match: that is what route a matches":   "{name: a, targets: [{upstream: a}]}\n  - {name: b, match: a, targets: [{upstream: a}]}",
		"number 1: parameters.top_p: a value wanted":              "{name: a, targets: [{upstream: a}], parameters: {top_p: {usual: 1}}}",
		"parameters.top_p: a value wanted, or an":                 "{name: a, targets: [{upstream: a}], parameters: {top_p: {default: 1, always: 2}}}",
		"number 1: parameters.top_p: a number from 0 to 1":        "{name: a, targets: [{upstream: a}], parameters: {top_p: {default: 2}}}",
		"number 1: parameters.verbosity: text of":                 "{name: a, targets: [{upstream: a}], parameters: {verbosity: [low]}}",
		"number 1: parameters: \"stop\" is none of max_output_to": "{name: a, targets: [{upstream: a}], parameters: {stop: x}}",
	} {
		t.Run(problem, func(t *testing.T) {
			t.Parallel()
			if _, err := loadRoutes(t, "routes:\n  - "+text+"\n"); err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("got %v", err)
			}
		})
	}
}
