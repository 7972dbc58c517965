package anthropic

import (
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/tokencount"
)

// stream writes one answer as events to a Sink. How it ends is said by Done alone: an
// answer that breaks has no message_delta and no message_stop.
type stream struct {
	sink    dialect.Sink
	request *chat.Request
	buf     []byte // one payload, reused
	begun   bool   // message_start has been sent
	stopped bool   // message_stop has been sent, by the upstream itself
	held    bool   // the sink may hold something back
	passing bool   // the latest event of the upstream was passed on

	blocks int // that have been started
	block  openBlock
	ids    callIDs
	ending ending
	usage  *chat.Usage
	input  chat.Usage // what is known of it at the start
}

// openBlock is the block that is being written.
type openBlock struct {
	open    bool // the upstream's is
	started bool // the client has its start
	kind    chat.BlockKind
	block   chat.Block
	seal    *chat.Seal
	filled  bool // a call has arguments
}

// ping is sent when all is silent: some clients take a comment for nothing at all.
const ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n"

// Event writes what the event says: nothing, a frame or several.
func (s *stream) Event(event chat.Event) error {
	if err := s.event(&event); err != nil {
		return err
	}
	if event.More || !s.held {
		return nil
	}
	s.held = false
	return s.sink.Flush()
}

func (s *stream) event(event *chat.Event) error {
	s.ending.see(event)
	if event.Usage != nil {
		usage := *event.Usage
		s.usage = &usage
	}
	if event.Begin != nil && event.Begin.Input != nil {
		s.input = *event.Begin.Input
	}
	if event.Raw.Dialect == Dialect && !event.Raw.Whole && (s.passing || !s.begun) {
		if event.Raw.JSON == nil {
			s.follow(event) // an earlier one has said it
			return nil
		}
		s.follow(event)
		return s.pass(&event.Raw)
	}
	s.passing = false
	return s.compose(event)
}

// pass writes an upstream's own event.
func (s *stream) pass(raw *chat.Raw) error {
	s.passing = true
	payload := raw.JSON
	switch raw.Name {
	case "message_start":
		s.buf = renamed(s.buf[:0], raw.JSON, "message", s.request.Model)
		payload = s.buf
		s.begin()
	case "message_stop":
		s.stopped = true
	}
	return s.put(raw.Name, payload)
}

// follow keeps count of the blocks of events that are passed on.
func (s *stream) follow(event *chat.Event) {
	if event.Open != nil {
		s.blocks++
		s.block = openBlock{open: true, started: true, kind: event.Kind}
	}
	if event.Close {
		s.block = openBlock{}
	}
}

func (s *stream) begin() {
	s.begun = true
	s.sink.Heartbeat(func() string { return ping })
}

// compose writes the frames for an event from its canonical fields.
func (s *stream) compose(event *chat.Event) error {
	if !s.begun {
		if err := s.start(); err != nil {
			return err
		}
	}
	if event.Open != nil {
		if err := s.close(); err != nil {
			return err
		}
		s.block = openBlock{open: true, kind: event.Kind, block: *event.Open}
		if err := s.openAtOnce(); err != nil {
			return err
		}
	}
	if event.Seal != nil {
		seal := *event.Seal
		s.block.seal = &seal
	}
	if event.Text != "" {
		if !s.block.open { // a driver that has not said so
			s.block = openBlock{open: true, kind: event.Kind}
		}
		if err := s.delta(event.Text); err != nil {
			return err
		}
	}
	if event.Close {
		return s.close()
	}
	return nil
}

// start writes message_start. What an upstream tells of the input last is estimated: some
// clients read the counts nowhere else.
func (s *stream) start() error {
	if s.input.Prompt == 0 {
		s.input.Prompt = tokencount.Prompt(s.request)
	}
	s.begin()
	dst := append(s.buf[:0], `{"type":"message_start","message":`...)
	dst = appendHead(dst, s.request)
	dst = append(dst, `],"stop_reason":null,"stop_sequence":null,"usage":`...)
	dst = appendUsage(dst, &s.input)
	s.buf = append(dst, `}}`...)
	return s.put("message_start", s.buf)
}

// openAtOnce starts a block that has something to say without a text.
func (s *stream) openAtOnce() error {
	switch opaque := s.block.block.Opaque; {
	case s.block.kind == chat.CallBlock:
		return s.startBlock()
	case s.block.kind == chat.OpaqueBlock && opaque != nil && opaque.Dialect == Dialect:
		return s.startBlock()
	}
	return nil
}

// startBlock writes content_block_start. Text in it is always empty: clients put what the
// start has before the pieces.
func (s *stream) startBlock() error {
	dst := append(s.buf[:0], `{"type":"content_block_start","index":`...)
	dst = strconv.AppendInt(dst, int64(s.blocks), 10)
	dst = append(dst, `,"content_block":`...)
	switch s.block.kind {
	case chat.TextBlock, chat.RefusalBlock:
		dst = append(dst, `{"type":"text","text":""}`...)
	case chat.ReasoningBlock:
		dst = s.appendThinking(dst)
	case chat.CallBlock:
		dst = appendCall(dst, s.callID(), s.block.block.Name)
		dst = append(dst, `{}}`...)
	case chat.OpaqueBlock:
		dst = append(dst, s.block.block.Opaque.JSON...)
	}
	s.buf = append(dst, '}')
	s.blocks++
	s.block.started = true
	return s.put("content_block_start", s.buf)
}

