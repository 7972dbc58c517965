package responses_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/dialecttest"
)

// Trap 45: whatever an upstream says, each delta is of an item that has begun, each item is told
// twice in the same words, and the end has an id, an output and a usage.
func TestTrap45StreamsThatNoReaderStumblesOver(t *testing.T) {
	t.Parallel()
	request := decoded(t, codexHeader, `"input":"Hi",`+agentTools)
	for name, events := range map[string][]chat.Event{
		"nothing at all":           {{}},
		"a text of no block":       {{Text: "a"}, {Text: "b"}, {Finish: chat.Stop}},
		"a block never closed":     {{Open: &chat.Block{}, Text: "a"}, {Kind: chat.CallBlock, Open: &chat.Block{Name: "shell"}, Text: "{}"}, {Finish: chat.CalledTools}},
		"a change of kinds":        {{Kind: chat.ReasoningBlock, Text: "a"}, {Kind: chat.TextBlock, Open: &chat.Block{}, Text: "b", Close: true}},
		"the same id twice":        {{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "shell"}, Text: "{}", Close: true}, {Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "shell"}, Text: "{}", Close: true}},
		"counts before the end":    {{Usage: &chat.Usage{Prompt: 3, CacheRead: 9, Completion: 1, Reasoning: 5}}, {Open: &chat.Block{}, Text: "a", Close: true}, {Finish: chat.Stop}},
		"a seal without a thought": {{Kind: chat.ReasoningBlock, Open: &chat.Block{}}, {Kind: chat.ReasoningBlock, Seal: &chat.Seal{Data: "x"}, Close: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, request, events...)
		})
	}
	for seed := range uint64(200) {
		both(t, request, dialecttest.Generate(seed)...)
	}
}

// Trap 47: each item that is done has what Codex's reader wants of it; what it can't read
// vanishes without an error.
func TestTrap47ItemsThatCodexReads(t *testing.T) {
	t.Parallel()
	request := decoded(t, codexHeader, `"input":"Hi","store":false,"include":["reasoning.encrypted_content"],`+agentTools)
	for seed := range uint64(200) {
		for _, frame := range framesOf(streamed(t, request, dialecttest.Generate(seed)...)) {
			if frame.name != "response.output_item.done" {
				continue
			}
			var event struct{ Item map[string]any }
			if err := json.Unmarshal([]byte(frame.data), &event); err != nil {
				t.Fatal(err)
			}
			if err := readable(event.Item); err != nil {
				t.Fatalf("seed %d: %v: %s", seed, err, frame.data)
			}
		}
	}
}

// readable tells what Codex's reader misses in an item.
func readable(item map[string]any) error {
	want := map[string][]string{
		"message": {"role"}, "function_call": {"name", "call_id", "arguments"}, "custom_tool_call": {"name", "call_id", "input"}, "reasoning": {"encrypted_content"},
	}[fmt.Sprint(item["type"])]
	for _, member := range want {
		if _, isText := item[member].(string); !isText {
			return fmt.Errorf("%s is %v", member, item[member])
		}
	}
	list := map[string]string{"message": "content", "reasoning": "summary"}[fmt.Sprint(item["type"])]
	parts, isList := item[list].([]any)
	if list != "" && !isList {
		return fmt.Errorf("%s is %v", list, item[list])
	}
	for _, part := range parts {
		if kind := part.(map[string]any)["type"]; kind != "output_text" && kind != "summary_text" {
			return fmt.Errorf("a part of type %v", kind)
		}
	}
	return nil
}

// Trap 48: a tool that takes free text stays one, in the request, in the answer and in the
// history.
func TestTrap48FreeText(t *testing.T) {
	t.Parallel()
	const tools = `"tools":[{"type":"custom","name":"apply_patch","description":"Edits.","format":{"type":"grammar","syntax":"lark","definition":"start: x"}}]`
	request := decoded(t, codexHeader, `"input":"Hi",`+tools)
	if tool := request.Tools[0]; tool.Kind != chat.Custom || !strings.Contains(tool.Description, "start: x") {
		t.Errorf("%+v", tool)
	}
	const patch = "*** Begin Patch\n*** Update File: \"a\"\n+ {\"x\": 1}\n"
	answer := both(t, request, chat.Event{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "apply_patch", Custom: true}, Text: patch[:20]},
		chat.Event{Kind: chat.CallBlock, Text: patch[20:], Close: true}, chat.Event{Finish: chat.CalledTools})
	if item := answer.Output[0]; item.Type != "custom_tool_call" || item.Input != patch || item.Name != "apply_patch" {
		t.Errorf("%+v", item)
	}
	input, _ := json.Marshal(patch)
	back := decoded(t, codexHeader, `"input":[{"role":"user","content":"Hi"},{"type":"custom_tool_call","call_id":"c","name":"apply_patch","input":`+string(input)+`},{"type":"custom_tool_call_output","call_id":"c","output":"Done!"}],`+tools)
	if got := shown(back.Messages); got != "user: Hi\nassistant: <c apply_patch!"+patch+">\ntool: <c = Done!>" {
		t.Error(got)
	}
}

