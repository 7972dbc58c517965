package upstreamsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// rootMessage is the JSON of a root prompt message.
type rootMessage struct {
	Role    string          `json:"role"`
	ID      string          `json:"id"`
	Content json.RawMessage `json:"content"`
}

type rootPart struct {
	Type       string          `json:"type"`
	Text       *string         `json:"text"`
	ToolCallID string          `json:"toolCallId"`
	ToolName   string          `json:"toolName"`
	Args       json.RawMessage `json:"args"`
	Result     json.RawMessage `json:"result"`
	IsError    bool            `json:"isError"`
	Image      string          `json:"image"`
	MediaType  string          `json:"mediaType"`
}

// history is a conversation as its roots tell it. Calls are by id.
type history struct {
	messages []HistoryMessage
	calls    map[string]string // the tool's name
	answered map[string]bool
}

// read reads the next root, or tells what is wrong with it.
func (h *history) read(blob []byte) string {
	var root rootMessage
	if !utf8.Valid(blob) || json.Unmarshal(blob, &root) != nil {
		return "a root is not JSON"
	}
	message := HistoryMessage{Role: root.Role}
	switch root.Role {
	case "system":
		if json.Unmarshal(root.Content, &message.Text) != nil {
			return "the content of a system root is not a string"
		}
		h.messages = append(h.messages, message)
		return ""
	case "user", "assistant", "tool":
	default:
		return fmt.Sprintf("a root has the role %q", root.Role)
	}
	var parts []rootPart
	if json.Unmarshal(root.Content, &parts) != nil {
		return "the content of a root of role " + root.Role + " is not a list"
	}
	if root.Content == nil {
		return "a root has no content"
	}
	for i := range parts {
		if problem := h.part(&message, root, &parts[i]); problem != "" {
			return problem
		}
	}
	h.messages = append(h.messages, message)
	return ""
}

func (h *history) part(message *HistoryMessage, root rootMessage, part *rootPart) string {
	switch root.Role + " " + part.Type {
	case "user text", "assistant text", "assistant reasoning":
		if part.Text == nil {
			return "a part of type " + part.Type + " has no text"
		}
		if part.Type == "text" {
			if message.Text != "" {
				message.Text += "\n" // as turns have it
			}
			message.Text += *part.Text
		}
	case "user image":
		mediaType, data, err := readDataURL(part.Image)
		if err != nil || mediaType != part.MediaType {
			return "an image in a root is no data URL of its mediaType"
		}
		message.Images = append(message.Images, pictureOf(data))
	case "assistant tool-call":
		var args map[string]any
		if part.ToolCallID == "" || part.ToolName == "" || json.Unmarshal(part.Args, &args) != nil || args == nil {
			return "a tool-call has no id, no name or args that are no object"
		}
		if h.calls[part.ToolCallID] != "" {
			return "two tool-calls have the same id"
		}
		h.calls[part.ToolCallID] = part.ToolName
		message.Calls = append(message.Calls, AgentCall{part.ToolCallID, part.ToolName, part.Args})
	case "tool tool-result":
		return h.result(message, root, part)
	default:
		return fmt.Sprintf("a root of role %s has a part of type %q", root.Role, part.Type)
	}
	return ""
}

func (h *history) result(message *HistoryMessage, root rootMessage, part *rootPart) string {
	name, known := h.calls[part.ToolCallID]
	switch {
	case !known:
		return "a tool-result has no earlier tool-call"
	case name != part.ToolName:
		return "a tool-result has another toolName than its tool-call"
	case root.ID != part.ToolCallID:
		return "the id of a tool root is not that of its result"
	case h.answered[part.ToolCallID]:
		return "a tool-call has two results"
	case part.Result == nil:
		return "a tool-result has no result"
	}
	h.answered[part.ToolCallID] = true
	var text string
	if json.Unmarshal(part.Result, &text) != nil {
		text = string(part.Result)
	}
	message.Results = append(message.Results, agentResult(part.ToolCallID, text, part.IsError))
	return ""
}

// unanswered are the calls that have no result.
func (h *history) unanswered() int { return len(h.calls) - len(h.answered) }

// results are all tool results, in order.
func (h *history) results() []AgentResult {
	var all []AgentResult
	for _, message := range h.messages {
		all = append(all, message.Results...)
	}
	return all
}

// latest are the results behind the last message that is none.
func (h *history) latest() []AgentResult {
	var latest []AgentResult
	for _, message := range slices.Backward(h.messages) {
		if message.Role != "tool" {
			break
		}
		latest = append(slices.Clone(message.Results), latest...)
	}
	return latest
}

// texts are all texts of a role.
func (h *history) texts(role string) string {
	var texts []string
	for _, message := range h.messages {
		if message.Role == role {
			texts = append(texts, message.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// checkTurn looks whether the blobs of a turn decode and say what the roots say. fetch answers
// the blob of an id.
func (h *history) checkTurn(blob []byte, fetch func(id []byte) ([]byte, error)) (problem string, err error) {
	turn := new(agentv1.ConversationTurnStructure)
	if !decodes(blob, turn) || turn.GetAgentConversationTurn() == nil {
		return "a turn does not decode", nil
	}
	user := new(agentv1.UserMessage)
	blob, err = fetch(turn.GetAgentConversationTurn().GetUserMessage())
	if err != nil {
		return "", err
	}
	if !decodes(blob, user) {
		return "a turn's user message does not decode", nil
	}
	for _, image := range user.GetSelectedContext().GetSelectedImages() {
		if id := image.GetBlobId(); id != nil {
			if _, err := fetch(id); err != nil {
				return "", err
			}
		}
	}
	if user.GetText() != "" && !strings.Contains(h.texts("user"), user.GetText()) {
		problem = "a turn's user text is in no root"
	}
	for _, id := range turn.GetAgentConversationTurn().GetSteps() {
		blob, err := fetch(id)
		if err != nil {
			return "", err
		}
		if found := h.checkStep(blob); found != "" {
			problem = found
		}
	}
	return problem, nil
}

func (h *history) checkStep(blob []byte) string {
	step := new(agentv1.ConversationStep)
	if !decodes(blob, step) || step.GetMessage() == nil {
		return "a step does not decode"
	}
	if text := step.GetAssistantMessage().GetText(); !strings.Contains(h.texts("assistant"), text) {
		return "a step's text is in no root"
	}
	call := step.GetToolCall()
	if call == nil {
		return ""
	}
	args := call.GetMcpToolCall().GetArgs()
	switch name, known := h.calls[args.GetToolCallId()]; {
	case call.GetMcpToolCall() == nil:
		return "a step with a tool has no MCP call"
	case !known:
		return "a step's call is in no root"
	case name != args.GetName():
		return "a step's call has another name than in the roots"
	case call.GetToolCallId() != args.GetToolCallId():
		return "a step's call has two ids"
	case call.GetMcpToolCall().GetResult().GetResult() == nil:
		return "a step's call has no result"
	}
	return ""
}

func decodes(blob []byte, into proto.Message) bool { return proto.Unmarshal(blob, into) == nil }

// hasField tells whether a field is among those that a message doesn't know.
func hasField(unknown []byte, number protowire.Number) bool {
	for len(unknown) > 0 {
		field, _, size := protowire.ConsumeField(unknown)
		if size < 0 {
			return false
		}
		if field == number {
			return true
		}
		unknown = unknown[size:]
	}
	return false
}
