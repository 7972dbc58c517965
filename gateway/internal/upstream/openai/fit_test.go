package openai_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/openai"
)

// What an operator says of requests is said so that the model takes it.
func TestFit(t *testing.T) {
	t.Parallel()
	said := func(name chat.ParameterName, value string) chat.Parameter {
		return chat.Parameter{Name: name, Value: value}
	}
	effort := func(value string) chat.Parameter { return said(chat.SetEffort, value) }
	cool, limit := said(chat.SetTemperature, "0.2"), said(chat.SetOutputLimit, "7")
	listed := map[string]string{"reasoning_efforts": "low,high"}
	const vendor, other = "https://api.openai.com/v1", "https://models.example/v1"
	for name, c := range map[string]struct {
		base     string
		settings map[string]string
		dialect  string
		model    string
		said     chat.Parameter
		want     []chat.Parameter
	}{
		"a model that thinks refuses sampling": {vendor, nil, "openai", "gpt-5-mini", cool, []chat.Parameter{}},
		"in Responses, too":                    {vendor, nil, "responses", "gpt-5-mini", cool, []chat.Parameter{}},
		"one that does not takes it":           {vendor, nil, "openai", "gpt-4o", cool, []chat.Parameter{cool}},
		"so does another vendor's":             {other, nil, "openai", "gpt-oss-120b", cool, []chat.Parameter{cool}},
		"an effort":                            {vendor, nil, "openai", "gpt-5.1", effort(`"none"`), []chat.Parameter{effort(`"none"`)}},
		"an effort of one that thinks not":     {vendor, nil, "openai", "gpt-4o", effort(`"low"`), []chat.Parameter{}},
		"an effort of nobody knows what":       {other, nil, "openai", "qwen", effort(`"low"`), []chat.Parameter{effort(`"low"`)}},
		"the nearest effort":                   {other, listed, "openai", "qwen", effort(`"xhigh"`), []chat.Parameter{effort(`"high"`)}},
		"no efforts at all":                    {other, map[string]string{"reasoning_efforts": "never"}, "openai", "qwen", effort(`"low"`), []chat.Parameter{}},
		"a limit":                              {vendor, nil, "openai", "gpt-4o", limit, []chat.Parameter{limit}},
		"a limit by its older name":            {other, nil, "openai", "qwen", limit, []chat.Parameter{said(chat.SetOlderLimit, "7")}},
		"a limit in Responses":                 {other, nil, "responses", "qwen", limit, []chat.Parameter{limit}},
	} {
		driver, err := openai.New(upstream.Config{Name: "o", BaseURL: c.base, Settings: c.settings})
		if err != nil {
			t.Fatal(err)
		}
		request := &chat.Request{Source: chat.Source{Dialect: c.dialect}}
		got := driver.(upstream.Fitter).Fit(request, c.model, []chat.Parameter{c.said})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		driver.Close()
	}
}
