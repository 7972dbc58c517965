package prompt

import (
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const agentMode = agentv1.AgentMode_AGENT_MODE_AGENT

// turns keeps the history once more, as the upstream shows it: what the user says, and the
// steps that the assistant takes until the user speaks again.
func (b *builder) turns(history []entry) (ids [][]byte) {
	var open *agentv1.AgentConversationTurnStructure
	end := func() {
		if open != nil {
			ids = append(ids, b.keepMessage(&agentv1.ConversationTurnStructure{
				Turn: &agentv1.ConversationTurnStructure_AgentConversationTurn{AgentConversationTurn: open},
			}))
		}
	}
	for _, each := range history {
		if each.role == chat.User || open == nil {
			end()
			open = &agentv1.AgentConversationTurnStructure{UserMessage: b.userMessage(each)}
		}
		if each.role == chat.Assistant {
			for _, step := range steps(each) {
				open.Steps = append(open.Steps, b.keepMessage(step))
			}
		}
	}
	end()
	return ids
}

// userMessage keeps what begins a turn: an empty text, where the assistant does.
func (b *builder) userMessage(e entry) []byte {
	if e.role != chat.User {
		e = entry{}
	}
	text := e.text()
	return b.keepMessage(&agentv1.UserMessage{
		Text: text, MessageId: b.newID(text), SelectedContext: b.selected(e.images()), Mode: agentMode,
	})
}

// steps are what an assistant did, one after the other.
func steps(e entry) (list []*agentv1.ConversationStep) {
	for _, each := range e.pieces {
		step := &agentv1.ConversationStep{}
		switch {
		case each.call != nil:
			step.Message = &agentv1.ConversationStep_ToolCall{ToolCall: toolCall(each.call)}
		case each.thought != "":
			step.Message = &agentv1.ConversationStep_ThinkingMessage{ThinkingMessage: &agentv1.ThinkingMessage{Text: each.thought}}
		default:
			step.Message = &agentv1.ConversationStep_AssistantMessage{AssistantMessage: &agentv1.AssistantMessage{Text: each.text}}
		}
		list = append(list, step)
	}
	return list
}

func toolCall(c *call) *agentv1.ToolCall {
	return &agentv1.ToolCall{
		ToolCallId: proto.String(c.id),
		Tool: &agentv1.ToolCall_McpToolCall{McpToolCall: &agentv1.McpToolCall{
			Args: &agentv1.McpArgs{Name: c.name, Args: c.arguments.members, ToolCallId: c.id, ProviderIdentifier: Provider, ToolName: c.sent},
			Result: &agentv1.McpToolResult{Result: &agentv1.McpToolResult_Success{Success: &agentv1.McpSuccess{
				IsError: c.failed,
				Content: []*agentv1.McpToolResultContentItem{{
					Content: &agentv1.McpToolResultContentItem_Text{Text: &agentv1.McpTextContent{Text: c.result}},
				}},
			}}},
		}},
	}
}

// keepMessage makes a blob of a message; the same message is always the same bytes.
func (b *builder) keepMessage(message proto.Message) []byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		panic(err) // every text has been made valid
	}
	return b.keep(data)
}
