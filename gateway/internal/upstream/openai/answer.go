package openai

import (
	"bytes"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// piece is what a chunk, or a whole answer, says.
type piece struct {
	event chat.Event
	// failure is the upstream's error object; nil: there is none.
	failure []byte
	choices int
	// said: it has content of some kind, perhaps one that events don't name.
	said bool
	// malformed: it is no JSON object.
	malformed bool
	// text is where the content stands, between its quotes, if it is a string;
	// sources counts what the event's text is made of.
	text    span
	sources int
}

// onlyText tells whether a text is all that it says.
func (p *piece) onlyText() bool {
	event := &p.event
	return !p.malformed && p.failure == nil && p.choices == 1 && p.sources == 1 && p.text.from < p.text.to &&
		event.Reasoning == "" && event.ToolCalls == nil && event.Finish == chat.Unfinished && event.Usage == nil
}

// parsePiece reads a chunk or a whole answer; the two differ only in whether a
// choice has a delta or a message. Of several choices the texts follow each
// other. Members of an unexpected type are passed over: they are the client's
// business, who gets them as they are.
func parsePiece(data []byte) piece {
	var p piece
	s := rawjson.Over(data)
	p.readMembers(&s, s.Object(), nil)
	return p
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
}

func (c *chunkParser) parse(data []byte) piece {
	if p, ok := c.parseText(data); ok {
		return p
	}
	p := c.parseAll(data)
	if p.onlyText() {
		c.before = append(c.before[:0], data[:p.text.from]...)
		c.after = append(c.after[:0], data[p.text.to:]...)
	}
	return p
}

// parseText reads a chunk that differs from an earlier one only in its text.
func (c *chunkParser) parseText(data []byte) (piece, bool) {
	if len(c.before) == 0 || !bytes.HasPrefix(data, c.before) || !bytes.HasSuffix(data[len(c.before):], c.after) {
		return piece{}, false
	}
	place := span{len(c.before), len(data) - len(c.after)}
	text, ok := rawjson.Inside(data[place.from:place.to])
	if !ok || text == "" {
		return piece{}, false
	}
	return piece{event: chat.Event{Text: text}, choices: 1, said: true, text: place, sources: 1}, true
}

func (c *chunkParser) parseAll(data []byte) piece {
	var p piece
	if len(c.head) > 0 && bytes.HasPrefix(data, c.head) {
		s := rawjson.Within(data, len(c.head))
		p.readChoices(&s)
		p.readMembers(&s, s.Member(), nil)
		return p
	}
	s := rawjson.Over(data)
	p.readMembers(&s, s.Object(), func() { c.head = append(c.head[:0], data[:s.Pos()]...) })
	return p
}

// readMembers reads the members of the outermost object; ok: it stands in one.
// head is called before the choices if nothing before them says anything.
func (p *piece) readMembers(s *rawjson.Scanner, ok bool, head func()) {
	for ; ok; ok = s.Member() {
		switch string(s.Key()) {
		case "choices":
			if head != nil && p.choices == 0 && p.event.Usage == nil && p.failure == nil {
				head()
			}
			p.readChoices(s)
		case "usage":
			p.readUsage(s)
		case "error":
			absent := s.Kind() == rawjson.Null
			if failure := s.Skip(); !absent {
				p.failure = failure
			}
		default:
			s.Skip()
		}
	}
	p.malformed = s.End() != nil
}

func (p *piece) readChoices(s *rawjson.Scanner) {
	if s.Kind() != rawjson.Array {
		s.Skip()
		return
	}
	for ok := s.Array(); ok; ok = s.Element() {
		p.choices++
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		for ok := s.Object(); ok; ok = s.Member() {
			switch string(s.Key()) {
			case "delta", "message":
				p.readDelta(s)
			case "finish_reason":
				if reason := text(s); reason != "" {
					p.event.Finish = finishReason(reason)
				}
			default:
				s.Skip()
			}
		}
	}
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

func (p *piece) readDelta(s *rawjson.Scanner) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return
	}
	ev := &p.event
	var thinking string // OpenRouter's name for reasoning_content
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "content":
			if s.Kind() == rawjson.String {
				from := s.Pos() + 1
				p.addText(s.Text())
				p.text = span{from, s.Pos() - 1}
			} else {
				p.addText(content(s))
			}
		case "refusal":
			p.addText(text(s))
		case "reasoning_content":
			ev.Reasoning = joined(ev.Reasoning, text(s))
		case "reasoning":
			thinking = text(s)
		case "tool_calls":
			p.readToolCalls(s)
		case "function_call": // what calls were before there were several
			if s.Kind() == rawjson.Object {
				var call chat.ToolCall
				readFunction(s, &call)
				ev.ToolCalls = append(ev.ToolCalls, call)
			} else {
				s.Skip()
			}
		case "audio":
			p.said = p.said || s.Kind() != rawjson.Null
			s.Skip()
		default:
			s.Skip()
		}
	}
	if ev.Reasoning == "" {
		ev.Reasoning = thinking
	}
	p.said = p.said || ev.Text != "" || ev.Reasoning != "" || len(ev.ToolCalls) > 0
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

// text consumes a string, or something else as if it were empty.
func text(s *rawjson.Scanner) string {
	if s.Kind() != rawjson.String {
		s.Skip()
		return ""
	}
	return s.Text()
}

// content consumes a string, or a list of parts with text, as Mistral's thinking
// models send it.
func content(s *rawjson.Scanner) string {
	if s.Kind() != rawjson.Array {
		return text(s)
	}
	var all string
	for ok := s.Array(); ok; ok = s.Element() {
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		for ok := s.Object(); ok; ok = s.Member() {
			if string(s.Key()) == "text" {
				all += text(s)
			} else {
				s.Skip()
			}
		}
	}
	return all
}

func (p *piece) readToolCalls(s *rawjson.Scanner) {
	if s.Kind() != rawjson.Array {
		s.Skip()
		return
	}
	position := 0
	for ok := s.Array(); ok; ok = s.Element() {
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		call := chat.ToolCall{Index: position}
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
				readFunction(s, &call)
			default:
				s.Skip()
			}
		}
		p.event.ToolCalls = append(p.event.ToolCalls, call)
	}
}

// readFunction consumes what is called and with what.
func readFunction(s *rawjson.Scanner, call *chat.ToolCall) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "name":
			call.Name = text(s)
		case "arguments", "input":
			call.Arguments = text(s)
		default:
			s.Skip()
		}
	}
}

func (p *piece) readUsage(s *rawjson.Scanner) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return
	}
	usage := chat.Usage{Source: chat.UsageReported}
	counted := false
	count := func(n *int) {
		if s.Kind() != rawjson.Number {
			s.Skip()
			return
		}
		*n = max(0, s.Int())
		counted = true
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "prompt_tokens":
			count(&usage.Prompt)
		case "completion_tokens":
			count(&usage.Completion)
		default:
			s.Skip()
		}
	}
	if counted {
		p.event.Usage = &usage
	}
}

// isDone recognizes the event that ends a complete stream.
func isDone(data []byte) bool { return string(bytes.TrimSpace(data)) == "[DONE]" }
