package anthropic

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// The kinds of frames that are read.
const (
	messageStart = "message_start"
	blockStart   = "content_block_start"
	blockDelta   = "content_block_delta"
	blockStop    = "content_block_stop"
	messageDelta = "message_delta"
	messageStop  = "message_stop"
)

// frame is a server-sent event of an answer, as far as it is of interest.
type frame struct {
	kind string
	// index is the block's number; -1: it is not said.
	index int
	// block is the content of content_block_start, or a block of a whole answer.
	block block
	// text is the next piece of a block, signature the seal of its thoughts. kindOfDelta is
	// the delta's type.
	kindOfDelta, text, signature string
	stopReason, stopSequence     string
	usage                        usage
	// textFrom and textTo are where text stands in the frame, between its quotes; texts
	// counts the members that were read as such.
	textFrom, textTo, texts int
}

// block is a content block.
type block struct {
	kind     string
	text     string // said or thought
	seal     string
	id, name string
	input    []byte // of tool_use, JSON
	json     []byte // all of it
}

// message is a whole answer.
type message struct {
	kind                     string
	blocks                   []block
	stopReason, stopSequence string
	usage                    usage
}

// usage is what has been counted; nil: it was not said.
type usage struct {
	input, read, written *int
	minutes, hour        *int // of what was written: how long it is kept
	output, thinking     *int
}

// parse reads an event; false: it is no JSON object. What it does not know it passes
// over, and so members of an unexpected type.
func (f *frame) parse(data []byte) (ok bool) {
	*f = frame{index: -1}
	s := rawjson.Over(data)
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "type":
			f.kind = name(&s)
		case "index":
			if s.Kind() == rawjson.Number {
				f.index = s.Int()
			} else {
				s.Skip()
			}
		case "message":
			inner := readMessage(&s)
			f.usage = inner.usage
		case "content_block":
			f.block = readBlock(&s)
		case "delta":
			f.readDelta(&s)
		case "usage":
			f.usage.take(&s)
		default:
			s.Skip()
		}
	}
	return s.End() == nil
}

// readDelta consumes the delta of a block, or of the message.
func (f *frame) readDelta(s *rawjson.Scanner) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "type":
			f.kindOfDelta = name(s)
		case "text", "thinking", "partial_json":
			f.readText(s)
		case "signature":
			f.signature = text(s)
		case "stop_reason":
			f.stopReason = text(s)
		case "stop_sequence":
			f.stopSequence = text(s)
		default:
			s.Skip()
		}
	}
}

// readText consumes the text of a delta.
func (f *frame) readText(s *rawjson.Scanner) {
	if s.Kind() == rawjson.String {
		f.texts++
		f.textFrom = s.Pos() + 1
	}
	f.text = text(s)
	f.textTo = s.Pos() - 1
}

// parseMessage reads a whole answer; false: it is no JSON object.
func parseMessage(data []byte) (message, bool) {
	s := rawjson.Over(data)
	m := readMessage(&s)
	return m, s.End() == nil
}

func readMessage(s *rawjson.Scanner) (m message) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return m
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "type":
			m.kind = text(s)
		case "content":
			m.blocks = readBlocks(s)
		case "stop_reason":
			m.stopReason = text(s)
		case "stop_sequence":
			m.stopSequence = text(s)
		case "usage":
			m.usage.take(s)
		default:
			s.Skip()
		}
	}
	return m
}

func readBlocks(s *rawjson.Scanner) (blocks []block) {
	if s.Kind() != rawjson.Array {
		s.Skip()
		return nil
	}
	for ok := s.Array(); ok; ok = s.Element() {
		blocks = append(blocks, readBlock(s))
	}
	return blocks
}

func readBlock(s *rawjson.Scanner) (b block) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return b
	}
	rest := *s
	b.json = rest.Skip()
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "type":
			b.kind = text(s)
		case "text", "thinking":
			b.text = text(s)
		case "signature", "data":
			b.seal = text(s)
		case "id":
			b.id = text(s)
		case "name":
			b.name = text(s)
		case "input":
			b.input = s.Skip()
		default:
			s.Skip()
		}
	}
	return b
}

