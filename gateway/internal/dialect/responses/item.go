package responses

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/callextra"
	"carousel.internal/gateway/internal/rawjson"
)

// input consumes a question, or a list of items.
func (d *decoder) input() error {
	d.history, d.tools.late, d.tools.calls, d.update = history{}, nil, nil, update{} // the last of equal keys counts
	switch d.s.Kind() {
	case rawjson.Null:
		d.s.Skip()
		return nil
	case rawjson.String:
		d.hasInput = true
		if text := d.s.Text(); text != "" {
			d.history.hear(chat.User, false, []chat.Part{{Text: text}}, []place{{item: inInput}})
		}
		return nil
	case rawjson.Array:
	default:
		return d.mismatch(inputField, aString+" or an array of items")
	}
	d.hasInput = true
	index := 0
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		start := d.s
		if err := d.item(itemAt(index)); err != nil { // the upstream's to judge, if it speaks this dialect
			d.history.blame(err)
			d.s = start
			d.s.Skip()
		}
		index++
	}
	return nil
}

// item consumes an item.
func (d *decoder) item(at place) error {
	if d.s.Kind() != rawjson.Object {
		return d.mismatch(at.String(), anObject)
	}
	kind, err := d.kindOfItem(at)
	if err != nil || d.s.Failed() {
		return err
	}
	switch kind {
	case "message":
		return d.message(at)
	case "function_call", "custom_tool_call":
		return d.call(at, kind == "custom_tool_call")
	case "function_call_output", "custom_tool_call_output":
		return d.output(at)
	case "reasoning":
		return d.reasoning(at)
	case "additional_tools", "tool_search_output":
		return d.lateTools(at)
	case "configuration_update":
		return d.configuration(at)
	case "compaction", "compaction_summary", "context_compaction":
		return d.compaction(at)
	case "item_reference", "compaction_trigger":
		d.s.Skip()
		d.noteElsewhere(at)
		return nil
	}
	switch {
	case clientCalls[kind] != "":
		return d.clientCall(at, kind)
	case isClientOutput(kind):
		return d.clientOutput(at)
	default: // what a tool of the vendor did, or what is younger than this
		d.s.Skip()
		d.noteOnce("items", chat.Tuning)
	}
	return nil
}

// kindOfItem looks ahead for the type of the item that comes next. A message may have none,
// and a reference to an item has nothing but its id.
func (d *decoder) kindOfItem(at place) (string, error) {
	ahead := d.s
	hasRole, hasID := false, false
	for ok := ahead.Object(); ok; ok = ahead.Member() {
		switch key := ahead.Key(); {
		case string(key) == "type" && ahead.Kind() == rawjson.String:
			return ahead.Text(), nil
		case string(key) == "type" && ahead.Kind() != rawjson.Null:
			return "", invalid(at.field("type"), "must be %s, but is %s", aString, ahead.Kind())
		default:
			hasRole = hasRole || string(key) == "role"
			hasID = hasID || string(key) == "id"
			ahead.Skip()
		}
	}
	if hasID && !hasRole {
		return "item_reference", nil
	}
	return "message", nil
}

// roles are the names of each role. A tool's is Chat's: some clients mix the two.
var roles = map[string]chat.Role{
	"system": chat.System, "developer": chat.System, "user": chat.User, "assistant": chat.Assistant, "tool": chat.Tool,
}

// message consumes what somebody said.
func (d *decoder) message(at place) error {
	role, callID, thought := "", "", ""
	var said content
	var calls []*chat.Call
	err := d.members(func(key []byte) (err error) {
		switch string(key) {
		case "role":
			role, err = d.textAt(at, string(key))
		case "content":
			said, err = d.content(at, string(key))
		case "tool_call_id":
			callID = d.word()
		case "tool_calls":
			calls, err = d.chatCalls(at)
		case "reasoning_content":
			thought = d.word()
		default:
			d.s.Skip()
		}
		return err
	})
	if err != nil || d.s.Failed() {
		return err
	}
	who, known := roles[role]
	switch {
	case role == "":
		return invalid(at.field("role"), "is missing")
	case !known:
		return invalid(at.field("role"), "must be user, assistant, system or developer, but is %q", chat.Cut(role, longestWord))
	case who == chat.Tool && callID == "":
		return invalid(at.field("tool_call_id"), "is missing: it must name the call that the item answers")
	case who == chat.Tool:
		d.history.result(callID, said.parts, at)
	case who != chat.Assistant && !said.present:
		return invalid(at.field("content"), "is missing: it must be a string or an array of content parts")
	case who != chat.Assistant:
		d.history.hear(who, role == "developer", said.parts, said.places)
	default:
		if thought != "" {
			d.history.say(chat.Part{Reasoning: &chat.Reasoning{Text: thought}}, at)
		}
		for i, part := range said.parts {
			d.history.say(part, said.places[i])
		}
		for _, call := range calls {
			d.history.say(chat.Part{Call: call}, at)
		}
	}
	return nil
}

