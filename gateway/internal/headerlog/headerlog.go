// Package headerlog keeps headers for the request log: those that a client has sent, and those that
// went to an upstream and came back. Of most only the names are kept. Values are kept of names that
// are known to carry no secret, and even of these none that looks like one.
package headerlog

import (
	"net/http"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// Bounds of what is kept of the headers of one message.
const (
	maxHeaders = 32
	maxName    = 64
	// maxValue is of one value, maxBytes of all names and values together, in bytes.
	maxValue = 128
	maxBytes = 1536
)

// Header is what is kept of one header.
type Header struct {
	Name string
	// Value is empty where it is Hidden; one that is too long is cut.
	Value  string
	Hidden bool
}

// shown are the names whose values are kept.
var shown = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Age", "Allow", "Alt-Svc", "Anthropic-Beta", "Anthropic-Version", "Cache-Control", "Cf-Cache-Status", "Cf-Ray",
	"Connect-Protocol-Version", "Connect-Timeout-Ms", "Connection", "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "Date", "Expect", "Grpc-Status", "Keep-Alive",
	"Openai-Beta", "Openai-Processing-Ms", "Openai-Version", "Request-Id", "Retry-After", "Retry-After-Ms", "Server", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
	"Vary", "Via", "Www-Authenticate", "X-Cursor-Client-Type", "X-Cursor-Client-Version", "X-Request-Id", "X-Should-Retry",
}

// shownBeginnings are those of such names.
var shownBeginnings = []string{"Anthropic-Ratelimit-", "X-Ratelimit-", "X-Stainless-"}

// ids are those of the names whose values are made up, and no secrets.
var ids = []string{"Cf-Ray", "Request-Id", "X-Request-Id"}

// Of returns what is kept of headers, by name. Of too many it is the first ones.
func Of(headers http.Header) []Header {
	if len(headers) == 0 {
		return nil
	}
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	kept := make([]Header, 0, min(len(names), maxHeaders))
	size := 0
	for _, name := range names {
		each := keep(name, headers[name])
		size += len(each.Name) + len(each.Value)
		if len(kept) == maxHeaders || size > maxBytes {
			break
		}
		kept = append(kept, each)
	}
	return kept
}

func keep(name string, values []string) Header {
	value := strings.Join(values, ", ")
	canonical := http.CanonicalHeaderKey(name)
	if !mayShow(canonical) || looksSecret(value) || !slices.Contains(ids, canonical) && slices.ContainsFunc(words(value), isMadeUp) {
		return Header{Name: cut(canonical, maxName), Hidden: true}
	}
	return Header{Name: cut(canonical, maxName), Value: cut(value, maxValue)}
}

func mayShow(name string) bool {
	if slices.Contains(shown, name) {
		return true
	}
	return slices.ContainsFunc(shownBeginnings, func(beginning string) bool { return strings.HasPrefix(name, beginning) })
}

// signs are how secrets begin, and what stands before them.
var signs = []string{
	"sk-", "eyj", "bearer ", "basic ", "ck-", "key-", "key_", "ghp_", "github_pat_", "gsk_", "hf_", "xai-", "aiza", "token=", "key=", "password",
}

const (
	// longestWord is how long a word of a value without a secret is at most, in bytes.
	longestWord = 48
	// longestRow is how many letters and digits such a word has in a row at most, and longestMixed how
	// long it is at most, in bytes, where it has capitals, small letters and digits.
	longestRow   = 19
	longestMixed = 15
)

// looksSecret tells whether a value may have a secret in it, whatever its name says: what begins as
// secrets do, or is longer than any word.
func looksSecret(value string) bool {
	lower := strings.ToLower(value)
	if slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(lower, sign) }) {
		return true
	}
	return slices.ContainsFunc(words(value), func(word string) bool { return len(word) > longestWord })
}

func words(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" ,;:/=\"()<>", r) })
}

// isMadeUp tells whether a word is one that nobody writes.
func isMadeUp(word string) bool {
	const capitals, small, digits = 1, 2, 4
	kinds, row := 0, 0
	for _, each := range []byte(word) {
		switch {
		case 'A' <= each && each <= 'Z':
			kinds |= capitals
		case 'a' <= each && each <= 'z':
			kinds |= small
		case '0' <= each && each <= '9':
			kinds |= digits
		default: // a dash, a dot
			row = 0
			continue
		}
		if row++; row > longestRow {
			return true
		}
	}
	return len(word) > longestMixed && kinds == capitals|small|digits
}

// cut shortens a text to a number of bytes, between characters.
func cut(text string, most int) string { return text[:chat.Boundary(text, most)] }
