package upstreamsim

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// The official SDK understands the simulator without exceptions.
func TestOpenAIWithTheSDK(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	client := openai.NewClient(option.WithBaseURL(server.URL+"/v1"), option.WithAPIKey("sk-1"), option.WithMaxRetries(0))
	ctx := deadline(t)

	t.Run("tools and reasoning in a stream", func(t *testing.T) {
		params := openai.ChatCompletionNewParams{
			Model: "sim-reasoning-call", N: openai.Int(1), Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(hello)},
			StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
			Tools: []openai.ChatCompletionToolUnionParam{
				openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "look", Parameters: openai.FunctionParameters{
					"type": "object", "properties": map[string]any{"at": map[string]any{"type": "string"}},
				}}),
				openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "now"}),
			},
		}
		stream := client.Chat.Completions.NewStreaming(ctx, params)
		var all openai.ChatCompletionAccumulator
		for stream.Next() {
			if !all.AddChunk(stream.Current()) {
				t.Fatalf("a chunk that does not fit: %s", stream.Current().RawJSON())
			}
		}
		if stream.Err() != nil || len(all.Choices) != 1 {
			t.Fatalf("%v: %+v", stream.Err(), all)
		}
		calls := all.Choices[0].Message.ToolCalls
		want := string(jsonOf(map[string]string{"at": hello}))
		if len(calls) != 2 || calls[0].Function.Arguments != want || calls[1].Function.Name != "now" || all.Choices[0].FinishReason != "tool_calls" ||
			all.Usage.CompletionTokensDetails.ReasoningTokens != int64(len(thoughts)) {
			t.Errorf("%+v", all)
		}
		params.Messages = append(params.Messages, all.Choices[0].Message.ToParam(), openai.ToolMessage("found", calls[0].ID), openai.ToolMessage("noon", calls[1].ID))
		answer, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: params.Model, Messages: params.Messages, Tools: params.Tools})
		if err != nil || answer.Choices[0].Message.Content != "found\nnoon" {
			t.Errorf("%v: %+v", err, answer)
		}
	})
	t.Run("an error", func(t *testing.T) {
		_, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
			Model: "o-style", MaxTokens: openai.Int(5), Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("x")},
		})
		failure, ok := err.(*openai.Error) //nolint:errorlint // it is not wrapped
		if !ok || failure.Code != "unsupported_parameter" || failure.Param != "max_tokens" {
			t.Errorf("%v", err)
		}
	})
	t.Run("embeddings", func(t *testing.T) {
		got, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
			Model: "text-embedding-3-small", Dimensions: openai.Int(4), Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfTokenArrays: [][]int64{{1, 2}, {3}}},
		})
		if err != nil || len(got.Data) != 2 || float32(got.Data[1].Embedding[3]) != Embedding("[3]", 4)[3] {
			t.Errorf("%v: %+v", err, got)
		}
	})
	t.Run("completions", func(t *testing.T) {
		stream := client.Completions.NewStreaming(ctx, openai.CompletionNewParams{Model: "m", MaxTokens: openai.Int(100), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String(hello)}})
		text := ""
		for stream.Next() {
			text += stream.Current().Choices[0].Text
		}
		if stream.Err() != nil || text != hello {
			t.Errorf("%v: %q", stream.Err(), text)
		}
	})
	t.Run("audio", func(t *testing.T) {
		spoken, err := client.Audio.Speech.New(ctx, openai.AudioSpeechNewParams{
			Model: "tts-1", Input: hello, Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")},
		})
		if err != nil {
			t.Fatal(err)
		}
		sound, err := io.ReadAll(spoken.Body)
		_ = spoken.Body.Close()
		if err != nil || !bytes.Equal(sound, Speech(hello)) {
			t.Errorf("%v: %d bytes", err, len(sound))
		}
		stream := client.Audio.Transcriptions.NewStreaming(ctx, openai.AudioTranscriptionNewParams{
			Model: "gpt-4o-transcribe", File: openai.File(bytes.NewReader(sound), "said.mp3", "audio/mpeg"),
		})
		last := ""
		for stream.Next() {
			last = stream.Current().Text
		}
		var form Form
		if err := json.Unmarshal([]byte(last), &form); err != nil || stream.Err() != nil || form.Files[0].SHA256 != hashOf(string(sound)) {
			t.Errorf("%v, %v: %s", err, stream.Err(), last)
		}
	})
	t.Run("images", func(t *testing.T) {
		edited, err := client.Images.Edit(ctx, openai.ImageEditParams{
			Model: "gpt-image-1", Prompt: "x",
			Image: openai.ImageEditParamsImageUnion{OfFileArray: []io.Reader{openai.File(strings.NewReader("a"), "a.png", "image/png"), openai.File(strings.NewReader("b"), "b.png", "image/png")}},
		})
		var form Form
		if err != nil || json.Unmarshal([]byte(edited.Data[0].RevisedPrompt), &form) != nil || len(form.Files) != 2 || form.Files[1].SHA256 != hashOf("b") {
			t.Fatalf("%v: %+v", err, form)
		}
		stream := client.Images.GenerateStreaming(ctx, openai.ImageGenerateParams{Model: "gpt-image-1", Prompt: "x", PartialImages: openai.Int(1)})
		var kinds []string
		for stream.Next() {
			kinds = append(kinds, stream.Current().Type)
		}
		if stream.Err() != nil || strings.Join(kinds, " ") != "image_generation.partial_image image_generation.completed" {
			t.Errorf("%v: %q", stream.Err(), kinds)
		}
	})
	t.Run("moderations", func(t *testing.T) {
		got, err := client.Moderations.New(ctx, openai.ModerationNewParams{Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("hate")}})
		if err != nil || !got.Results[0].Categories.Hate {
			t.Errorf("%v: %+v", err, got)
		}
	})
	if violations := sim.Ledger().Violations; len(violations) != 1 {
		t.Errorf("%+v", violations)
	}
}
