package anthropic_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/anthropic"
)

// What an operator says of requests is said so that the model takes it.
func TestFit(t *testing.T) {
	t.Parallel()
	said := func(name chat.ParameterName, value string) chat.Parameter {
		return chat.Parameter{Name: name, Value: value}
	}
	effort := func(value string) chat.Parameter { return said(chat.SetEffort, value) }
	const thinker, adaptive, thoughtless = "claude-sonnet-4-5", "claude-opus-4-6", "claude-3-5-haiku-latest"
	for name, c := range map[string]struct {
		model, sampling string
		said            chat.Parameter
		want            []chat.Parameter
	}{
		"a model that knows efforts":      {adaptive, "usual", effort(`"low"`), []chat.Parameter{effort(`"low"`)}},
		"a model that is told a budget":   {thinker, "usual", effort(`"low"`), []chat.Parameter{said(chat.SetThinkingBudget, "4096")}},
		"the most of it":                  {thinker, "usual", effort(`"max"`), []chat.Parameter{said(chat.SetThinkingBudget, "32768")}},
		"a model that does not think":     {thoughtless, "usual", effort(`"low"`), []chat.Parameter{}},
		"no effort":                       {thinker, "usual", effort(`"none"`), []chat.Parameter{effort(`"none"`)}},
		"a temperature":                   {adaptive, "usual", said(chat.SetTemperature, "0.2"), []chat.Parameter{said(chat.SetTemperature, "0.2")}},
		"a temperature that is not taken": {adaptive, "never", said(chat.SetTemperature, "0.2"), []chat.Parameter{}},
		"a limit":                         {thoughtless, "never", said(chat.SetOutputLimit, "7"), []chat.Parameter{said(chat.SetOutputLimit, "7")}},
	} {
		driver, err := anthropic.New(upstream.Config{Name: "a", BaseURL: "https://api.anthropic.com", Settings: map[string]string{"sampling": c.sampling}})
		if err != nil {
			t.Fatal(err)
		}
		got := driver.(upstream.Fitter).Fit(&chat.Request{}, c.model, []chat.Parameter{c.said})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		driver.Close()
	}
}
