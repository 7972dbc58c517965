package upstreamsim

import (
	"encoding/json"
	"strconv"
	"strings"
)

// messageFormat writes the events and the object of one message.
type messageFormat struct {
	id, model string
	input     cached
	// field and newline are how a line is written: "data: " and "\n", usually.
	before, space, newline string
}

func newMessageFormat(number uint64, model string) messageFormat {
	return messageFormat{id: "msg_sim" + sixteenDigits(number), model: model + ModelSuffix, space: " ", newline: "\n"}
}

// events is an answer as a stream: one after the other, and where each ends.
type events struct {
	buffer []byte
	spans  []span
}

type span struct {
	end   int
	delta bool // a piece of a block
}

// slice are the events from one to before another.
func (e *events) slice(from, to int) []byte {
	begin := 0
	if from > 0 {
		begin = e.spans[from-1].end
	}
	return e.buffer[begin:e.spans[to-1].end]
}

// deltas are the numbers of the first and the last event with a piece; the one before
// the end of the message where there is none.
func (e *events) deltas() (first, last int) {
	last = len(e.spans) - 3 // before message_delta and message_stop
	first = -1
	for at, span := range e.spans {
		if span.delta {
			if first < 0 {
				first = at
			}
			last = at
		}
	}
	if first < 0 {
		first = last
	}
	return first, last
}

// begin starts an event; the JSON up to the type is written.
func (f *messageFormat) begin(e *events, name string) {
	e.buffer = append(e.buffer, f.before...)
	e.buffer = append(e.buffer, "event:"...)
	e.buffer = append(e.buffer, f.space...)
	e.buffer = append(e.buffer, name...)
	e.buffer = append(e.buffer, f.newline...)
	e.buffer = append(e.buffer, "data:"...)
	e.buffer = append(e.buffer, f.space...)
	e.buffer = append(e.buffer, `{"type":"`...)
	e.buffer = append(e.buffer, name...)
	e.buffer = append(e.buffer, '"')
}

func (f *messageFormat) end(e *events, delta bool) {
	e.buffer = append(e.buffer, '}')
	e.buffer = append(e.buffer, f.newline...)
	e.buffer = append(e.buffer, f.newline...)
	e.spans = append(e.spans, span{len(e.buffer), delta})
}

// stream is an answer as events.
func (f *messageFormat) stream(a *answer) *events {
	output, _ := a.tokens()
	const usualSize, usualPiece = 2 << 10, 160
	e := &events{buffer: make([]byte, 0, usualSize+output*usualPiece), spans: make([]span, 0, 8+output)}
	f.start(e, min(output, 1))
	for index := range a.blocks {
		f.block(e, index, &a.blocks[index])
	}
	f.stop(e, a)
	return e
}

// start begins a message; output are the tokens that are told so far.
func (f *messageFormat) start(e *events, output int) {
	f.begin(e, "message_start")
	e.buffer = append(e.buffer, `,"message":`...)
	e.buffer = f.head(e.buffer)
	e.buffer = append(e.buffer, `,"content":[],"container":null,"diagnostics":null,`+
		`"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":`...)
	e.buffer = f.usage(e.buffer, output, 0)
	e.buffer = append(e.buffer, '}')
	f.end(e, false)
	f.ping(e)
}

func (f *messageFormat) ping(e *events) {
	f.begin(e, "ping")
	f.end(e, false)
}

// head is a message up to its content.
func (f *messageFormat) head(to []byte) []byte {
	to = append(to, `{"model":`...)
	to = appendQuoted(to, f.model)
	to = append(to, `,"id":"`...)
	to = append(to, f.id...)
	return append(to, `","type":"message","role":"assistant"`...)
}

func (f *messageFormat) block(e *events, index int, b *answerBlock) {
	f.begin(e, "content_block_start")
	e.buffer = f.index(e.buffer, index)
	e.buffer = append(e.buffer, `,"content_block":`...)
	e.buffer = append(e.buffer, b.opening()...)
	f.end(e, false)
	kind, name := b.delta()
	for _, piece := range b.pieces {
		f.delta(e, index, kind, name, piece)
	}
	if b.kind == "thinking" && b.seal != "" {
		f.delta(e, index, "signature_delta", "signature", b.seal)
		e.spans[len(e.spans)-1].delta = false
	}
	f.begin(e, "content_block_stop")
	e.buffer = f.index(e.buffer, index)
	f.end(e, false)
}

func (f *messageFormat) index(to []byte, index int) []byte {
	return strconv.AppendInt(append(to, `,"index":`...), int64(index), 10)
}

func (f *messageFormat) delta(e *events, index int, kind, name, piece string) {
	f.begin(e, "content_block_delta")
	e.buffer = f.index(e.buffer, index)
	e.buffer = append(e.buffer, `,"delta":{"type":"`...)
	e.buffer = append(e.buffer, kind...)
	e.buffer = append(e.buffer, `","`...)
	e.buffer = append(e.buffer, name...)
	e.buffer = append(e.buffer, `":`...)
	e.buffer = appendQuoted(e.buffer, piece)
	e.buffer = append(e.buffer, '}')
	f.end(e, true)
}

