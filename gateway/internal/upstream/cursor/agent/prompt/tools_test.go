package prompt_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

func declared(t *testing.T, tools ...chat.ToolSpec) prompt.Tools {
	t.Helper()
	return build(t, chat.Request{Messages: []chat.Message{text(chat.User, "Hi")}, Tools: tools}, options("")).Tools
}

func TestFind(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 80)
	tools := declared(t,
		chat.ToolSpec{Kind: chat.Function, Name: "get_weather"}, chat.ToolSpec{Kind: chat.Custom, Name: "apply_patch"},
		chat.ToolSpec{Kind: chat.Function, Name: "get weather"}, chat.ToolSpec{Kind: chat.Function, Name: long},
		chat.ToolSpec{Kind: chat.Function, Name: "carousel-x"}, chat.ToolSpec{Kind: chat.Hosted, Name: "web_search"},
	)
	sent := map[string]string{}
	for i, own := range []string{"get_weather", "apply_patch", "get weather", long, "carousel-x"} {
		sent[own] = tools.Declared()[i].GetToolName()
		if length := len("mcp_carousel_" + sent[own]); length > 64 {
			t.Errorf("%s is shown as a name of %d bytes", own, length)
		}
	}
	for name, c := range map[string]struct {
		args   *agentv1.McpArgs
		want   string
		custom bool
	}{
		"both":                       {&agentv1.McpArgs{Name: "carousel-get_weather", ToolName: "get_weather", ProviderIdentifier: "carousel"}, "get_weather", false},
		"the tool's name":            {&agentv1.McpArgs{ToolName: "get_weather"}, "get_weather", false},
		"the provider's before it":   {&agentv1.McpArgs{Name: "carousel-get_weather"}, "get_weather", false},
		"as the model sees it":       {&agentv1.McpArgs{Name: "mcp_carousel_get_weather"}, "get_weather", false},
		"the name alone":             {&agentv1.McpArgs{Name: "get_weather"}, "get_weather", false},
		"the tool's name in full":    {&agentv1.McpArgs{ToolName: "carousel-get_weather"}, "get_weather", false},
		"a wrong tool, a right name": {&agentv1.McpArgs{Name: "carousel-get_weather", ToolName: "x"}, "get_weather", false},
		"free text":                  {&agentv1.McpArgs{ToolName: "apply_patch"}, "apply_patch", true},
		"a name with a space":        {&agentv1.McpArgs{ToolName: sent["get weather"]}, "get weather", false},
		"a long name":                {&agentv1.McpArgs{Name: "carousel-" + sent[long]}, long, false},
		"a name like the provider's": {&agentv1.McpArgs{Name: "carousel-carousel-x", ToolName: "carousel-x"}, "carousel-x", false},
		"another provider":           {&agentv1.McpArgs{ToolName: "get_weather", ProviderIdentifier: "other"}, "", false},
		"another tool":               {&agentv1.McpArgs{ToolName: "get_news", Name: "carousel-get_news"}, "", false},
		"a tool of the vendor":       {&agentv1.McpArgs{ToolName: "web_search"}, "", false},
		"nothing":                    {&agentv1.McpArgs{}, "", false},
		"nil":                        {nil, "", false},
	} {
		got, custom, ok := tools.Find(c.args)
		if got != c.want || custom != c.custom || ok != (c.want != "") {
			t.Errorf("%s: %q, %t, %t", name, got, custom, ok)
		}
	}
	if _, _, ok := (prompt.Tools{}).Find(&agentv1.McpArgs{ToolName: "get_weather"}); ok {
		t.Error("no tools have one")
	}
}

