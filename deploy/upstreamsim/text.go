package upstreamsim

import (
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// NoText is the answer to a conversation in which no user message has text.
	NoText = "(no text)"
	// maxPiece is the most runes in a piece.
	maxPiece = 20
	maxCount = 10_000
)

// pieces cuts a text into pieces of 1 to maxPiece runes, the same way every time.
func pieces(text string) []string {
	var cut []string
	state := uint32(len(text)) + 1 //nolint:gosec // only a seed
	for len(text) > 0 {
		state = state*1664525 + 1013904223 // a linear congruential generator
		end := 0
		for range state>>16%maxPiece + 1 {
			_, size := utf8.DecodeRuneInString(text[end:])
			end += size
		}
		cut = append(cut, text[:end])
		text = text[end:]
	}
	return cut
}

// unicodePieces are cut where decoders stumble: inside emoji sequences, between a
// letter and its accent, and with line ends that look like the end of an event.
var unicodePieces = []string{
	"日本語のテキスト、", "中文，标点。", "한국어 ",
	"👩\u200d", "👩\u200d👧\u200d", "👦", "🇩", "🇪 ",
	"e", "\u0301", "a\u0308\u0323 ",
	"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f",
	"\t", "\r\n\n", "data: ", "[DONE]\n\n", "data: {\"a\":1}\r\n\r\n", "\r", "\n", "event: x\n",
	"\u2028\u2029\u0085\ufeff", "<|END_USER|>\n", "</script>&amp;\"'\\", "\U0010ffff\ufffd", " ", "end",
}

// UnicodeText is the answer of "unicode".
func UnicodeText() string { return strings.Join(unicodePieces, "") }

// counting are the numbers 1 to maxCount, a space after each.
var counting = sync.OnceValue(func() []string {
	numbers := make([]string, maxCount)
	for n := range numbers {
		numbers[n] = strconv.Itoa(n+1) + " "
	}
	return numbers
})

// CountText is the answer of "count-<n>": the numbers from 1 to n, a space after
// each.
func CountText(n int) string { return strings.Join(counting()[:n], "") }
