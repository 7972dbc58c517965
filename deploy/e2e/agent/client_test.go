package agent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"carousel.internal/deploy/e2e/stack"
)

// call is a tool that the model wants called.
type call struct{ id, arguments string }

// agent is a conversation of a coding agent with two tools, over an official client.
type agent interface {
	// ask sends the conversation, and adds the answer to it unless there is an error. An
	// agent whose request has failed asks again.
	ask(ctx context.Context) (text string, calls []call, err error)
	// told adds what came of a call.
	told(id, result string)
}

// toolNames are an agent's tools.
var toolNames = []string{"look", "hear"}

// instructions are an agent's system prompt.
const instructions = "You are a coding agent in a terminal. Read before you write."

func atSchema() map[string]any {
	return map[string]any{"at": map[string]any{"type": "string"}}
}

// chatAgent speaks Chat and streams, as Cline and Crush do.
type chatAgent struct {
	sdk    openai.Client
	params openai.ChatCompletionNewParams
}

func newChatAgent(t testing.TB, gateway *stack.Gateway, model, text string, options ...openaioption.RequestOption) *chatAgent {
	t.Helper()
	a := &chatAgent{sdk: gateway.SDK(options...), params: openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(instructions), openai.UserMessage(text)},
	}}
	a.params.StreamOptions.IncludeUsage = openai.Bool(true)
	for _, name := range toolNames {
		a.params.Tools = append(a.params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: name, Description: openai.String("Does it."), Parameters: map[string]any{"type": "object", "properties": atSchema(), "required": []string{"at"}},
		}))
	}
	return a
}

func (a *chatAgent) ask(ctx context.Context) (string, []call, error) {
	stream := a.sdk.Chat.Completions.NewStreaming(ctx, a.params)
	defer func() { _ = stream.Close() }()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			return "", nil, fmt.Errorf("the client does not take %s", stream.Current().RawJSON())
		}
	}
	switch {
	case stream.Err() != nil:
		return "", nil, stream.Err()
	case len(all.Choices) == 0 || all.Choices[0].FinishReason == "":
		return "", nil, errors.New("the stream has ended early")
	}
	message := all.Choices[0].Message
	a.params.Messages = append(a.params.Messages, message.ToParam())
	var calls []call
	for _, made := range message.ToolCalls {
		calls = append(calls, call{made.ID, made.Function.Arguments})
	}
	return message.Content, calls, nil
}

func (a *chatAgent) told(id, result string) {
	a.params.Messages = append(a.params.Messages, openai.ToolMessage(result, id))
}

// say adds what the user says next.
func (a *chatAgent) say(text string) {
	a.params.Messages = append(a.params.Messages, openai.UserMessage(text))
}

// messagesAgent speaks Messages and does not stream.
type messagesAgent struct {
	sdk    anthropic.Client
	params anthropic.MessageNewParams
	// results wait for those of the other calls: all are one message.
	results []anthropic.ContentBlockParamUnion
}

func newMessagesAgent(t testing.TB, gateway *stack.Gateway, model, text string, options ...anthropicoption.RequestOption) *messagesAgent {
	t.Helper()
	a := &messagesAgent{
		sdk: anthropic.NewClient(append([]anthropicoption.RequestOption{
			anthropicoption.WithoutEnvironmentDefaults(), anthropicoption.WithAPIKey(stack.AdminToken), anthropicoption.WithBaseURL(gateway.URL),
			anthropicoption.WithMaxRetries(0), anthropicoption.WithHTTPClient(stack.Client(t)),
		}, options...)...),
		params: anthropic.MessageNewParams{
			Model: model, MaxTokens: 8000, System: []anthropic.TextBlockParam{{Text: instructions}},
			Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))},
		},
	}
	for _, name := range toolNames {
		a.params.Tools = append(a.params.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
			Name: name, Description: anthropic.String("Does it."), InputSchema: anthropic.ToolInputSchemaParam{Properties: atSchema(), Required: []string{"at"}},
		}})
	}
	return a
}

func (a *messagesAgent) ask(ctx context.Context) (text string, calls []call, err error) {
	if len(a.results) > 0 {
		a.params.Messages, a.results = append(a.params.Messages, anthropic.NewUserMessage(a.results...)), nil
	}
	message, err := a.sdk.Messages.New(ctx, a.params)
	if err != nil {
		return "", nil, err
	}
	a.params.Messages = append(a.params.Messages, message.ToParam())
	for _, block := range message.Content {
		switch block.Type {
		case "text":
			text += block.Text
		case "tool_use":
			calls = append(calls, call{block.ID, string(block.Input)})
		}
	}
	return text, calls, nil
}

func (a *messagesAgent) told(id, result string) {
	a.results = append(a.results, anthropic.NewToolResultBlock(id, result, false))
}
