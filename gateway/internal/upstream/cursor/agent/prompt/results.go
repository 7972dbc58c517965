package prompt

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// nothing is the result of a tool that has none. The upstream's models go astray on an empty
// one.
const nothing = "(no output)"

// Results are what the request says that the calls came to, in the order of their ids. Each
// has a result. Errors are *chat.Error.
func Results(request *chat.Request, choice models.Choice, calls []string) ([]*agentv1.McpResult, error) {
	b := &builder{request: request, options: Options{Choice: choice}}
	results := make([]*agentv1.McpResult, len(calls))
	for i := range request.Messages {
		for j := range request.Messages[i].Parts {
			result := request.Messages[i].Parts[j].Result
			if result == nil {
				continue
			}
			at := slices.Index(calls, result.CallID)
			if at < 0 {
				continue
			}
			items, err := b.itemsOf(result, i, j)
			if err != nil {
				return nil, err
			}
			results[at] = &agentv1.McpResult{Result: &agentv1.McpResult_Success{
				Success: &agentv1.McpSuccess{Content: items, IsError: result.Failed},
			}}
		}
	}
	return results, nil
}

// itemsOf are the parts of a result, at least one. A model that sees no images is told that
// there are some.
func (b *builder) itemsOf(result *chat.Result, message, at int) (items []*agentv1.McpToolResultContentItem, err error) {
	unseen := false
	for i := range result.Parts {
		part := &result.Parts[i]
		switch {
		case part.Image != nil && !b.options.Choice.Vision:
			unseen = true
		case part.Image != nil:
			image, err := b.pictureOf(part.Image, message, at)
			if err != nil {
				return nil, err
			}
			items = append(items, imageItem(image))
		case part.Document != nil && part.Document.Text != "":
			items = append(items, textItem(paper(part.Document)))
		case !part.IsText():
			return nil, b.refuse(chat.Unsupported, message, at, onlyTextsAndImages)
		case part.Text != "":
			items = append(items, textItem(part.Text))
		}
	}
	if unseen {
		items = append(items, textItem(imagesUnseen))
	}
	if len(items) == 0 {
		items = append(items, textItem(nothing))
	}
	return items, nil
}

func textItem(text string) *agentv1.McpToolResultContentItem {
	return &agentv1.McpToolResultContentItem{Content: &agentv1.McpToolResultContentItem_Text{Text: &agentv1.McpTextContent{Text: valid(text)}}}
}

func imageItem(image *picture) *agentv1.McpToolResultContentItem {
	return &agentv1.McpToolResultContentItem{Content: &agentv1.McpToolResultContentItem_Image{
		Image: &agentv1.McpImageContent{Data: image.data, MimeType: image.mediaType},
	}}
}
