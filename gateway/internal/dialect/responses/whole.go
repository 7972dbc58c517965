package responses

import (
	"bytes"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// whole gathers the events of one answer.
type whole struct {
	answer
	own []byte // the upstream's own answer, with the client's name of the model
}

var _ dialect.Memory = (*whole)(nil)

// Add takes the next event.
func (w *whole) Add(event chat.Event) {
	w.see(&event)
	if raw := &event.Raw; raw.Dialect == Dialect && raw.JSON != nil {
		switch {
		case raw.Whole:
			w.own, _ = ofUpstream(bytes.Clone(raw.JSON), "", w.request.Model)
		case isLast(raw.Name):
			w.own, _ = ofUpstream(bytes.Clone(member(raw.JSON, responseMember)), "", w.request.Model)
		}
	}
	if w.own != nil {
		return
	}
	if w.item.over {
		w.close(statusBefore(event.Finish))
	}
	if event.Open != nil {
		w.close(completed)
		w.begin(event.Kind, event.Open)
	}
	if event.Seal != nil {
		seal := *event.Seal
		w.item.seal = &seal
	}
	if event.Text != "" {
		if !w.item.open { // a driver that has not said so
			w.begin(event.Kind, &chat.Block{})
		}
		w.item.add(event.Text)
	}
	w.item.over = w.item.over || event.Close && w.item.open
}

// close adds the item that is open to the output.
func (w *whole) close(status string) {
	if w.item.open && w.item.says() {
		w.item.add(w.item.rest())
		w.end(status)
		w.items++
	}
	w.item.open, w.item.over = false, false
}

// JSON is the whole answer.
func (w *whole) JSON() []byte {
	if w.own != nil {
		return w.own
	}
	w.close(w.status())
	return w.appendEnded(make([]byte, 0, len(w.output)+len(w.echo.members)+512))
}

// Answer implements dialect.Memory.
func (w *whole) Answer() (id string, json []byte, native bool) {
	json = w.JSON()
	if w.own != nil {
		return textOf(json, "id"), json, true
	}
	return w.request.ID, json, false
}

// Forgotten implements dialect.Memory.
func (w *whole) Forgotten() {
	w.echo.store = false
	if w.own != nil {
		w.own = unstored(w.own)
	}
}
