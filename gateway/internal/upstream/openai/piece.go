package openai

import (
	"bytes"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// piece is what a chunk, or a whole answer, says.
type piece struct {
	event upstream.Flat
	// failure is what speaks of an error: the error object, or all of it; nil: nothing
	// does.
	failure []byte
	// broke is what speaks of an error inside a choice: what is there is half an
	// answer.
	broke []byte
	// listed: it has a list of choices; choices is their number.
	listed  bool
	choices int
	// said: it has content of some kind, perhaps one that events don't name.
	said bool
	// spent: it counts tokens that the upstream has produced, by whatever name.
	spent bool
	// begun and ended are the indexes of the choices that it has, and has the ends of.
	begun, ended indexSet
	// malformed: it is no JSON object.
	malformed bool
	// flawed: it has not the form of the API, or ends inside a character.
	flawed bool
	// chunk: it has choices, or calls itself a chunk.
	chunk bool
	// delta and message: a choice has an object of that name.
	delta, message bool
	// text is where the content stands, between its quotes, if it is a string;
	// sources counts what the event's text is made of.
	text    span
	sources int
}

// span is a part of a chunk.
type span struct{ from, to int }

// onlyText tells whether a text is all that it says.
func (p *piece) onlyText() bool {
	event := &p.event
	return !p.malformed && !p.flawed && !p.message && p.failure == nil && p.broke == nil && p.choices == 1 && p.sources == 1 && p.text.from < p.text.to &&
		event.Reasoning == "" && event.Refusal == "" && event.Calls == nil && event.Finish == chat.Unfinished && event.Usage == nil
}

// indexSet is a set of small indexes: the API allows 128 choices.
type indexSet [2]uint64

func (set *indexSet) add(index int) {
	if index >= 0 && index < 128 {
		set[index/64] |= 1 << (index % 64)
	}
}

func (set *indexSet) join(other indexSet) {
	set[0], set[1] = set[0]|other[0], set[1]|other[1]
}

// covers tells whether all of other is in the set.
func (set *indexSet) covers(other indexSet) bool {
	return other[0]&^set[0] == 0 && other[1]&^set[1] == 0
}

// parsePiece reads a chunk or a whole answer; the two differ only in whether a
// choice has a delta or a message. Of several choices the texts follow each
// other. Members of an unexpected type are passed over: they are the client's
// business, who gets them as they are.
func parsePiece(data []byte) piece { return parseOnly(data, "") }

// parseOnly is parsePiece for what has both a delta and a message, as some upstreams
// send what has been said so far beside what is new: the other one is left alone.
func parseOnly(data []byte, name string) piece {
	r := reading{data: data, s: rawjson.Over(data), only: name}
	r.members(r.s.Object(), nil)
	return r.p
}

// parseWhole is parseOnly for a whole answer; outer takes the members that its dialect may set.
func parseWhole(data []byte, name string, outer *chat.Members) piece {
	r := reading{data: data, s: rawjson.Over(data), only: name, outer: outer}
	*outer = chat.Members{}
	r.members(r.s.Object(), nil)
	outer.End()
	return r.p
}

// chunkParser is parsePiece for the chunks of a stream. One after the other
// begins with the same members: what says nothing here is read once.
type chunkParser struct {
	// head is the beginning of the latest chunk that began otherwise than the one
	// before it: all up to the value of its choices.
	head []byte
	// before and after are what stood around the text of the latest chunk that said
	// nothing but a text. Most chunks differ in nothing else.
	before, after []byte
	begun         indexSet // its choice
	// shape is how often before and after have been learned.
	shape int
	texts rawjson.Texts
}

// maxSurroundings bounds what is kept around a text: a chunk can have a picture in it.
const maxSurroundings = 8 << 10

func (c *chunkParser) parse(data []byte) piece {
	if text, at, ok := c.text(data); ok {
		return piece{
			event: upstream.Flat{Text: text}, listed: true, choices: 1, said: true, begun: c.begun,
			chunk: true, delta: true, text: at, sources: 1,
		}
	}
	return c.parseAll(data)
}

// text reads a chunk that differs from an earlier one only in its text, which it says
// the place of.
func (c *chunkParser) text(data []byte) (text string, at span, ok bool) {
	if len(c.before) == 0 || !bytes.HasPrefix(data, c.before) || !bytes.HasSuffix(data[len(c.before):], c.after) {
		return "", at, false
	}
	at = span{len(c.before), len(data) - len(c.after)}
	text, ok = c.texts.Inside(data[at.from:at.to])
	return text, at, ok && text != "" && cutTail(data[at.from:at.to]) == 0
}

// raw is text, with the chunk as it goes through.
func (c *chunkParser) raw(data []byte) (text string, raw chat.Raw, ok bool) {
	text, at, ok := c.text(data)
	return text, chat.Raw{Dialect: dialect, JSON: data, Shape: c.shape, TextFrom: at.from, TextTo: at.to}, ok
}

// parseAll reads a chunk of any kind, and learns from it.
func (c *chunkParser) parseAll(data []byte) piece {
	p := c.parseAfterHead(data)
	if p.onlyText() && len(data)-(p.text.to-p.text.from) <= maxSurroundings {
		c.before = append(c.before[:0], data[:p.text.from]...)
		c.after = append(c.after[:0], data[p.text.to:]...)
		c.begun = p.begun
		c.shape++
	}
	return p
}

func (c *chunkParser) parseAfterHead(data []byte) piece {
	r := reading{data: data}
	if len(c.head) > 0 && bytes.HasPrefix(data, c.head) {
		r.s = rawjson.Within(data, len(c.head))
		if r.choices(); r.p.listed {
			r.members(r.s.Member(), nil)
			return r.p
		}
		r.p = piece{}
	}
	r.s = rawjson.Over(data)
	r.members(r.s.Object(), func() { c.head = append(c.head[:0], data[:r.s.Pos()]...) })
	return r.p
}

// reading is one pass over a chunk or a whole answer.
type reading struct {
	data []byte
	s    rawjson.Scanner
	p    piece
	only string // the name of what a choice says; empty: either
	// outer takes the members that the answer's dialect may set; nil: nobody asks for them.
	outer *chat.Members
}

// note notes a member that has been consumed. Its value begins at from.
func (r *reading) note(name string, from int) {
	if r.outer != nil {
		r.outer.Note(name, from, r.s.Pos())
	}
}

// members reads the members of the outermost object; ok: it stands in one. head is
// called before the choices if nothing before them says anything.
func (r *reading) members(ok bool, head func()) {
	s, p := &r.s, &r.p
	for ; ok; ok = s.Member() {
		from := s.Pos()
		switch string(s.Key()) {
		case "choices":
			if head != nil && !p.listed && p.event.Usage == nil && p.failure == nil && !p.flawed {
				head()
			}
			r.choices()
		case "usage":
			r.usage()
			r.note("usage", from)
		case "error":
			switch failure := s.Skip(); {
			case string(failure) == "null":
			case string(failure) == "true": // its words stand beside it
				p.failure = r.data
			case !blank(failure):
				p.failure = failure
			default:
				p.flawed = true // official clients take whatever is there for an error
			}
		case "base_resp":
			if accountOf(s.Skip()).tellsOfFailure() {
				p.failure = r.data
			}
		case "object":
			if s.Kind() == rawjson.String {
				p.chunk = string(s.Word()) == "chat.completion.chunk" || p.chunk
			} else {
				s.Skip()
			}
			r.note("object", from)
		case "id":
			s.Skip()
			r.note("id", from)
		case "created":
			s.Skip()
			r.note("created", from)
		case "model":
			s.Skip()
			r.note("model", from)
		default:
			s.Skip()
		}
	}
	p.malformed = s.End() != nil
	if p.malformed {
		return
	}
	p.flawed = p.flawed || !p.listed
	if p.failure == nil && p.choices == 0 && p.event.Usage == nil && accountOf(r.data).tellsOfFailure() {
		p.failure = r.data
	}
}

func (r *reading) choices() {
	s, p := &r.s, &r.p
	if s.Kind() != rawjson.Array {
		s.Skip()
		return
	}
	p.listed, p.chunk = true, true
	for ok := s.Array(); ok; ok = s.Element() {
		p.choices++
		if s.Kind() != rawjson.Object {
			p.flawed = true
			s.Skip()
			continue
		}
		r.choice()
	}
}

func (r *reading) choice() {
	s, p := &r.s, &r.p
	index, message, ended := -1, false, false
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "index":
			if s.Kind() == rawjson.Number {
				index = s.Int()
			} else {
				s.Skip()
			}
		case "delta", "message":
			switch key := string(s.Key()); {
			case r.only != "" && key != r.only:
				s.Skip()
			case r.message():
				message = true
				p.delta, p.message = p.delta || key == "delta", p.message || key == "message"
			}
		case "finish_reason":
			if s.Kind() == rawjson.Null {
				s.Skip()
				break
			}
			word := s.Skip()
			reason := unquoted(word)
			switch {
			case isPending(reason):
				p.flawed = true
			case isBreak(reason) && p.broke == nil:
				p.broke = word
			case isBreak(reason): // in other words than the error beside it
			default:
				p.event.Finish, ended = finishReason(reason), true
			}
		case "error":
			if failure := s.Skip(); !blank(failure) {
				p.broke = failure
			}
		default:
			s.Skip()
		}
	}
	p.flawed = p.flawed || index < 0 || !message
	index = max(index, 0)
	p.begun.add(index)
	if ended {
		p.ended.add(index)
	}
}

