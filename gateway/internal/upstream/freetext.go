package upstream

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// freeText takes the arguments of a wrapped call as they come, in pieces of any size, and returns
// the text that is in them. Its zero value is ready for a call.
//
// Models that are asked for an object with a text in it write that; some give the property another
// name, write the text as a JSON string, or write it as it is. The usual form is unwrapped as it
// comes. Where only the end tells what the whole is, it is kept until then.
type freeText struct {
	form freeForm
	// kept is what has come and is not understood yet.
	kept string
	// whole are the arguments, where they have to be seen as one.
	whole strings.Builder
}

type freeForm uint8

const (
	unclear freeForm = iota
	// property: inside the string that is the text; finished: behind it.
	property
	finished
	plain
	odd
)

// freeNames are the names that models give the property, in the order in which they are believed.
var freeNames = []string{FreeProperty, "patch", "text"}

const (
	// maxFreeHead bounds what is looked at to tell the form, in bytes, and maxFreeWhole what is
	// kept of arguments in an odd one.
	maxFreeHead  = 1 << 10
	maxFreeWhole = 32 << 20
)

// take returns the text that is known with the next piece.
func (f *freeText) take(piece string) string {
	if f.form == unclear {
		f.kept += piece
		piece = f.begin()
	}
	switch f.form {
	case property:
		return f.inside(piece)
	case plain:
		return piece
	case odd:
		return f.keep(piece)
	case unclear, finished:
	}
	return ""
}

// begin looks at how the arguments begin, and returns what is behind that.
func (f *freeText) begin() string {
	head := f.kept
	form, at := formOfFree(head[:min(len(head), maxFreeHead)])
	if form == unclear && len(head) > maxFreeHead {
		form = odd
	}
	if form == unclear {
		return ""
	}
	f.form, f.kept = form, ""
	return head[at:]
}

// formOfFree tells the form by the beginning, and where the text begins.
func formOfFree(head string) (form freeForm, at int) {
	rest := trimSpace(head)
	switch {
	case rest == "":
		return unclear, 0
	case rest[0] == '"':
		return odd, 0
	case rest[0] != '{':
		return plain, 0
	}
	rest = trimSpace(rest[1:])
	if rest == "" {
		return unclear, 0
	}
	if rest[0] != '"' {
		return odd, 0
	}
	name, rest, ended := strings.Cut(rest[1:], `"`)
	if !ended {
		return unclear, 0
	}
	if !slices.Contains(freeNames, name) {
		return odd, 0
	}
	for _, sign := range []byte(`:"`) {
		rest = trimSpace(rest)
		if rest == "" {
			return unclear, 0
		}
		if rest[0] != sign {
			return odd, 0
		}
		rest = rest[1:]
	}
	return property, len(head) - len(rest)
}

func trimSpace(text string) string { return strings.TrimLeft(text, " \t\r\n") }

// inside takes a piece of the string that is the text.
func (f *freeText) inside(piece string) string {
	if f.kept != "" {
		piece, f.kept = f.kept+piece, ""
	}
	var text strings.Builder
	for piece != "" {
		next := strings.IndexAny(piece, `"\`)
		if next < 0 {
			text.WriteString(piece)
			break
		}
		text.WriteString(piece[:next])
		piece = piece[next:]
		if piece[0] == '"' {
			f.form = finished
			break
		}
		char, length := unescape(piece)
		if length == 0 {
			f.kept = piece // it goes on with the next piece
			break
		}
		text.WriteString(char)
		piece = piece[length:]
	}
	return text.String()
}

const (
	escapeLength = len(`\u0000`)
	pairLength   = 2 * escapeLength
)

// unescape reads the escape that a text begins with, and returns how long it is; 0: the text ends
// within it. What is no escape stands for itself.
func unescape(text string) (char string, length int) {
	if len(text) < 2 {
		return "", 0
	}
	if char, simple := escapes[text[1]]; simple {
		return char, 2
	}
	if text[1] != 'u' {
		return text[:1], 1
	}
	first, length := unescapeUnit(text)
	switch {
	case length == 0:
		return "", 0
	case first < 0:
		return text[:1], 1
	case first < 0xD800 || first > 0xDBFF:
		return string(first), escapeLength // half of a character becomes U+FFFD
	}
	second, length := unescapeUnit(text[escapeLength:])
	switch {
	case length == 0:
		return "", 0
	case second >= 0xDC00 && second <= 0xDFFF:
		return string(utf16.DecodeRune(first, second)), pairLength
	}
	return string(utf8.RuneError), escapeLength
}

var escapes = map[byte]string{'"': `"`, '\\': `\`, '/': "/", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t"}

// unescapeUnit reads \uXXXX; a length of 0: the text ends within it, a unit of -1: it is none.
func unescapeUnit(text string) (unit rune, length int) {
	for i := range escapeLength {
		switch {
		case i == len(text):
			return 0, 0
		case i < 2 && text[i] != `\u`[i], i >= 2 && !isHex(text[i]):
			return -1, escapeLength
		}
	}
	value, _ := strconv.ParseInt(text[2:escapeLength], 16, 32) // four hexadecimal digits
	return rune(value), escapeLength
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// keep keeps arguments in an odd form; those that are too large are the text themselves.
func (f *freeText) keep(piece string) string {
	f.whole.WriteString(piece)
	if f.whole.Len() <= maxFreeWhole {
		return ""
	}
	text := f.whole.String()
	f.whole.Reset()
	f.form = plain
	return text
}

// end returns what is left of the text when all has come.
func (f *freeText) end() string {
	switch f.form {
	case unclear:
		return unwrapOdd(f.kept)
	case odd:
		return unwrapOdd(f.whole.String())
	case property:
		if first, length := unescapeUnit(f.kept); length > 0 && first >= 0 { // half of a character
			return string(utf8.RuneError)
		}
	case plain, finished:
	}
	return ""
}

// unwrapOdd finds the text in arguments of another form: in one of the names, or the only text
// there is. What is nothing of the kind is the text itself.
func unwrapOdd(arguments string) string {
	var text string
	if json.Unmarshal([]byte(arguments), &text) == nil {
		return text
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(arguments), &members) != nil {
		return arguments
	}
	for _, name := range freeNames {
		if json.Unmarshal(members[name], &text) == nil {
			return text
		}
	}
	if len(members) == 1 {
		for _, value := range members {
			if json.Unmarshal(value, &text) == nil {
				return text
			}
		}
	}
	if len(members) == 0 {
		return ""
	}
	return arguments
}
