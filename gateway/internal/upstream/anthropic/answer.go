package anthropic

import (
	"bytes"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream/wire"
)

// answer follows one answer and makes canonical events of it. Its zero value is ready.
type answer struct {
	begun, said, stopped bool
	finish               chat.FinishReason
	// opened counts blocks, current is the one that is open; nil: none is.
	opened  int
	current *openBlock
	// waiting are blocks that have begun before a call's end, in their order: some upstreams
	// send parallel calls in turns.
	waiting []*openBlock
	held    int // bytes that are kept until they can be told
	// fault is why the answer can't be told in blocks; empty: it can.
	fault  string
	usage  usage
	events []chat.Event
}

// openBlock is a block that has begun.
type openBlock struct {
	block
	index int // the upstream's
	as    chat.BlockKind
	kept  []byte // of a block that waits, and of one that is told as a whole
	ended bool
	// pieces: the input has come in pieces, so what the block began with is no part of it.
	pieces bool
}

// maxHeld bounds what is kept of an answer, in bytes. A block counts with its beginning.
const maxHeld = wire.MaxAnswer

// Faults of answers.
const (
	strayInput = "the answer has arguments of a call that has not begun"
	heldTooBig = "the answer's calls are larger than 32 MiB"
)

// take returns the events of a frame: none, or a few. They are valid until the next call.
func (a *answer) take(f *frame) []chat.Event {
	a.events = a.events[:0]
	switch f.kind {
	case blockDelta:
		a.delta(f)
	case messageStart:
		a.usage.merge(f.usage)
		if !a.begun {
			a.begun = true
			a.events = append(a.events, chat.Event{Begin: &chat.Beginning{Input: a.usage.counted()}})
		}
	case blockStart:
		a.begin(&f.block, f.index)
	case blockStop:
		a.stop(f.index)
	case messageDelta:
		a.usage.merge(f.usage)
		a.end(f.stopReason, f.stopSequence)
	case messageStop:
		a.stopped = true
		if a.finish == chat.Unfinished { // the reason is missing, not the answer
			a.end("end_turn", "")
		}
	}
	return a.events
}

// takeWhole returns the events of a whole answer, at least one.
func (a *answer) takeWhole(m *message) []chat.Event {
	a.usage.merge(m.usage)
	a.begun, a.stopped = true, true
	a.events = append(a.events[:0], chat.Event{Begin: &chat.Beginning{Input: a.usage.counted()}})
	for i := range m.blocks {
		a.begin(&m.blocks[i], i)
		a.stop(i)
	}
	if m.stopReason == "" {
		m.stopReason = "end_turn"
	}
	a.end(m.stopReason, m.stopSequence)
	return a.events
}

// empty tells whether a complete answer says nothing, which the upstream has not meant: it
// has counted nothing either.
func (a *answer) empty() bool {
	return !a.said && a.finish == chat.Stop && value(a.usage.output) == 0
}

// blockKinds are the kinds of blocks that have a canonical form.
var blockKinds = map[string]chat.BlockKind{
	"text": chat.TextBlock, "thinking": chat.ReasoningBlock, "redacted_thinking": chat.ReasoningBlock, "tool_use": chat.CallBlock,
}

// begin takes a new block. It is opened at once unless a call is; any other block ends where
// the next one begins, whether or not the upstream has said so.
func (a *answer) begin(b *block, index int) {
	if a.finish != chat.Unfinished {
		return
	}
	a.said = a.said || b.text != "" || b.kind != "text"
	kind, known := blockKinds[b.kind]
	if !known {
		kind = chat.OpaqueBlock
	}
	begun := &openBlock{block: *b, index: index, as: kind}
	// The frame is the reader's.
	if kind == chat.CallBlock {
		begun.input = bytes.Clone(b.input)
	}
	if kind == chat.OpaqueBlock {
		begun.json = bytes.Clone(b.json)
	} else {
		begun.json = nil
	}
	if now := a.current; now != nil && now.as == chat.CallBlock && now.index != index && a.hold(len(b.json)+1) {
		a.waiting = append(a.waiting, begun)
		return
	}
	a.close()
	a.open(begun)
}

// hold makes room for what is kept; false: there is none, and the answer can't be told.
func (a *answer) hold(bytes int) bool {
	a.held += bytes
	if a.held > maxHeld {
		a.fault, a.waiting = heldTooBig, nil
		return false
	}
	return true
}

// open begins the next block. One that is opaque is told when all of it is there.
func (a *answer) open(b *openBlock) {
	a.current = b
	if b.as == chat.OpaqueBlock {
		return
	}
	event := chat.Event{Block: a.opened, Kind: b.as, Open: &chat.Block{}, Text: b.text + string(b.kept)}
	switch b.as {
	case chat.CallBlock:
		event.Open.ID, event.Open.Name, event.Text = b.id, b.name, string(b.kept)
	case chat.ReasoningBlock:
		event.Open.Redacted, event.Seal = b.kind == "redacted_thinking", sealOf(b.seal)
	case chat.TextBlock, chat.RefusalBlock, chat.OpaqueBlock:
	}
	a.held -= len(b.kept)
	b.kept = nil
	a.opened++
	a.events = append(a.events, event)
}

// sealOf is the seal of thoughts; nil: there is none.
func sealOf(data string) *chat.Seal {
	if data == "" {
		return nil
	}
	return &chat.Seal{Data: data, Maker: dialect}
}

