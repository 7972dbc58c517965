package pairs_test

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/anthropics/anthropic-sdk-go/v2"
)

// messagesClient is Anthropic's official client.
type messagesClient struct{ sdk anthropic.Client }

func (c messagesClient) ask(ctx context.Context, model string, talk []turn, stream bool) (answer, error) {
	params := messagesParams(model, talk)
	if !stream {
		message, err := c.sdk.Messages.New(ctx, params)
		if err != nil {
			return answer{}, messagesFailure(err)
		}
		return messagesAnswer(message), nil
	}
	events := c.sdk.Messages.NewStreaming(ctx, params)
	defer func() { _ = events.Close() }()
	var message anthropic.Message
	for events.Next() {
		if err := message.Accumulate(events.Current()); err != nil {
			return answer{}, err
		}
	}
	if err := events.Err(); err != nil {
		return messagesAnswer(&message), messagesFailure(err)
	}
	return messagesAnswer(&message), nil
}

func messagesAnswer(message *anthropic.Message) answer {
	got := answer{
		model: message.Model, stopText: message.StopSequence, own: message.ToParam(),
		end: map[anthropic.StopReason]ending{
			"end_turn": ended, "max_tokens": cutOff, "tool_use": withCalls, "stop_sequence": atStopText, "refusal": filtered,
		}[message.StopReason],
		usage: usage{
			prompt: message.Usage.InputTokens + message.Usage.CacheReadInputTokens + message.Usage.CacheCreationInputTokens,
			cached: message.Usage.CacheReadInputTokens, written: message.Usage.CacheCreationInputTokens, output: message.Usage.OutputTokens,
			reasoning: message.Usage.OutputTokensDetails.ThinkingTokens,
		},
	}
	for _, block := range message.Content {
		switch block.Type {
		case "text":
			got.text += block.Text
		case "thinking":
			got.thought += block.Thinking
			got.seal += block.Signature
		case "tool_use":
			got.calls = append(got.calls, call{block.ID, block.Name, compact(string(block.Input))})
		}
	}
	return got
}

func messagesFailure(err error) error {
	told, ok := errors.AsType[*anthropic.Error](err)
	if !ok {
		return &failure{err: err, message: err.Error()}
	}
	return &failure{status: told.StatusCode, kind: string(told.Type()), message: told.RawJSON(), err: err}
}

// usualLimit is sent where a question has none: the API wants one.
const usualLimit = 8000

func messagesParams(model string, talk []turn) anthropic.MessageNewParams {
	last := talk[len(talk)-1].question
	params := anthropic.MessageNewParams{Model: model, MaxTokens: usualLimit, StopSequences: last.stop}
	if talk[0].system != "" {
		params.System = []anthropic.TextBlockParam{{Text: talk[0].system}}
	}
	if last.limit > 0 {
		params.MaxTokens = last.limit
	}
	for _, each := range talk {
		params.Messages = append(params.Messages, anthropic.NewUserMessage(messagesBlocks(each.question)...))
		if own, ok := each.answer.own.(anthropic.MessageParam); ok {
			params.Messages = append(params.Messages, own)
		}
	}
	for _, name := range last.tools {
		schema := toolSchema()
		params.Tools = append(params.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
			Name: name, Description: anthropic.String("Looks."),
			InputSchema: anthropic.ToolInputSchemaParam{Properties: schema["properties"], Required: []string{"at"}},
		}})
	}
	switch {
	case last.mustCall == "any":
		params.ToolChoice.OfAny = &anthropic.ToolChoiceAnyParam{DisableParallelToolUse: anthropic.Bool(last.oneCall)}
	case last.mustCall != "":
		params.ToolChoice = anthropic.ToolChoiceParamOfTool(last.mustCall)
	case last.oneCall:
		params.ToolChoice.OfAuto = &anthropic.ToolChoiceAutoParam{DisableParallelToolUse: anthropic.Bool(true)}
	}
	if last.effort != "" {
		params.Thinking.OfAdaptive = &anthropic.ThinkingConfigAdaptiveParam{}
		params.OutputConfig.Effort = anthropic.OutputConfigEffort(last.effort)
	}
	if last.schema {
		params.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: answerSchema()}
	}
	return params
}

func messagesBlocks(q question) []anthropic.ContentBlockParamUnion {
	var blocks []anthropic.ContentBlockParamUnion
	for _, came := range q.results {
		block := anthropic.NewToolResultBlock(came.id, came.text, came.failed)
		if came.image != nil {
			image := anthropic.NewImageBlockBase64("image/png", base64.StdEncoding.EncodeToString(came.image))
			block.OfToolResult.Content = append(block.OfToolResult.Content, anthropic.ToolResultBlockParamContentUnion{OfImage: image.OfImage})
		}
		blocks = append(blocks, block)
	}
	for _, image := range q.images {
		blocks = append(blocks, anthropic.NewImageBlockBase64("image/png", base64.StdEncoding.EncodeToString(image)))
	}
	for _, document := range q.documents {
		blocks = append(blocks, anthropic.NewDocumentBlock(anthropic.Base64PDFSourceParam{Data: base64.StdEncoding.EncodeToString(document)}))
	}
	if q.text != "" {
		blocks = append(blocks, anthropic.NewTextBlock(q.text))
	}
	return blocks
}