// Trap 49: the list of tools that Codex always sends is fine for every upstream.
func TestTrap49ToolsThatOnlyTheVendorRuns(t *testing.T) {
	t.Parallel()
	request := decodedBody(t, codex)
	for ask := range request.Needs() {
		if ask.Need == chat.HostedTools || ask.Need == chat.Unclear || ask.Need == chat.State || ask.Need == chat.Content {
			t.Errorf("asks for %+v", ask)
		}
	}
	if !strings.Contains(asksOf(request), "hosted_tools=tuning") {
		t.Errorf("not counted: %s", asksOf(request))
	}
}

func decodedBody(t testing.TB, body string) *chat.Request {
	t.Helper()
	_, fields, _ := strings.Cut(body, `"model":"fable",`)
	return decoded(t, codexHeader, strings.TrimSuffix(fields, "}"))
}

// Trap 50: tools of the same name in two namespaces are two, by names that every upstream takes,
// and their calls are split again.
func TestTrap50Namespaces(t *testing.T) {
	t.Parallel()
	request := decodedBody(t, codex)
	var names []string
	for _, tool := range request.Tools {
		if strings.HasSuffix(tool.Name, "read") {
			names = append(names, tool.Name)
		}
	}
	if got := strings.Join(names, " "); got != "mcp__files_read mcp__web_read" {
		t.Fatal(got)
	}
	if got := shown(request.Messages); !strings.Contains(got, "<call_2 mcp__files_read{}>") {
		t.Error(got)
	}
	for _, name := range names {
		answer := both(t, request, chat.Event{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: name}, Text: "{}", Close: true}, chat.Event{Finish: chat.CalledTools})
		if item := answer.Output[0]; item.Name != "read" || item.Namespace+"_read" != name {
			t.Errorf("%s: %+v", name, item)
		}
	}
}

// Trap 51: outputs may be lists with images, and items may be of kinds that nobody has heard of.
func TestTrap51OutputsAndItemsOfAllKinds(t *testing.T) {
	t.Parallel()
	request := decoded(t, codexHeader, `"input":[{"role":"user","content":"Hi"},{"type":"function_call","call_id":"c","name":"view_image","arguments":"{}"},`+
		`{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"data:image/png;base64,AA=="}]},{"type":"ghost_snapshot","ghost_commit":{"id":[1,{}]}}]`)
	if got := shown(request.Messages); request.HistoryFault != nil || got != "user: Hi\nassistant: <c view_image{}>\ntool: <c = <image data:image/png;base64,AA== >>" || asksOf(request) != "items=tuning" {
		t.Errorf("%v %s\n%s", request.HistoryFault, asksOf(request), got)
	}
}

// Trap 55: a shortage that outlasts the gateway's patience is told to Codex in a stream, with
// the time after which it asks again; a status of 429 would be the end of its turn.
func TestTrap55ShortagesForCodex(t *testing.T) {
	t.Parallel()
	shortage := &chat.Error{Kind: chat.NoTokenAvailable, Message: "all tokens are cooling", RetryAfter: 2 * time.Second}
	wire, told := broken(t, codexHeader, shortage, false)
	if answer := strictly(t, wire); !told || answer.Error.Code != "rate_limit_exceeded" || !strings.HasSuffix(answer.Error.Message, "Please try again in 2s.") {
		t.Errorf("%t %s", told, wire)
	}
	if wire, told := broken(t, nil, shortage, false); told || wire != "" {
		t.Errorf("others are told so in a stream: %s", wire)
	}
}

// Trap 58: ids and counts have the types that clients want, whatever an upstream reports.
func TestTrap58TypesOfCounts(t *testing.T) {
	t.Parallel()
	for _, usage := range []*chat.Usage{nil, {}, {Prompt: -1, Completion: -1}, {Prompt: 5, CacheRead: 9, Completion: 2, Reasoning: 7}} {
		answer := both(t, decoded(t, nil, `"input":"Hi"`), chat.Event{Open: &chat.Block{}, Text: "a", Close: true}, chat.Event{Finish: chat.Stop, Usage: usage})
		counts := answer.Usage
		if counts.Input < *counts.In.Cached || counts.Output < *counts.Out.Reasoning || counts.Input < 0 || counts.Output < 0 {
			t.Errorf("%+v: %+v", usage, counts)
		}
	}
}
