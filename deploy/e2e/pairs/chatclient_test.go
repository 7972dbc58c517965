package pairs_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"
)

// chatClient is OpenAI's official client.
type chatClient struct{ sdk openai.Client }

func (c chatClient) ask(ctx context.Context, model string, talk []turn, stream bool) (answer, error) {
	params := chatParams(model, talk)
	if !stream {
		completion, err := c.sdk.Chat.Completions.New(ctx, params)
		if err != nil {
			return answer{}, chatFailure(err)
		}
		return chatAnswer(completion), nil
	}
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	chunks := c.sdk.Chat.Completions.NewStreaming(ctx, params)
	defer func() { _ = chunks.Close() }()
	var all openai.ChatCompletionAccumulator
	var thought reasoning
	for chunks.Next() {
		chunk := chunks.Current()
		if !all.AddChunk(chunk) {
			return answer{}, errors.New("the client does not take " + chunk.RawJSON())
		}
		if len(chunk.Choices) > 0 {
			thought.add(chunk.Choices[0].Delta.RawJSON())
		}
	}
	if err := chunks.Err(); err != nil {
		partial := answer{}
		if len(all.Choices) > 0 {
			partial.text = all.Choices[0].Message.Content
		}
		return partial, chatFailure(err)
	}
	if len(all.Choices) == 0 {
		return answer{}, errors.New("no choice")
	}
	return thought.put(chatAnswer(&all.ChatCompletion)), nil
}

// reasoning is what the client's types know nothing of.
type reasoning struct {
	Text   string            `json:"reasoning_content"`
	Sealed []json.RawMessage `json:"thinking_blocks"`
}

// add takes what a message, or a piece of one, has of it.
func (r *reasoning) add(raw string) {
	var piece reasoning
	_ = json.Unmarshal([]byte(raw), &piece) // the client has read it
	r.Text += piece.Text
	r.Sealed = append(r.Sealed, piece.Sealed...)
}

// put puts it into an answer, and into what agents bring back of that.
func (r *reasoning) put(got answer) answer {
	if r.Text == "" && len(r.Sealed) == 0 {
		return got
	}
	extra := map[string]any{"reasoning_content": r.Text}
	if len(r.Sealed) > 0 {
		extra["thinking_blocks"] = r.Sealed
	}
	message := got.own.(openai.ChatCompletionMessageParamUnion)
	message.OfAssistant.SetExtraFields(extra)
	got.thought, got.own = r.Text, message
	return got
}

func chatAnswer(completion *openai.ChatCompletion) answer {
	choice := completion.Choices[0]
	got := answer{
		model: completion.Model, text: choice.Message.Content, refusal: choice.Message.Refusal,
		own: choice.Message.ToParam(),
		end: map[string]ending{"stop": ended, "length": cutOff, "tool_calls": withCalls, "content_filter": filtered}[choice.FinishReason],
		usage: usage{
			prompt: completion.Usage.PromptTokens, cached: completion.Usage.PromptTokensDetails.CachedTokens, output: completion.Usage.CompletionTokens,
			reasoning: completion.Usage.CompletionTokensDetails.ReasoningTokens,
		},
	}
	for _, made := range choice.Message.ToolCalls {
		got.calls = append(got.calls, call{made.ID, made.Function.Name, compact(made.Function.Arguments)})
	}
	var thought reasoning
	thought.add(choice.Message.RawJSON())
	return thought.put(got)
}

func chatFailure(err error) error {
	told, ok := errors.AsType[*openai.Error](err)
	if !ok {
		return &failure{err: err, message: err.Error()}
	}
	return &failure{status: told.StatusCode, kind: told.Code, message: told.Message, param: told.Param, err: err}
}

func chatParams(model string, talk []turn) openai.ChatCompletionNewParams {
	last := talk[len(talk)-1].question
	params := openai.ChatCompletionNewParams{Model: model}
	if talk[0].system != "" {
		params.Messages = append(params.Messages, openai.SystemMessage(talk[0].system))
	}
	for _, each := range talk {
		params.Messages = append(params.Messages, chatMessages(each.question)...)
		if own, ok := each.answer.own.(openai.ChatCompletionMessageParamUnion); ok {
			params.Messages = append(params.Messages, own)
		}
	}
	for _, name := range last.tools {
		params.Tools = append(params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: name, Description: openai.String("Looks."), Parameters: toolSchema(),
		}))
	}
	switch {
	case last.mustCall == "any":
		params.ToolChoice.OfAuto = openai.String("required")
	case last.mustCall != "":
		params.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: last.mustCall})
	}
	if last.oneCall {
		params.ParallelToolCalls = openai.Bool(false)
	}
	if last.schema {
		params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
			Name: "look", Strict: openai.Bool(true), Schema: answerSchema(),
		}}
	}
	if len(last.stop) > 0 {
		params.Stop.OfStringArray = last.stop
	}
	if last.limit > 0 {
		params.MaxCompletionTokens = openai.Int(last.limit)
	}
	params.ReasoningEffort = shared.ReasoningEffort(last.effort)
	return params
}

func chatMessages(q question) []openai.ChatCompletionMessageParamUnion {
	var all []openai.ChatCompletionMessageParamUnion
	for _, came := range q.results {
		text := came.text
		if came.failed {
			text = "Error: " + text // the API has no field for it
		}
		message := openai.ToolMessage(text, came.id)
		if came.image != nil { // against the letter of the API, as some agents do
			parts, _ := json.Marshal([]any{map[string]any{"type": "text", "text": text}, map[string]any{"type": "image_url", "image_url": map[string]string{"url": dataURL("image/png", came.image)}}})
			message.OfTool.Content = param.Override[openai.ChatCompletionToolMessageParamContentUnion](json.RawMessage(parts))
		}
		all = append(all, message)
	}
	var parts []openai.ChatCompletionContentPartUnionParam
	for _, image := range q.images {
		parts = append(parts, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: dataURL("image/png", image), Detail: "low"}))
	}
	for _, document := range q.documents {
		parts = append(parts, openai.FileContentPart(openai.ChatCompletionContentPartFileFileParam{
			Filename: openai.String("paper.pdf"), FileData: openai.String(dataURL("application/pdf", document)),
		}))
	}
	switch {
	case len(parts) > 0:
		return append(all, openai.UserMessage(append(parts, openai.TextContentPart(q.text))))
	case q.text != "":
		return append(all, openai.UserMessage(q.text))
	}
	return all
}

func dataURL(mediaType string, data []byte) string {
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(data)
}
