package upstreamsim

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

// The vendor's own client, unchanged, is content with the simulator.

func vendorClient(t *testing.T, options Options) (*Simulator, anthropic.Client) {
	t.Helper()
	sim, server := serving(t, options)
	return sim, anthropic.NewClient(option.WithoutEnvironmentDefaults(), option.WithAPIKey(anthropicKey),
		option.WithBaseURL(server.URL), option.WithHTTPClient(server.Client()), option.WithMaxRetries(0))
}

// accumulated is a streamed message put together by the client.
func accumulated(ctx context.Context, client anthropic.Client, params anthropic.MessageNewParams) (anthropic.Message, error) {
	stream := client.Messages.NewStreaming(ctx, params)
	defer func() { _ = stream.Close() }()
	var message anthropic.Message
	for stream.Next() {
		if err := message.Accumulate(stream.Current()); err != nil {
			return message, err
		}
	}
	return message, stream.Err()
}

func sdkParams(model string, blocks ...anthropic.ContentBlockParamUnion) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: model, MaxTokens: 4096, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(blocks...)},
	}
}

func sdkTool(name string) anthropic.ToolUnionParam {
	return anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{
		Properties: map[string]any{"text": map[string]any{"type": "string"}},
	}, name)
}

func sdkText(message anthropic.Message) string {
	text := ""
	for _, block := range message.Content {
		text += block.Text
	}
	return text
}

func TestAnthropicSDKText(t *testing.T) {
	t.Parallel()
	sim, client := vendorClient(t, Options{})
	for model, want := range map[string]string{
		"claude-x": hello, "sim-unicode": UnicodeText(), "sim-count-30": CountText(30), "sim-split-bytes": hello, "sim-sse-crlf": hello,
	} {
		params := sdkParams(model, anthropic.NewTextBlock(hello))
		whole, err := client.Messages.New(deadline(t), params)
		if err != nil {
			t.Fatalf("%s: %v", model, err)
		}
		streamed, err := accumulated(deadline(t), client, params)
		if err != nil {
			t.Fatalf("%s: %v", model, err)
		}
		if sdkText(*whole) != want || sdkText(streamed) != want || whole.StopReason != "end_turn" || streamed.StopReason != "end_turn" {
			t.Errorf("%s: whole %s\nstreamed %s", model, whole.RawJSON(), streamed.RawJSON())
		}
		if whole.Usage.InputTokens != streamed.Usage.InputTokens || whole.Usage.OutputTokens != streamed.Usage.OutputTokens || whole.Usage.InputTokens == 0 {
			t.Errorf("%s: usage %+v, %+v", model, whole.Usage, streamed.Usage)
		}
	}
	noViolations(t, sim)
}

// TestAnthropicSDKToolLoop runs an agent's turn with thinking, two calls and an image.
func TestAnthropicSDKToolLoop(t *testing.T) {
	t.Parallel()
	sim, client := vendorClient(t, Options{})
	params := sdkParams("claude-sim-tool-call", anthropic.NewTextBlock("Red?"))
	params.Tools = []anthropic.ToolUnionParam{sdkTool("look"), sdkTool("hear")}
	params.Thinking = anthropic.ThinkingConfigParamOfEnabled(2048)
	first, err := accumulated(deadline(t), client, params)
	if err != nil {
		t.Fatal(err)
	}
	if first.StopReason != "tool_use" || len(first.Content) != 3 || first.Content[0].Type != "thinking" {
		t.Fatalf("got %s", first.RawJSON())
	}
	var results []anthropic.ContentBlockParamUnion
	for _, block := range first.Content[1:] {
		if string(block.Input) != `{"text":"Red?"}` {
			t.Errorf("%s: input %s", block.Name, block.Input)
		}
		result := anthropic.NewToolResultBlock(block.ID, "seen", false)
		if block.Name == "hear" {
			result.OfToolResult.Content = []anthropic.ToolResultBlockParamContentUnion{{OfImage: &anthropic.ImageBlockParam{
				Source: anthropic.ImageBlockParamSourceUnion{OfBase64: &anthropic.Base64ImageSourceParam{
					Data: base64.StdEncoding.EncodeToString(pixel), MediaType: "image/png",
				}},
			}}}
		}
		results = append(results, result)
	}
	params.Messages = append(params.Messages, first.ToParam(), anthropic.NewUserMessage(results...))
	second, err := accumulated(deadline(t), client, params)
	if err != nil {
		t.Fatal(err)
	}
	media := Media{Kind: "image", MediaType: "image/png", Bytes: len(pixel), SHA256: hashOf(string(pixel))}
	if want := "seen\n" + media.String(); sdkText(second) != want || second.StopReason != "end_turn" {
		t.Errorf("got %q\nwant %q", sdkText(second), want)
	}
	noViolations(t, sim)
}