func (s *stream) callID() string {
	s.ids.request = s.request
	return s.ids.of(&s.block.block)
}

// isRedacted tells whether there is nothing of the reasoning but what its maker, the
// vendor, can read.
func (b *openBlock) isRedacted() bool {
	return b.block.Redacted && b.seal != nil && b.seal.Maker == Dialect
}

func (s *stream) appendThinking(dst []byte) []byte {
	if !s.block.isRedacted() {
		return append(dst, `{"type":"thinking","thinking":"","signature":""}`...)
	}
	dst = append(dst, `{"type":"redacted_thinking","data":`...)
	dst = rawjson.AppendString(dst, s.block.seal.Data)
	return append(dst, '}')
}

// deltas are the beginnings of pieces, from the index on up to their text.
var deltas = [...]string{
	chat.TextBlock:      `,"delta":{"type":"text_delta","text":"`,
	chat.RefusalBlock:   `,"delta":{"type":"text_delta","text":"`,
	chat.ReasoningBlock: `,"delta":{"type":"thinking_delta","thinking":"`,
	chat.CallBlock:      `,"delta":{"type":"input_json_delta","partial_json":"`,
}

const signatureDelta = `,"delta":{"type":"signature_delta","signature":"`

// delta writes a piece of the block, after its start.
func (s *stream) delta(text string) error {
	block := &s.block
	switch {
	case block.kind == chat.OpaqueBlock || block.isRedacted():
		return nil
	case block.kind == chat.CallBlock && !block.filled:
		if strings.TrimSpace(text) == "null" { // how some say that there are no arguments
			return nil
		}
		block.filled = true
		if block.block.Custom {
			if err := s.piece(deltas[chat.CallBlock], customInput); err != nil {
				return err
			}
		}
	}
	if !block.started {
		if err := s.startBlock(); err != nil {
			return err
		}
	}
	if block.block.Custom {
		text = string(rawjson.AppendEscaped(nil, text))
	}
	return s.piece(deltas[block.kind], text)
}

func (s *stream) piece(kind, text string) error {
	dst := append(s.buf[:0], `{"type":"content_block_delta","index":`...)
	dst = strconv.AppendInt(dst, int64(s.blocks-1), 10)
	dst = append(dst, kind...)
	dst = rawjson.AppendEscaped(dst, text)
	s.buf = append(dst, `"}}`...)
	return s.put("content_block_delta", s.buf)
}

// close ends the block that is open. One that has said nothing has never been.
func (s *stream) close() error {
	block := &s.block
	defer func() { s.block = openBlock{} }()
	if !block.open {
		return nil
	}
	if block.kind == chat.ReasoningBlock && (block.started || block.seal != nil) {
		if !block.started {
			if err := s.startBlock(); err != nil {
				return err
			}
		}
		if !block.isRedacted() {
			if err := s.piece(signatureDelta, signature(block.seal)); err != nil {
				return err
			}
		}
	}
	if !block.started {
		return nil
	}
	if block.block.Custom {
		rest := `"}`
		if !block.filled {
			rest = customInput + rest
		}
		if err := s.piece(deltas[chat.CallBlock], rest); err != nil {
			return err
		}
	}
	dst := append(s.buf[:0], `{"type":"content_block_stop","index":`...)
	dst = strconv.AppendInt(dst, int64(s.blocks-1), 10)
	s.buf = append(dst, '}')
	return s.put("content_block_stop", s.buf)
}

// Done ends a complete answer. The sink may hold the end back until it is closed.
func (s *stream) Done() error {
	if s.stopped {
		return nil
	}
	if !s.begun {
		if err := s.start(); err != nil {
			return err
		}
	}
	if err := s.close(); err != nil {
		return err
	}
	usage := s.usage
	if usage == nil {
		usage = &s.input
	}
	dst := append(s.buf[:0], `{"type":"message_delta","delta":{`...)
	dst = appendEnding(dst, &s.ending)
	dst = append(dst, `},"usage":`...)
	dst = appendUsage(dst, usage)
	s.buf = append(dst, '}')
	if err := s.put("message_delta", s.buf); err != nil {
		return err
	}
	return s.put("message_stop", []byte(`{"type":"message_stop"}`))
}

// maxKept bounds the room that is kept for the next frame.
const maxKept = 256 << 10

// put sends an event. It may be held back until Event is through.
func (s *stream) put(name string, payload []byte) error {
	s.held = true
	err := s.sink.Event(name, payload, true)
	if cap(s.buf) > maxKept {
		s.buf = nil
	}
	return err
}
