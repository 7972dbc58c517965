package openai

import (
	"bytes"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// objectFollower finds the counts in an answer that is one object.
type objectFollower struct{ members members }

func (f *objectFollower) see(data []byte) { f.members.see(data) }

func (f *objectFollower) usage() *chat.Usage { return usageOf(f.members.value("usage")) }

// streamFollower finds the counts, the end and an error in a stream of events. It keeps a
// few members of the event that goes by, and no more.
type streamFollower struct {
	line    []byte // its beginning, while it is not known what line it is
	isData  bool   // the line is one of data, and its beginning has been seen
	skip    bool   // the line is of no interest
	cr      bool   // the byte before is a carriage return
	isError bool   // the event is named so
	begun   []byte // the beginning of the event's data
	members members

	counts *chat.Usage
	// typed: an event has a type, as those of pictures and sounds have. choices: one has
	// choices. ended: one was an end.
	typed, choices, ended bool
	// said is the error that the upstream has told inside of the stream; nil: none.
	said []byte
	// events counts those that had data.
	events int
}

// responsesEnds are how an answer of the Responses API ends that is not complete.
var responsesEnds = map[string]bool{answerCut: true, answerFailed: true, answerCancelled: true}

const (
	dataField  = "data:"
	eventField = "event:"
	// maxEventName is more than any name that counts.
	maxEventName = 32
)

func (f *streamFollower) see(data []byte) {
	for len(data) > 0 {
		end := bytes.IndexAny(data, "\r\n")
		if end < 0 {
			f.piece(data)
			f.cr = false
			return
		}
		f.piece(data[:end])
		if !f.cr || end > 0 || data[end] != '\n' { // else it is one line break of two bytes
			f.lineEnd()
		}
		f.cr = data[end] == '\r'
		data = data[end+1:]
	}
}

// piece takes some of a line.
func (f *streamFollower) piece(data []byte) {
	switch {
	case f.skip || len(data) == 0:
	case f.isData:
		f.payload(data)
	default:
		room := min(len(data), maxEventName-len(f.line))
		f.line = append(f.line, data[:room]...)
		switch {
		case bytes.HasPrefix(f.line, []byte(dataField)):
			f.isData = true
			f.payload(f.line[len(dataField):])
			f.payload(data[room:])
		case bytes.HasPrefix(f.line, []byte(eventField)) && len(f.line) < maxEventName, len(f.line) < len(eventField):
		default:
			f.skip = true
		}
	}
}

func (f *streamFollower) payload(data []byte) {
	if room := maxWords - len(f.begun); room > 0 {
		f.begun = append(f.begun, data[:min(room, len(data))]...)
	}
	f.members.see(data)
}

// lineEnd ends a line; an empty one ends an event.
func (f *streamFollower) lineEnd() {
	empty := len(f.line) == 0 && !f.isData && !f.skip
	if name, is := bytes.CutPrefix(f.line, []byte(eventField)); is && !f.isData {
		f.isError = string(bytes.TrimSpace(name)) == "error"
	}
	f.line, f.isData, f.skip = f.line[:0], false, false
	if empty {
		f.event()
	}
}

// event takes note of an event that is complete.
func (f *streamFollower) event() {
	begun := string(bytes.TrimSpace(f.begun))
	if begun != "" {
		f.events++
	}
	kind, wrong := unquoted(f.members.value("type")), f.members.value("error")
	switch {
	case begun == "[DONE]":
		f.ended = true
	case begun != "" && (f.isError || kind == "error" || !blank(wrong) && len(wrong) > 0):
		if f.said = bytes.Clone(f.begun); len(f.begun) == maxWords {
			f.said = f.members.whole("error")
		}
	}
	if usage := usageOf(f.members.value("usage")); usage != nil {
		f.counts = usage
	}
	if kind != "" {
		f.typed = true
		f.ended = f.ended || strings.HasSuffix(kind, ".completed") || strings.HasSuffix(kind, ".done") || responsesEnds[kind]
	}
	if choices := f.members.value("choices"); choices != nil {
		f.choices = true
		f.ended = f.ended || finishes(choices)
	}
	f.begun, f.isError = f.begun[:0], false
	f.members.reset()
}

// finishes tells whether one of the choices has come to its end.
func finishes(choices []byte) bool {
	s := rawjson.Over(choices)
	if s.Kind() != rawjson.Array {
		return false
	}
	ended := false
	for ok := s.Array(); ok; ok = s.Element() {
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		for ok := s.Object(); ok; ok = s.Member() {
			if string(s.Key()) == "finish_reason" && s.Kind() == rawjson.String {
				ended = true
			}
			s.Skip()
		}
	}
	return ended
}

// complete tells whether the stream has come to its end. Of events of which nothing is
// known any end is one.
func (f *streamFollower) complete() bool {
	f.event() // some leave out the empty line after the last one
	return f.ended || f.events > 0 && !f.typed && !f.choices
}

func (f *streamFollower) usage() *chat.Usage { return f.counts }

// firstEvent looks for the first event with data in the beginning of a stream, or in all of
// it. failed is what that says if it is an error.
func firstEvent(head []byte, whole bool) (ended bool, failed []byte) {
	var f streamFollower
	for line := range bytes.Lines(head) {
		if f.see(line); f.events > 0 {
			return true, f.said
		}
	}
	if whole {
		f.event()
	}
	return f.events > 0, f.said
}

// usageOf reads counts in the forms that the side endpoints have; nil: there are none.
// Sounds are counted in seconds by some, which are no tokens.
func usageOf(object []byte) *chat.Usage {
	r := reading{s: rawjson.Over(object)}
	var c tokenCounts
	for ok := r.object(); ok; ok = r.s.Member() {
		switch string(r.s.Key()) {
		case "prompt_tokens", "input_tokens":
			c.told = r.count(&c.Prompt) || c.told
		case "completion_tokens", "output_tokens":
			c.told = r.count(&c.Completion) || c.told
		case "total_tokens":
			r.count(&c.total)
		case "prompt_tokens_details", "input_tokens_details":
			r.input(&c)
		case "completion_tokens_details", "output_tokens_details":
			r.thoughts(&c)
		default:
			r.s.Skip()
		}
	}
	switch {
	case r.s.End() != nil || !c.told && c.total == 0:
		return nil
	case !c.told:
		c.Prompt = c.total
	}
	usage := c.whole()
	return &usage
}

// contentMembers are those of which an answer has at least one.
var contentMembers = []string{"data", "choices", "results", "text", "segments", "output"}

// hasContent tells whether an object is an answer.
func hasContent(object []byte) bool {
	s := rawjson.Over(object)
	found := false
	for ok := s.Object(); ok; ok = s.Member() {
		name := string(s.Key())
		found = !blank(s.Skip()) && slices.Contains(contentMembers, name) || found
	}
	return found
}

// tellsOfError tells whether an object that is no answer says that something failed.
func tellsOfError(object []byte) bool {
	s := rawjson.Over(object)
	wrong := false
	for ok := s.Object(); ok; ok = s.Member() {
		name := string(s.Key())
		wrong = !blank(s.Skip()) && name == "error" || wrong
	}
	return s.End() == nil && (wrong || accountOf(object).tellsOfFailure())
}
