// Package secret has the type for strings that must never be printed.
package secret

import (
	"fmt"
	"log/slog"
	"strings"
)

const redacted = "[redacted]"

// Value is a string that shows itself to no formatter, encoder or logger.
// Reveal is the only way to its text, and easy to search for.
//
// The text is behind a pointer because fmt does not call the methods of unexported
// fields: it would print a string there, but prints only the address of a pointer.
type Value struct{ text *string }

// New hides text.
func New(text string) Value { return Value{&text} }

// Reveal answers the text.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// Empty tells whether there is no text.
func (v Value) Empty() bool { return v.Reveal() == "" }

// List returns the values of a secret that is a list: separated by commas or line
// ends, without the white space around them. Two are for the time in which one takes
// the other's place: the first is shown, all are accepted.
func (v Value) List() []Value {
	var values []Value
	for text := range strings.FieldsFuncSeq(v.Reveal(), func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if text = strings.TrimSpace(text); text != "" {
			values = append(values, New(text))
		}
	}
	return values
}

// First returns the first value of the list, which is the one to show; an empty one
// where there is none.
func (v Value) First() Value {
	for _, first := range v.List() {
		return first
	}
	return Value{}
}

// maskedFrom is the length, in bytes, from which a secret shows its ends: then what
// is hidden is still far too much to guess.
const maskedFrom = 24

// Masked is what may be shown to people who know the secret: the first and last
// four bytes of a long one, nothing of a short one.
func (v Value) Masked() string {
	text := v.Reveal()
	switch {
	case text == "":
		return ""
	case len(text) < maskedFrom:
		return "…"
	}
	return strings.ToValidUTF8(text[:4]+"…"+text[len(text)-4:], "")
}

// String implements fmt.Stringer.
func (v Value) String() string { return redacted }

// Format implements fmt.Formatter: every verb is redacted.
func (v Value) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer.
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, and so covers JSON and YAML.
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler: configuration reads into
// a Value directly.
func (v *Value) UnmarshalText(text []byte) error {
	*v = New(string(text))
	return nil
}
