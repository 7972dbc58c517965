package upstream

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/proto/service/secret"
)

// maxMessage bounds Failure.Message, in bytes.
const maxMessage = 512

// hidden stands where a message was cut.
const hidden = "[hidden]"

var (
	markup = ondemand.Regexp(`(?is)<(script|style)\b.*?(</(script|style)\s*>|$)|<[a-z!/][^<>]*>`)
	// credentials are JSON Web Tokens, API keys, checksums, cookies' user ids and
	// bearers, whoever's they are.
	credentials = ondemand.Regexp(`eyJ[\w-]{8,}(\.[\w-]*)*|\bsk-[\w-]{8,}|\b[0-9a-fA-F]{64,}\b|\buser_\w{20,}|(?i)\bbearer\s+\S+`)
)

// CleanMessage makes what an upstream said fit for Failure.Message: without the
// secret and everything that looks like a credential, without markup and control
// characters, at most 512 bytes.
func CleanMessage(text string, known secret.Value) string {
	if !known.Empty() {
		text = strings.ReplaceAll(text, known.Reveal(), hidden)
	}
	// No message is worth looking at whole, and the rest of the work is bounded so.
	if len(text) > 16*maxMessage {
		text = text[:16*maxMessage]
	}
	text = strings.ToValidUTF8(text, "")
	text = credentials.Get().ReplaceAllString(text, hidden)
	text = markup.Get().ReplaceAllString(text, " ")
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d':
			return -1
		default:
			return r
		}
	}, text)
	text = strings.Join(strings.Fields(withoutBrackets(strings.Join(strings.Fields(text), " "))), " ")
	if len(text) <= maxMessage {
		return text
	}
	const ellipsis = "…"
	cut := maxMessage - len(ellipsis)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}

// withoutBrackets is a text without `<` and `>`, unless they compare two things: programs read
// such limits out of messages.
func withoutBrackets(text string) string {
	var kept strings.Builder
	for at := range len(text) {
		if bracket := text[at] == '<' || text[at] == '>'; !bracket || compares(text, at) {
			kept.WriteByte(text[at])
		}
	}
	return kept.String()
}

// compares tells whether what stands there is a sign between two words, such as `>` or `<=`.
func compares(text string, at int) bool {
	return at > 0 && text[at-1] == ' ' && strings.HasPrefix(strings.TrimPrefix(text[at+1:], "="), " ")
}
