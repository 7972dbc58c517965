package upstreamsim

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

func responsesClient(base, key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

func saidText(text string) responses.ResponseNewParamsInputUnion {
	return responses.ResponseNewParamsInputUnion{OfString: openai.String(text)}
}

func lookTool() responses.ToolUnionParam {
	return responses.ToolUnionParam{OfFunction: &responses.FunctionToolParam{Name: "look", Strict: openai.Bool(false), Parameters: map[string]any{
		"type": "object", "properties": map[string]any{"at": map[string]any{"type": "string"}},
	}}}
}

func patchTool() responses.ToolUnionParam {
	return responses.ToolUnionParam{OfCustom: &responses.CustomToolParam{Name: "patch"}}
}

// codeOf is the code and the parameter of an error.
func codeOf(err error) string {
	var failure *openai.Error
	if !errors.As(err, &failure) {
		return ""
	}
	return failure.Code + " " + failure.Param
}

// The official SDK understands the Responses API without exceptions.
func TestResponsesWithTheSDK(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	client, ctx := responsesClient(server.URL, "sk-org-a-1"), deadline(t)

	t.Run("create, chain, list, delete", func(t *testing.T) {
		first, err := client.Responses.New(ctx, responses.ResponseNewParams{Model: "gpt-5", Input: saidText(hello), Instructions: openai.String("Be brief.")})
		if err != nil || first.OutputText() != hello || first.Status != "completed" || first.Usage.TotalTokens == 0 || first.Model != "gpt-5"+ModelSuffix {
			t.Fatalf("%v: %+v", err, first)
		}
		second, err := client.Responses.New(ctx, responses.ResponseNewParams{Model: "gpt-5", Input: saidText("And?"), PreviousResponseID: openai.String(first.ID)})
		if err != nil || second.OutputText() != "And?" || second.PreviousResponseID != first.ID || second.Usage.InputTokens <= first.Usage.InputTokens {
			t.Fatalf("%v: %+v", err, second)
		}
		got, err := client.Responses.Get(ctx, second.ID, responses.ResponseGetParams{})
		if err != nil || got.OutputText() != "And?" {
			t.Errorf("%v: %+v", err, got)
		}
		var texts []string
		pages := client.Responses.InputItems.ListAutoPaging(ctx, second.ID, responses.InputItemListParams{Limit: openai.Int(1), Order: "asc"})
		for pages.Next() {
			item := pages.Current()
			if message := item.AsMessage(); item.Role == "user" {
				texts = append(texts, message.Content[0].AsInputText().Text)
			} else {
				texts = append(texts, item.Content.OfResponseOutputMessageContentArray[0].Text)
			}
		}
		if pages.Err() != nil || strings.Join(texts, "|") != hello+"|"+hello+"|And?" {
			t.Errorf("%v: %q", pages.Err(), texts)
		}
		if err := client.Responses.Delete(ctx, second.ID); err != nil {
			t.Error(err)
		}
		if _, err := client.Responses.Get(ctx, second.ID, responses.ResponseGetParams{}); err == nil {
			t.Error("it is still there")
		}
	})
	t.Run("an organisation keeps its own", func(t *testing.T) {
		made, err := client.Responses.New(ctx, responses.ResponseNewParams{Model: "gpt-5", Input: saidText(hello)})
		if err != nil {
			t.Fatal(err)
		}
		next := responses.ResponseNewParams{Model: "gpt-5", Input: saidText("And?"), PreviousResponseID: openai.String(made.ID)}
		for key, want := range map[string]string{"sk-org-a-2": "", "sk-org-b-1": "previous_response_not_found previous_response_id"} {
			other := responsesClient(server.URL, key)
			if _, err := other.Responses.New(ctx, next); codeOf(err) != want {
				t.Errorf("%s: %v", key, err)
			}
		}
		_, err = client.Responses.New(ctx, responses.ResponseNewParams{Model: "gpt-5", Input: saidText(hello), Store: openai.Bool(false), PreviousResponseID: openai.String("resp_other")})
		if codeOf(err) != "previous_response_not_found previous_response_id" {
			t.Error(err)
		}
	})
	t.Run("calls and reasoning in a stream", func(t *testing.T) { callsInAStream(ctx, t, client) })
	t.Run("in the background", func(t *testing.T) {
		made, err := client.Responses.New(ctx, responses.ResponseNewParams{Model: "gpt-5", Input: saidText(hello), Background: openai.Bool(true)})
		if err != nil || made.Status != "queued" || len(made.Output) != 0 {
			t.Fatalf("%v: %+v", err, made)
		}
		if got, err := client.Responses.Get(ctx, made.ID, responses.ResponseGetParams{}); err != nil || got.Status != "completed" || got.OutputText() != hello {
			t.Errorf("%v: %+v", err, got)
		}
		made, err = client.Responses.New(ctx, responses.ResponseNewParams{Model: "gpt-5", Input: saidText(hello), Background: openai.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := client.Responses.Cancel(ctx, made.ID); err != nil || got.Status != "cancelled" {
			t.Errorf("%v: %+v", err, got)
		}
	})
	t.Run("compaction and counting", func(t *testing.T) {
		compacted, err := client.Responses.Compact(ctx, responses.ResponseCompactParams{Model: "gpt-5", Input: responses.ResponseCompactParamsInputUnion{OfString: openai.String(hello)}})
		if err != nil || len(compacted.Output) != 2 || compacted.Output[1].Type != "compaction" || compacted.Usage.TotalTokens == 0 {
			t.Fatalf("%v: %+v", err, compacted)
		}
		counted, err := client.Responses.InputTokens.Count(ctx, responses.InputTokenCountParams{Model: openai.String("gpt-5"), Input: responses.InputTokenCountParamsInputUnion{OfString: openai.String(hello)}})
		if err != nil || counted.InputTokens == 0 {
			t.Errorf("%v: %+v", err, counted)
		}
	})
	noViolations(t, sim)
}

// callsInAStream is a round of two calls, with reasoning that comes back sealed.
func callsInAStream(ctx context.Context, t *testing.T, client openai.Client) {
	t.Helper()
	params := responses.ResponseNewParams{
		Model: "sim-tool-call", Input: saidText(hello), Store: openai.Bool(false), Tools: []responses.ToolUnionParam{lookTool(), patchTool()},
		Reasoning: openai.ReasoningParam{Effort: "low", Summary: "auto"}, Include: []responses.ResponseIncludable{"reasoning.encrypted_content"},
	}
	stream := client.Responses.NewStreaming(ctx, params)
	var input responses.ResponseInputParam
	input = append(input, responses.ResponseInputItemParamOfMessage(hello, "user"))
	summary, last := "", ""
	for stream.Next() {
		event := stream.Current()
		last = event.Type
		switch event.Type {
		case "response.reasoning_summary_text.delta":
			summary += event.Delta
		case "response.output_item.done":
			switch item := event.Item; item.Type {
			case "reasoning":
				reasoning := item.AsReasoning()
				input = append(input, responses.ResponseInputItemUnionParam{OfReasoning: &responses.ResponseReasoningItemParam{
					ID: reasoning.ID, EncryptedContent: openai.String(reasoning.EncryptedContent), Summary: []responses.ResponseReasoningItemSummaryParam{},
				}})
			case "function_call":
				input = append(input, responses.ResponseInputItemParamOfFunctionCall(item.Arguments.OfString, item.CallID, item.Name))
			case "custom_tool_call":
				input = append(input, responses.ResponseInputItemParamOfCustomToolCall(item.CallID, item.Input, item.Name))
			}
		}
	}
	if stream.Err() != nil || last != "response.completed" || summary != strings.Join(thoughts, "") || len(input) != 4 {
		t.Fatalf("%v: %s, %q, %d items", stream.Err(), last, summary, len(input))
	}
	call, custom := input[2].OfFunctionCall, input[3].OfCustomToolCall
	if call.Arguments != string(jsonOf(map[string]string{"at": hello})) || custom.Input != hello {
		t.Errorf("%+v, %+v", call, custom)
	}
	found := responses.ResponseInputItemParamOfFunctionCallOutput("found")
	found.OfFunctionCallOutput.CallID = openai.String(call.CallID)
	input = append(input, found, responses.ResponseInputItemParamOfCustomToolCallOutput(custom.CallID, "patched"))
	params.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: input}
	answer, err := client.Responses.New(ctx, params)
	if err != nil || answer.OutputText() != "found\npatched" {
		t.Errorf("%v: %+v", err, answer)
	}
}
