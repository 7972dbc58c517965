package anthropic

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// A tool that takes free text goes out as one that takes an object, and its calls come back as the
// client's own, as they come.
func TestTrap48FreeTools(t *testing.T) {
	t.Parallel()
	const patching = `{"type":"tool_use","id":"a","name":"apply_patch","input":{}}`
	body := frames(beginning, startOf("0", patching), inputPiece("0", `{"in`), inputPiece("0", `put":"*** Begin\`), inputPiece("0", `n\ud83d`), inputPiece("0", `\ude00"}`), stopOf("0"),
		startOf("1", `{"type":"tool_use","id":"b","name":"apply_patch","input":{"patch":"whole"}}`), stopOf("1"),
		startOf("2", `{"type":"tool_use","id":"c","name":"shell","input":{}}`), inputPiece("2", `{"input":"ls"}`), stopOf("2"),
		`message_delta "delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}`, end)
	driver, got := serve(t, 200, "text/event-stream", body, nil)
	if !driver.Carries(chat.FreeTools) {
		t.Error("such tools are refused")
	}
	events, failure := gather(t.Context(), t, driver, translatedCall(chat.Request{
		Stream: true, Tools: []chat.ToolSpec{{Kind: chat.Custom, Name: "apply_patch", Description: "Edits files."}, {Kind: chat.Function, Name: "shell"}},
		Messages: []chat.Message{
			{Role: chat.User, Parts: []chat.Part{{Text: "hi"}}},
			{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: "z", Name: "apply_patch", Custom: true, Arguments: "a\nb"}}}},
			{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: "z", Parts: []chat.Part{{Text: "done"}}}}}},
		},
	}))
	if failure != nil {
		t.Fatal(failure)
	}
	if said := outline(events); said != "2apply_patch(*** Begin\n😀)2apply_patch(whole)2shell({\"input\":\"ls\"}) tool_calls" {
		t.Errorf("got %q", said)
	}
	custom := 0
	for _, event := range events {
		if event.Open != nil && event.Open.Custom {
			custom++
		}
	}
	if custom != 2 {
		t.Errorf("%d calls of free tools", custom)
	}
	for _, want := range []string{
		`{"name":"apply_patch","description":"Edits files.","input_schema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}`,
		`{"type":"tool_use","id":"z","name":"apply_patch","input":{"input":"a\nb"}}`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("sent %s, without %s", got.body, want)
		}
	}
}
