package relay

import (
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
		for _, part := range message.Parts {
			if part.Image == nil {
				p.add(part.Text)
				p.add("\n")
			}
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
		for _, part := range message.Parts {
			if part.Image == nil {
				length += len(part.Text) + len("\n")
			}
		}
	}
	return length
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