func TestAnthropicSDKErrors(t *testing.T) {
	t.Parallel()
	_, client := vendorClient(t, Options{})
	for model, want := range map[string]struct {
		status int
		kind   string
	}{
		"sim-overloaded": {529, "overloaded_error"}, "sim-rate-limit": {429, "rate_limit_error"}, "sim-http-401": {401, "authentication_error"},
		"sim-credit-exhausted": {400, "invalid_request_error"}, "sim-http-402": {402, "billing_error"}, "sim-http-504": {504, "timeout_error"},
		"sim-nonsense": {404, "not_found_error"},
	} {
		params := sdkParams(model, anthropic.NewTextBlock(hello))
		_, whole := client.Messages.New(deadline(t), params)
		_, streamed := accumulated(deadline(t), client, params)
		for _, err := range []error{whole, streamed} {
			var failure *anthropic.Error
			if !errors.As(err, &failure) || failure.StatusCode != want.status || string(failure.Type()) != want.kind || failure.RequestID == "" {
				t.Errorf("%s: %v", model, err)
			}
		}
	}
}

func TestAnthropicSDKBrokenStreams(t *testing.T) {
	t.Parallel()
	_, client := vendorClient(t, Options{})
	for _, model := range []string{"sim-error-529", "sim-error-after-text", "sim-cut", "sim-garbage"} {
		if got, err := accumulated(deadline(t), client, sdkParams(model, anthropic.NewTextBlock(hello))); err == nil {
			t.Errorf("%s: no error, %s", model, got.RawJSON())
		}
	}
}

func TestAnthropicSDKCountsAndLists(t *testing.T) {
	t.Parallel()
	sim, client := vendorClient(t, Options{})
	counted, err := client.Messages.CountTokens(deadline(t), anthropic.MessageCountTokensParams{
		Model: "claude-x", Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(hello))},
	})
	if err != nil || counted.InputTokens == 0 {
		t.Errorf("counted %+v: %v", counted, err)
	}
	var listed []string
	models := client.Models.ListAutoPaging(deadline(t), anthropic.ModelListParams{Limit: anthropic.Int(7)})
	for models.Next() {
		listed = append(listed, models.Current().ID)
	}
	if err := models.Err(); err != nil || !slices.Equal(listed, claudeModelIDs()) {
		t.Errorf("listed %q: %v", listed, err)
	}
	noViolations(t, sim)
}

func TestAnthropicSDKSchema(t *testing.T) {
	t.Parallel()
	sim, client := vendorClient(t, Options{})
	params := sdkParams("claude-x", anthropic.NewTextBlock(hello))
	params.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: map[string]any{
		"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}, "additionalProperties": false,
	}}}
	got, err := accumulated(deadline(t), client, params)
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]string
	if err := json.Unmarshal([]byte(sdkText(got)), &value); err != nil || value["name"] != hello {
		t.Errorf("got %q: %v", sdkText(got), err)
	}
	noViolations(t, sim)
}
