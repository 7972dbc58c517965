package relay

import (
	"strings"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
)

// maxPrompt bounds the prompt kept in the log, in bytes.
const maxPrompt = 64 << 10

// promptOf renders the conversation for the log as the reference keeps it, each
// message between markers, and tells whether it was cut. It copies no more than is
// kept.
func promptOf(request *chat.Request) (text string, cut bool) {
	var p prompt
	for _, message := range request.Messages {
		role := strings.ToUpper(string(message.Role))
		p.add("<|BEGIN_" + role + "|>\n")
		for _, part := range message.Parts {
			if part.Image == nil {
				p.add(part.Text)
				p.add("\n")
			}
		}
		p.add("<|END_" + role + "|>\n")
		if p.cut {
			break
		}
	}
	return p.text.String(), p.cut
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
		for room > 0 && !utf8.RuneStart(piece[room]) { // in the middle of a character
			room--
		}
		piece, p.cut = piece[:room], true
	}
	p.text.WriteString(piece)
}
