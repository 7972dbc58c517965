package anthropic

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/callextra"
	"carousel.internal/gateway/internal/rawjson"
)

// content consumes what a message, or the result of a tool, has to say: text, or blocks.
func (d *decoder) content(to *turn, at place) error {
	switch d.s.Kind() {
	case rawjson.String:
		if text := d.s.Text(); text != "" { // other APIs refuse an empty one
			to.add(chat.Part{Text: text}, at)
		}
		return nil
	case rawjson.Array:
	default:
		return d.mismatch(at.contentField(), aString+" or "+aList)
	}
	block := at.inside()
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		if err := d.block(to, block); err != nil {
			return err
		}
		block = block.next()
	}
	return nil
}

// contentField names a content; that of the leading instructions is their field.
func (p place) contentField() string {
	if p.list == system {
		return listNames[system]
	}
	return p.field("content")
}

// block consumes one block.
func (d *decoder) block(to *turn, at place) error {
	if d.s.Kind() != rawjson.Object {
		return d.mismatch(at.String(), anObject)
	}
	kind, err := d.kind(at)
	if err != nil || d.s.Failed() {
		return err
	}
	switch kind {
	case "text":
		return d.textBlock(to, at)
	case "image":
		return d.image(to, at)
	case "document":
		return d.document(to, at)
	case "search_result":
		return d.searchResult(to, at)
	case "tool_use":
		return d.toolUse(to, at)
	case "tool_result":
		return d.toolResult(to, at)
	case "tool_reference":
		return d.toolReference(to, at)
	case "thinking":
		return d.thinking(to, at)
	case "redacted_thinking":
		return d.redacted(to, at)
	case "mid_conv_system":
		return d.laterInstructions(to, at)
	default: // the vendor's own matter
		whole := d.s.Skip()
		to.add(chat.Part{Opaque: &chat.Opaque{Dialect: Dialect, Type: chat.Cut(kind, longestWord), JSON: whole}}, at)
		return nil
	}
}

// kind looks ahead for the type of the object that comes next.
func (d *decoder) kind(at place) (string, error) {
	ahead := d.s
	for ok := ahead.Object(); ok; ok = ahead.Member() {
		if string(ahead.Key()) != "type" {
			ahead.Skip()
			continue
		}
		if ahead.Kind() != rawjson.String {
			return "", invalid(at.field("type"), shouldBe+aString+", not "+ahead.Kind().String())
		}
		return ahead.Text(), nil
	}
	if ahead.Failed() {
		d.s.Skip() // finds the same fault
		return "", nil
	}
	return "", invalid(at.field("type"), required)
}

func (d *decoder) textBlock(to *turn, at place) error {
	var part chat.Part
	has, cites := false, false
	err := d.object(at.String, func(key []byte) (err error) {
		switch string(key) {
		case "text":
			has = true
			part.Text, err = d.text(at, "text")
		case "cache_control":
			part.Cache = d.cacheMark()
		case "citations":
			cites = d.filled()
		default:
			d.s.Skip()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !has:
		return d.missing(at, "text")
	case cites && to.cites == nil:
		to.cites = &at
	}
	if part.Text != "" {
		to.add(part, at)
	}
	return nil
}

// missing is the error for a member that is not there. If there is a fault, that is why.
func (d *decoder) missing(at place, member string) error {
	if d.s.Failed() {
		return nil
	}
	return invalid(at.field(member), required)
}

// cacheMark consumes a mark, or null. What else it may be is not worth an error.
func (d *decoder) cacheMark() *chat.CacheMark {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return nil
	}
	mark := &chat.CacheMark{}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if string(d.s.Key()) == "ttl" && d.s.Kind() == rawjson.String {
			mark.TTL = d.s.Text()
		} else {
			d.s.Skip()
		}
	}
	return mark
}

// source is where the bytes of an image or a document are.
type source struct {
	kind, mediaType, data, url, fileID string
	content                            turn
}

