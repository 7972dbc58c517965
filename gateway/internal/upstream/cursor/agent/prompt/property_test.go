package prompt_test

import (
	"crypto/sha256"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// check holds what every run must keep to, or the upstream refuses it.
func check(t *testing.T, made *prompt.Prompt) {
	t.Helper()
	state := made.Run.GetConversationState()
	if state.GetMode() != agentv1.AgentMode_AGENT_MODE_AGENT || made.Run.CustomSystemPrompt != nil || made.Run.ExcludeWorkspaceContext != nil || made.Run.GetMcpTools() == nil {
		t.Errorf("a run that is refused: %v", made.Run)
	}
	for id, data := range made.Blobs {
		if sha256.Sum256(data) != id {
			t.Errorf("blob %x has another hash", id)
		}
	}
	if len(state.GetRootPromptMessagesJson()) > 192 {
		t.Errorf("%d roots", len(state.GetRootPromptMessagesJson()))
	}
	roots := rootsOf(t, made)
	checkRoots(t, roots)
	said := textsOf(t, roots)
	for _, id := range state.GetTurns() {
		turn := &agentv1.ConversationTurnStructure{}
		read(t, made, id, turn)
		user := &agentv1.UserMessage{}
		read(t, made, turn.GetAgentConversationTurn().GetUserMessage(), user)
		if user.GetText() != "" && !said["user "+user.GetText()] {
			t.Errorf("no root of the user says %q", user.GetText())
		}
		for _, id := range turn.GetAgentConversationTurn().GetSteps() {
			step := &agentv1.ConversationStep{}
			read(t, made, id, step)
			if text := step.GetAssistantMessage().GetText(); text != "" && !said["assistant "+text] {
				t.Errorf("no root of the assistant says %q", text)
			}
		}
	}
	if message := made.Run.GetAction().GetUserMessageAction().GetUserMessage(); message != nil {
		if message.GetText() == "" && len(message.GetSelectedContext().GetSelectedImages()) == 0 || message.GetMode() != agentv1.AgentMode_AGENT_MODE_AGENT {
			t.Errorf("the user says nothing: %v", message)
		}
	} else if made.Run.GetAction().GetResumeAction() == nil {
		t.Error("no action")
	}
	for _, tool := range made.Tools.Declared() {
		checkSchema(t, tool.GetInputSchema().AsInterface())
		if tool.GetInputSchema().GetStructValue().GetFields()["type"].GetStringValue() != "object" {
			t.Errorf("a schema of no object: %v", tool.GetInputSchema())
		}
	}
	if _, err := proto.Marshal(&agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_RunRequest{RunRequest: made.Run}}); err != nil {
		t.Error(err)
	}
}

// textsOf are the roles and texts of roots: each text, and of roots with images all of them.
func textsOf(t *testing.T, roots []string) map[string]bool {
	t.Helper()
	said := map[string]bool{}
	for _, root := range roots {
		var message struct {
			Role    string
			Content any
		}
		if err := json.Unmarshal([]byte(root), &message); err != nil {
			t.Fatal(err)
		}
		parts, _ := message.Content.([]any)
		var texts []string
		for _, part := range parts {
			if text, is := part.(map[string]any)["text"].(string); is {
				texts = append(texts, text)
				said[message.Role+" "+text] = true
			}
		}
		if len(texts) < len(parts) {
			said[message.Role+" "+strings.Join(texts, "\n")] = true
		}
	}
	return said
}

// checkRoots: each is a message, and each result has its call before it, once.
func checkRoots(t *testing.T, roots []string) {
	t.Helper()
	calls := map[string]string{}
	for _, root := range roots {
		var message struct {
			Role    string          `json:"role"`
			ID      string          `json:"id"`
			Content json.RawMessage `json:"content"`
		}
		if err := json.Unmarshal([]byte(root), &message); err != nil || message.Role == "" {
			t.Fatalf("%s: %v", root, err)
		}
		if message.Role == "system" {
			continue
		}
		var parts []struct {
			Type       string          `json:"type"`
			ToolCallID string          `json:"toolCallId"`
			ToolName   string          `json:"toolName"`
			Args       json.RawMessage `json:"args"`
		}
		if err := json.Unmarshal(message.Content, &parts); err != nil || len(parts) == 0 {
			t.Fatalf("%s: %v", root, err)
		}
		for _, part := range parts {
			switch part.Type {
			case "tool-call":
				if _, twice := calls[part.ToolCallID]; twice || part.ToolCallID == "" || part.Args[0] != '{' {
					t.Errorf("a call that is refused: %s", root)
				}
				calls[part.ToolCallID] = part.ToolName
			case "tool-result":
				if name, open := calls[part.ToolCallID]; !open || name != part.ToolName || message.ID != part.ToolCallID {
					t.Errorf("a result of no call: %s", root)
				}
				calls[part.ToolCallID] = ""
			}
		}
	}
	for id, name := range calls {
		if name != "" {
			t.Errorf("call %q has no result", id)
		}
	}
}

// checkSchema finds a choice anywhere; no test has a property of such a name.
func checkSchema(t *testing.T, schema any) {
	t.Helper()
	switch schema := schema.(type) {
	case map[string]any:
		for name, value := range schema {
			if name == "oneOf" || name == "anyOf" || name == "allOf" {
				t.Errorf("%s is left", name)
			}
			checkSchema(t, value)
		}
	case []any:
		for _, each := range schema {
			checkSchema(t, each)
		}
	}
}

// dice throws a conversation.
type dice struct {
	*rand.Rand
	// calls are those that have been made, some of them twice.
	calls []string
}

func (d dice) oneOf(texts ...string) string { return texts[d.IntN(len(texts))] }

