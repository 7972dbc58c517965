package openai

import (
	"cmp"
	"slices"

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

// Input is a dialect that knows bodies of that form.
type Input interface {
	dialect.Tuner
	Decode(in dialect.Incoming) (*chat.Request, error)
}

// readInput reads a body of that form. own is what its fields of this API say.
func (a API) readInput(in dialect.Incoming, own *chat.Request) (*chat.Request, error) {
	request, err := a.Input.Decode(in)
	if err != nil {
		return nil, err
	}
	request.ID, request.IncludeUsage = own.ID, own.IncludeUsage && own.Stream
	addOwn(request, own)
	return request, nil
}

// tuneInput is Tune for a request that came in a body of that form.
func (a API) tuneInput(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
	tuned, err := a.Input.Tune(request, parameters)
	if err != nil {
		return nil, err
	}
	addOwn(tuned, request)
	return tuned, nil
}

// addOwn adds to a request what a body of that form says in this API's fields.
func addOwn(request, own *chat.Request) {
	request.Stop, request.MaxTokens = own.Stop, cmp.Or(request.MaxTokens, own.MaxTokens)
	if request.Thinking.Effort == "" && own.Thinking.Effort != "" {
		request.Thinking.Effort, request.Thinking.Mode = own.Thinking.Effort, own.Thinking.Mode
	}
	formed := request.Output.Form != chat.TextOutput
	if !formed {
		request.Output = own.Output
	}
	for _, ask := range own.Asks {
		ofForm := ask.Need == chat.JSONObject || ask.Need == chat.JSONSchema
		if (beside[ask.Need] || ofForm && !formed) && !slices.Contains(request.Asks, ask) {
			request.Asks = append(request.Asks, ask)
		}
	}
}
