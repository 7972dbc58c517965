package openai

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// content writes texts as one string, which every upstream reads, and anything else as
// parts.
func (b *building) content(parts []*chat.Part) {
	isText := func(part *chat.Part) bool { return mediaKind(part) == "" }
	if !slices.ContainsFunc(parts, func(part *chat.Part) bool { return !isText(part) }) {
		texts := make([]string, len(parts))
		for i, part := range parts {
			texts[i] = textOf(part)
		}
		b.string(strings.Join(texts, "\n"))
		return
	}
	b.raw("[")
	for _, part := range parts {
		if part.Document != nil && part.Document.Text == "" && part.Document.Context != "" {
			b.element()
			b.textPart(part.Document.Context)
		}
		b.element()
		b.part(part)
	}
	b.raw("]")
}

func (b *building) part(part *chat.Part) {
	switch {
	case part.Image != nil:
		b.raw(`{"type":"image_url","image_url":{`)
		b.member("url")
		b.string(part.Image.URL)
		b.text("detail", part.Image.Detail)
		b.raw("}}")
	case part.Audio != nil:
		b.raw(`{"type":"input_audio","input_audio":{`)
		b.member("data")
		b.string(part.Audio.Base64)
		b.text("format", part.Audio.Format)
		b.raw("}}")
	case part.Document != nil && part.Document.Text == "":
		b.file(part.Document)
	case part.Opaque != nil && part.Opaque.Dialect == dialect:
		b.bytes(part.Opaque.JSON)
	default:
		b.textPart(textOf(part))
	}
}

func (b *building) textPart(text string) {
	b.raw(`{"type":"text","text":`)
	b.string(text)
	b.raw("}")
}

// file writes a document of which there are the bytes.
func (b *building) file(document *chat.Document) {
	b.raw(`{"type":"file","file":{`)
	if document.FileID != "" {
		b.text("file_id", document.FileID)
	} else {
		b.text("filename", fileName(document))
		b.member("file_data")
		b.string(document.URL)
	}
	b.raw("}}")
}

// fileName is a name for a document: the API judges by its ending, and asks for one.
func fileName(document *chat.Document) string {
	switch {
	case document.Name != "":
		return document.Name
	case document.Title != "":
		return document.Title
	case document.MediaType == "application/pdf" || document.MediaType == "":
		return "document.pdf"
	default:
		return "document"
	}
}

// textOf is a text as the upstream is to read it.
func textOf(part *chat.Part) string {
	document := part.Document
	if document == nil {
		return part.Text
	}
	var text strings.Builder
	text.WriteString("<document")
	for _, each := range []struct{ name, value string }{{"name", document.Name}, {"title", document.Title}, {"context", document.Context}} {
		if each.value != "" {
			text.WriteString(" " + each.name + `="` + strings.ReplaceAll(each.value, `"`, "'") + `"`)
		}
	}
	text.WriteString(">\n" + document.Text + "\n</document>")
	return text.String()
}
