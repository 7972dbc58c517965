package responses

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// content is what an item says, and where each part of it stands.
type content struct {
	parts  []chat.Part
	places []place
	// present: it is there, and not null.
	present bool
}

func (c *content) add(part chat.Part, at place) {
	c.parts, c.places = append(c.parts, part), append(c.places, at)
}

// content consumes a text, or a list of parts.
func (d *decoder) content(at place, list string) (said content, err error) {
	switch d.s.Kind() {
	case rawjson.Null:
		d.s.Skip()
		return said, nil
	case rawjson.String:
		if text := d.s.Text(); text != "" { // other APIs refuse an empty one
			said.add(chat.Part{Text: text}, at)
		}
	case rawjson.Array:
		at.list = list
		for ok := d.s.Array(); ok; ok = d.s.Element() {
			if err := d.part(&said, at); err != nil {
				return said, err
			}
			at.part++
		}
	default:
		return said, d.mismatch(at.field(list), aString+" or an array of content parts")
	}
	said.present = true
	return said, nil
}

// partDraft is a part of which not all is known yet: its type may come last.
type partDraft struct {
	kind, text, refusal     string
	hasText                 bool
	url, fileID, detail     string
	fileData, fileURL, name string
	audio                   chat.Audio
}

// part consumes one part. Of kinds that are not known here the JSON is kept, for an upstream
// that knows them.
func (d *decoder) part(said *content, at place) error {
	if d.s.Kind() != rawjson.Object {
		return d.mismatch(at.String(), anObject)
	}
	from := d.s.Pos()
	var p partDraft
	err := d.members(func(key []byte) error { return d.partField(&p, at, key) })
	if err != nil || d.s.Failed() {
		return err
	}
	part, err := p.part(at, d.req.Source.JSON[from:d.s.Pos()])
	if err != nil {
		return err
	}
	if !part.IsText() || part.Text != "" {
		said.add(part, at)
	}
	return nil
}

func (d *decoder) partField(p *partDraft, at place, key []byte) (err error) {
	switch string(key) {
	case "type":
		p.kind, err = d.textAt(at, string(key))
	case "text":
		p.hasText = true
		p.text, err = d.textAt(at, string(key))
	case "refusal":
		p.refusal = d.word()
	case "image_url":
		err = d.imageURL(p, at)
	case "detail":
		p.detail = d.word()
	case "file_id":
		p.fileID = d.word()
	case "file_data":
		p.fileData = d.word()
	case "file_url":
		p.fileURL = d.word()
	case "filename":
		p.name = d.word()
	case "input_audio":
		err = d.object(at.field(string(key)), func(key []byte) error {
			switch string(key) {
			case "data":
				p.audio.Base64 = d.word()
			case "format":
				p.audio.Format = d.word()
			default:
				d.s.Skip()
			}
			return nil
		})
	case "file": // as Chat has it
		err = d.object(at.field(string(key)), func(key []byte) error { return d.partField(p, at, key) })
	default:
		d.s.Skip()
	}
	return err
}

// imageURL consumes a URL, or as Chat has it {"url": …, "detail": …}.
func (d *decoder) imageURL(p *partDraft, at place) (err error) {
	if d.s.Kind() != rawjson.Object {
		p.url, err = d.textAt(at, "image_url")
		return err
	}
	return d.object(at.field("image_url"), func(key []byte) error {
		switch string(key) {
		case "url":
			p.url = d.word()
		case "detail":
			p.detail = d.word()
		default:
			d.s.Skip()
		}
		return nil
	})
}

// part makes the part of which JSON is all.
func (p *partDraft) part(at place, json []byte) (part chat.Part, err error) {
	switch p.kind {
	case "":
		return part, invalid(at.field("type"), "is missing: it must be input_text, input_image or another type of content")
	case "input_text", "output_text", "text", "summary_text", "reasoning_text":
		if !p.hasText {
			return part, invalid(at.field("text"), "is missing: it must be a string")
		}
		part.Text = p.text
	case "refusal": // what an assistant said instead of a text
		part.Text, part.Refusal = p.refusal, true
	case "input_image", "image_url":
		if p.url == "" && p.fileID == "" {
			return part, invalid(at.field("image_url"), "is missing: it must be a data, http or https URL")
		}
		part.Image = &chat.Image{URL: p.url, FileID: p.fileID, Detail: p.detail}
	case "input_file", "file":
		url := p.fileData
		if url == "" {
			url = p.fileURL
		}
		if url == "" && p.fileID == "" {
			return part, invalid(at.field("file_data"), "is missing: a file has `file_data`, `file_url` or `file_id`")
		}
		part.Document = &chat.Document{URL: url, FileID: p.fileID, Name: p.name, MediaType: mediaTypeOf(url)}
	case "input_audio":
		if p.audio.Base64 == "" {
			return part, invalid(at.field("input_audio.data"), "is missing: it must be the sound's bytes in base64")
		}
		audio := p.audio
		part.Audio = &audio
	default:
		part.Opaque = &chat.Opaque{Dialect: Dialect, Type: chat.Cut(p.kind, longestWord), JSON: json}
	}
	return part, nil
}

// mediaTypeOf is what a data URL says of its bytes; empty where it says nothing.
func mediaTypeOf(url string) string {
	rest, isData := strings.CutPrefix(url, "data:")
	if !isData {
		return ""
	}
	head, _, _ := strings.Cut(rest, ",")
	mediaType, _, _ := strings.Cut(head, ";")
	return mediaType
}
