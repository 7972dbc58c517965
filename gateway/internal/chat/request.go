// Package chat is the canonical conversation in the middle of the gateway. API
// dialects translate their wire JSON to and from it, upstream drivers translate
// it to and from a provider's wire; they never meet elsewhere. It does no I/O
// and knows neither side.
package chat

import (
	"strings"
	"time"
)

// Role says who speaks.
type Role string

// The roles. A dialect maps its aliases (developer, human, ai) to these.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	Tool      Role = "tool"
)

// Request is one chat request.
type Request struct {
	// ID is the request's id everywhere: answer, log, upstream.
	ID string
	// Created is when the gateway accepted it; an answer's `created`.
	Created time.Time
	// Model is the id that the client named.
	Model    string
	Messages []Message
	// Stream tells whether the client wants the answer in pieces. A driver
	// whose upstream can do both asks in the same way.
	Stream bool
	// IncludeUsage asks for token counts at the end of a stream.
	IncludeUsage bool
	// MaxTokens bounds the answer, in tokens; 0: nothing does.
	MaxTokens int
	// Stop are texts before which the answer ends, each of at least one byte.
	Stop []string
	// Asks are what else the client asks of the upstream, as far as the dialect tells it
	// apart; Source has it all.
	Asks []Ask
	// HistoryFault is what is wrong with the messages by the dialect's rules; nil: nothing
	// is. An upstream that speaks the dialect gets them as they came and judges them
	// itself; for any other the request is refused with it.
	HistoryFault *Error
	// User is the client's name for its end user; empty where it gave none.
	User string
	// Session is what the client says belongs together, such as a conversation; empty
	// where it says nothing.
	Session string
	// Source is the client's own request, for a driver whose upstream speaks the
	// same dialect and so can be given what the canonical form does not name.
	Source Source
}

// Source is a request as it came.
type Source struct {
	// Dialect is the name of the API dialect, such as "openai".
	Dialect string
	// JSON is the whole body. Nobody changes it.
	JSON []byte
}

// Message is one turn.
type Message struct {
	Role  Role
	Parts []Part
	// ToolCalls are an assistant's calls; ToolCallID names the call that a tool
	// message answers.
	ToolCalls  []ToolCall
	ToolCallID string
}

// Text joins the text parts by line breaks.
func (m Message) Text() string {
	texts, size := 0, 0
	for i := range m.Parts {
		if m.Parts[i].isText() {
			texts, size = texts+1, size+len("\n")+len(m.Parts[i].Text)
		}
	}
	var text strings.Builder
	for i := range m.Parts {
		part := &m.Parts[i]
		switch {
		case !part.isText():
			continue
		case texts == 1:
			return part.Text // nearly always
		case text.Cap() == 0:
			text.Grow(size)
		default:
			text.WriteByte('\n')
		}
		text.WriteString(part.Text)
	}
	return text.String()
}

// Part is a piece of a message: an image where Image is set, something else where
// Other is, and else text.
type Part struct {
	Text  string
	Image *Image
	// Other is the dialect's name of content that has no canonical form, such as
	// input_audio: only Request.Source has it.
	Other string
}

func (p *Part) isText() bool { return p.Image == nil && p.Other == "" }

// Image is a picture by URL: `data:image/png;base64,…`, http or https.
type Image struct {
	URL string
	// Data is the image file, once a driver has read it, and Width and Height its
	// size in pixels, 0 where that is unknown. Nobody changes them.
	Data          []byte
	Width, Height int32
}

// ToolCall is one call of a function by the model. In an Event it is a piece:
// pieces of one Index belong together, their Arguments are joined.
type ToolCall struct {
	Index     int
	ID        string
	Name      string
	Arguments string
}

// Model is an entry of the models list.
type Model struct {
	ID      string
	OwnedBy string
	// Created is in Unix seconds.
	Created int64
}
