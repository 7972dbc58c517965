package rawjson

// Edit copies a text with some spans replaced, appending to a buffer of the
// caller's. Spans are named by their offsets in the text, in ascending order.
type Edit struct {
	dst, src []byte
	at       int // what of src has been dealt with
}

// NewEdit begins to copy src to the end of dst.
func NewEdit(dst, src []byte) Edit { return Edit{dst: dst, src: src} }

// Replace puts other text in the place of src[from:to].
func (e *Edit) Replace(from, to int, with string) {
	from = max(from, e.at) // a comma that the span before has taken
	e.dst = append(e.dst, e.src[e.at:from]...)
	e.dst = append(e.dst, with...)
	e.at = to
}

// Bytes copies the rest and answers the buffer.
func (e *Edit) Bytes() []byte {
	e.dst = append(e.dst, e.src[e.at:]...)
	e.at = len(e.src)
	return e.dst
}

// MemberSpan is what must be cut to remove the current member, whose value has
// been consumed. With first, no member before it is kept, and the comma after it
// goes too.
func (s *Scanner) MemberSpan(first bool) (from, to int) {
	to = s.pos
	if first {
		s.space()
		if s.peek() == ',' {
			to = s.pos + 1
		}
	}
	return s.member, to
}
