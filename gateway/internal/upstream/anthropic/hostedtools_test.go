package anthropic

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// A tool that another vendor runs is not sent at all: a model would call what nobody can answer.
func TestToolsOfOtherVendorsAreLeftOut(t *testing.T) {
	t.Parallel()
	hosted := chat.ToolSpec{Kind: chat.Hosted, Own: &chat.Opaque{Dialect: "responses", Type: "web_search", JSON: []byte(`{"type":"web_search"}`)}}
	function := chat.ToolSpec{Kind: chat.Function, Name: "f"}
	called := []chat.Message{
		{Role: chat.User, Parts: []chat.Part{{Text: "hi"}}},
		{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: "z", Name: "g", Arguments: "{}"}}}},
		{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: "z", Parts: []chat.Part{{Text: "done"}}}}}},
	}
	one := true
	for name, test := range map[string]struct {
		request chat.Request
		tools   string
	}{
		"beside a function": {chat.Request{Tools: []chat.ToolSpec{hosted, function}}, `"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]`},
		"alone":             {chat.Request{Tools: []chat.ToolSpec{hosted}, ParallelCalls: &one}, ""},
		"after calls": {
			chat.Request{Tools: []chat.ToolSpec{hosted}, Messages: called},
			`"tools":[{"name":"g","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"none"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver, got := serve(t, 200, "text/event-stream", frames(beginning, end), nil)
			if test.request.Messages == nil {
				test.request.Messages = called[:1]
			}
			_, _ = gather(t.Context(), t, driver, translatedCall(test.request))
			if test.tools == "" && strings.Contains(got.body, `"tool`) || !strings.Contains(got.body, test.tools) {
				t.Errorf("sent %s, want %s", got.body, test.tools)
			}
		})
	}
}