func (d *decoder) source(at place) (source, error) {
	var from source
	const field = "source"
	err := d.object(func() string { return at.field(field) }, func(key []byte) (err error) {
		switch string(key) {
		case "type":
			from.kind, err = d.text(at, "source.type")
		case "media_type":
			from.mediaType, err = d.text(at, "source.media_type")
		case "data":
			from.data, err = d.text(at, "source.data")
		case "url":
			from.url, err = d.text(at, "source.url")
		case "file_id":
			from.fileID, err = d.text(at, "source.file_id")
		case "content":
			err = d.content(&from.content, at)
		default:
			d.s.Skip()
		}
		return err
	})
	if err != nil || d.s.Failed() {
		return from, err
	}
	for _, need := range []struct{ kind, member, value string }{
		{"base64", "media_type", from.mediaType},
		{"base64", "data", from.data},
		{"url", "url", from.url},
		{"file", "file_id", from.fileID},
		{from.kind, "type", from.kind},
	} {
		if from.kind == need.kind && need.value == "" {
			return from, invalid(at.field(field+"."+need.member), required)
		}
	}
	return from, nil
}

// dataURL has the bytes in it; empty where there are none.
func (s *source) dataURL() string {
	if s.kind != "base64" {
		return s.url
	}
	return "data:" + s.mediaType + ";base64," + s.data
}

