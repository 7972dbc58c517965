package prompt_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const (
	runID          = "11111111-1111-4111-8111-111111111111"
	conversationID = "22222222-2222-4222-8222-222222222222"
	messageID      = "33333333-3333-4333-8333-333333333333"
	earlierID      = "44444444-4444-4444-8444-444444444444"
)

// frameHead is a frame's flags and length, in bytes.
const frameHead = 5

func message(t *testing.T, frame string) *agentv1.AgentClientMessage {
	t.Helper()
	data, err := hex.DecodeString(frame)
	if err != nil {
		t.Fatal(err)
	}
	read := &agentv1.AgentClientMessage{}
	if err := proto.Unmarshal(data[frameHead:], read); err != nil {
		t.Fatal(err)
	}
	return read
}

func options(id string) prompt.Options {
	return prompt.Options{
		Choice: models.Choice{Requested: &agentv1.RequestedModel{ModelId: "composer-2.5"}, Family: "composer-2.5"},
		IDs:    prompt.IDs{Run: runID, Conversation: conversationID, Message: messageID},
		NewID:  func() string { return id },
	}
}

func text(role chat.Role, text string) chat.Message {
	return chat.Message{Role: role, Parts: []chat.Part{{Text: text}}}
}

func called(id, name, arguments string) chat.Message {
	return chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: id, Name: name, Arguments: arguments}}}}
}

func returned(id, text string) chat.Message {
	return chat.Message{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: id, Parts: []chat.Part{{Text: text}}}}}}
}

func weather() []chat.ToolSpec {
	return []chat.ToolSpec{{
		Kind: chat.Function, Name: "get_weather", Description: "Weather",
		Schema: []byte(`{"type":"object","properties":{"city":{"type":"string"}}}`),
	}}
}

