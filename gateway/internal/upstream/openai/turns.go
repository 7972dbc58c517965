package openai

import (
	"slices"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// turn is a message as the upstream is to get it.
type turn struct {
	role chat.Role
	// developer tells that a system turn has the lower rank.
	developer bool
	name      string
	parts     []*chat.Part
	calls     []*chat.Call
	thoughts  []*chat.Reasoning
	// result is that of a tool turn, media how what is no text in it is named there.
	result *chat.Result
	media  []string
}

// turns brings the messages of a conversation into the order that the API asks for: one
// tool turn for each call, right behind the calls. What the API has no place for inside of
// a tool turn stands in a user's turn behind the last one.
type turns struct {
	*quirks
	naming
	list []turn
	// spoken: there is a turn that is no instruction.
	spoken bool
	// calls are those of the latest assistant turn, open where those of each id are among
	// them that have no result yet.
	calls []*chat.Call
	open  map[string][]int
	// shown are the media of their results, orphans what came of calls that are not there.
	shown, orphans []*chat.Part
	images         int
}

// Texts that stand for what is not there.
const (
	noResult = "[no result: the call was interrupted]"
	orphaned = "[result of a call that is not in the conversation]"
)

func (t *turns) add(message *chat.Message) {
	for i := range message.Parts {
		if result := message.Parts[i].Result; result != nil {
			t.answer(result)
		}
	}
	switch message.Role {
	case chat.System:
		t.settle()
		t.instruct(message)
	case chat.User:
		t.settle()
		t.put(turn{role: chat.User, name: message.Name, parts: content(message.Parts)})
	case chat.Assistant:
		t.say(message)
	case chat.Tool:
	}
}

// content are the parts of a message that are content, without empty texts, which some
// upstreams refuse.
func content(parts []chat.Part) []*chat.Part {
	var kept []*chat.Part
	for i := range parts {
		part := &parts[i]
		if part.Call == nil && part.Result == nil && part.Reasoning == nil && (!part.IsText() || part.Text != "") {
			kept = append(kept, part)
		}
	}
	return kept
}

// put adds a turn, unless there is nothing in it.
func (t *turns) put(added turn) {
	if len(added.parts)+len(added.calls)+len(added.thoughts) > 0 {
		t.list = append(t.list, added)
		t.spoken = t.spoken || added.role != chat.System
	}
}

func (t *turns) last() *turn {
	if len(t.list) == 0 {
		return &turn{}
	}
	return &t.list[len(t.list)-1]
}

// instruct takes instructions.
func (t *turns) instruct(message *chat.Message) {
	added := turn{role: chat.System, developer: message.Developer, name: message.Name, parts: content(message.Parts)}
	switch last := t.last(); {
	case t.midSystem == keep || len(added.parts) == 0:
	case !t.spoken && last.role == chat.System:
		last.parts = append(last.parts, added.parts...)
		return
	case t.spoken:
		told := []*chat.Part{{Text: "<system>\n" + chat.Text(message.Parts) + "\n</system>"}}
		if last.role == chat.User {
			last.parts = append(last.parts, told...)
			return
		}
		added = turn{role: chat.User, parts: told}
	}
	t.put(added)
}

// say takes what an assistant said. What follows calls that have no results yet belongs to
// the same turn.
func (t *turns) say(message *chat.Message) {
	said := turn{role: chat.Assistant, name: message.Name, parts: content(message.Parts)}
	for i := range message.Parts {
		switch part := &message.Parts[i]; {
		case part.Call != nil:
			said.calls = append(said.calls, part.Call)
		case part.Reasoning != nil:
			said.thoughts = append(said.thoughts, part.Reasoning)
		}
	}
	if last := t.last(); last.role == chat.Assistant && len(last.calls) > 0 {
		last.parts, last.calls, last.thoughts = append(last.parts, said.parts...), append(last.calls, said.calls...), append(last.thoughts, said.thoughts...)
	} else {
		t.settle()
		t.put(said)
	}
	for _, call := range said.calls {
		if t.open == nil {
			t.open = map[string][]int{}
		}
		t.open[call.ID] = append(t.open[call.ID], len(t.calls))
		t.calls = append(t.calls, call)
	}
}

// answer takes the result of a call.
func (t *turns) answer(result *chat.Result) {
	if open := t.open[result.CallID]; len(open) > 0 {
		call := t.calls[open[0]]
		t.open[result.CallID] = open[1:]
		t.list = append(t.list, turn{role: chat.Tool, result: result, media: t.mediaOf(result, t.toolName(call.Name))})
		return
	}
	t.orphans = append(append(t.orphans, &chat.Part{Text: orphaned}), content(result.Parts)...)
}

// mediaOf names what is no text in a result, and keeps it for the user's turn, if it is to
// stand there.
func (t *turns) mediaOf(result *chat.Result, tool string) []string {
	var names []string
	for i := range result.Parts {
		part := &result.Parts[i]
		kind := mediaKind(part)
		if kind == "" {
			continue
		}
		t.images++
		name := kind + " " + strconv.Itoa(t.images)
		names = append(names, name)
		if t.mediaPlace(part) == inUser {
			t.shown = append(t.shown, &chat.Part{Text: "[" + name + ", a result of " + tool + "]"}, part)
		}
	}
	return names
}

// mediaKind names what a part is; empty: it is text, in some form.
func mediaKind(part *chat.Part) string {
	switch {
	case part.Image != nil:
		return "image"
	case part.Document != nil && part.Document.Text == "":
		return "document"
	case part.Audio != nil:
		return "sound"
	case part.Opaque != nil:
		return "content"
	default:
		return ""
	}
}

// settle ends what there is to say of the calls of a turn.
func (t *turns) settle() {
	for i, call := range t.calls {
		if open := t.open[call.ID]; len(open) > 0 && open[0] == i {
			t.open[call.ID] = open[1:]
			t.list = append(t.list, turn{role: chat.Tool, result: &chat.Result{CallID: call.ID, Parts: []chat.Part{{Text: noResult}}}})
		}
	}
	t.put(turn{role: chat.User, parts: t.shown})
	t.put(turn{role: chat.User, parts: t.orphans})
	t.calls, t.open, t.shown, t.orphans, t.images = nil, nil, nil, nil, 0
}

// thoughtsFrom is the first turn of which an assistant's thoughts are sent back. To an upstream
// a tool's use ends with any turn of the user, also one with what stands there for want of a
// better place: thoughts from before it are not wanted any more.
func (t *turns) thoughtsFrom() int {
	switch t.reasoningHistory {
	case always:
		return 0
	case never:
		return len(t.list)
	}
	for i, each := range slices.Backward(t.list) {
		if each.role == chat.User {
			return i
		}
	}
	return 0
}

// thought joins the texts of thoughts.
func thought(thoughts []*chat.Reasoning) string {
	var texts []string
	for _, each := range thoughts {
		if each.Text != "" {
			texts = append(texts, each.Text)
		}
	}
	return strings.Join(texts, "\n")
}
