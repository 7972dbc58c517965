package pairs_test

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// responsesClient is OpenAI's official client of Responses.
type responsesClient struct{ sdk openai.Client }

func (c responsesClient) ask(ctx context.Context, model string, talk []turn, stream bool) (answer, error) {
	params := responsesParams(model, talk)
	if !stream {
		response, err := c.sdk.Responses.New(ctx, params)
		if err != nil {
			return answer{}, chatFailure(err)
		}
		return responsesAnswer(response)
	}
	events := c.sdk.Responses.NewStreaming(ctx, params)
	defer func() { _ = events.Close() }()
	var read responses.ResponseAccumulator
	var last *responses.Response
	said := ""
	for events.Next() {
		event := events.Current()
		var same responses.ResponsesServerEventUnion // as the accumulator wants it
		if err := json.Unmarshal([]byte(event.RawJSON()), &same); err != nil {
			return answer{}, err
		}
		if err := read.AddEvent(same); err != nil {
			return answer{}, errors.New("the client does not take " + event.RawJSON() + ": " + err.Error())
		}
		switch event.Type {
		case "response.output_text.delta":
			said += event.Delta
		case "response.completed", "response.incomplete", "response.failed":
			last = &event.Response
		case "error":
			return answer{}, &failure{kind: event.Code, message: event.Message, param: event.Param, err: errors.New(event.RawJSON())}
		}
	}
	switch {
	case events.Err() != nil:
		return answer{}, chatFailure(events.Err())
	case last == nil:
		return answer{}, errors.New("the stream has ended early")
	}
	if want := last.OutputText(); last.Status == "completed" && said != want {
		return answer{}, errors.New("the deltas say " + said + ", and the end " + want)
	}
	return responsesAnswer(last)
}

// responsesAnswer reads a response that has ended in any way.
func responsesAnswer(response *responses.Response) (answer, error) {
	got := answer{model: response.Model, end: ended, usage: usage{
		prompt: response.Usage.InputTokens, cached: response.Usage.InputTokensDetails.CachedTokens,
		output: response.Usage.OutputTokens, reasoning: response.Usage.OutputTokensDetails.ReasoningTokens,
	}}
	own := make([]json.RawMessage, len(response.Output))
	for i, item := range response.Output {
		own[i] = json.RawMessage(item.RawJSON())
		switch item := item.AsAny().(type) {
		case responses.ResponseOutputMessage:
			for _, part := range item.Content {
				got.text += part.Text
				got.refusal += part.Refusal
			}
		case responses.ResponseFunctionToolCall:
			got.calls = append(got.calls, call{item.CallID, item.Name, compact(item.Arguments)})
			got.end = withCalls
		case responses.ResponseReasoningItem:
			for _, part := range item.Summary {
				got.thought += part.Text
			}
			got.seal = item.EncryptedContent
		}
	}
	got.own = own
	switch response.Status {
	case "incomplete":
		got.end = map[string]ending{"max_output_tokens": cutOff, "content_filter": filtered}[response.IncompleteDetails.Reason]
	case "failed":
		return got, &failure{kind: string(response.Error.Code), message: response.Error.Message, err: errors.New(response.Error.RawJSON())}
	}
	return got, nil
}

func responsesParams(model string, talk []turn) responses.ResponseNewParams {
	last := talk[len(talk)-1].question
	params := responses.ResponseNewParams{
		Model: model, Store: openai.Bool(false), Include: []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent},
	}
	if talk[0].system != "" {
		params.Instructions = openai.String(talk[0].system)
	}
	for _, each := range talk {
		params.Input.OfInputItemList = append(params.Input.OfInputItemList, responsesItems(each.question)...)
		if own, ok := each.answer.own.([]json.RawMessage); ok {
			for _, item := range own {
				params.Input.OfInputItemList = append(params.Input.OfInputItemList, param.Override[responses.ResponseInputItemUnionParam](item))
			}
		}
	}
	for _, name := range last.tools {
		tool := responses.ToolParamOfFunction(name, toolSchema(), false)
		tool.OfFunction.Description = openai.String("Looks.")
		params.Tools = append(params.Tools, tool)
	}
	switch {
	case last.mustCall == "any":
		params.ToolChoice.OfToolChoiceMode = openai.Opt(responses.ToolChoiceOptionsRequired)
	case last.mustCall != "":
		params.ToolChoice.OfFunctionTool = &responses.ToolChoiceFunctionParam{Name: last.mustCall}
	}
	if last.oneCall {
		params.ParallelToolCalls = openai.Bool(false)
	}
	if last.schema {
		params.Text.Format.OfJSONSchema = &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "look", Strict: openai.Bool(true), Schema: answerSchema()}
	}
	if last.limit > 0 {
		params.MaxOutputTokens = openai.Int(last.limit)
	}
	if last.effort != "" {
		params.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffort(last.effort), Summary: shared.ReasoningSummaryAuto}
	}
	return params
}

func responsesItems(q question) []responses.ResponseInputItemUnionParam {
	var items []responses.ResponseInputItemUnionParam
	for _, came := range q.results {
		text := came.text
		if came.failed {
			text = "Error: " + text // the API has no field for it
		}
		output := responses.ResponseInputItemFunctionCallOutputParam{CallID: openai.String(came.id)}
		output.Output.OfString = openai.String(text)
		if came.image != nil {
			output.Output = responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfResponseFunctionCallOutputItemArray: responses.ResponseFunctionCallOutputItemListParam{
				responses.ResponseFunctionCallOutputItemParamOfInputText(text),
				{OfInputImage: &responses.ResponseInputImageContentParam{ImageURL: openai.String(dataURL("image/png", came.image))}},
			}}
		}
		items = append(items, responses.ResponseInputItemUnionParam{OfFunctionCallOutput: &output})
	}
	var parts responses.ResponseInputMessageContentListParam
	for _, image := range q.images {
		part := responses.ResponseInputContentParamOfInputImage(responses.ResponseInputImageDetailLow)
		part.OfInputImage.ImageURL = openai.String(dataURL("image/png", image))
		parts = append(parts, part)
	}
	for _, document := range q.documents {
		parts = append(parts, responses.ResponseInputContentUnionParam{OfInputFile: &responses.ResponseInputFileParam{
			Filename: openai.String("paper.pdf"), FileData: openai.String(dataURL("application/pdf", document)),
		}})
	}
	switch {
	case len(parts) > 0:
		parts = append(parts, responses.ResponseInputContentParamOfInputText(q.text))
		return append(items, responses.ResponseInputItemParamOfMessage(parts, responses.EasyInputMessageRoleUser))
	case q.text != "":
		return append(items, responses.ResponseInputItemParamOfMessage(q.text, responses.EasyInputMessageRoleUser))
	}
	return items
}
