package openai

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// The events of the Responses API that are read.
const (
	itemAdded       = "response.output_item.added"
	itemDone        = "response.output_item.done"
	textDelta       = "response.output_text.delta"
	refusalDelta    = "response.refusal.delta"
	summaryDelta    = "response.reasoning_summary_text.delta"
	thoughtDelta    = "response.reasoning_text.delta"
	argumentsDelta  = "response.function_call_arguments.delta"
	customDelta     = "response.custom_tool_call_input.delta"
	answerCompleted = "response.completed"
	answerCut       = "response.incomplete"
	answerFailed    = "response.failed"
	answerCancelled = "response.cancelled"
)

// responseFrame is a server-sent event of the Responses API, as far as it is of interest. Its
// bytes are the event's.
type responseFrame struct {
	kind string
	// output is the index of the item, part that of the piece in it; -1: not said.
	output, part int
	delta        string
	item         []byte
	response     []byte
	// failure is what speaks of an error; nil: nothing does.
	failure []byte
}

// readResponseFrame reads an event; false: it is no JSON object. What it does not know it passes
// over, and so members of an unexpected type.
func readResponseFrame(data []byte) (responseFrame, bool) {
	f := responseFrame{output: -1, part: -1}
	s := rawjson.Over(data)
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "type":
			f.kind = eventName(&s)
		case "output_index":
			f.output = index(&s)
		case "content_index", "summary_index":
			f.part = index(&s)
		case "delta":
			f.delta = text(&s)
		case "item":
			f.item = s.Skip()
		case "response":
			f.response = s.Skip()
		case "error":
			if value := s.Skip(); !blank(value) {
				f.failure = value
			}
		default:
			s.Skip()
		}
	}
	if f.kind == "error" && f.failure == nil {
		f.failure = data
	}
	return f, s.End() == nil
}

// index consumes a number from 0 up; -1: it is none.
func index(s *rawjson.Scanner) int {
	if s.Kind() != rawjson.Number {
		s.Skip()
		return -1
	}
	return max(-1, s.Int())
}

// eventName is text for what is one of a few words: the usual ones cost no memory.
func eventName(s *rawjson.Scanner) string {
	if s.Kind() != rawjson.String {
		s.Skip()
		return ""
	}
	rest := *s
	switch string(s.Skip()) {
	case `"` + textDelta + `"`:
		return textDelta
	case `"` + argumentsDelta + `"`:
		return argumentsDelta
	case `"` + summaryDelta + `"`:
		return summaryDelta
	case `"` + customDelta + `"`:
		return customDelta
	}
	return rest.Text()
}

// responseItem is an item of an answer. Its bytes are the answer's.
type responseItem struct {
	kind             string
	callID, name     string
	input            string // of a call: its arguments, or its text
	parts            []itemPart
	seal             string
	json             []byte
	custom, thoughts bool
}

// itemPart is a piece of what an item says.
type itemPart struct {
	text    string
	refusal bool
}

// readItem reads an item.
func readItem(data []byte) responseItem {
	it := responseItem{json: data}
	s := rawjson.Over(data)
	if s.Kind() != rawjson.Object {
		return it
	}
	var content []itemPart
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "type":
			it.kind = text(&s)
		case "call_id":
			it.callID = text(&s)
		case "name":
			it.name = text(&s)
		case "arguments", "input":
			if s.Kind() == rawjson.Object { // some upstreams send what the text should say
				it.input = string(s.Skip())
			} else {
				it.input = text(&s)
			}
		case "encrypted_content":
			it.seal = text(&s)
		case "summary":
			it.parts = readParts(&s)
		case "content":
			content = readParts(&s)
		default:
			s.Skip()
		}
	}
	if len(content) > 0 { // thoughts in full, where there are any, say more than their summary
		it.parts = content
	}
	it.custom, it.thoughts = it.kind == "custom_tool_call", it.kind == "reasoning"
	return it
}

func readParts(s *rawjson.Scanner) (parts []itemPart) {
	if s.Kind() != rawjson.Array {
		s.Skip()
		return nil
	}
	for ok := s.Array(); ok; ok = s.Element() {
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		var part itemPart
		for ok := s.Object(); ok; ok = s.Member() {
			switch string(s.Key()) {
			case "text":
				part.text = text(s)
			case "refusal":
				part.text, part.refusal = text(s), true
			default:
				s.Skip()
			}
		}
		parts = append(parts, part)
	}
	return parts
}

// responseObject is a whole answer, or what an event says of it.
type responseObject struct {
	object, status, reason string
	failure                []byte
	// output are the items, of which each is JSON; listed: there is a list of them.
	output [][]byte
	listed bool
	usage  *chat.Usage
}

// readResponse reads an answer; false: it is no JSON object.
func readResponse(data []byte) (responseObject, bool) {
	var r responseObject
	s := rawjson.Over(data)
	if s.Kind() != rawjson.Object {
		return r, false
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case key == "object":
			r.object = text(&s)
		case key == "status":
			r.status = text(&s)
		case key == "error":
			if value := s.Skip(); !blank(value) {
				r.failure = value
			}
		case key == "incomplete_details" && s.Kind() == rawjson.Object:
			for ok := s.Object(); ok; ok = s.Member() {
				if string(s.Key()) == "reason" {
					r.reason = text(&s)
				} else {
					s.Skip()
				}
			}
		case key == "output" && s.Kind() == rawjson.Array:
			r.listed = true
			for ok := s.Array(); ok; ok = s.Element() {
				r.output = append(r.output, s.Skip())
			}
		case key == "usage":
			r.usage = usageOf(s.Skip())
		default:
			s.Skip()
		}
	}
	return r, s.End() == nil
}
