package rawjson

import "strings"

const (
	// textsRoom is how much room texts share, in bytes; larger ones have their own.
	textsRoom   = 512
	largestText = 64
)

// Texts decodes the many short strings of an answer into room that they share, which costs an
// allocation for a hundred of them. A text stays as it is; as long as one is kept, so is its
// room. The zero value is ready, and must not be copied once it is used.
type Texts struct{ room strings.Builder }

// Inside is the function of that name.
func (t *Texts) Inside(raw []byte) (text string, ok bool) {
	if len(raw) > largestText {
		return Inside(raw)
	}
	if run(raw, 0) == len(raw) {
		return t.keep(raw), true
	}
	if !isInside(raw) {
		return "", false
	}
	var buffer [largestText]byte
	return t.keep(appendUnescaped(buffer[:0], raw)), true
}

func (t *Texts) keep(text []byte) string {
	if t.room.Cap()-t.room.Len() < len(text) {
		t.room = strings.Builder{}
		t.room.Grow(textsRoom)
	}
	from := t.room.Len()
	t.room.Write(text)
	return t.room.String()[from:]
}