func build(t *testing.T, request chat.Request, options prompt.Options) *prompt.Prompt {
	t.Helper()
	made, err := prompt.Build(&request, options)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func same(t *testing.T, want, got proto.Message) {
	t.Helper()
	if difference := cmp.Diff(want, got, protocmp.Transform()); difference != "" {
		t.Errorf("not as on the wire (-want +got):\n%s", difference)
	}
}

// withoutContext takes off the action what may stand there and in the answer to the upstream's
// question: it must be the same.
func withoutContext(t *testing.T, made *prompt.Prompt) *agentv1.AgentRunRequest {
	t.Helper()
	run := proto.CloneOf(made.Run)
	for _, context := range []*agentv1.RequestContext{
		run.GetAction().GetUserMessageAction().GetRequestContext(), run.GetAction().GetResumeAction().GetRequestContext(),
	} {
		if context != nil {
			same(t, made.Context, context)
		}
	}
	if action := run.GetAction().GetUserMessageAction(); action != nil {
		action.RequestContext = nil
	}
	if action := run.GetAction().GetResumeAction(); action != nil {
		action.RequestContext = nil
	}
	return run
}

func TestOneTurn(t *testing.T) {
	t.Parallel()
	made := build(t, chat.Request{Messages: []chat.Message{text(chat.User, "Hi")}}, options(""))
	same(t, message(t, oneTurn).GetRunRequest(), made.Run)
	if len(made.Blobs) != 0 {
		t.Errorf("%d blobs for nothing", len(made.Blobs))
	}
}

func TestSeveralTurns(t *testing.T) {
	t.Parallel()
	made := build(t, chat.Request{Messages: []chat.Message{
		text(chat.System, "Be brief."), text(chat.User, "Hi"), text(chat.Assistant, "Hello"), text(chat.User, "And you?"),
	}}, options(earlierID))
	same(t, message(t, severalTurns).GetRunRequest(), withoutContext(t, made))
	if made.Run.GetAction().GetUserMessageAction().GetRequestContext() == nil {
		t.Error("the action does not have the instructions")
	}
}

func TestAfterTool(t *testing.T) {
	t.Parallel()
	made := build(t, chat.Request{
		Messages: []chat.Message{
			text(chat.System, "Be brief."), text(chat.User, "Weather in Paris?"), called("call_1", "get_weather", `{ "city": "Paris" }`), returned("call_1", "18 C"),
		},
		Tools: weather(),
	}, options(messageID))
	want, got := message(t, afterTool).GetRunRequest(), withoutContext(t, made)
	// The turn's id is that of its bytes, in which the order of members is each program's own.
	turn := got.GetConversationState().GetTurns()
	want.GetConversationState().Turns = turn
	same(t, want, got)
	if len(turn) != 1 {
		t.Fatalf("%d turns", len(turn))
	}
	structure, step, said := &agentv1.ConversationTurnStructure{}, &agentv1.ConversationStep{}, &agentv1.UserMessage{}
	read(t, made, turn[0], structure)
	read(t, made, structure.GetAgentConversationTurn().GetSteps()[0], step)
	read(t, made, structure.GetAgentConversationTurn().GetUserMessage(), said)
	same(t, &agentv1.UserMessage{Text: "Weather in Paris?", MessageId: messageID, Mode: agentv1.AgentMode_AGENT_MODE_AGENT}, said)
	id := "call_1"
	same(t, &agentv1.ConversationStep{Message: &agentv1.ConversationStep_ToolCall{ToolCall: &agentv1.ToolCall{
		ToolCallId: &id,
		Tool: &agentv1.ToolCall_McpToolCall{McpToolCall: &agentv1.McpToolCall{
			Args: &agentv1.McpArgs{
				Name: "carousel-get_weather", Args: map[string]*structpb.Value{"city": structpb.NewStringValue("Paris")},
				ToolCallId: id, ProviderIdentifier: "carousel", ToolName: "get_weather",
			},
			Result: &agentv1.McpToolResult{Result: &agentv1.McpToolResult_Success{Success: &agentv1.McpSuccess{
				Content: []*agentv1.McpToolResultContentItem{{Content: &agentv1.McpToolResultContentItem_Text{Text: &agentv1.McpTextContent{Text: "18 C"}}}},
			}}},
		}},
	}}}, step)
	if made.Run.GetAction().GetResumeAction().GetRequestContext() == nil {
		t.Error("the action does not have the instructions")
	}
}

// read decodes the blob of an id.
func read(t *testing.T, made *prompt.Prompt, id []byte, into proto.Message) {
	t.Helper()
	data, known := made.Blobs[[32]byte(id)]
	if !known {
		t.Fatalf("no blob %x", id)
	}
	if err := proto.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestContextAnswer(t *testing.T) {
	t.Parallel()
	made := build(t, chat.Request{Messages: []chat.Message{text(chat.System, "Be brief."), text(chat.User, "Hi")}, Tools: weather()}, options(""))
	same(t, message(t, contextAnswer).GetExecClientMessage().GetRequestContextResult().GetSuccess().GetRequestContext(), made.Context)
}

func TestDeclaredTools(t *testing.T) {
	t.Parallel()
	made := build(t, chat.Request{Messages: []chat.Message{text(chat.User, "Hi")}, Tools: weather()}, options(""))
	status := "connected"
	same(t, message(t, stateAnswer), &agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_ExecClientMessage{
		ExecClientMessage: &agentv1.ExecClientMessage{
			Id: 7, ExecId: "x-7",
			Message: &agentv1.ExecClientMessage_McpStateExecResult{McpStateExecResult: &agentv1.McpStateExecResult{
				Result: &agentv1.McpStateExecResult_Success{Success: &agentv1.McpStateSuccess{Servers: []*agentv1.McpStateServer{{
					ServerName: prompt.Provider, ServerIdentifier: prompt.Provider, Tools: made.Tools.Declared(), Status: &status,
				}}}},
			}},
		},
	}})
}

func TestWithImage(t *testing.T) {
	t.Parallel()
	set := options(runID)
	set.IDs.Run = ""
	set.Choice = models.Choice{Requested: &agentv1.RequestedModel{ModelId: "gpt-5.5-medium"}, Vision: true}
	made := build(t, chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{
		{Text: "What is this?"}, {Image: &chat.Image{Data: []byte("\x89PNG\r\n\x1a\n"), Width: 8, Height: 8}},
	}}}}, set)
	run := proto.CloneOf(made.Run)
	if run.GetConversationGroupId() != conversationID {
		t.Errorf("conversation_group_id is %q", run.GetConversationGroupId())
	}
	run.ConversationGroupId = nil // the only thing that this client leaves out
	same(t, message(t, withImage).GetRunRequest(), run)
}

// The ids of blobs are what the upstream asks for, so their bytes matter.
func TestBlobs(t *testing.T) {
	t.Parallel()
	made := build(t, chat.Request{Messages: []chat.Message{
		text(chat.User, "Weather in Paris?"), called("call_1", "get_weather", `{"city":"Paris"}`), returned("call_1", "18 C"),
	}}, options(messageID))
	for _, want := range []string{
		`{"role":"user","content":[{"type":"text","text":"Weather in Paris?"}]}`,
		`{"role":"assistant","content":[{"type":"tool-call","toolCallId":"call_1","toolName":"carousel-get_weather","args":{"city":"Paris"}}]}`,
		`{"role":"tool","id":"call_1","content":[{"type":"tool-result","toolCallId":"call_1","toolName":"carousel-get_weather","result":"18 C"}]}`,
	} {
		if got := string(made.Blobs[sha256.Sum256([]byte(want))]); got != want {
			t.Errorf("no blob %s", want)
		}
	}
}
