package rawjson

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainASCII counts the leading bytes that stand for themselves inside a JSON
// string and are below 0x80. It looks at eight bytes at once.
func plainASCII(text string) int {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		w := word(text, i)
		if special := specials(w) | w&highs; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return i
		}
	}
	return i
}

// specials sets the high bit of each byte of w that is a control character, a
// quote or a backslash. A borrow can set bits above such a byte, never below
// it, so the lowest bit is right.
func specials(w uint64) uint64 {
	quote, backslash := w^(ones*'"'), w^(ones*'\\')
	return ((w-ones*' ')&^w | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
}

func word(b string, i int) uint64 {
	_ = b[i+7]
	return uint64(b[i]) | uint64(b[i+1])<<8 | uint64(b[i+2])<<16 | uint64(b[i+3])<<24 |
		uint64(b[i+4])<<32 | uint64(b[i+5])<<40 | uint64(b[i+6])<<48 | uint64(b[i+7])<<56
}

const hexDigits = "0123456789abcdef"

// AppendString appends text as a JSON string in quotes.
func AppendString(dst []byte, text string) []byte {
	return append(AppendEscaped(append(dst, '"'), text), '"')
}

// AppendEscaped appends what belongs between the quotes of a JSON string. Bytes
// that are no UTF-8 become U+FFFD; U+2028 and U+2029 are escaped, since
// JavaScript once took them for line ends.
func AppendEscaped(dst []byte, text string) []byte {
	for {
		run := plainASCII(text)
		dst = append(dst, text[:run]...)
		text = text[run:]
		if text == "" {
			return dst
		}
		if c := text[0]; c < utf8.RuneSelf {
			dst = appendControl(dst, c)
			text = text[1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
		default:
			dst = append(dst, text[:size]...)
		}
		text = text[size:]
	}
}

func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
}

// appendUnescaped decodes what was between the quotes of a valid JSON string. A
// surrogate without its partner becomes U+FFFD, and so does a byte that is no
// UTF-8.
func appendUnescaped(dst, raw []byte) []byte {
	for len(raw) > 0 {
		plain := run(raw, 0)
		dst = append(dst, raw[:plain]...)
		if raw = raw[plain:]; len(raw) == 0 {
			break
		}
		if raw[1] != 'u' {
			dst = append(dst, unescaped[raw[1]])
			raw = raw[2:]
			continue
		}
		r := hex4(raw[2:])
		raw = raw[6:]
		if utf16.IsSurrogate(r) {
			partner := rune(-1)
			if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
				partner = hex4(raw[2:])
			}
			if r = utf16.DecodeRune(r, partner); r != utf8.RuneError {
				raw = raw[6:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

var unescaped = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// hex4 reads four hexadecimal digits, or answers -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
