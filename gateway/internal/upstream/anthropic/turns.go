package anthropic

import (
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// turn is what one side says until the other speaks. The API wants the two to take turns.
type turn struct {
	role  chat.Role
	parts []chat.Part
}

// converse puts the messages into turns that the API takes.
func (b *builder) converse() {
	for i := range b.request.Messages {
		message := &b.request.Messages[i]
		switch {
		case message.Role == chat.System && len(b.turns) == 0:
			b.system = append(b.system, saidOf(message.Parts)...)
		case message.Role == chat.System && b.settings.midSystem:
			b.turns = append(b.turns, turn{chat.System, saidOf(message.Parts)})
		case message.Role == chat.System: // in its place, so that what is before it stays the same
			b.add(chat.User, []chat.Part{{Text: "<system>\n" + message.Text() + "\n</system>"}})
		case message.Role == chat.Assistant:
			b.add(chat.Assistant, b.assistantParts(message.Parts))
		default:
			b.add(chat.User, filled(message.Parts))
		}
	}
	if len(b.turns) == 0 && len(b.system) > 0 { // instructions alone are a question
		b.turns, b.system = []turn{{chat.User, b.system}}, nil
	}
	if len(b.turns) == 0 || b.turns[0].role != chat.User {
		b.turns = append([]turn{{chat.User, []chat.Part{{Text: "(The conversation begins with your answer.)"}}}}, b.turns...)
	}
	b.pair()
	last := &b.turns[len(b.turns)-1]
	if n := len(last.parts); last.role == chat.Assistant && n > 0 && last.parts[n-1].IsText() {
		last.parts[n-1].Text = strings.TrimRight(last.parts[n-1].Text, " \t\r\n") // an answer to be continued
	}
}

// add says something, in the same turn as what the same side has just said.
func (b *builder) add(role chat.Role, parts []chat.Part) {
	if len(parts) == 0 {
		return
	}
	if n := len(b.turns); n > 0 && b.turns[n-1].role == role {
		b.turns[n-1].parts = append(b.turns[n-1].parts, parts...)
		return
	}
	b.turns = append(b.turns, turn{role, append([]chat.Part(nil), parts...)})
}

// saidOf are the texts among parts that say something.
func saidOf(parts []chat.Part) (said []chat.Part) {
	for _, part := range filled(parts) {
		if part.IsText() {
			said = append(said, part)
		}
	}
	return said
}

// filled leaves out texts of nothing but white space, which the API refuses.
func filled(parts []chat.Part) (kept []chat.Part) {
	for _, part := range parts {
		if !part.IsText() || strings.TrimSpace(part.Text) != "" {
			kept = append(kept, part)
		}
	}
	return kept
}

// assistantParts leaves out thoughts that the vendor has not sealed: it takes no others.
func (b *builder) assistantParts(parts []chat.Part) (kept []chat.Part) {
	for _, part := range filled(parts) {
		if thought := part.Reasoning; thought != nil && (b.withoutSeals || thought.Maker != dialect || thought.Seal == "") {
			continue
		}
		kept = append(kept, part)
	}
	return kept
}

// pair sees to it that each call has one result, at the beginning of the turn behind it, and
// no result is without its call.
func (b *builder) pair() {
	paired := make([]turn, 0, len(b.turns)+1)
	var open []string // calls of the turn before
	for _, now := range b.turns {
		switch {
		case now.role == chat.User:
			now.parts = answerCalls(open, now.parts)
			open = nil
		case len(open) > 0:
			paired = append(paired, turn{chat.User, answerCalls(open, nil)})
			open = nil
		}
		paired = append(paired, now)
		if now.role == chat.Assistant {
			open = callsOf(now.parts)
		}
	}
	if len(open) > 0 {
		paired = append(paired, turn{chat.User, answerCalls(open, nil)})
	}
	b.turns = paired
}

func callsOf(parts []chat.Part) (ids []string) {
	for i := range parts {
		if parts[i].Call != nil {
			ids = append(ids, parts[i].Call.ID)
		}
	}
	return ids
}

// answerCalls puts the results of calls in front, one for each. What came of a call that
// nobody tells is said to be missing; a result of another call becomes a text.
func answerCalls(calls []string, parts []chat.Part) []chat.Part {
	results, rest := make(map[string]chat.Part, len(calls)), []chat.Part(nil)
	wanted := map[string]bool{}
	for _, id := range calls {
		wanted[id] = true
	}
	for _, part := range parts {
		switch {
		case part.Result == nil:
			rest = append(rest, part)
		case wanted[part.Result.CallID] && results[part.Result.CallID].Result == nil:
			results[part.Result.CallID] = part
		default:
			rest = append(rest, strayResult(part.Result)...)
		}
	}
	all := make([]chat.Part, 0, len(calls)+len(rest))
	for _, id := range calls {
		part, told := results[id]
		if !told {
			part = chat.Part{Result: &chat.Result{CallID: id, Parts: []chat.Part{{Text: "(no result: the call was interrupted)"}}, Failed: true}}
		}
		all = append(all, part)
	}
	return append(all, rest...)
}

// strayResult is a result whose call is not in the conversation.
func strayResult(result *chat.Result) []chat.Part {
	return append([]chat.Part{{Text: "(a tool's result, of a call that is not in this conversation: " + strconv.Quote(result.CallID) + ")"}}, filled(result.Parts)...)
}