// What the history calls a tool is what it is declared as.
func TestNamesOfTheHistory(t *testing.T) {
	t.Parallel()
	made := build(t, chat.Request{
		Messages: []chat.Message{text(chat.User, "Hi"), called("1", "get weather", "{}"), returned("1", "x")},
		Tools:    []chat.ToolSpec{{Kind: chat.Function, Name: "get weather"}},
	}, options(""))
	want := `"toolName":"` + made.Tools.Declared()[0].GetName() + `"`
	for _, root := range rootsOf(t, made)[1:] {
		if !strings.Contains(root, want) {
			t.Errorf("%s has no %s", root, want)
		}
	}
}

func TestDescriptions(t *testing.T) {
	t.Parallel()
	got := declared(t, chat.ToolSpec{Kind: chat.Function, Name: "f", Description: strings.Repeat("é", 600)})
	if text := got.Declared()[0].GetDescription(); text != strings.Repeat("é", 512)+"…" {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	object := func(properties map[string]any) map[string]any {
		return map[string]any{"type": "object", "properties": properties}
	}
	word := map[string]any{"type": "string"}
	for name, c := range map[string]struct {
		schema string
		want   map[string]any
	}{
		"none":        {"", object(map[string]any{})},
		"no object":   {`[1]`, object(map[string]any{})},
		"no JSON":     {`{`, object(map[string]any{})},
		"an object":   {`{"type":"object","properties":{"a":{"type":"string"}}}`, object(map[string]any{"a": word})},
		"no type":     {`{"properties":{"a":{"type":"string"}}}`, object(map[string]any{"a": word})},
		"two types":   {`{"type":["object","null"]}`, object(map[string]any{})},
		"one of":      {`{"properties":{"a":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}`, object(map[string]any{"a": word})},
		"or null":     {`{"properties":{"a":{"anyOf":[{"type":"null"},{"type":"string"}]}}}`, object(map[string]any{"a": word})},
		"nothing but": {`{"properties":{"a":{"anyOf":[{"type":"null"}]}}}`, object(map[string]any{"a": map[string]any{}})},
		"a choice in a choice": {
			`{"properties":{"a":{"anyOf":[{"oneOf":[{"type":"string"}]}]}}}`, object(map[string]any{"a": word}),
		},
		"what it says itself goes before": {
			`{"properties":{"a":{"type":"string","description":"x","oneOf":[{"type":"integer","title":"t"}]}}}`,
			object(map[string]any{"a": map[string]any{"type": "string", "description": "x", "title": "t"}}),
		},
		"all of": {
			`{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"string"}},"required":["b"]}]}`,
			map[string]any{"type": "object", "properties": map[string]any{"a": word, "b": word}, "required": []any{"a", "b"}},
		},
		"in lists and definitions": {
			`{"$defs":{"d":{"anyOf":[{"type":"string"}]}},"properties":{"a":{"type":"array","items":{"anyOf":[{"type":"string"}]}}}}`,
			map[string]any{
				"type": "object", "$defs": map[string]any{"d": word},
				"properties": map[string]any{"a": map[string]any{"type": "array", "items": word}},
			},
		},
		"a property of the name": {
			`{"properties":{"anyOf":{"type":"string"}}}`, object(map[string]any{"anyOf": word}),
		},
		"a default of the name": {
			`{"properties":{"a":{"default":{"anyOf":1}}}}`, object(map[string]any{"a": map[string]any{"default": map[string]any{"anyOf": 1.0}}}),
		},
	} {
		tools := declared(t, chat.ToolSpec{Kind: chat.Function, Name: "f", Schema: []byte(c.schema)})
		if difference := cmp.Diff(any(c.want), tools.Declared()[0].GetInputSchema().AsInterface()); difference != "" {
			t.Errorf("%s (-want +got):\n%s", name, difference)
		}
	}
	free := declared(t, chat.ToolSpec{Kind: chat.Custom, Name: "f"}).Declared()[0].GetInputSchema().AsInterface()
	want := map[string]any{"type": "object", "properties": map[string]any{"input": word}, "required": []any{"input"}}
	if difference := cmp.Diff(any(want), free); difference != "" {
		t.Errorf("free text: %s", difference)
	}
}
