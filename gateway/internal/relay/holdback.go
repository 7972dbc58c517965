package relay

import (
	"bytes"

	"carousel.internal/gateway/internal/chat"
)

// maxHeldBack bounds the events that are kept back.
const maxHeldBack = 8

// holdBack keeps an answer's first events until one has content: an upstream
// that says "it begins" and then fails has not begun.
type holdBack struct {
	on   bool
	held []chat.Event
}

// pass answers the events that may go on: none, or what was held back and the
// event. What it answers is valid until the next call.
func (h *holdBack) pass(event chat.Event) []chat.Event {
	if !h.on {
		h.held = append(h.held[:0], event)
		return h.held
	}
	if !hasContent(event) && len(h.held) < maxHeldBack {
		event.Raw.JSON = bytes.Clone(event.Raw.JSON) // the driver's, and about to change
		event.More = true
		h.held = append(h.held, event)
		return nil
	}
	h.on = false
	return append(h.held, event)
}

func hasContent(event chat.Event) bool {
	return event.Text != "" || event.Reasoning != "" || len(event.ToolCalls) > 0 ||
		event.Finish != chat.Unfinished || event.Usage != nil || event.Raw.Whole
}
