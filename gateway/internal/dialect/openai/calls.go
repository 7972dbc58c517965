package openai

import (
	"bytes"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// toolCalls consumes an assistant's calls. A call of a custom tool has a name and
// an input in the places of a function's name and arguments.
func (d *decoder) toolCalls(at place) ([]chat.Part, error) {
	switch d.s.Kind() {
	case rawjson.Null:
		d.s.Skip()
		return nil, nil
	case rawjson.Array:
	default:
		return nil, d.mismatchAt(at, "tool_calls", "an array")
	}
	var calls []chat.Part
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		at.call = len(calls)
		call, err := d.toolCall(at)
		if err != nil {
			return nil, err
		}
		calls = append(calls, chat.Part{Call: call})
	}
	return calls, nil
}

func (d *decoder) toolCall(at place) (call *chat.Call, err error) {
	call = &chat.Call{}
	if d.s.Kind() != rawjson.Object {
		return call, d.mismatchAt(at, "", "an object")
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "id":
			call.ID = d.word()
		case "function":
			err = d.called(at, "function", call)
		case "custom":
			call.Custom = call.Custom || d.s.Kind() == rawjson.Object
			err = d.called(at, "custom", call)
		case "index", "type":
			d.s.Skip()
		default: // what the upstream wants back: a signature, perhaps
			d.extra(call)
		}
		if err != nil {
			return call, err
		}
	}
	return call, nil
}

// extra keeps a member of a call that has no canonical form.
func (d *decoder) extra(call *chat.Call) {
	from := d.s.MemberStart()
	value := d.s.Skip()
	if d.s.Failed() || string(value) == "null" {
		return
	}
	member := bytes.TrimLeft(d.req.Source.JSON[from:d.s.Pos()], ", \t\r\n")
	if call.Extra == nil {
		call.Extra = &chat.Opaque{Dialect: Dialect, JSON: member[:len(member):len(member)]} // the next one copies it
		return
	}
	call.Extra.JSON = append(append(call.Extra.JSON, ','), member...)
}

// legacyCall consumes a call of before there were several, which had no id: its result names
// the function.
func (d *decoder) legacyCall(m *draft, at place) error {
	if d.s.Kind() == rawjson.Null {
		d.s.Skip()
		return nil
	}
	call := &chat.Call{}
	err := d.called(at, "function_call", call)
	call.ID = call.Name
	m.calls = append(m.calls, chat.Part{Call: call})
	return err
}

// called consumes what is called and with what.
func (d *decoder) called(at place, field string, call *chat.Call) (err error) {
	switch d.s.Kind() {
	case rawjson.Object:
	case rawjson.Null:
		d.s.Skip()
		return nil
	default:
		return d.mismatchAt(at, field, "an object")
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "name":
			call.Name, err = d.textIn(at, field, "name")
		case "arguments":
			err = d.arguments(at, field, "arguments", call)
		case "input":
			err = d.arguments(at, field, "input", call)
		default:
			d.s.Skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// arguments consumes JSON text, or what some clients send instead: the JSON itself.
func (d *decoder) arguments(at place, object, field string, call *chat.Call) error {
	switch d.s.Kind() {
	case rawjson.String:
		call.Arguments = d.s.Text()
		if !call.Custom && strings.Contains(call.Arguments, `\u`) {
			call.Arguments = string(rawjson.Mended([]byte(call.Arguments)))
		}
	case rawjson.Object, rawjson.Array:
		call.Arguments = string(rawjson.Mended(d.s.Skip()))
	case rawjson.Null:
		d.s.Skip()
	default:
		return d.mismatchAt(at, inside(object, field), "a string")
	}
	return nil
}

// textIn is textAt for a field of an object.
func (d *decoder) textIn(at place, object, field string) (string, error) {
	if d.s.Kind() != rawjson.String {
		return "", d.mismatchAt(at, inside(object, field), "a string")
	}
	return d.s.Text(), nil
}

// inside names a field of an object; one of none is the message's own.
func inside(object, field string) string {
	if object == "" {
		return field
	}
	return object + "." + field
}
