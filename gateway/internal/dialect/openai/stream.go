package openai

import (
	"bytes"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// StreamEncoder writes one answer as chunks to a Sink:
//
//	stream := openai.NewStreamEncoder(req, options, writer)
//	for event, err := range events {
//		if err != nil {
//			return err // an error's frame follows, and no [DONE]
//		}
//		if err := stream.Event(event); err != nil {
//			return err // the client is gone
//		}
//	}
//	return stream.Done()
//
// Every chunk has the id, time and model of the request; only the first one
// names the role; token counts come last and only where the client asked for
// them. The errors are the Sink's. One goroutine uses it.
type StreamEncoder struct {
	sink      dialect.Sink
	tally     tally
	thought   thought // the block that is open
	composing bool    // the latest chunk of the upstream could not be passed on
	options   dialect.Options
	usage     bool   // the client asked for token counts
	head      string // a chunk up to its choices
	stamp     stamp
	buf       []byte // one payload, reused
	begun     bool   // the role has been sent
	ended     bool   // an upstream's chunk with the end has been passed on
}

// NewStreamEncoder answers an encoder for the answer to req.
func NewStreamEncoder(req *chat.Request, options dialect.Options, sink dialect.Sink) *StreamEncoder {
	e := &StreamEncoder{sink: sink, options: options, usage: req.IncludeUsage}
	e.stamp, e.head = newStamp(req, "chat.completion.chunk")
	e.stamp.learns = true
	return e
}

// Event writes what the event says: nothing, a chunk or several.
func (e *StreamEncoder) Event(ev chat.Event) error {
	if ev.Raw.Dialect == Dialect && !ev.Raw.Whole {
		switch {
		case ev.Raw.JSON != nil:
			done, err := e.passOn(&ev)
			if e.composing = !done; done {
				return err
			}
		case !e.composing: // the chunk that was passed on has said it
			return e.hold(ev.More)
		}
	}
	return e.compose(&ev)
}

// Done ends a complete answer. The sink may hold the end back until it is closed.
func (e *StreamEncoder) Done() error { return e.sink.Event("", done, true) }

var done = []byte("[DONE]")

// passOn writes an upstream's own chunk. It answers false when that can't be
// done and the chunk has to be composed.
func (e *StreamEncoder) passOn(ev *chat.Event) (handled bool, err error) {
	remove := removal{usage: !e.usage, finish: e.options.OmitFinish}
	if remove.finish && ev.Finish != chat.Unfinished && !hasDelta(ev) && onlyEnds(ev.Raw.JSON) {
		return false, nil // compose leaves the finish out and keeps the usage
	}
	if payload, ok := e.stamp.appendText(e.buf[:0], &ev.Raw, remove); ok {
		return true, e.pass(payload, ev.More)
	}
	payload, has, ok := e.stamp.appendStamped(e.buf[:0], ev.Raw.JSON, remove)
	if !ok {
		return false, nil
	}
	flatten(payload)
	e.stamp.learnText(&ev.Raw, payload, remove)
	e.ended = e.ended || ev.Finish != chat.Unfinished
	switch {
	case remove.usage && has.usage && has.noChoices: // nothing but counts
		e.buf, e.begun = payload, true
		return true, e.hold(ev.More)
	case has.noChoices && !has.usage && !e.ended: // some clients give up on it
		e.buf = payload
		e.stamp.setAside(ev.Raw.JSON)
		return true, e.hold(ev.More)
	}
	e.stamp.aside = ""
	return true, e.pass(payload, ev.More)
}

// pass sends a chunk that was passed on.
func (e *StreamEncoder) pass(payload []byte, more bool) error {
	e.buf, e.begun = payload, true
	if len(payload) > maxKept {
		e.buf = nil
	}
	return e.sink.Event("", payload, more)
}

// maxKept bounds the room that is kept for the next chunk: one with a picture is large,
// and rare.
const maxKept = 256 << 10

// flatten makes the payload one line. In JSON a line break is only ever white
// space between tokens, and some clients read one line an event.
func flatten(payload []byte) {
	for _, lineBreak := range []byte{'\n', '\r'} {
		for i := bytes.IndexByte(payload, lineBreak); i >= 0; i = bytes.IndexByte(payload, lineBreak) {
			payload[i] = ' '
		}
	}
}

// onlyEnds tells whether a chunk's deltas have nothing in them, under any name.
func onlyEnds(chunk []byte) bool {
	nothing := true
	s := rawjson.Over(chunk)
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) != "choices" || s.Kind() != rawjson.Array {
			s.Skip()
			continue
		}
		for ok := s.Array(); ok; ok = s.Element() {
			nothing = emptyDelta(&s) && nothing
		}
	}
	return nothing
}

// emptyDelta consumes a choice.
func emptyDelta(s *rawjson.Scanner) bool {
	nothing := true
	if s.Kind() != rawjson.Object {
		s.Skip()
		return true
	}
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) != "delta" || s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		for ok := s.Object(); ok; ok = s.Member() {
			isRole := string(s.Key()) == "role"
			switch value := string(s.Skip()); {
			case isRole, value == "null", value == `""`, value == "[]", value == "{}":
			default:
				nothing = false
			}
		}
	}
	return nothing
}

func hasDelta(ev *chat.Event) bool { return ev.Text != "" || isCall(ev) && ev.Open != nil }

func isCall(ev *chat.Event) bool { return ev.Kind == chat.CallBlock }

