// Package tokencount estimates how many model tokens a text has, for upstreams
// that do not tell. It works offline and in bounded time. It knows no provider:
// one vocabulary (o200k) stands for all, which is exact for recent OpenAI models
// and within some tenths for others.
package tokencount

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer"

	"carousel.internal/gateway/internal/chat"
)

const (
	// pieceBytes is how much is tokenized at once: the time for one long word
	// (base64, say) grows faster than its length. Cutting costs at most one
	// token a piece.
	pieceBytes = 2 << 10
	// maxPieces bounds the work for one text, to about 5 ms: of a longer text as
	// many pieces are counted, spread evenly, and stand for the rest.
	maxPieces = 16
	// Each message costs a few tokens for its role and its separators, as does
	// the beginning of the answer; an image costs what a small one costs.
	perMessage = 4
	perAnswer  = 3
	perImage   = 765
)

// The vocabulary takes 20 ms and some MB: it is made when it is first needed.
var codec = sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.O200kBase) })

// Text estimates the tokens of a text.
func Text(text string) int {
	if len(text) > maxPieces*pieceBytes {
		return sampled(text)
	}
	tokens := 0
	for rest := text; rest != ""; {
		end := boundary(rest, pieceBytes)
		tokens += count(rest[:end])
		rest = rest[end:]
	}
	return tokens
}

func sampled(text string) int {
	tokens, bytes := 0, 0
	for i := range maxPieces {
		rest := text[len(text)/maxPieces*i:]
		rest = rest[runeStart(rest):]
		piece := rest[:boundary(rest, pieceBytes)]
		tokens += count(piece)
		bytes += len(piece)
	}
	return int(float64(tokens) * float64(len(text)) / float64(bytes))
}

// runeStart answers where the first whole character of text begins.
func runeStart(text string) int {
	for at := range min(utf8.UTFMax, len(text)) {
		if utf8.RuneStart(text[at]) {
			return at
		}
	}
	return 0
}

// Messages estimates the tokens of a prompt.
func Messages(messages []chat.Message) int {
	tokens := perAnswer
	for i := range messages {
		tokens += perMessage + message(&messages[i])
	}
	return tokens
}

func message(m *chat.Message) int {
	tokens := 0
	for _, part := range m.Parts {
		if part.Image != nil {
			tokens += perImage
			continue
		}
		tokens += Text(part.Text)
	}
	for _, call := range m.ToolCalls {
		tokens += Text(call.Name) + Text(call.Arguments)
	}
	return tokens
}

func count(piece string) int {
	vocabulary, err := codec()
	if err != nil {
		return (len(piece) + 3) / 4
	}
	tokens, err := vocabulary.Count(piece)
	if err != nil {
		return (len(piece) + 3) / 4
	}
	return tokens
}

// boundary answers where to cut text, at most at limit bytes: after the last
// space or line break if there is one in the second half, else between two
// characters. Text that is not UTF-8 is cut anywhere.
func boundary(text string, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	// A token begins with its space, so the space goes to the next piece.
	if at := strings.LastIndexAny(text[limit/2:limit], " \n"); at > 0 {
		return limit/2 + at
	}
	for cut := limit; cut > limit-utf8.UTFMax; cut-- {
		if utf8.RuneStart(text[cut]) {
			return cut
		}
	}
	return limit
}
