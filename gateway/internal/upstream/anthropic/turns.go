package anthropic

import (
	"slices"
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
		case message.Role == chat.System && b.settings.midSystem && b.systemMayFollow(i):
			b.add(chat.System, saidOf(message.Parts))
		case message.Role == chat.System: // in its place, so that what is before it stays the same
			if said := saidOf(message.Parts); len(said) > 0 {
				b.add(chat.User, []chat.Part{{Text: "<system>\n" + chat.Text(said) + "\n</system>"}})
			}
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
	b.placeThoughts()
	b.pair()
	last := &b.turns[len(b.turns)-1]
	if n := len(last.parts); last.role == chat.Assistant && n > 0 && last.parts[n-1].IsText() {
		last.parts[n-1].Text = strings.TrimRight(last.parts[n-1].Text, " \t\r\n") // an answer to be continued
	}
}

// systemMayFollow tells whether the API takes the instructions of a message where they are:
// behind what the user says, and before the assistant or the end.
func (b *builder) systemMayFollow(at int) bool {
	switch b.turns[len(b.turns)-1].role {
	case chat.Assistant:
		return false
	case chat.System: // that has been asked of the one before
		return true
	case chat.User, chat.Tool:
	}
	for i := at + 1; i < len(b.request.Messages); i++ {
		switch next := &b.request.Messages[i]; next.Role {
		case chat.System:
		case chat.Assistant:
			if len(b.assistantParts(next.Parts)) > 0 {
				return true
			}
		case chat.User, chat.Tool:
			if len(filled(next.Parts)) > 0 {
				return false
			}
		}
	}
	return true
}

// placeThoughts leaves out thoughts where the API takes none: behind something else at the
// beginning of a turn, and at its end.
func (b *builder) placeThoughts() {
	kept := b.turns[:0]
	for _, now := range b.turns {
		if now.role == chat.Assistant && now.parts[0].Reasoning == nil {
			now.parts = slices.DeleteFunc(now.parts, func(part chat.Part) bool { return part.Reasoning != nil })
		}
		for n := len(now.parts); n > 0 && now.parts[n-1].Reasoning != nil; n-- {
			now.parts = now.parts[:n-1]
		}
		if n := len(kept); n > 0 && len(now.parts) > 0 && kept[n-1].role == now.role {
			kept[n-1].parts = append(kept[n-1].parts, now.parts...)
		} else if len(now.parts) > 0 {
			kept = append(kept, now)
		}
	}
	b.turns = kept
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

// pair sees to it that each call has an id of its own, and one result, at the beginning of the
// turn behind it, and that no result is without its call.
func (b *builder) pair() {
	paired := make([]turn, 0, len(b.turns)+1)
	var open []sentCall // calls of the turn before
	ids := callIDs{}
	for _, now := range b.turns {
		switch {
		case now.role == chat.User:
			now.parts = answerCalls(open, now.parts)
			open = nil
		case len(open) > 0:
			paired = append(paired, turn{chat.User, answerCalls(open, nil)})
			open = nil
		}
		if now.role == chat.Assistant {
			open = ids.give(now.parts)
		}
		paired = append(paired, now)
	}
	if len(open) > 0 {
		paired = append(paired, turn{chat.User, answerCalls(open, nil)})
	}
	b.turns = paired
}

// sentCall is a call of a turn: the client's id for it, and the one that is sent.
type sentCall struct{ own, sent string }

// callIDs are the ids of calls that have been given, with how often each was wanted.
type callIDs map[string]int

// give gives the calls among parts ids that the API takes, each another one. What is given
// depends on the calls before alone.
func (c callIDs) give(parts []chat.Part) (calls []sentCall) {
	for i := range parts {
		if parts[i].Call == nil {
			continue
		}
		call := *parts[i].Call // the conversation's own stays as it is
		own, plain := call.ID, callID(call.ID)
		call.ID = plain
		for c[call.ID] > 0 {
			c[plain]++
			call.ID = plain + "_" + strconv.Itoa(c[plain])
		}
		c[call.ID]++
		parts[i].Call = &call
		calls = append(calls, sentCall{own, call.ID})
	}
	return calls
}

// answerCalls puts the results of calls in front, one for each. What came of a call that
// nobody tells is said to be missing; a result of another call becomes a text.
func answerCalls(calls []sentCall, parts []chat.Part) []chat.Part {
	results, rest := make(map[string][]*chat.Result, len(calls)), []chat.Part(nil)
	wanted := make(map[string]int, len(calls))
	for _, call := range calls {
		wanted[call.own]++
	}
	marks := map[*chat.Result]*chat.CacheMark{}
	for _, part := range parts {
		switch {
		case part.Result == nil:
			rest = append(rest, part)
		case wanted[part.Result.CallID] > len(results[part.Result.CallID]):
			results[part.Result.CallID] = append(results[part.Result.CallID], part.Result)
			marks[part.Result] = part.Cache
		default:
			rest = append(rest, strayResult(part.Result)...)
		}
	}
	all := make([]chat.Part, 0, len(calls)+len(rest))
	for _, call := range calls {
		result := &chat.Result{Parts: []chat.Part{{Text: "(no result: the call was interrupted)"}}, Failed: true}
		if told := results[call.own]; len(told) > 0 {
			result, results[call.own] = told[0], told[1:]
		}
		sent := *result
		sent.CallID = call.sent
		all = append(all, chat.Part{Result: &sent, Cache: marks[result]})
	}
	return append(all, rest...)
}

// strayResult is a result whose call is not in the conversation.
func strayResult(result *chat.Result) []chat.Part {
	return append([]chat.Part{{Text: "(a tool's result, of a call that is not in this conversation: " + strconv.Quote(result.CallID) + ")"}}, filled(result.Parts)...)
}