// take consumes counts; what is there replaces what was known.
func (u *usage) take(s *rawjson.Scanner) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "input_tokens":
			count(s, &u.input)
		case "cache_read_input_tokens":
			count(s, &u.read)
		case "cache_creation_input_tokens":
			count(s, &u.written)
		case "cache_creation":
			u.readLifetimes(s)
		case "output_tokens":
			count(s, &u.output)
		case "output_tokens_details":
			u.readDetail(s, "thinking_tokens", &u.thinking)
		default:
			s.Skip()
		}
	}
}

func (u *usage) readLifetimes(s *rawjson.Scanner) {
	rest := *s
	u.readDetail(s, "ephemeral_1h_input_tokens", &u.hour)
	u.readDetail(&rest, "ephemeral_5m_input_tokens", &u.minutes)
}

func (u *usage) readDetail(s *rawjson.Scanner, name string, value **int) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return
	}
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) == name {
			count(s, value)
		} else {
			s.Skip()
		}
	}
}

// maxCount bounds a count: the sum of some is one, too.
const maxCount = 1 << 40

// count consumes a number; anything else says nothing.
func count(s *rawjson.Scanner, value **int) {
	if s.Kind() != rawjson.Number {
		s.Skip()
		return
	}
	number := min(max(0, s.Int()), maxCount)
	*value = &number
}

// prompt is all that went in, as far as it is said.
func (u *usage) prompt() int { return value(u.input) + value(u.read) + u.put() }

// put is what went into a cache. Some upstreams tell it by lifetimes alone.
func (u *usage) put() int { return max(value(u.written), value(u.minutes)+value(u.hour)) }

// merge takes in newer counts. An end that says that nothing went in does not know.
func (u *usage) merge(newer usage) {
	if newer.prompt() == 0 && u.prompt() > 0 {
		newer.input, newer.read, newer.written, newer.minutes, newer.hour = nil, nil, nil, nil, nil
	}
	for _, pair := range []struct{ known, said **int }{
		{&u.input, &newer.input},
		{&u.read, &newer.read},
		{&u.written, &newer.written},
		{&u.minutes, &newer.minutes},
		{&u.hour, &newer.hour},
		{&u.output, &newer.output},
		{&u.thinking, &newer.thinking},
	} {
		if *pair.said != nil {
			*pair.known = *pair.said
		}
	}
}

// counted is the canonical form; nil: nothing was said.
func (u *usage) counted() *chat.Usage {
	if u.input == nil && u.output == nil {
		return nil
	}
	counted := chat.Usage{
		CacheRead: value(u.read), CacheWrite: u.put(), CacheWriteHour: value(u.hour),
		Completion: value(u.output), Reasoning: value(u.thinking), Source: chat.UsageReported,
	}
	counted.Prompt = u.prompt()
	return &counted
}

func value(number *int) int {
	if number == nil {
		return 0
	}
	return *number
}

// text consumes a string, or something else as if it were empty.
func text(s *rawjson.Scanner) string {
	if s.Kind() != rawjson.String {
		s.Skip()
		return ""
	}
	return s.Text()
}

// name is text for what is one of a few words: those cost no memory.
func name(s *rawjson.Scanner) string {
	if s.Kind() != rawjson.String {
		s.Skip()
		return ""
	}
	rest := *s
	raw := s.Skip()
	switch string(raw) {
	case `"content_block_delta"`:
		return blockDelta
	case `"content_block_start"`:
		return blockStart
	case `"content_block_stop"`:
		return blockStop
	case `"ping"`:
		return "ping"
	case `"text_delta"`:
		return "text_delta"
	case `"thinking_delta"`:
		return "thinking_delta"
	case `"input_json_delta"`:
		return inputDelta
	}
	return rest.Text()
}
