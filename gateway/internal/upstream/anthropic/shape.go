package anthropic

import (
	"bytes"

	"carousel.internal/gateway/internal/rawjson"
)

// shape is how a piece of a block stood in its frame. The next one mostly differs in nothing
// but its text, so only that has to be read. Its zero value knows of none.
type shape struct {
	before, after []byte
	frame         frame
	other         frame // the latest of another shape
	texts         rawjson.Texts
}

// maxShape bounds what is remembered of a frame, in bytes.
const maxShape = 512

// parse reads a frame, and learns from it. The frame is valid until the next one.
func (s *shape) parse(data []byte) (*frame, bool) {
	if s.again(data) {
		return &s.frame, true
	}
	f := &s.other
	ok := f.parse(data)
	if ok && f.isPiece() && len(data)-(f.textTo-f.textFrom) <= maxShape {
		s.before = append(s.before[:0], data[:f.textFrom]...)
		s.after = append(s.after[:0], data[f.textTo:]...)
		s.frame = *f
	}
	return f, ok
}

// again reads a frame that differs from the one before in nothing but its text.
func (s *shape) again(data []byte) bool {
	if len(s.before) == 0 || !bytes.HasPrefix(data, s.before) || !bytes.HasSuffix(data[len(s.before):], s.after) {
		return false
	}
	text, ok := s.texts.Inside(data[len(s.before) : len(data)-len(s.after)])
	if ok {
		s.frame.text = text
	}
	return ok
}

// isPiece tells whether a frame says nothing but one text of a block.
func (f *frame) isPiece() bool {
	return f.kind == blockDelta && f.texts == 1 && f.signature == ""
}
