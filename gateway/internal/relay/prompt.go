package relay

import (
	"iter"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// maxPrompt bounds the prompt kept in the log, in bytes.
const maxPrompt = 64 << 10

// markers begin and end a message in the log, by its role.
var markers = map[chat.Role]struct{ begin, end string }{
	chat.System:    {"<|BEGIN_SYSTEM|>\n", "<|END_SYSTEM|>\n"},
	chat.User:      {"<|BEGIN_USER|>\n", "<|END_USER|>\n"},
	chat.Assistant: {"<|BEGIN_ASSISTANT|>\n", "<|END_ASSISTANT|>\n"},
	chat.Tool:      {"<|BEGIN_TOOL|>\n", "<|END_TOOL|>\n"},
}

// promptOf renders the conversation for the log as the reference keeps it, each
// message between markers, and tells whether it was cut. It copies no more than is
// kept, and that once.
func promptOf(request *chat.Request) (text string, cut bool) {
	var p prompt
	p.text.Grow(min(lengthOf(request), maxPrompt))
	for _, message := range request.Messages {
		p.add(markers[message.Role].begin)
		for text := range texts(message.Parts) {
			p.add(text)
			p.add("\n")
		}
		p.add(markers[message.Role].end)
		if p.cut {
			break
		}
	}
	return p.text.String(), p.cut
}

// lengthOf is the length of the conversation for the log, before it is cut.
func lengthOf(request *chat.Request) int {
	length := 0
	for _, message := range request.Messages {
		length += len(markers[message.Role].begin) + len(markers[message.Role].end)
		for text := range texts(message.Parts) {
			length += len(text) + len("\n")
		}
	}
	return length
}

// texts are what can be read of parts: texts, thoughts, calls and their results.
func texts(parts []chat.Part) iter.Seq[string] {
	return func(yield func(string) bool) { eachText(parts, yield) }
}

// eachText yields the texts, and tells whether more are wanted.
func eachText(parts []chat.Part, yield func(string) bool) bool {
	for i := range parts {
		part, more := &parts[i], true
		switch {
		case part.IsText():
			more = yield(part.Text)
		case part.Reasoning != nil:
			more = yield(part.Reasoning.Text)
		case part.Call != nil:
			more = yield(part.Call.Name) && yield(part.Call.Arguments)
		case part.Result != nil:
			more = eachText(part.Result.Parts, yield)
		case part.Document != nil:
			more = yield(part.Document.Text)
		}
		if !more {
			return false
		}
	}
	return true
}

// prompt takes text until it is full.
type prompt struct {
	text strings.Builder
	cut  bool
}

func (p *prompt) add(piece string) {
	if p.cut {
		return
	}
	if room := maxPrompt - p.text.Len(); len(piece) > room {
		piece, p.cut = piece[:chat.Boundary(piece, room)], true
	}
	p.text.WriteString(piece)
}
