package rawjson

// Edit copies a text with some spans replaced, appending to a buffer of the
// caller's. Spans are named by their offsets in the text, in ascending order.
type Edit struct {
	dst, src []byte
	at       int // what of src has been dealt with
}

// spare is room for what is put in beside what was there.
const spare = 64

// NewEdit begins to copy src to the end of dst. Where dst is nil, a buffer is made with
// the first replacement.
func NewEdit(dst, src []byte) Edit { return Edit{dst: dst, src: src} }

// Replace puts other text in the place of src[from:to].
func (e *Edit) Replace(from, to int, with string) {
	if e.dst == nil {
		e.dst = make([]byte, 0, len(e.src)+len(with)+spare)
	}
	from = max(from, e.at) // a comma that the span before has taken
	e.dst = append(e.dst, e.src[e.at:from]...)
	e.dst = append(e.dst, with...)
	e.at = to
}

// Upto copies what is before an offset and answers the buffer as it is then. It is
// valid until the next edit.
func (e *Edit) Upto(offset int) []byte {
	e.Replace(offset, offset, "")
	return e.dst
}

// Unchanged tells whether nothing has been replaced: then the text is as it was.
func (e *Edit) Unchanged() bool { return e.at == 0 && len(e.dst) == 0 }

// Source answers the original text before an offset.
func (e *Edit) Source(offset int) []byte { return e.src[:offset] }

// Bytes copies the rest and answers the buffer.
func (e *Edit) Bytes() []byte {
	e.dst = append(e.dst, e.src[e.at:]...)
	e.at = len(e.src)
	return e.dst
}

// CutMember removes a member whose value s has just consumed; start is what
// MemberStart answered before that. With first, no member before it is kept, and
// the comma after it goes too.
func (e *Edit) CutMember(s *Scanner, start int, first bool) {
	if s.err != nil {
		return
	}
	end := s.pos
	if first {
		s.space()
		if s.peek() == ',' {
			end = s.pos + 1
		}
	}
	e.Replace(start, end, "")
}