// isPending tells whether a finish reason is a word for "not yet".
func isPending(reason string) bool {
	switch reason {
	case "", "null", "NULL", "Null", "none", "None", "NONE", "nil", "undefined":
		return true
	}
	return false
}

// isBreak tells whether a finish reason says that what is there is half an answer.
func isBreak(reason string) bool {
	switch reason {
	case "error", "ERROR", "network_error", "failed", "abort", "aborted", "cancelled", "timeout", "insufficient_system_resource":
		return true
	}
	return false
}

// finishReason maps the names that upstreams use.
func finishReason(name string) chat.FinishReason {
	switch name {
	case "length", "max_tokens":
		return chat.Length
	case "tool_calls", "function_call":
		return chat.CalledTools
	case "content_filter":
		return chat.ContentFilter
	default:
		return chat.Stop
	}
}

// message reads a delta or a message; false: it is none.
func (r *reading) message() bool {
	s, p := &r.s, &r.p
	if s.Kind() != rawjson.Object {
		s.Skip()
		return false
	}
	ev := &p.event
	var thinking string // by a name other than reasoning_content
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "content":
			if s.Kind() == rawjson.String {
				from := s.Pos() + 1
				p.addText(r.text())
				p.text = span{from, s.Pos() - 1}
			} else {
				r.parts()
			}
		case "refusal":
			ev.Refusal = joined(ev.Refusal, r.text())
		case "reasoning_content":
			ev.Reasoning = joined(ev.Reasoning, r.text())
		case "reasoning", "thinking":
			if s.Kind() == rawjson.String {
				thinking = r.text()
			} else {
				r.other()
			}
		case "tool_calls":
			r.toolCalls()
		case "function_call": // what calls were before there were several
			if s.Kind() == rawjson.Object {
				var call upstream.CallPiece
				r.function(&call)
				ev.Calls = append(ev.Calls, call)
			} else {
				s.Skip()
			}
		case "role", "type", "id", "name", "object", "index", "status", "model", "created": // of no interest
			s.Skip()
		default:
			r.other()
		}
	}
	if ev.Reasoning == "" {
		ev.Reasoning = thinking
	}
	p.said = p.said || ev.Text != "" || ev.Refusal != "" || ev.Reasoning != "" || len(ev.Calls) > 0
	return true
}

