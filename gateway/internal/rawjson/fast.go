package rawjson

import (
	"encoding/binary"
	"math/bits"
)

// The Scanner tries these first: they walk over what is nearly always there,
// valid JSON, and answer -1 for anything else, which the Scanner's own methods
// then go over again to say what is wrong with it.

// skipValue answers where the value that begins at data[i] ends. depth is how
// many levels it may nest.
func skipValue(data []byte, i, depth int) int {
	if i >= len(data) {
		return -1
	}
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{':
		return skipMembers(data, i, depth)
	case '[':
		return skipElements(data, i, depth)
	case 't':
		return skipLiteral(data, i, "true")
	case 'f':
		return skipLiteral(data, i, "false")
	case 'n':
		return skipLiteral(data, i, "null")
	default:
		return skipNatural(data, i)
	}
}

func skipMembers(data []byte, i, depth int) int {
	if depth == 0 {
		return -1
	}
	if i = skipSpace(data, i+1); i < len(data) && data[i] == '}' {
		return i + 1
	}
	for {
		_, i = skipKey(data, i)
		if i < 0 {
			return -1
		}
		if i = skipValue(data, i, depth-1); i < 0 {
			return -1
		}
		i = skipSpace(data, i)
		switch {
		case i >= len(data):
			return -1
		case data[i] == '}':
			return i + 1
		case data[i] != ',':
			return -1
		}
		i = skipSpace(data, i+1)
	}
}

func skipElements(data []byte, i, depth int) int {
	if depth == 0 {
		return -1
	}
	if i = skipSpace(data, i+1); i < len(data) && data[i] == ']' {
		return i + 1
	}
	for {
		if i = skipValue(data, i, depth-1); i < 0 {
			return -1
		}
		i = skipSpace(data, i)
		switch {
		case i >= len(data):
			return -1
		case data[i] == ']':
			return i + 1
		case data[i] != ',':
			return -1
		}
		i = skipSpace(data, i+1)
	}
}

// skipKey consumes a key, without escapes, and its colon; it answers where the
// closing quote is and where the value begins.
func skipKey(data []byte, i int) (quote, value int) {
	if i >= len(data) || data[i] != '"' {
		return 0, -1
	}
	quote = run(data, i+1)
	if quote >= len(data) || data[quote] != '"' {
		return 0, -1
	}
	if i = skipSpace(data, quote+1); i >= len(data) || data[i] != ':' {
		return 0, -1
	}
	return quote, skipSpace(data, i+1)
}

func skipString(data []byte, i int) int {
	for i = run(data, i+1); i < len(data); i = run(data, i) {
		if data[i] == '"' {
			return i + 1
		}
		length := escapeLength(data[i:])
		if length == 0 {
			return -1
		}
		i += length
	}
	return -1
}

// run answers where the first byte from i on is that doesn't stand for itself
// inside a string; len(data) where there is none.
func run(data []byte, i int) int {
	for ; i+8 <= len(data); i += 8 {
		if special := specials(binary.LittleEndian.Uint64(data[i:])); special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for ; i < len(data); i++ {
		if c := data[i]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// escapeLength is that of the escape sequence that b begins with; 0: it is none.
func escapeLength(b []byte) int {
	if len(b) < 2 || b[0] != '\\' {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if hex4(b[2:]) >= 0 {
			return 6
		}
	}
	return 0
}

func skipLiteral(data []byte, i int, text string) int {
	if end := i + len(text); end <= len(data) && string(data[i:end]) == text {
		return end
	}
	return -1
}

// skipNatural consumes a number of nothing but digits, the first not zero unless
// it is the only one.
func skipNatural(data []byte, i int) int {
	start := i
	for i < len(data) && data[i]-'0' <= 9 {
		i++
	}
	switch {
	case i == start, data[start] == '0' && i > start+1:
		return -1
	case i < len(data) && (data[i] == '.' || data[i]|0x20 == 'e'):
		return -1
	}
	return i
}

func skipSpace(data []byte, i int) int {
	if i < len(data) && data[i] <= ' ' {
		return skipSpaces(data, i)
	}
	return i
}

func skipSpaces(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}
