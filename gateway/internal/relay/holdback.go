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

// keeps tells whether the event is held back. One that is not ends it.
func (h *holdBack) keeps(event *chat.Event) bool {
	if !h.on {
		return false
	}
	if hasContent(event) || len(h.held) == maxHeldBack {
		h.on = false
		return false
	}
	kept := *event
	kept.Raw.JSON = bytes.Clone(kept.Raw.JSON) // the driver's, and about to change
	kept.More = true                           // another one follows when they are released
	h.held = append(h.held, kept)
	return true
}

// release answers what was held back, once.
func (h *holdBack) release() []chat.Event {
	held := h.held
	h.held = nil
	return held
}

func hasContent(event *chat.Event) bool {
	return event.Text != "" || event.Kind != chat.TextBlock || event.Seal != nil ||
		event.Finish != chat.Unfinished || event.Usage != nil || event.Raw.Whole
}