// other reads content that events have no name for.
func (r *reading) other() {
	value := r.s.Skip()
	r.p.said = r.p.said || !blank(value)
}

// parts reads content that is no string: a list of parts, as thinking models and those
// that draw send it.
func (r *reading) parts() {
	value := r.s.Skip()
	r.p.said = r.p.said || !blank(value)
	s := rawjson.Over(value)
	if s.Kind() != rawjson.Array {
		return
	}
	for ok := s.Array(); ok; ok = s.Element() {
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		for ok := s.Object(); ok; ok = s.Member() {
			switch string(s.Key()) {
			case "text":
				r.p.addText(text(&s))
			case "refusal":
				r.p.event.Refusal = joined(r.p.event.Refusal, text(&s))
			default:
				s.Skip()
			}
		}
	}
}

func (p *piece) addText(text string) {
	if text != "" {
		p.event.Text = joined(p.event.Text, text)
		p.sources++
	}
}

func joined(a, b string) string {
	if a == "" {
		return b // nearly always
	}
	return a + b
}

// text consumes a string, which may end inside a character; or something else as if it
// were empty.
func (r *reading) text() string {
	if r.s.Kind() != rawjson.String {
		r.s.Skip()
		return ""
	}
	from := r.s.Pos() + 1
	text := r.s.Text()
	if to := r.s.Pos() - 1; from < to && cutTail(r.data[from:to]) > 0 {
		r.p.flawed = true
	}
	return text
}

