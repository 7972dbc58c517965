package prompt

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// entry is what one side says in one go: the user, or the assistant with what came of the
// calls that it made.
type entry struct {
	role   chat.Role
	pieces []piece
}

// piece is a part of an entry: what one of its pointers says, and else text.
type piece struct {
	text    string
	thought string // what the model thought; never with anything else
	image   *picture
	call    *call
}

// call is a call with its result.
type call struct {
	id string
	// name is the tool's as it is declared, sent is that without the provider's.
	name, sent string
	arguments  arguments
	result     string
	failed     bool
}

// found is a result in the request, and where.
type found struct {
	result        *chat.Result
	message, part int
	taken         bool
}

// noResult stands for what nobody tells.
const noResult = "(no result)"

// onlyTextsAndImages is why a part is refused, for the client.
const onlyTextsAndImages = "this upstream takes texts and images, nothing else"

// withThoughts is the family that wants its thoughts of earlier turns back.
const withThoughts = "kimi-k3"

func (e entry) text() string {
	var texts []string
	for _, each := range e.pieces {
		if each.text != "" {
			texts = append(texts, each.text)
		}
	}
	return strings.Join(texts, "\n")
}

func (e entry) images() (images []*picture) {
	for _, each := range e.pieces {
		if each.image != nil {
			images = append(images, each.image)
		}
	}
	return images
}

func (e entry) calls() (calls []*call) {
	for _, each := range e.pieces {
		if each.call != nil {
			calls = append(calls, each.call)
		}
	}
	return calls
}

func said(role chat.Role, text string) entry { return entry{role, []piece{{text: text}}} }

// read takes the request apart into instructions and entries.
func (b *builder) read() error {
	b.findResults()
	b.callIDs = map[string]int{}
	var system []string
	previous := chat.System
	for i := range b.request.Messages {
		message := &b.request.Messages[i]
		switch message.Role {
		case chat.System:
			if text := message.Text(); strings.TrimSpace(text) != "" {
				system = append(system, text)
			}
			continue
		case chat.Assistant:
			pieces, err := b.spoken(i)
			if err != nil {
				return err
			}
			b.say(chat.Assistant, pieces, previous == chat.Assistant)
		default:
			pieces, err := b.heard(i)
			if err != nil {
				return err
			}
			b.say(chat.User, pieces, false)
		}
		previous = message.Role
	}
	if err := b.checkResults(); err != nil {
		return err
	}
	return b.begin(system)
}

// say adds an entry, or goes on with the last one. Who says nothing has none.
func (b *builder) say(role chat.Role, pieces []piece, goesOn bool) {
	last := len(b.entries) - 1
	switch {
	case len(pieces) == 0:
	case goesOn && last >= 0 && b.entries[last].role == role:
		b.entries[last].pieces = append(b.entries[last].pieces, pieces...)
	default:
		b.entries = append(b.entries, entry{role, pieces})
	}
}

// spoken is what an assistant's message says.
func (b *builder) spoken(message int) (pieces []piece, err error) {
	for j := range b.request.Messages[message].Parts {
		part := &b.request.Messages[message].Parts[j]
		switch {
		case part.Call != nil:
			pieces = append(pieces, piece{call: b.callOf(part.Call, message)})
		case part.Reasoning != nil:
			if text := part.Reasoning.Text; text != "" && b.options.Choice.Family == withThoughts {
				pieces = append(pieces, piece{thought: valid(text)})
			}
		case part.IsText():
			pieces = append(pieces, textOf(part.Text)...)
		default:
			return nil, b.refuse(chat.Unsupported, message, j, "an assistant's message can hold texts and calls at this upstream, nothing else")
		}
	}
	return pieces, nil
}

// heard is what a user's or a tool's message says. Results stand with their calls.
func (b *builder) heard(message int) (pieces []piece, err error) {
	for j := range b.request.Messages[message].Parts {
		part := &b.request.Messages[message].Parts[j]
		var own []piece
		if part.Result != nil {
			own, err = b.imagesOf(part.Result, message, j)
		} else {
			own, err = b.pieceOf(part, message, j)
		}
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, own...)
	}
	return pieces, nil
}

// imagesOf are a result's images, which the user says behind it: results are texts.
func (b *builder) imagesOf(result *chat.Result, message, at int) (pieces []piece, err error) {
	for i := range result.Parts {
		part := &result.Parts[i]
		switch {
		case part.Image != nil && !b.options.Choice.Vision: // the result says so
		case part.Image != nil:
			image, err := b.pictureOf(part.Image, message, at)
			if err != nil {
				return nil, err
			}
			if len(pieces) == 0 {
				pieces = textOf("(Images of a tool's result:)")
			}
			pieces = append(pieces, piece{image: image})
		case !part.IsText() && (part.Document == nil || part.Document.Text == ""):
			return nil, b.refuse(chat.Unsupported, message, at, onlyTextsAndImages)
		}
	}
	return pieces, nil
}

// pieceOf is a part that is neither a call nor a result; a text of nothing is none.
func (b *builder) pieceOf(part *chat.Part, message, at int) ([]piece, error) {
	switch {
	case part.Image != nil:
		image, err := b.pictureOf(part.Image, message, at)
		if err != nil {
			return nil, err
		}
		return []piece{{image: image}}, nil
	case part.Document != nil && part.Document.Text != "":
		return textOf(paper(part.Document)), nil
	case part.IsText():
		return textOf(part.Text), nil
	}
	return nil, b.refuse(chat.Unsupported, message, at, onlyTextsAndImages)
}

// paper is a document that was sent as text.
func paper(document *chat.Document) string {
	title := document.Title
	if title == "" {
		title = document.Name
	}
	if title == "" {
		return document.Text
	}
	return "Document " + title + ":\n" + document.Text
}

func textOf(text string) []piece {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return []piece{{text: valid(text)}}
}

// valid replaces what the wire can't carry.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func (b *builder) refuse(kind chat.Kind, message, part int, reason string) error {
	return upstream.RefusePart(kind, b.request, message, part, reason)
}

// hasCalls tells whether the model is to go on from results.
func hasCalls(entries []entry) bool {
	return len(entries) > 0 && slices.ContainsFunc(entries[len(entries)-1].pieces, func(each piece) bool { return each.call != nil })
}