// call consumes a call of a function, or of a tool that takes free text.
func (d *decoder) call(at place, custom bool) error {
	call := &chat.Call{Custom: custom}
	id, namespace, has := "", "", false
	err := d.members(func(key []byte) (err error) {
		switch string(key) {
		case "id":
			id = d.word()
		case "call_id":
			call.ID, err = d.textAt(at, string(key))
		case "name":
			call.Name, err = d.textAt(at, string(key))
		case "namespace":
			namespace = d.word()
		case "arguments", "input":
			has = true
			call.Arguments, err = d.arguments(at, string(key), custom)
		default:
			d.s.Skip()
		}
		return err
	})
	switch {
	case err != nil || d.s.Failed():
		return err
	case call.Name == "":
		return invalid(at.field("name"), "is missing: it must name the tool that was called")
	case custom && !has:
		return invalid(at.field("input"), "is missing: it must be a string")
	}
	if call.ID == "" {
		call.ID = id
	}
	call.ID, call.Extra = callextra.Cut(call.ID)
	d.tools.calls = append(d.tools.calls, namedCall{call, namespace})
	d.history.say(chat.Part{Call: call}, at)
	return nil
}

// arguments consumes JSON text, or what some clients send instead: the JSON itself. A custom
// tool's are free text.
func (d *decoder) arguments(at place, name string, custom bool) (string, error) {
	switch kind := d.s.Kind(); {
	case kind == rawjson.Null:
		d.s.Skip()
		return "", nil
	case kind == rawjson.String:
		text := d.s.Text()
		if !custom && strings.Contains(text, `\u`) {
			text = string(rawjson.Mended([]byte(text)))
		}
		return text, nil
	case !custom && (kind == rawjson.Object || kind == rawjson.Array):
		return string(rawjson.Mended(d.s.Skip())), nil
	}
	return "", d.mismatch(at.field(name), aString)
}

// chatCalls consumes calls as Chat has them.
func (d *decoder) chatCalls(at place) (calls []*chat.Call, err error) {
	if d.null() {
		return nil, nil
	}
	if d.s.Kind() != rawjson.Array {
		return nil, d.mismatch(at.field("tool_calls"), anArray)
	}
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		call := &chat.Call{}
		if err := d.object(at.field("tool_calls"), func(key []byte) error { return d.chatCall(call, at, key) }); err != nil {
			return nil, err
		}
		calls = append(calls, call)
	}
	return calls, nil
}

func (d *decoder) chatCall(call *chat.Call, at place, key []byte) error {
	switch string(key) {
	case "id":
		call.ID = d.word()
	case "function", "custom":
		call.Custom = string(key) == "custom"
		return d.object(at.field("tool_calls."+string(key)), func(key []byte) (err error) {
			switch string(key) {
			case "name":
				call.Name = d.word()
			case "arguments", "input":
				call.Arguments, err = d.arguments(at, "tool_calls."+string(key), call.Custom)
			default:
				d.s.Skip()
			}
			return err
		})
	default:
		d.s.Skip()
	}
	return nil
}

// output consumes what a call came to.
func (d *decoder) output(at place) error {
	callID := ""
	var came content
	err := d.members(func(key []byte) (err error) {
		switch string(key) {
		case "call_id":
			callID, err = d.textAt(at, string(key))
		case "output":
			came, err = d.content(at, string(key))
		default:
			d.s.Skip()
		}
		return err
	})
	switch {
	case err != nil || d.s.Failed():
		return err
	case callID == "":
		return invalid(at.field("call_id"), "is missing: it must name the call that the item answers")
	}
	callID, _ = callextra.Cut(callID)
	d.history.result(callID, came.parts, at)
	return nil
}

// reasoning consumes what a model thought: in full, or a summary of it, and sealed.
func (d *decoder) reasoning(at place) error {
	thought := &chat.Reasoning{}
	var summary, full content
	seal := ""
	err := d.members(func(key []byte) (err error) {
		switch string(key) {
		case "summary":
			summary, err = d.content(at, string(key))
		case "content":
			full, err = d.content(at, string(key))
		case "encrypted_content":
			seal, err = d.textAt(at, string(key))
		default:
			d.s.Skip()
		}
		return err
	})
	if err != nil || d.s.Failed() {
		return err
	}
	if thought.Text = chat.Text(full.parts); thought.Text == "" {
		thought.Text = chat.Text(summary.parts)
	}
	maker, data, foreign := chat.OfForeignSeal(seal)
	switch {
	case foreign:
		thought.Maker, thought.Seal = maker, data
	case seal != "":
		thought.Maker, thought.Seal = Dialect, seal
	}
	thought.Redacted = thought.Text == "" && thought.Seal != ""
	if thought.Text != "" || thought.Seal != "" {
		d.history.say(chat.Part{Reasoning: thought}, at)
	}
	return nil
}

// compaction consumes a conversation in short. The vendor's own is for the vendor alone.
func (d *decoder) compaction(at place) error {
	sealed := ""
	err := d.members(func(key []byte) (err error) {
		if string(key) == "encrypted_content" {
			sealed, err = d.textAt(at, string(key))
		} else {
			d.s.Skip()
		}
		return err
	})
	if err != nil || d.s.Failed() {
		return err
	}
	if text, ours := chat.OfSealedSummary(sealed); ours {
		d.history.hear(chat.User, false, []chat.Part{{Text: text}}, []place{at})
		return nil
	}
	d.noteElsewhere(at)
	return nil
}
