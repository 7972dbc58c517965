package openai

import (
	"strconv"

	"carousel.internal/gateway/internal/rawjson"
)

// writer appends JSON. Commas come by themselves.
type writer struct{ dst []byte }

// member begins a member of the object that is open.
func (w *writer) member(name string) {
	if w.dst[len(w.dst)-1] != '{' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(append(append(w.dst, '"'), name...), '"', ':')
}

// element begins an element of the list that is open.
func (w *writer) element() {
	if w.dst[len(w.dst)-1] != '[' {
		w.dst = append(w.dst, ',')
	}
}

// raw appends JSON as it is.
func (w *writer) raw(json string) { w.dst = append(w.dst, json...) }

// bytes appends JSON as it is.
func (w *writer) bytes(json []byte) { w.dst = append(w.dst, json...) }

// string appends a text. Bytes that are no UTF-8 become U+FFFD.
func (w *writer) string(text string) { w.dst = rawjson.AppendString(w.dst, text) }

// text writes a member; an empty one is left out.
func (w *writer) text(name, text string) {
	if text != "" {
		w.member(name)
		w.string(text)
	}
}

// truth writes a member; nil is left out.
func (w *writer) truth(name string, value *bool) {
	if value != nil {
		w.member(name)
		w.dst = strconv.AppendBool(w.dst, *value)
	}
}

// number writes a member; nil is left out.
func (w *writer) number(name string, value *float64) {
	if value != nil {
		w.member(name)
		w.dst = strconv.AppendFloat(w.dst, *value, 'f', -1, 64)
	}
}

// integer writes a member.
func (w *writer) integer(name string, value int64) {
	w.member(name)
	w.dst = strconv.AppendInt(w.dst, value, 10)
}