// compose writes the chunks for an event from its canonical fields.
func (e *StreamEncoder) compose(ev *chat.Event) error {
	finish := ev.Finish != chat.Unfinished && !e.options.OmitFinish
	usage := ev.Usage != nil && e.usage
	e.thought.add(ev)
	if hasDelta(ev) || e.thought.sealed(ev) || !e.begun {
		payload := append(e.buf[:0], e.head...)
		payload = append(payload, `{"index":0,"delta":{`...)
		payload = e.appendDelta(payload, ev)
		payload = append(payload, `},"finish_reason":null}`...)
		e.begun = true
		if err := e.send(payload, finish || usage || ev.More); err != nil {
			return err
		}
	} else if !finish && !usage {
		return e.hold(ev.More)
	}
	if finish {
		payload := append(e.buf[:0], e.head...)
		payload = append(payload, `{"index":0,"delta":{},"finish_reason":`...)
		payload = rawjson.AppendString(payload, finishReason(ev.Finish, e.tally))
		payload = append(payload, '}')
		if err := e.send(payload, usage || ev.More); err != nil {
			return err
		}
	}
	if usage {
		payload := append(e.buf[:0], e.head...)
		payload = append(payload, `],"usage":`...)
		payload = appendUsage(payload, *ev.Usage)
		payload = append(payload, '}')
		e.buf = payload
		return e.sink.Event("", payload, ev.More)
	}
	return nil
}

// send completes a chunk after its only choice. A client that asked for counts
// finds the field in every chunk, as null until the last one.
func (e *StreamEncoder) send(payload []byte, more bool) error {
	if e.usage {
		payload = append(payload, `],"usage":null}`...)
	} else {
		payload = append(payload, `]}`...)
	}
	e.buf = payload
	return e.sink.Event("", payload, more)
}

// hold is what is left of an event that the client does not see: unless another
// one follows, what the sink has kept back for it must go.
func (e *StreamEncoder) hold(more bool) error {
	if more {
		return nil
	}
	return e.sink.Flush()
}

// appendDelta appends the members of a delta.
func (e *StreamEncoder) appendDelta(dst []byte, ev *chat.Event) []byte {
	start := len(dst)
	if !e.begun {
		dst = append(dst, `"role":"assistant",`...)
	}
	switch {
	case isCall(ev):
		if ev.Open != nil {
			e.tally.calls++
			e.tally.custom = ev.Open.Custom
		}
		dst = append(dst, `"tool_calls":[`...)
		dst = appendCallPiece(dst, ev, e.tally)
		dst = append(dst, `],`...)
	case ev.Kind == chat.OpaqueBlock: // only its own dialect knows what it is
	case ev.Text != "" || !e.begun && !e.thought.sealed(ev):
		e.tally.refused = e.tally.refused || ev.Kind == chat.RefusalBlock && ev.Text != ""
		dst = append(dst, members[ev.Kind]...)
		dst = rawjson.AppendString(dst, ev.Text)
		dst = append(dst, ',')
	}
	if e.thought.sealed(ev) {
		dst = append(dst, `"thinking_blocks":[`...)
		dst = e.thought.appendTo(dst, ev.Seal)
		dst = append(dst, `],`...)
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the last comma
	}
	return dst
}

// members are the names under which a delta has the text of a block.
var members = [...]string{
	chat.TextBlock: `"content":`, chat.ReasoningBlock: `"reasoning_content":`, chat.RefusalBlock: `"refusal":`,
}

// tally is what an answer has said so far, as far as its end and its later pieces depend on it.
type tally struct {
	calls   int  // those that have been begun
	custom  bool // the latest call takes free text
	refused bool
}

// appendCallPiece appends one piece of the latest call. Its first piece names the call, later
// ones only add arguments.
func appendCallPiece(dst []byte, ev *chat.Event, tally tally) []byte {
	index := tally.calls - 1
	form := formOf(tally.custom)
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	if ev.Open != nil {
		dst = append(dst, `,"id":`...)
		dst = rawjson.AppendString(dst, callID(ev.Open.ID, index))
		dst = append(dst, form.kind...)
	}
	dst = append(dst, form.object...)
	if ev.Open != nil {
		dst = append(dst, `"name":`...)
		dst = rawjson.AppendString(dst, ev.Open.Name)
		dst = append(dst, ',')
	}
	dst = append(dst, form.text...)
	dst = rawjson.AppendString(dst, ev.Text)
	dst = append(dst, '}')
	if ev.Open != nil {
		dst = appendExtra(dst, ev.Open.Extra)
	}
	return append(dst, '}')
}

// callForm is how a kind of call is written.
type callForm struct{ kind, object, text string }

var (
	functionForm = callForm{`,"type":"function"`, `,"function":{`, `"arguments":`}
	customForm   = callForm{`,"type":"custom"`, `,"custom":{`, `"input":`}
)

func formOf(custom bool) *callForm {
	if custom {
		return &customForm
	}
	return &functionForm
}

// appendExtra appends what an upstream of this dialect has put beside a call and wants back.
func appendExtra(dst []byte, extra *chat.Opaque) []byte {
	if extra == nil || extra.Dialect != Dialect || len(extra.JSON) == 0 {
		return dst
	}
	return append(append(dst, ','), extra.JSON...)
}

// callID is a call's id: clients must name it when they answer.
func callID(id string, index int) string {
	if id == "" {
		return "call_" + strconv.Itoa(index)
	}
	return id
}

// finishReason is the API's name of a reason. Where there are calls clients look for that
// name of the end before they do them, whatever the upstream has said; where there are none
// they must not wait for any. A refusal in words is an answer, one without is a filter's.
func finishReason(reason chat.FinishReason, tally tally) string {
	switch {
	case reason == chat.Length, reason == chat.WindowFull:
		return "length"
	case reason == chat.ContentFilter, reason == chat.Refused && !tally.refused:
		return "content_filter"
	case tally.calls > 0:
		return "tool_calls"
	default:
		return "stop"
	}
}
