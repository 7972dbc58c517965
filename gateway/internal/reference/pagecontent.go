package reference

import (
	"encoding/json"
	"errors"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// maxContent bounds a page's content in bytes; the tokenstore has the same bound.
const maxContent = 256 << 10

// pagePaths are the pages that an admin may replace.
var pagePaths = []string{"/", "/logs", "/config", "/tokeninfo", "/about", "/readme", stylesPath, scriptPath}

var pageKinds = map[string]tokenstorev1.PageKind{
	"default": tokenstorev1.PageKind_PAGE_KIND_DEFAULT,
	"text":    tokenstorev1.PageKind_PAGE_KIND_TEXT,
	"html":    tokenstorev1.PageKind_PAGE_KIND_HTML,
}

// pageContent is a page's content in JSON.
type pageContent struct {
	// Type is default, text or html.
	Type string `json:"type"`
	// Content is empty for default.
	Content string `json:"content"`
}

func pageContentOf(pages []*tokenstorev1.Page, path string) pageContent {
	for _, page := range pages {
		if page.GetPath() != path {
			continue
		}
		for name, kind := range pageKinds {
			if kind == page.GetKind() {
				return pageContent{name, page.GetContent()}
			}
		}
	}
	return pageContent{Type: "default"}
}

// page reads the page that the request brings; nil where it brings none.
func (b *configBody) page() (*tokenstorev1.Page, error) {
	content, err := b.content()
	if content == nil || err != nil {
		return nil, err
	}
	if b.Path == "" {
		if content.Content == "" {
			return nil, nil
		}
		return nil, jsonapi.Invalid("path", "missing: the content belongs to a page")
	}
	page := &tokenstorev1.Page{Path: b.Path, Kind: pageKinds[content.Type]}
	if page.GetKind() != tokenstorev1.PageKind_PAGE_KIND_DEFAULT { // the built-in page has no content of its own
		page.Content = content.Content
	}
	if len(page.GetContent()) > maxContent {
		tooLong := chat.Errorf(chat.PayloadTooLarge, "content: %d bytes, at most %d are kept", len(page.GetContent()), maxContent)
		tooLong.Param = "content"
		return nil, tooLong
	}
	return page, nil
}

// content reads the two shapes of a page's content; nil where there is none.
func (b *configBody) content() (*pageContent, error) {
	if b.ContentType != nil {
		if err := checkKind("content_type", *b.ContentType); err != nil {
			return nil, err
		}
	}
	raw := string(b.Content)
	switch {
	case raw == "" || raw == "null":
		if b.ContentType == nil {
			return nil, nil
		}
		if *b.ContentType != "default" && b.Path != "" {
			return nil, jsonapi.Invalid("content", "missing: a page of type %s has a content", *b.ContentType)
		}
		return &pageContent{Type: "default"}, nil
	case raw[0] == '"':
		if b.ContentType == nil {
			return nil, jsonapi.Invalid("content_type", "missing: default, text or html, where content is a string")
		}
		content := &pageContent{Type: *b.ContentType}
		return content, json.Unmarshal(b.Content, &content.Content)
	case raw[0] == '{':
		return taggedContent(b.Content)
	default:
		return nil, jsonapi.Invalid("content", `a string or {"type","content"} wanted`)
	}
}

// taggedContent reads {"type":"default"} or {"type":"text"|"html","content"}.
func taggedContent(raw json.RawMessage) (*pageContent, error) {
	var tagged struct {
		Type    string  `json:"type"`
		Content *string `json:"content"`
	}
	if err := jsonapi.Unmarshal(raw, &tagged); err != nil {
		return nil, within("content", err)
	}
	if err := checkKind("content.type", tagged.Type); err != nil {
		return nil, err
	}
	content := &pageContent{Type: tagged.Type}
	if tagged.Content != nil {
		content.Content = *tagged.Content
	} else if tagged.Type != "default" {
		return nil, jsonapi.Invalid("content.content", "missing: a page of type %s has a content", tagged.Type)
	}
	return content, nil
}

func checkKind(param, kind string) error {
	if _, known := pageKinds[kind]; !known {
		return jsonapi.Invalid(param, "default, text or html wanted, not %q", kind)
	}
	return nil
}

// within says of an error about a member in which object that is.
func within(object string, err error) error {
	var failure *chat.Error
	if !errors.As(err, &failure) || failure.Param == "" {
		return err
	}
	failure.Param = object + "." + failure.Param
	failure.Message = object + "." + failure.Message
	return failure
}
