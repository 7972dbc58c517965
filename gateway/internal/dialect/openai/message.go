package openai

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// draft is a message of which not all is known yet: the role may come last.
type draft struct {
	chat.Message
	role       string
	hasRole    bool
	hasContent bool // neither absent nor null
	// refusal is what an assistant said instead of a content, at most one part.
	refusal []chat.Part
	// thoughts and calls stand beside the content.
	thoughts  []chat.Part
	reasoning reasoningDraft
	calls     []chat.Part
	callID    string
}

// message consumes a message. What it returns beside an error is what it has read.
func (d *decoder) message(index int) (chat.Message, error) {
	at := place{message: index, part: -1, call: -1}
	if d.s.Kind() != rawjson.Object {
		return chat.Message{}, d.mismatchAt(at, "", "an object")
	}
	var m draft
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if err := d.messageField(&m, at); err != nil {
			return m.Message, err
		}
	}
	if d.s.Failed() {
		return chat.Message{}, nil
	}
	err := m.validate(at)
	d.displaced = d.displaced || m.Role == chat.Tool || m.beside()
	d.byName = d.byName || m.role == "function"
	return m.Message, err
}

// messageField consumes a member of a message. Here and in what is inside, keys are compared
// in place: copies of them would be most of a decoder's allocations.
func (d *decoder) messageField(m *draft, at place) (err error) {
	switch string(d.s.Key()) {
	case "role":
		m.role, err = d.roleAt(at)
		m.hasRole = true
	case "content":
		m.Parts, m.hasContent, err = d.content(at)
	case "tool_calls":
		m.calls, err = d.toolCalls(at)
	case "tool_call_id":
		if d.s.Kind() == rawjson.Null {
			d.s.Skip()
			break
		}
		m.callID, err = d.textAt(at, "tool_call_id")
	case "refusal":
		m.refusal, err = d.refusal(at)
	case "function_call":
		err = d.legacyCall(m, at)
	case "name":
		m.Name = d.word()
		if m.Name != "" {
			d.noteOnce("name")
		}
	case "audio":
		if d.s.Kind() != rawjson.Null {
			d.note(at.param("audio"), chat.Content)
		}
		d.s.Skip()
	case "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks":
		d.reasoning(m, string(d.s.Key()))
	default:
		d.s.Skip()
	}
	return err
}

func (m *draft) validate(at place) error {
	if !m.hasRole {
		return invalid(at.param("role"), "`%s` is missing", at.param("role"))
	}
	as, known := roles[m.role]
	if !known {
		return invalid(at.param("role"),
			"`%s` must be system, developer, user, assistant or tool, but is %q", at.param("role"), cut(m.role))
	}
	m.Role, m.Developer = as.role, m.role == "developer"
	// Of an assistant whose answer was cut off nothing may be left, and a tool may have nothing
	// to say.
	if !m.hasContent && m.Role != chat.Assistant && m.Role != chat.Tool {
		return invalid(at.param("content"),
			"`%s` is missing: it must be a string or an array of content parts", at.param("content"))
	}
	if m.role == "tool" && m.callID == "" {
		return invalid(at.param("tool_call_id"),
			"`%s` is missing: it must name the call that the message answers", at.param("tool_call_id"))
	}
	m.assemble()
	return nil
}

// beside tells whether anything is said beside the content.
func (m *draft) beside() bool {
	return len(m.calls) > 0 || len(m.thoughts) > 0 || m.reasoning != (reasoningDraft{})
}

// assemble puts what is said beside the content among the parts.
func (m *draft) assemble() {
	if m.Role == chat.Tool {
		callID := m.callID
		if callID == "" {
			callID = m.Name // of functions, which had no ids
		}
		m.Parts = []chat.Part{{Result: &chat.Result{CallID: callID, Name: m.Name, Parts: m.Parts}}}
		return
	}
	if thoughts := m.reasoning.parts(m.thoughts); len(thoughts) > 0 {
		m.Parts = append(thoughts, m.Parts...)
	}
	m.Parts = append(m.Parts, m.refusal...) // the parts' capacity ends with them
	m.Parts = append(m.Parts, m.calls...)
}

// refusal consumes what an assistant said instead of a content; nil for null.
func (d *decoder) refusal(at place) ([]chat.Part, error) {
	if d.s.Kind() == rawjson.Null {
		d.s.Skip()
		return nil, nil
	}
	text, err := d.textAt(at, "refusal")
	if err != nil || text == "" {
		return nil, err
	}
	return []chat.Part{{Text: text, Refusal: true}}, nil
}