// deltaKinds says which blocks the deltas belong to.
var deltaKinds = map[string]chat.BlockKind{
	"text_delta": chat.TextBlock, "thinking_delta": chat.ReasoningBlock, "signature_delta": chat.ReasoningBlock, inputDelta: chat.CallBlock,
}

const inputDelta = "input_json_delta"

// blockNames are the reverse, for a block that nobody has begun.
var blockNames = map[chat.BlockKind]string{chat.TextBlock: "text", chat.ReasoningBlock: "thinking"}

// delta continues a block. One of no known kind is for clients of the same dialect alone.
func (a *answer) delta(f *frame) {
	kind, known := deltaKinds[f.kindOfDelta]
	if !known || a.finish != chat.Unfinished {
		return
	}
	b := a.find(f.index)
	switch {
	case b != nil && b.as == chat.OpaqueBlock:
		if f.kindOfDelta == inputDelta && a.hold(len(f.text)) {
			b.kept = append(b.kept, f.text...)
		}
		return
	case b != nil && b.as == kind:
	case kind == chat.CallBlock:
		a.fault = strayInput
		return
	default:
		a.begin(&block{kind: blockNames[kind]}, f.index)
		if b = a.find(f.index); b == nil {
			return
		}
	}
	a.said = a.said || f.text != ""
	b.pieces = b.pieces || f.text != ""
	switch {
	case b != a.current:
		if f.kindOfDelta == signatureDelta {
			b.seal = f.signature
		} else if a.hold(len(f.text)) {
			b.kept = append(b.kept, f.text...)
		}
	case f.kindOfDelta != signatureDelta:
		a.events = append(a.events, chat.Event{Block: a.opened - 1, Kind: kind, Text: f.text})
	case f.signature != "":
		a.events = append(a.events, chat.Event{Block: a.opened - 1, Kind: kind, Seal: sealOf(f.signature)})
	}
}

const signatureDelta = "signature_delta"

// find is the block of an index that has not ended, or the open one where the upstream gives
// no index; nil: there is none.
func (a *answer) find(index int) *openBlock {
	if a.current != nil && (a.current.index == index || index < 0) {
		return a.current
	}
	for _, b := range a.waiting {
		if b.index == index && !b.ended {
			return b
		}
	}
	return nil
}

// stop ends a block, and opens what has waited for that.
func (a *answer) stop(index int) {
	b := a.find(index)
	if b == nil {
		return
	}
	b.ended = true
	for a.current != nil && a.current.ended {
		a.close()
		a.proceed()
	}
}

// proceed opens what waits, up to a call that goes on.
func (a *answer) proceed() {
	for len(a.waiting) > 0 && (a.current == nil || a.current.ended || a.current.as != chat.CallBlock) {
		a.close()
		next := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.open(next)
	}
}

// close ends the open block, if there is one.
func (a *answer) close() {
	b := a.current
	if b == nil {
		return
	}
	a.current = nil
	switch {
	case b.as == chat.OpaqueBlock:
		a.held -= len(b.kept)
		opaque := &chat.Opaque{Dialect: dialect, Type: b.kind, JSON: withInput(b.json, b.kept)}
		a.events = append(a.events, chat.Event{Block: a.opened, Kind: b.as, Open: &chat.Block{Opaque: opaque}, Close: true})
		a.opened++
		return
	case b.as == chat.CallBlock && !b.pieces && len(bytes.TrimSpace(b.input)) > len("{}"):
		a.events = append(a.events, chat.Event{Block: a.opened - 1, Kind: b.as, Text: string(b.input)})
	}
	if n := len(a.events); n > 0 && a.events[n-1].Block == a.opened-1 && (a.events[n-1].Open != nil || a.events[n-1].Text != "") {
		a.events[n-1].Close = true
		return
	}
	a.events = append(a.events, chat.Event{Block: a.opened - 1, Kind: b.as, Close: true})
}

// withInput is a block with the input that has come in pieces, where it has and is JSON.
func withInput(block, input []byte) []byte {
	pieces := rawjson.Over(input)
	if pieces.Kind() == rawjson.Invalid || pieces.Skip() == nil || pieces.End() != nil {
		return block
	}
	edit := rawjson.NewEdit(nil, block)
	s := rawjson.Over(block)
	for ok := s.Object(); ok; ok = s.Member() {
		isInput := string(s.Key()) == "input"
		s.Kind() // goes to the value's first byte
		from := s.Pos()
		s.Skip()
		if isInput {
			edit.Replace(from, s.Pos(), string(input))
		}
	}
	return edit.Bytes()
}

// finishes are the reasons for which answers end.
var finishes = map[string]chat.FinishReason{
	"end_turn": chat.Stop, "max_tokens": chat.Length, "stop_sequence": chat.StoppedAt, "tool_use": chat.CalledTools,
	"pause_turn": chat.Paused, "refusal": chat.Refused, "model_context_window_exceeded": chat.WindowFull,
}

// end takes the reason for which the answer ends, with the counts.
func (a *answer) end(reason, stopText string) {
	if reason == "" || a.finish != chat.Unfinished {
		return
	}
	for a.close(); len(a.waiting) > 0; a.close() {
		next := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.open(next)
	}
	finish, known := finishes[reason]
	if !known {
		finish = chat.Stop
	}
	a.finish = finish
	a.events = append(a.events, chat.Event{Finish: finish, StopText: stopText, Usage: a.usage.counted()})
}