func (d dice) words() string {
	return d.oneOf("", " ", "Hi", "Hello\n", `"quoted"`, "\x00", "\xff", "😀", strings.Repeat("long ", d.IntN(200)))
}

func (d *dice) part(role chat.Role) chat.Part {
	switch n := d.IntN(6); {
	case role == chat.Assistant && n < 3:
		id := d.oneOf("", "a", "b\nc", "call_"+strconv.Itoa(d.IntN(5)))
		d.calls = append(d.calls, id)
		return chat.Part{Call: &chat.Call{
			ID: id, Name: d.oneOf("f", "get weather", ""), Custom: d.IntN(3) == 0,
			Arguments: d.oneOf("", "{}", `{"a":[1,{"b":null}]}`, `{"a":"\ud800"}`, "[1]", `{"a":`, strings.Repeat(`{"a":`, 300)+"1"+strings.Repeat("}", 300)),
		}}
	case role == chat.Assistant && n == 3:
		return chat.Part{Reasoning: &chat.Reasoning{Text: d.words()}}
	case role == chat.Tool || role == chat.User && n == 0:
		id := "none"
		if len(d.calls) > 0 {
			at := d.IntN(len(d.calls))
			id = d.calls[at]
			d.calls = append(d.calls[:at], d.calls[at+1:]...)
		}
		return chat.Part{Result: &chat.Result{CallID: id, Failed: n == 1, Parts: []chat.Part{{Text: d.words()}}}}
	}
	return chat.Part{Text: d.words()}
}

func (d *dice) request() chat.Request {
	request := chat.Request{}
	for range d.IntN(12) {
		role := []chat.Role{chat.System, chat.User, chat.Assistant, chat.Assistant, chat.Tool}[d.IntN(5)]
		message := chat.Message{Role: role}
		if role == chat.Tool && len(d.calls) == 0 {
			continue
		}
		for range d.IntN(4) {
			message.Parts = append(message.Parts, d.part(role))
		}
		request.Messages = append(request.Messages, message)
	}
	for range d.IntN(4) {
		request.Tools = append(request.Tools, chat.ToolSpec{
			Kind: []chat.ToolKind{chat.Function, chat.Custom, chat.Hosted}[d.IntN(3)], Name: d.oneOf("f", "g", "get weather", strings.Repeat("n", 80)), Description: d.words(),
			Schema: []byte(d.schema(4)),
		})
	}
	request.ToolChoice.Mode = []chat.ToolMode{"", chat.ToolsAuto, chat.ToolsNone, chat.ToolsRequired}[d.IntN(4)]
	return request
}

func (d *dice) schema(depth int) string {
	if depth == 0 {
		return d.oneOf(`{"type":"string"}`, `{"type":"null"}`, "true", "{}", "null", "7")
	}
	inner := func() string { return d.schema(depth - 1) }
	switch d.IntN(6) {
	case 0:
		return `{"` + d.oneOf("oneOf", "anyOf", "allOf") + `":[` + inner() + "," + inner() + `],"description":"x"}`
	case 1:
		return `{"type":"array","items":` + inner() + `,"prefixItems":[` + inner() + `]}`
	case 2:
		return `{"type":"object","properties":{"a":` + inner() + `,"b":` + inner() + `},"required":["a"],"anyOf":` + d.oneOf("null", "[]", "["+inner()+"]") + `}`
	case 3:
		return `{"$defs":{"a":` + inner() + `},"not":` + inner() + `,"additionalProperties":` + inner() + `}`
	case 4:
		return d.oneOf("", "[", "7", `{"properties":7}`, `{"type":["object","null"],"items":[`+inner()+`]}`)
	}
	return inner()
}

// Whatever a client sends is refused, or is a run that the upstream takes.
func FuzzBuild(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		d := &dice{Rand: rand.New(rand.NewPCG(seed, 0))}
		request := d.request()
		for _, form := range []prompt.Form{prompt.Structured, prompt.TextTools, prompt.Flat} {
			set := options("")
			set.NewID, set.Form, set.SystemInText = nil, form, seed%2 == 0
			if seed%3 == 0 {
				set.Choice.Family = "kimi-k3"
			}
			made, err := prompt.Build(&request, set)
			if err != nil {
				if refused := chat.AsError(err); refused.Kind != chat.EmptyMessages && refused.Kind != chat.InvalidRequest {
					t.Errorf("refused: %v", err)
				}
				continue
			}
			check(t, made)
		}
	})
}

// Schemas of any form become ones that the upstream takes.
func FuzzSchema(f *testing.F) {
	f.Add(`{"oneOf":[{"allOf":[{"anyOf":[{"oneOf":[]}]}]}]}`)
	f.Add(strings.Repeat(`{"anyOf":[`, 500) + "{}" + strings.Repeat(`]}`, 500))
	f.Add(strings.Repeat(`{"items":[`, 500) + "{}" + strings.Repeat(`]}`, 500))
	f.Add(strings.Repeat(`{"default":[`, 500) + "{}" + strings.Repeat(`]}`, 500))
	f.Fuzz(func(t *testing.T, schema string) {
		request := chat.Request{Messages: []chat.Message{text(chat.User, "Hi")}, Tools: []chat.ToolSpec{{Kind: chat.Function, Name: "f", Schema: []byte(schema)}}}
		made := build(t, request, options(""))
		value := made.Tools.Declared()[0].GetInputSchema()
		if value.GetStructValue().GetFields()["type"].GetStringValue() != "object" {
			t.Errorf("%s: %v", schema, value)
		}
		if data, err := proto.Marshal(made.Run); err != nil {
			t.Error(err)
		} else if err := proto.Unmarshal(data, &agentv1.AgentRunRequest{}); err != nil {
			t.Error(err)
		}
	})
}
