package openai

import (
	"context"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// Carries implements upstream.Carrier. It is asked of requests of other dialects alone:
// one of this dialect is the upstream's to judge.
func (d *Driver) Carries(need chat.Need) bool { return d.settings.quirks.carries(need) }

// Tunes implements upstream.Tuner. What depends on the model counts as sent.
func (d *Driver) Tunes(field string) bool {
	sent, known := tuned[field]
	return known && sent(&d.settings.quirks)
}

// Prepare implements upstream.Preparer. Images go to the upstream as they are, and
// it fetches those by URL itself: this gateway is exposed to nothing by them, so
// only a setting of none keeps them back.
func (d *Driver) Prepare(_ context.Context, request *chat.Request, options upstream.Options) (*chat.Request, error) {
	native := d.Speaks(request.Source.Dialect)
	noImages := options.Vision == upstream.VisionNone
	switch {
	case native && !noImages:
		return request, nil
	case native && request.HistoryFault != nil: // there may be images in what could not be read
		return nil, request.HistoryFault
	}
	for i := range request.Messages {
		for j := range request.Messages[i].Parts {
			part := &request.Messages[i].Parts[j]
			switch {
			case noImages && hasPart(part, func(p *chat.Part) bool { return p.Image != nil }):
				return nil, upstream.VisionDisabled(request, i, j)
			case !native && hasPart(part, isDocumentElsewhere):
				return nil, upstream.RefusePart(chat.Unsupported, request, i, j, elsewhere)
			}
		}
	}
	return request, nil
}

// elsewhere is why a document that has to be fetched is refused.
const elsewhere = "the upstream takes documents as data or as text, and fetches none; send the document's bytes"

// isDocumentElsewhere tells whether a part is a document that has to be fetched.
func isDocumentElsewhere(part *chat.Part) bool {
	return part.Document != nil && part.Document.Text == "" && part.Document.URL != "" && !strings.HasPrefix(part.Document.URL, "data:")
}

// hasPart tells whether a part, or one of those in the result that it is, has a property.
func hasPart(part *chat.Part, has func(*chat.Part) bool) bool {
	if part.Result == nil {
		return has(part)
	}
	for i := range part.Result.Parts {
		if has(&part.Result.Parts[i]) {
			return true
		}
	}
	return false
}
