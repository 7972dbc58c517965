package anthropic

import (
	"bytes"

	"carousel.internal/gateway/internal/chat"
)

// answer follows one answer and makes canonical events of it. Its zero value is ready.
type answer struct {
	begun, said, stopped bool
	finish               chat.FinishReason
	// opened counts blocks; open tells whether the last one is, and kind what it is.
	opened int
	open   bool
	kind   chat.BlockKind
	usage  usage
	events []chat.Event
}

// take returns the events of a frame: none, or a few. They are valid until the next call.
func (a *answer) take(f *frame) []chat.Event {
	a.events = a.events[:0]
	a.usage.merge(f.usage)
	switch f.kind {
	case "message_start":
		a.begun = true
		a.events = append(a.events, chat.Event{Begin: &chat.Beginning{Input: a.usage.counted()}})
	case "content_block_start":
		a.begin(&f.block)
	case "content_block_delta":
		a.delta(f)
	case "content_block_stop":
		a.close()
	case "message_delta":
		a.end(f.stopReason, f.stopSequence)
	case "message_stop":
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
		a.begin(&m.blocks[i])
		a.close()
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

// begin opens a block, after the end of the one before.
func (a *answer) begin(b *block) {
	a.close()
	a.open = true
	a.said = a.said || b.text != "" || b.kind != "text"
	event := chat.Event{Block: a.opened, Open: &chat.Block{}}
	switch b.kind {
	case "text":
		event.Kind, event.Text = chat.TextBlock, b.text
	case "thinking":
		event.Kind, event.Text = chat.ReasoningBlock, b.text
		event.Seal = sealOf(b.seal)
	case "redacted_thinking":
		event.Kind = chat.ReasoningBlock
		event.Open.Redacted, event.Seal = true, sealOf(b.seal)
	case "tool_use":
		event.Kind = chat.CallBlock
		event.Open.ID, event.Open.Name = b.id, b.name
		if input := bytes.TrimSpace(b.input); len(input) > len("{}") { // a stream's block begins without
			event.Text = string(input)
		}
	default:
		event.Kind = chat.OpaqueBlock
		event.Open.Opaque = &chat.Opaque{Dialect: dialect, Type: b.kind, JSON: bytes.Clone(b.json)}
	}
	a.opened++
	a.kind = event.Kind
	a.events = append(a.events, event)
}

// sealOf is the seal of thoughts; nil: there is none.
func sealOf(data string) *chat.Seal {
	if data == "" {
		return nil
	}
	return &chat.Seal{Data: data, Maker: dialect}
}

// delta continues the open block. What is for a block that is not, or of no known kind, is
// for clients of the same dialect alone.
func (a *answer) delta(f *frame) {
	kind, known := deltaKinds[f.kindOfDelta]
	if !known {
		return
	}
	if !a.open || a.kind != kind {
		if a.kind == chat.OpaqueBlock && a.open {
			return
		}
		a.begin(&block{kind: blockNames[kind]})
	}
	a.said = a.said || f.text != ""
	event := chat.Event{Block: a.opened - 1, Kind: kind, Text: f.text}
	if f.kindOfDelta == "signature_delta" {
		if event.Seal = sealOf(f.signature); event.Seal == nil {
			return
		}
	}
	a.events = append(a.events, event)
}

// deltaKinds says which blocks the deltas belong to.
var deltaKinds = map[string]chat.BlockKind{
	"text_delta": chat.TextBlock, "thinking_delta": chat.ReasoningBlock, "signature_delta": chat.ReasoningBlock, "input_json_delta": chat.CallBlock,
}

// blockNames are the reverse, for a block that nobody has begun.
var blockNames = map[chat.BlockKind]string{chat.TextBlock: "text", chat.ReasoningBlock: "thinking", chat.CallBlock: "tool_use"}

func (a *answer) close() {
	if !a.open {
		return
	}
	a.open = false
	if n := len(a.events); n > 0 && a.events[n-1].Open != nil && a.events[n-1].Block == a.opened-1 {
		a.events[n-1].Close = true
		return
	}
	a.events = append(a.events, chat.Event{Block: a.opened - 1, Kind: a.kind, Close: true})
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
	a.close()
	finish, known := finishes[reason]
	if !known {
		finish = chat.Stop
	}
	a.finish = finish
	a.events = append(a.events, chat.Event{Finish: finish, StopText: stopText, Usage: a.usage.counted()})
}