// opening is the block as its start tells it.
func (b *answerBlock) opening() string {
	switch b.kind {
	case "text":
		return `{"type":"text","text":""}`
	case "thinking":
		return `{"type":"thinking","thinking":"","signature":""}`
	case "redacted_thinking":
		return `{"type":"redacted_thinking","data":` + quoted(b.seal) + `}`
	case "tool_use", "server_tool_use":
		return `{"type":"` + b.kind + `","id":"` + b.id + `","name":` + quoted(b.name) + `,"input":{}}`
	default:
		return b.whole
	}
}

// delta is how the block's pieces are told.
func (b *answerBlock) delta() (kind, name string) {
	switch b.kind {
	case "thinking":
		return "thinking_delta", "thinking"
	case "tool_use", "server_tool_use":
		return "input_json_delta", "partial_json"
	default:
		return "text_delta", "text"
	}
}

func (f *messageFormat) stop(e *events, a *answer) {
	f.begin(e, "message_delta")
	e.buffer = append(e.buffer, `,"delta":{`...)
	e.buffer = a.ending(e.buffer)
	e.buffer = append(e.buffer, `},"usage":`...)
	all, thinking := a.tokens()
	e.buffer = append(f.counts(e.buffer, all, thinking), '}')
	f.end(e, false)
	f.begin(e, "message_stop")
	f.end(e, false)
}

// ending is why the answer ends, as members of an object.
func (a *answer) ending(to []byte) []byte {
	to = append(to, `"stop_reason":`...)
	to = appendOrNull(to, a.stop)
	to = append(to, `,"stop_sequence":`...)
	to = appendOrNull(to, a.sequence)
	to = append(to, `,"stop_details":`...)
	if a.details == "" {
		return append(to, "null"...)
	}
	return append(to, a.details...)
}

func appendOrNull(to []byte, text string) []byte {
	if text == "" {
		return append(to, "null"...)
	}
	return appendQuoted(to, text)
}

// failure is an error as the last event.
func (f *messageFormat) failure(e *events, failure vendorError, requestID string) {
	e.buffer = append(e.buffer, f.before...)
	e.buffer = append(e.buffer, "event:"+f.space+"error"+f.newline+"data:"+f.space...)
	e.buffer = append(e.buffer, failure.object(requestID)...)
	e.buffer = append(e.buffer, f.newline+f.newline...)
	e.spans = append(e.spans, span{len(e.buffer), false})
}

// usage is the usage object of a message.
func (f *messageFormat) usage(to []byte, output, thinking int) []byte {
	to = f.counts(to, output, thinking)
	to = appendCount(to, `,"cache_creation":{"ephemeral_5m_input_tokens":`, f.input.written)
	to = appendCount(to, `,"ephemeral_1h_input_tokens":`, f.input.writtenHour)
	return append(to, `},"service_tier":"standard","inference_geo":"not_available","speed":"standard"}`...)
}

// counts are the part of the usage object that a stream's end has too.
func (f *messageFormat) counts(to []byte, output, thinking int) []byte {
	to = appendCount(to, `{"input_tokens":`, f.input.fresh)
	to = appendCount(to, `,"cache_creation_input_tokens":`, f.input.written+f.input.writtenHour)
	to = appendCount(to, `,"cache_read_input_tokens":`, f.input.read)
	to = appendCount(to, `,"output_tokens":`, output)
	to = appendCount(to, `,"output_tokens_details":{"thinking_tokens":`, thinking)
	return append(to, `},"server_tool_use":null`...)
}

func appendCount(to []byte, name string, count int) []byte {
	return strconv.AppendInt(append(to, name...), int64(count), 10)
}

// object is an answer as one message.
func (f *messageFormat) object(a *answer) []byte {
	const usualSize = 1 << 10
	to := f.head(make([]byte, 0, usualSize))
	to = append(to, `,"content":[`...)
	for i := range a.blocks {
		if i > 0 {
			to = append(to, ',')
		}
		to = a.blocks[i].object(to)
	}
	to = append(to, `],"container":null,"diagnostics":null,`...)
	to = a.ending(to)
	to = append(to, `,"usage":`...)
	all, thinking := a.tokens()
	return append(f.usage(to, all, thinking), '}')
}

// object is the whole block.
func (b *answerBlock) object(to []byte) []byte {
	switch b.kind {
	case "text", "thinking":
		to = append(to, `{"type":"`+b.kind+`","`+b.kind+`":"`...)
		for _, piece := range b.pieces {
			to = appendEscaped(to, piece)
		}
		to = append(to, '"')
		if b.kind == "thinking" {
			to = appendQuoted(append(to, `,"signature":`...), b.seal)
		}
		return append(to, '}')
	case "tool_use", "server_tool_use":
		to = append(to, `{"type":"`+b.kind+`","id":"`+b.id+`","name":`+quoted(b.name)+`,"input":`...)
		input := strings.Join(b.pieces, "")
		if !json.Valid([]byte(input)) { // none, or cut
			input = "{}"
		}
		return append(append(to, input...), '}')
	default:
		return append(to, b.opening()...)
	}
}