func (d *decoder) image(to *turn, at place) error {
	part := chat.Part{Image: &chat.Image{}}
	has, known := false, true
	start := d.s
	err := d.object(at.String, func(key []byte) error {
		switch string(key) {
		case "source":
			has = true
			from, err := d.source(at)
			part.Image.URL, part.Image.FileID = from.dataURL(), from.fileID
			known = part.Image.URL != "" || part.Image.FileID != ""
			return err
		case "cache_control":
			part.Cache = d.cacheMark()
		default:
			d.s.Skip()
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !has:
		return d.missing(at, "source")
	case !known:
		d.opaque(to, at, start, "image")
	default:
		to.add(part, at)
	}
	return nil
}

// opaque adds what an image or a document is whose source is of no known kind.
func (d *decoder) opaque(to *turn, at place, start rawjson.Scanner, kind string) {
	to.add(chat.Part{Opaque: &chat.Opaque{Dialect: Dialect, Type: kind, JSON: start.Skip()}}, at)
}

func (d *decoder) document(to *turn, at place) error {
	paper := &chat.Document{}
	part := chat.Part{Document: paper}
	var from source
	has := false
	start := d.s
	err := d.object(at.String, func(key []byte) (err error) {
		switch string(key) {
		case "source":
			has = true
			from, err = d.source(at)
		case "title":
			paper.Title, err = d.optional(at, "title")
		case "context":
			paper.Context, err = d.optional(at, "context")
		case "cache_control":
			part.Cache = d.cacheMark()
		default: // whether it is cited tunes the answer
			d.s.Skip()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !has:
		return d.missing(at, "source")
	case to.papers == nil:
		to.papers = &at
	}
	paper.Name, paper.MediaType = paper.Title, from.mediaType
	switch from.kind {
	case "base64", "url", "file":
		paper.URL, paper.FileID = from.dataURL(), from.fileID
	case "text":
		paper.Text, paper.MediaType = from.data, plainText
	case "content":
		paper.Text, paper.MediaType = chat.Text(from.content.parts), plainText
	default:
		d.opaque(to, at, start, "document")
		return nil
	}
	to.add(part, at)
	for _, each := range from.content.parts {
		if !each.IsText() {
			to.add(each, at)
		}
	}
	return nil
}

const plainText = "text/plain"

// searchResult becomes text: no other API has its like.
func (d *decoder) searchResult(to *turn, at place) error {
	var title, from string
	var part chat.Part
	var content turn
	err := d.object(at.String, func(key []byte) (err error) {
		switch string(key) {
		case "title":
			title, err = d.text(at, "title")
		case "source":
			from, err = d.text(at, "source")
		case "content":
			err = d.content(&content, at)
		case "cache_control":
			part.Cache = d.cacheMark()
		default:
			d.s.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	var lines []string
	for _, line := range []string{title, from, chat.Text(content.parts)} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	if part.Text = strings.Join(lines, "\n"); part.Text != "" {
		to.add(part, at)
	}
	return nil
}

func (d *decoder) toolUse(to *turn, at place) error {
	call := &chat.Call{}
	part := chat.Part{Call: call}
	has := false
	err := d.object(at.String, func(key []byte) (err error) {
		switch string(key) {
		case "id":
			call.ID, err = d.text(at, "id")
		case "name":
			call.Name, err = d.text(at, "name")
		case "input":
			if has = true; d.s.Kind() != rawjson.Object {
				return d.mismatch(at.field("input"), anObject)
			}
			call.Arguments = string(rawjson.Mended(d.s.Skip()))
		case "cache_control":
			part.Cache = d.cacheMark()
		default:
			d.s.Skip()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case call.ID == "":
		return d.missing(at, "id")
	case call.Name == "":
		return d.missing(at, "name")
	case !has:
		return d.missing(at, "input")
	}
	call.ID, call.Extra = callextra.Cut(call.ID)
	to.add(part, at)
	return nil
}

func (d *decoder) toolResult(to *turn, at place) error {
	result := &chat.Result{}
	part := chat.Part{Result: result}
	var content turn
	err := d.object(at.String, func(key []byte) (err error) {
		switch string(key) {
		case "tool_use_id":
			result.CallID, err = d.text(at, "tool_use_id")
		case "content":
			if !d.null() {
				err = d.content(&content, at)
			}
		case "is_error":
			var failed *bool
			failed, err = d.flag(at, "is_error")
			result.Failed = failed != nil && *failed
		case "cache_control":
			part.Cache = d.cacheMark()
		default:
			d.s.Skip()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case result.CallID == "":
		return d.missing(at, "tool_use_id")
	}
	result.CallID, _ = callextra.Cut(result.CallID)
	result.Parts = content.parts
	to.add(part, at)
	return nil
}

// toolReference names a tool that a search for tools has found. Others are given all tools.
func (d *decoder) toolReference(to *turn, at place) error {
	name := ""
	err := d.object(at.String, func(key []byte) (err error) {
		if string(key) != "tool_name" {
			d.s.Skip()
			return nil
		}
		name, err = d.text(at, "tool_name")
		return err
	})
	if err == nil && name != "" {
		to.add(chat.Part{Text: "[tool: " + name + "]"}, at)
	}
	return err
}

func (d *decoder) thinking(to *turn, at place) error {
	thought := &chat.Reasoning{}
	signature := ""
	err := d.object(at.String, func(key []byte) (err error) {
		switch string(key) {
		case "thinking":
			thought.Text, err = d.text(at, "thinking")
		case "signature":
			signature, err = d.optional(at, "signature")
		default:
			d.s.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	seal(thought, signature)
	if thought.Text != "" || thought.Seal != "" {
		to.add(chat.Part{Reasoning: thought}, at)
	}
	return nil
}

func (d *decoder) redacted(to *turn, at place) error {
	thought := &chat.Reasoning{Maker: Dialect, Redacted: true}
	err := d.object(at.String, func(key []byte) (err error) {
		if string(key) != "data" {
			d.s.Skip()
			return nil
		}
		thought.Seal, err = d.text(at, "data")
		return err
	})
	switch {
	case err != nil:
		return err
	case thought.Seal == "":
		return d.missing(at, "data")
	}
	to.add(chat.Part{Reasoning: thought}, at)
	return nil
}

// laterInstructions are a block of instructions in the middle of the conversation.
func (d *decoder) laterInstructions(to *turn, at place) error {
	var said turn
	err := d.object(at.String, func(key []byte) error {
		if string(key) == "content" {
			return d.content(&said, at)
		}
		d.s.Skip()
		return nil
	})
	to.later, to.laterPlaces = append(to.later, said.parts...), append(to.laterPlaces, said.places...)
	return err
}
