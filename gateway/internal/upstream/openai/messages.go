package openai

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// messages writes the conversation.
func (b *building) messages() {
	t := turns{quirks: b.quirks, naming: b.naming}
	for i := range b.req.Messages {
		t.add(&b.req.Messages[i])
	}
	t.settle()
	from := t.thoughtsFrom()
	b.member("messages")
	b.raw("[")
	for i := range t.list {
		each := &t.list[i]
		if i < from || b.call.WithoutSeals {
			each.thoughts = nil
		}
		switch each.role {
		case chat.Tool:
			b.resultTurn(each)
		case chat.Assistant:
			b.assistantTurn(each)
		default:
			b.turn(each)
		}
	}
	b.raw("]")
}

// open begins a message.
func (b *building) open(role, name string) {
	b.element()
	b.raw(`{"role":"` + role + `"`)
	b.text("name", name)
	b.member("content")
}

// turn writes what a user says, or an instruction.
func (b *building) turn(t *turn) {
	role := string(t.role)
	if t.developer && b.developerRole == keep {
		role = "developer"
	}
	b.open(role, t.name)
	b.content(t.parts)
	b.raw("}")
}

// assistantTurn writes what an assistant said, if there is anything that the upstream may
// be sent.
func (b *building) assistantTurn(t *turn) {
	said, refusal := t.parts, ""
	if b.official {
		said, refusal = withoutRefusal(t.parts)
	}
	thoughts := thought(t.thoughts)
	switch {
	case len(said) > 0:
		b.open("assistant", t.name)
		b.content(said)
	case len(t.calls) > 0 || refusal != "":
		b.open("assistant", t.name)
		b.raw("null")
	case thoughts != "":
		b.open("assistant", t.name)
		b.raw(`""`)
	default:
		return
	}
	b.text("refusal", refusal)
	b.text(b.reasoningField, thoughts)
	b.details(t.thoughts)
	if len(t.calls) > 0 {
		b.member("tool_calls")
		b.raw("[")
		for _, call := range t.calls {
			b.element()
			b.callOf(call)
		}
		b.raw("]")
	}
	b.raw("}")
}

// withoutRefusal takes refusals out of what an assistant said.
func withoutRefusal(parts []*chat.Part) (said []*chat.Part, refusal string) {
	for _, part := range parts {
		if part.Refusal {
			refusal += part.Text
		} else {
			said = append(said, part)
		}
	}
	return said, refusal
}

// details writes what a provider wants back beside the thoughts.
func (b *building) details(thoughts []*chat.Reasoning) {
	for _, each := range thoughts {
		if details := each.Details; details != nil && details.Dialect == dialect {
			b.member("reasoning_details")
			b.bytes(details.JSON)
			return
		}
	}
}

// noArguments is what a call without any is given: an empty text is not JSON.
const noArguments = "{}"

func (b *building) callOf(call *chat.Call) {
	kind, arguments, input := "function", "arguments", call.Arguments
	switch {
	case call.Custom:
		kind, arguments = "custom", "input"
	case strings.TrimSpace(input) == "":
		input = noArguments
	}
	b.raw(`{"id":`)
	b.string(shortened(call.ID, maxCallID))
	b.raw(`,"type":"` + kind + `","` + kind + `":{"name":`)
	b.string(b.toolName(call.Name))
	b.member(arguments)
	b.string(input)
	b.raw("}")
	if call.Extra != nil && call.Extra.Dialect == dialect {
		b.raw(",")
		b.bytes(call.Extra.JSON)
	}
	b.raw("}")
}

// failed stands before what a tool says that did not do what it was to.
const failed = "[the tool failed] "

// resultTurn writes the result of a call.
func (b *building) resultTurn(t *turn) {
	b.open("tool", "")
	if b.resultMedia == inTool && len(t.media) > 0 {
		b.resultParts(t)
	} else {
		b.string(b.resultText(t))
	}
	b.member("tool_call_id")
	b.string(shortened(t.result.CallID, maxCallID))
	b.raw("}")
}

// resultText is a result as text alone, with a note for each thing that is none.
func (b *building) resultText(t *turn) string {
	var texts []string
	media := t.media
	for i := range t.result.Parts {
		part := &t.result.Parts[i]
		text := textOf(part)
		if mediaKind(part) != "" {
			text, media = b.noteOf(part, media[0]), media[1:]
		}
		if text != "" {
			texts = append(texts, text)
		}
	}
	text := strings.Join(texts, "\n")
	if t.result.Failed {
		text = strings.TrimSpace(failed + text)
	}
	return text
}

// resultParts writes a result as parts.
func (b *building) resultParts(t *turn) {
	var parts []*chat.Part
	if t.result.Failed {
		parts = append(parts, &chat.Part{Text: strings.TrimSpace(failed)})
	}
	media := t.media
	for i := range t.result.Parts {
		part := &t.result.Parts[i]
		if mediaKind(part) != "" {
			if b.mediaPlace(part) != inTool {
				part = &chat.Part{Text: b.noteOf(part, media[0])}
			}
			media = media[1:]
		}
		if !part.IsText() || part.Text != "" {
			parts = append(parts, part)
		}
	}
	b.content(parts)
}

// mediaPlace is where what is no text in a result goes.
func (q *quirks) mediaPlace(part *chat.Part) string {
	carried := false
	switch {
	case part.Image != nil:
		carried = part.Image.FileID == "" && q.carries(chat.Pictures)
	case part.Document != nil:
		carried = part.Document.FileID == "" && q.carries(chat.Papers)
	case part.Audio != nil:
		carried = q.carries(chat.Sounds)
	case part.Opaque != nil:
		carried = part.Opaque.Dialect == dialect
	}
	if !carried {
		return asNote
	}
	return q.resultMedia
}

// noteOf stands in the place of what is no text in a result.
func (q *quirks) noteOf(part *chat.Part, name string) string {
	if q.mediaPlace(part) == inUser {
		return "[" + name + " follows in the next message]"
	}
	return "[" + name + " is left out: the model can't be shown it]"
}
