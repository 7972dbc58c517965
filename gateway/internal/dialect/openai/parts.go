package openai

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// content consumes a message's content. present is false for null.
func (d *decoder) content(at place) (parts []chat.Part, present bool, err error) {
	start := len(d.parts)
	switch d.s.Kind() {
	case rawjson.Null:
		d.s.Skip()
		return nil, false, nil
	case rawjson.String:
		d.parts = append(d.parts, chat.Part{Text: d.s.Text()})
	case rawjson.Array:
		at.part = 0
		for ok := d.s.Array(); ok; ok = d.s.Element() {
			if err := d.part(at); err != nil {
				return nil, false, err
			}
			at.part++
		}
	default:
		return nil, false, d.mismatchAt(at, "content", "a string or an array of content parts")
	}
	return d.parts[start:len(d.parts):len(d.parts)], true, nil
}

// partDraft is a content part of which not all is known yet: its type may come last.
type partDraft struct {
	kind                     string
	text, refusal, url       string
	hasKind, hasText, hasURL bool
	detail                   string
	data, format             string // of audio
	fileID, fileData, name   string // of files
	cache                    *chat.CacheMark
}

// part consumes one content part. Of types that are not known here the JSON is kept, for an
// upstream that knows them.
func (d *decoder) part(at place) error {
	if d.s.Kind() != rawjson.Object {
		return d.mismatchAt(at, "", "an object")
	}
	from := d.s.Pos()
	var p partDraft
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if err := d.partField(&p, at); err != nil {
			return err
		}
	}
	if d.s.Failed() {
		return nil
	}
	part, err := p.part(at, d.req.Source.Dialect, d.req.Source.JSON[from:d.s.Pos()])
	if err != nil {
		return err
	}
	d.parts = append(d.parts, part)
	return nil
}

func (d *decoder) partField(p *partDraft, at place) (err error) {
	switch string(d.s.Key()) {
	case "type":
		p.hasKind = true
		p.kind, err = d.textAt(at, "type")
	case "text":
		p.hasText = true
		p.text, err = d.textAt(at, "text")
	case "refusal":
		p.refusal = d.word()
	case "image_url":
		if d.s.Kind() == rawjson.Null {
			d.s.Skip()
			break
		}
		p.hasURL = true
		err = d.imageURL(p, at)
	case "input_audio":
		d.audio(p)
	case "file":
		d.file(p)
	case "detail", "file_id", "file_data", "file_url", "filename": // flat, as in the Responses API
		d.fileField(p)
	case "cache_control", "prompt_cache_breakpoint":
		p.cache = d.cacheMark()
	default:
		d.s.Skip()
	}
	return err
}

// inputKinds are the kinds of parts in the Responses API, by this one's for the same; some
// clients mix the two.
var inputKinds = map[string]string{
	"input_text": "text", "output_text": "text", "summary_text": "text", "reasoning_text": "text",
	"input_image": "image_url", "input_file": "file",
}

// part makes the part of which JSON is all, in that dialect.
func (p *partDraft) part(at place, dialect string, json []byte) (chat.Part, error) {
	part := chat.Part{Cache: p.cache}
	kind := p.kind
	if own, foreign := inputKinds[kind]; foreign {
		kind = own
	}
	switch {
	case !p.hasKind:
		return part, invalid(at.param("type"), "`%s` is missing: it must be text, image_url or another type of content", at.param("type"))
	case kind == "text" && !p.hasText:
		return part, invalid(at.param("text"), "`%s` is missing: it must be a string", at.param("text"))
	case kind == "text":
		part.Text = p.text
	case kind == "image_url" && !p.hasURL && p.fileID == "":
		return part, invalid(at.param("image_url"), "`%s` is missing: it must be an object with a `url`", at.param("image_url"))
	case kind == "image_url":
		part.Image = &chat.Image{URL: p.url, FileID: p.fileID, Detail: p.detail}
	case kind == "refusal": // what an assistant said instead of a text
		part.Text, part.Refusal = p.refusal, true
	case kind == "input_audio" && p.data != "":
		part.Audio = &chat.Audio{Base64: p.data, Format: p.format}
	case kind == "file" && p.fileID+p.fileData != "":
		part.Document = &chat.Document{URL: p.fileData, FileID: p.fileID, Name: p.name, MediaType: mediaTypeOf(p.fileData)}
	default:
		part.Opaque = &chat.Opaque{Dialect: dialect, Type: cut(kind), JSON: json}
	}
	return part, nil
}

// imageURL consumes {"url": …, "detail": …}, or the URL alone as some clients send it.
func (d *decoder) imageURL(p *partDraft, at place) (err error) {
	switch d.s.Kind() {
	case rawjson.String:
		p.url = d.s.Text()
	case rawjson.Object:
		for ok := d.s.Object(); ok; ok = d.s.Member() {
			switch string(d.s.Key()) {
			case "url":
				p.url, err = d.textAt(at, "image_url.url")
			case "detail":
				d.detail(p)
			default:
				d.s.Skip()
			}
			if err != nil {
				return err
			}
		}
	default:
		return d.mismatchAt(at, "image_url", "an object with a `url`")
	}
	if p.url == "" && !d.s.Failed() {
		return invalid(at.param("image_url.url"), "`%s` is missing: it must be a data, http or https URL", at.param("image_url.url"))
	}
	return nil
}

func (d *decoder) detail(p *partDraft) {
	if p.detail = d.word(); p.detail != "" && p.detail != "auto" {
		d.noteOnce("detail")
	}
}

// audio consumes {"data": …, "format": …}.
func (d *decoder) audio(p *partDraft) {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "data":
			p.data = d.word()
		case "format":
			p.format = d.word()
		default:
			d.s.Skip()
		}
	}
}

// file consumes {"file_data": …, "filename": …} or {"file_id": …}.
func (d *decoder) file(p *partDraft) {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		d.fileField(p)
	}
}

func (d *decoder) fileField(p *partDraft) {
	switch string(d.s.Key()) {
	case "file_data", "file_url":
		if url := d.word(); url != "" {
			p.fileData = url
		}
	case "file_id":
		p.fileID = d.word()
	case "filename":
		p.name = d.word()
	case "detail":
		d.detail(p)
	default:
		d.s.Skip()
	}
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
