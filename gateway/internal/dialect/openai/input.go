package openai

import (
	"cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// inputFields are those of a body in the form of the Responses API, which Cursor sends to this
// API's address for some models: `input` and `instructions` in the place of `messages`. Whoever
// knows that form reads such a body; its answer is this API's.
var inputFields = map[string]bool{
	"input": true, "instructions": true, "text": true, "max_output_tokens": true, "previous_response_id": true,
	"conversation": true, "prompt": true, "background": true, "include": true, "truncation": true,
}

// beside are what a body of that form may ask for in this API's own fields.
var beside = map[chat.Need]bool{
	chat.Choices: true, chat.LogProbs: true, chat.Media: true, chat.Prediction: true, chat.WebSearch: true, chat.Words: true,
}

// readInput reads a body of that form. own is what its fields of this API say.
func (a API) readInput(in dialect.Incoming, own *chat.Request) (*chat.Request, error) {
	request, err := a.Input(in)
	if err != nil {
		return nil, err
	}
	request.ID, request.IncludeUsage, request.Stop = own.ID, own.IncludeUsage && own.Stream, own.Stop
	request.MaxTokens = cmp.Or(request.MaxTokens, own.MaxTokens)
	for _, ask := range own.Asks {
		if beside[ask.Need] {
			request.Asks = append(request.Asks, ask)
		}
	}
	return request, nil
}
