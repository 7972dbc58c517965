package rawjson

import "bytes"

// Mended returns valid JSON text in which each escape of half a character (a surrogate
// without its partner) is one of U+FFFD: many readers refuse a text with the former. What
// has none is returned as it is, not as a copy.
func Mended(text []byte) []byte {
	var out []byte
	from := 0
	for at := 0; ; {
		next := bytes.IndexByte(text[at:], '\\')
		if next < 0 {
			break
		}
		at += next
		length, half := escaped(text[at:])
		if half {
			out = append(append(out, text[from:at]...), `\ufffd`...)
			from = at + length
		}
		at += length
	}
	if from == 0 {
		return text
	}
	return append(out, text[from:]...)
}

// unicodeEscape is the length of \uXXXX.
const unicodeEscape = 6

// escaped is the length of the escape, or the pair of them, that text begins with, and
// whether it is half a character.
func escaped(text []byte) (length int, half bool) {
	first, is := surrogate(text)
	if !is {
		return min(len(text), len(`\n`)), false // the digits behind \u are no escape
	}
	if second, is := surrogate(text[unicodeEscape:]); first == highHalf && is && second == lowHalf {
		return 2 * unicodeEscape, false
	}
	return unicodeEscape, true
}

// The halves of a surrogate pair.
const (
	highHalf = 0xD800
	lowHalf  = 0xDC00
)

// surrogate tells which half of a pair text begins with the escape of.
func surrogate(text []byte) (half rune, is bool) {
	if len(text) < unicodeEscape || text[1] != 'u' || text[0] != '\\' {
		return 0, false
	}
	half = hex4(text[2:]) &^ 0x3FF
	return half, half == highHalf || half == lowHalf
}