// text consumes a string, or something else as if it were empty.
func text(s *rawjson.Scanner) string {
	if s.Kind() != rawjson.String {
		s.Skip()
		return ""
	}
	return s.Text()
}

func (r *reading) toolCalls() {
	s, p := &r.s, &r.p
	if s.Kind() != rawjson.Array {
		s.Skip()
		return
	}
	position, empty := 0, true
	for ok := s.Array(); ok; ok = s.Element() {
		empty = false
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		call := upstream.CallPiece{Index: position}
		position++
		for ok := s.Object(); ok; ok = s.Member() {
			switch string(s.Key()) {
			case "index":
				if s.Kind() == rawjson.Number {
					call.Index = s.Int()
				} else {
					s.Skip()
				}
			case "id":
				call.ID = text(s)
			case "function", "custom":
				call.Custom = string(s.Key()) == "custom"
				r.function(&call)
			case "type":
				s.Skip()
			default:
				r.extra(&call)
			}
		}
		p.event.Calls = append(p.event.Calls, call)
	}
	p.flawed = p.flawed || empty // the API has no such list
}

// extra keeps a member of a call that has no canonical form: what the upstream wants back
// with it, such as a signature.
func (r *reading) extra(call *upstream.CallPiece) {
	key := quotedKey(&r.s)
	value := r.s.Skip()
	if r.s.Failed() || string(value) == "null" {
		return
	}
	if call.Extra == nil {
		call.Extra = &chat.Opaque{Dialect: dialect}
	} else {
		call.Extra.JSON = append(call.Extra.JSON, ',')
	}
	call.Extra.JSON = append(append(append(call.Extra.JSON, key...), ':'), value...)
}

// function consumes what is called and with what.
func (r *reading) function(call *upstream.CallPiece) {
	s := &r.s
	if s.Kind() != rawjson.Object {
		s.Skip()
		return
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "name":
			call.Name = text(s)
		case "arguments", "input":
			if s.Kind() != rawjson.String {
				r.p.flawed = true
			}
			call.Arguments = r.text()
		default:
			s.Skip()
		}
	}
}

// blank tells whether a value says nothing: null, false, 0, an empty text, or a list or
// an object of nothing else. What kind of thing an object is says nothing either.
func blank(value []byte) bool {
	s := rawjson.Over(value)
	return skipBlank(&s) && s.End() == nil
}

func skipBlank(s *rawjson.Scanner) bool {
	nothing := true
	switch s.Kind() {
	case rawjson.Object:
		for ok := s.Object(); ok; ok = s.Member() {
			switch string(s.Key()) {
			case "type", "role", "format", "index", "object":
				inner := s.Skip()
				nothing = nothing && (len(inner) == 0 || inner[0] != '{' && inner[0] != '[' || blank(inner))
			default:
				nothing = skipBlank(s) && nothing
			}
		}
	case rawjson.Array:
		for ok := s.Array(); ok; ok = s.Element() {
			nothing = skipBlank(s) && nothing
		}
	case rawjson.Invalid:
		s.Skip()
	default:
		switch string(s.Skip()) {
		case "null", "false", "0", `""`:
		default:
			return false
		}
	}
	return nothing
}

// unquoted decodes a JSON string; empty for any other value.
func unquoted(value []byte) string {
	s := rawjson.Over(value)
	return text(&s)
}

// cutTail is how many bytes at the end of a string, between its quotes, are the
// beginning of a character: the first half of an escaped pair, or of its UTF-8.
func cutTail(raw []byte) int {
	if len(raw) == 0 {
		return 0
	}
	if raw[len(raw)-1] < utf8.RuneSelf {
		return cutPair(raw)
	}
	for n := 1; n <= min(len(raw), utf8.UTFMax-1); n++ {
		tail := raw[len(raw)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// pairHalf is the length of an escape.
const pairHalf = len(`\ud83d`)

func cutPair(raw []byte) int {
	start := len(raw) - pairHalf
	if start < 0 || raw[start] != '\\' || raw[start+1] != 'u' || raw[start+2]|0x20 != 'd' {
		return 0
	}
	switch raw[start+3] | 0x20 {
	case '8', '9', 'a', 'b':
	default:
		return 0
	}
	before := raw[:start]
	if slashes := len(before) - len(bytes.TrimRight(before, `\`)); slashes%2 == 1 {
		return 0 // an escaped backslash, and text
	}
	return pairHalf
}

// isDone recognizes the event that ends a complete stream.
func isDone(data []byte) bool { return string(bytes.TrimSpace(data)) == "[DONE]" }
