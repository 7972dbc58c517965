// Package tokencount estimates how many model tokens a text has, for upstreams
// that do not tell. It works offline and in bounded time. It knows no provider:
// one vocabulary (o200k) stands for all, which is exact for recent OpenAI models
// and within some tenths for others.
package tokencount

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"

	"carousel.internal/gateway/internal/chat"
)

const (
	// pieceBytes is how much is tokenized at once: the time for one long word
	// (base64, say) grows faster than its length. Cutting costs at most one
	// token a piece.
	pieceBytes = 2 << 10
	// maxPieces bounds the work for one request, to about 10 ms: of a longer one as many
	// pieces are counted, spread evenly over all its texts, and stand for the rest.
	maxPieces = 16
	// maxTexts bounds the texts that are counted one by one.
	maxTexts = 1024
	// Each message costs a few tokens for its role and its separators, as does
	// the beginning of the answer; an image costs what a small one costs.
	perMessage = 4
	perAnswer  = 3
	perImage   = 765
)

// vocabulary takes 20 ms and some MB: it is made when it is first needed. It is asked for without
// the library's table of all vocabularies, so that the others are not linked.
var vocabulary = sync.OnceValue(codec.NewO200kBase)

// Text estimates the tokens of a text.
func Text(text string) int { return estimate([]string{text}, len(text), count) }

// Prompt estimates the tokens of all that a request gives the model to read: its messages,
// its tools and the form that the answer is to have.
func Prompt(request *chat.Request) int {
	var texts []string
	bytes := 0
	tokens := gather(request, perImage, func(text string) {
		if text != "" {
			texts = append(texts, text)
			bytes += len(text)
		}
	})
	return tokens + estimate(texts, bytes, count)
}

// gather adds all texts that a request gives the model to read, and returns the tokens of what is
// beside them.
func gather(request *chat.Request, perImage int, add func(text string)) (tokens int) {
	messages := request.Messages
	tokens = perAnswer
	for i := range messages {
		tokens += perMessage
		tokens += perImage * addParts(messages[i].Parts, add)
	}
	for i := range request.Tools {
		tool := &request.Tools[i]
		tokens += perMessage
		add(tool.Name)
		add(tool.Description)
		add(string(tool.Schema))
		if tool.Own != nil && tool.Kind == chat.Hosted {
			add(string(tool.Own.JSON))
		}
	}
	add(string(request.Output.Schema))
	return tokens
}

// addParts adds the texts of parts, and returns how many images are among them. What has
// no text and is no image counts as one: nobody here knows better.
func addParts(parts []chat.Part, add func(text string)) (images int) {
	for i := range parts {
		switch part := &parts[i]; {
		case part.Call != nil:
			add(part.Call.Name)
			add(part.Call.Arguments)
		case part.Result != nil:
			images += addParts(part.Result.Parts, add)
		case part.Reasoning != nil:
			add(part.Reasoning.Text)
		case part.Document != nil && part.Document.Text != "":
			add(part.Document.Text)
		case part.Opaque != nil:
			add(string(part.Opaque.JSON))
		case part.IsText():
			add(part.Text)
		default:
			images++
		}
	}
	return images
}

// estimate counts texts of so many bytes together, piece by piece. Where that is too much
// work, a sample stands for them.
func estimate(texts []string, bytes int, count func(piece string) int) int {
	if bytes > maxPieces*pieceBytes || len(texts) > maxTexts {
		return sampled(texts, bytes, count)
	}
	tokens := 0
	for _, text := range texts {
		for text != "" {
			end := boundary(text, pieceBytes)
			tokens += count(text[:end])
			text = text[end:]
		}
	}
	return tokens
}

// sampled counts pieces that are spread evenly over the texts, as if those were one.
func sampled(texts []string, bytes int, count func(piece string) int) int {
	tokens, counted := 0, 0
	before, index := 0, 0 // bytes before the text that a piece begins in
	var piece strings.Builder
	for i := range maxPieces {
		target := int(int64(bytes) * int64(i) / maxPieces)
		for target >= before+len(texts[index]) {
			before += len(texts[index])
			index++
		}
		piece.Reset()
		take(&piece, texts[index][target-before:], texts[index+1:])
		tokens += count(piece.String())
		counted += piece.Len()
	}
	return int(float64(tokens) * float64(bytes) / float64(max(counted, 1)))
}

// take fills a piece from a text and those that follow it.
func take(piece *strings.Builder, text string, more []string) {
	text = text[runeStart(text):]
	for {
		end := boundary(text, pieceBytes-piece.Len())
		piece.WriteString(text[:end])
		if end < len(text) || len(more) == 0 || piece.Len() == pieceBytes {
			return
		}
		text, more = more[0], more[1:]
	}
}

// runeStart returns where the first whole character of text begins.
func runeStart(text string) int {
	for at := range min(utf8.UTFMax, len(text)) {
		if utf8.RuneStart(text[at]) {
			return at
		}
	}
	return 0
}

func count(piece string) int {
	tokens, err := vocabulary().Count(piece)
	if err != nil {
		return (len(piece) + 3) / 4
	}
	return tokens
}

// boundary returns where to cut text, at most at limit bytes: after the last space or
// line break if there is one in the second half, else between two characters.
func boundary(text string, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	// A token begins with its space, so the space goes to the next piece.
	if at := strings.LastIndexAny(text[limit/2:limit], " \n"); at > 0 {
		return limit/2 + at
	}
	return chat.Boundary(text, limit)
}
