package responses

import (
	"strconv"
	"sync"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// stream writes one answer as events to a Sink. What it ends with is written by Done alone:
// until then it is not settled whether the answer is kept, and an answer that breaks has
// another end.
type stream struct {
	sink dialect.Sink

	// mu guards all below against the sink's heartbeats, which take a number.
	mu sync.Mutex
	answer
	number int    // of the next event
	beats  int    // since the latest event
	buf    []byte // one payload, reused
	at     []byte // which item an event belongs to, as members; reused
	begun  bool   // response.created has been sent
	ended  bool   // the last event has been
	held   bool   // the sink may hold something back
	// started: the client knows of the item that is open.
	started bool
	native  native
}

var (
	_ dialect.Memory     = (*stream)(nil)
	_ dialect.Breaker    = (*stream)(nil)
	_ dialect.Background = (*stream)(nil)
)

// Event writes what the event says: nothing, a frame or several.
func (s *stream) Event(event chat.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
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
	s.see(event)
	if s.native.passing || !s.begun && event.Raw.Dialect == Dialect && !event.Raw.Whole {
		if event.Raw.Dialect != Dialect || event.Raw.JSON == nil { // another one has said it
			s.native.passing = true
			return nil
		}
		return s.pass(&event.Raw)
	}
	return s.compose(event)
}

// compose writes the frames for an event from its canonical fields.
func (s *stream) compose(event *chat.Event) error {
	if err := s.start(); err != nil {
		return err
	}
	if s.item.over {
		if err := s.close(statusBefore(event.Finish)); err != nil {
			return err
		}
	}
	if event.Open != nil {
		if err := s.close(completed); err != nil {
			return err
		}
		s.begin(event.Kind, event.Open)
		if event.Kind == chat.CallBlock {
			if err := s.startItem(); err != nil {
				return err
			}
		}
	}
	if event.Seal != nil {
		seal := *event.Seal
		s.item.seal = &seal
	}
	if event.Text != "" {
		if !s.item.open { // a driver that has not said so
			s.begin(event.Kind, &chat.Block{})
		}
		if err := s.delta(event.Text); err != nil {
			return err
		}
	}
	s.item.over = s.item.over || event.Close && s.item.open
	return nil
}

// start writes what stands before the first item.
func (s *stream) start() error {
	if s.begun {
		return nil
	}
	s.liven()
	for _, name := range []string{"response.created", "response.in_progress"} {
		dst := append(s.head(name), `,"response":`...)
		if err := s.put(name, append(s.appendBegun(dst), '}')); err != nil {
			return err
		}
	}
	return nil
}

// itemEvents are the events of a kind of item. Those without parts have no events of parts.
type itemEvents struct {
	partAdded, partDone string
	// delta and done are of the text; textKey is the member of the latter that has all of it.
	delta, done, textKey string
	// index is the member that counts parts; empty: there are none.
	index string
	// logprobs are what stands behind a text.
	logprobs string
}

var (
	textEvents = itemEvents{
		"response.content_part.added", "response.content_part.done", "response.output_text.delta", "response.output_text.done", "text",
		`,"content_index":0`, `,"logprobs":[]`,
	}
	refusalEvents = itemEvents{
		"response.content_part.added", "response.content_part.done", "response.refusal.delta", "response.refusal.done", "refusal",
		`,"content_index":0`, "",
	}
	reasoningEvents = itemEvents{
		"response.reasoning_summary_part.added", "response.reasoning_summary_part.done",
		"response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "text",
		`,"summary_index":0`, "",
	}
	callEvents   = itemEvents{"", "", "response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments", "", ""}
	customEvents = itemEvents{"", "", "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input", "", ""}
)

// events are those of the item that is open.
func (s *stream) events() *itemEvents {
	switch {
	case s.item.custom:
		return &customEvents
	case s.item.kind == chat.CallBlock:
		return &callEvents
	case s.item.kind == chat.ReasoningBlock:
		return &reasoningEvents
	case s.item.kind == chat.RefusalBlock:
		return &refusalEvents
	}
	return &textEvents
}

// startItem tells the client of the item that is open.
func (s *stream) startItem() error {
	s.started = true
	s.at = append(s.at[:0], `,"item_id":`...)
	s.at = rawjson.AppendString(s.at, s.item.id)
	s.at = append(s.at, `,"output_index":`...)
	s.at = strconv.AppendInt(s.at, int64(s.items), 10)
	return s.putItem("response.output_item.added", func(dst []byte) []byte { return s.appendItem(dst, inProgress) })
}

func (s *stream) putItem(name string, item func(dst []byte) []byte) error {
	dst := append(s.head(name), `,"output_index":`...)
	dst = strconv.AppendInt(dst, int64(s.items), 10)
	dst = append(dst, `,"item":`...)
	return s.put(name, append(item(dst), '}'))
}

// delta writes a piece of the item, after its start.
func (s *stream) delta(text string) error {
	if s.item.kind == chat.OpaqueBlock {
		return nil
	}
	events := s.events()
	if !s.started {
		if err := s.startItem(); err != nil {
			return err
		}
	}
	if len(s.item.text) == 0 && events.partAdded != "" {
		if err := s.putPart(events.partAdded, events, nil); err != nil {
			return err
		}
	}
	piece := s.item.add(text)
	if len(piece) == 0 {
		return nil
	}
	dst := append(append(s.head(events.delta), s.at...), events.index...)
	dst = append(dst, `,"delta":"`...)
	dst = append(dst, piece...)
	dst = append(dst, '"')
	dst = append(dst, events.logprobs...)
	return s.put(events.delta, append(dst, '}'))
}

func (s *stream) putPart(name string, events *itemEvents, text []byte) error {
	dst := append(append(s.head(name), s.at...), events.index...)
	dst = append(dst, `,"part":`...)
	return s.put(name, append(s.item.appendPart(dst, text), '}'))
}

// close ends the item that is open. One that has said nothing has never been.
func (s *stream) close(status string) error {
	if !s.item.open {
		return nil
	}
	defer func() { s.item.open, s.item.over, s.started = false, false, false }()
	if !s.item.says() {
		return nil
	}
	if !s.started {
		if err := s.startItem(); err != nil {
			return err
		}
	}
	if rest := s.item.rest(); rest != "" {
		if err := s.delta(rest); err != nil {
			return err
		}
	}
	if err := s.closeText(); err != nil {
		return err
	}
	whole := s.end(status)
	err := s.putItem("response.output_item.done", func(dst []byte) []byte { return append(dst, whole...) })
	s.items++
	return err
}

// closeText writes that the text of the item is complete.
func (s *stream) closeText() error {
	events := s.events()
	if s.item.kind == chat.OpaqueBlock || len(s.item.text) == 0 && events.partAdded != "" {
		return nil
	}
	dst := append(append(s.head(events.done), s.at...), events.index...)
	if s.item.kind == chat.CallBlock && !s.item.custom {
		dst = append(dst, `,"name":`...)
		dst = rawjson.AppendString(dst, s.item.name.name)
	}
	dst = append(dst, `,"`...)
	dst = append(dst, events.textKey...)
	dst = append(dst, `":"`...)
	dst = append(dst, s.item.text...)
	dst = append(dst, '"')
	dst = append(dst, events.logprobs...)
	if err := s.put(events.done, append(dst, '}')); err != nil || events.partDone == "" {
		return err
	}
	return s.putPart(events.partDone, events, s.item.text)
}

// Done ends a complete answer. The sink may hold the end back until it is closed.
func (s *stream) Done() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	if s.native.passing {
		return s.endNative()
	}
	if err := s.start(); err != nil {
		return err
	}
	if err := s.close(s.status()); err != nil {
		return err
	}
	s.ended = true
	name := "response." + s.status()
	dst := append(s.head(name), `,"response":`...)
	return s.put(name, append(s.appendEnded(dst), '}'))
}

// Answer implements dialect.Memory.
func (s *stream) Answer() (id string, json []byte, native bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native.passing {
		json = member(s.native.last, responseMember)
		return textOf(json, "id"), json, true
	}
	_ = s.close(s.status()) // the sink keeps its error
	return s.request.ID, s.appendEnded(make([]byte, 0, len(s.output)+len(s.echo.members)+512)), false
}

// Forgotten implements dialect.Memory.
func (s *stream) Forgotten() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.echo.store = false
	if s.native.last != nil {
		s.native.forgotten = true
	}
}

// head begins an event with its name and its number.
func (s *stream) head(name string) []byte {
	dst := append(s.buf[:0], `{"type":"`...)
	dst = append(dst, name...)
	dst = append(dst, `","sequence_number":`...)
	return strconv.AppendInt(dst, int64(s.number), 10)
}

// maxKept bounds the room that is kept for the next frame, in bytes.
const maxKept = 256 << 10

// put sends an event. It may be held back until Event is through.
func (s *stream) put(name string, payload []byte) error {
	s.number++
	s.beats, s.held = 0, true
	if s.buf = payload; cap(s.buf) > maxKept {
		s.buf = nil
	}
	return s.sink.Event(name, payload, true)
}
