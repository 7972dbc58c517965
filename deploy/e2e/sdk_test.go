package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// models names a model of each upstream that echoes.
var models = map[string]string{"cursor": "gpt-4o", "openai": "gpt-test"}

func ask(model, text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(text)},
	}
}

// readStream reads a stream to its end.
func readStream(ctx context.Context, client openai.Client, params openai.ChatCompletionNewParams) (text string, last openai.ChatCompletionChunk, chunks int, err error) {
	stream := client.Chat.Completions.NewStreaming(ctx, params)
	defer func() { _ = stream.Close() }()
	var id string
	for stream.Next() {
		last = stream.Current()
		chunks++
		if id == "" {
			id = last.ID
		}
		if last.ID != id || last.Model != params.Model {
			return text, last, chunks, fmt.Errorf("chunk %d is of %q by %q, the stream of %q by %q", chunks, last.ID, last.Model, id, params.Model)
		}
		if len(last.Choices) > 0 {
			text += last.Choices[0].Delta.Content
		}
	}
	return text, last, chunks, stream.Err()
}

func TestOfficialSDK(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	s.AddTokens("cursor", "c", 2, 0)
	s.AddTokens("openai", "o", 2, 0)
	client := s.Gateways[0].SDK()
	for upstream, model := range models {
		t.Run(upstream, func(t *testing.T) {
			const text = "Grüße, 世界! 👩‍👩‍👧 data: x\n\n[DONE]"
			t.Run("chat", func(t *testing.T) {
				answer, err := client.Chat.Completions.New(t.Context(), ask(model, text))
				if err != nil {
					t.Fatal(err)
				}
				if got := answer.Choices[0].Message.Content; got != text {
					t.Errorf("got %q", got)
				}
				if answer.Model != model || answer.Choices[0].FinishReason != "stop" || answer.Usage.TotalTokens == 0 {
					t.Errorf("got %s", answer.RawJSON())
				}
			})
			t.Run("stream", func(t *testing.T) {
				got, last, _, err := readStream(t.Context(), client, ask(model, text))
				if err != nil || got != text || last.Choices[0].FinishReason != "stop" {
					t.Errorf("got %q, last %s, %v", got, last.RawJSON(), err)
				}
			})
			t.Run("stream with usage", func(t *testing.T) {
				params := ask(model, text)
				params.StreamOptions.IncludeUsage = param.NewOpt(true)
				got, last, _, err := readStream(t.Context(), client, params)
				if err != nil || got != text || len(last.Choices) != 0 || last.Usage.PromptTokens == 0 || last.Usage.CompletionTokens == 0 {
					t.Errorf("got %q, last %s, %v", got, last.RawJSON(), err)
				}
			})
			t.Run("abort", func(t *testing.T) { abort(t, s, client, upstream) })
			t.Run("50 at once", func(t *testing.T) { parallel(t, client, model) })
		})
	}
	t.Run("models", func(t *testing.T) {
		page, err := client.Models.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Data) < 21+2 || page.Data[0].ID != "claude-3.5-sonnet" || page.Data[0].OwnedBy != "anthropic" {
			t.Errorf("%d models, first %+v", len(page.Data), page.Data[0])
		}
		model, err := client.Models.Get(t.Context(), "gpt-4o")
		if err != nil || model.ID != "gpt-4o" || model.OwnedBy != "openai" {
			t.Errorf("got %+v, %v", model, err)
		}
	})
	t.Run("typed errors", func(t *testing.T) { typedErrors(t, s) })
	if violations := s.Sim.Ledger().Violations; len(violations) > 0 {
		t.Errorf("the upstream would have refused: %+v", violations)
	}
}

// abort ends a stream in its middle; the upstream must notice within a second.
func abort(t *testing.T, s *stack.Stack, client openai.Client, upstream string) {
	before := s.Sim.Ledger().Total.Cancelled
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := client.Chat.Completions.NewStreaming(ctx, ask(upstream+"/sim-hold", "hold on"))
	for stream.Next() {
		if choices := stream.Current().Choices; len(choices) > 0 && choices[0].Delta.Content != "" {
			break
		}
	}
	if stream.Err() != nil {
		t.Fatal(stream.Err())
	}
	_ = stream.Close()
	cancel()
	within, stop := context.WithTimeout(t.Context(), stack.Slack)
	defer stop()
	if _, err := s.Sim.Await(within, func(l upstreamsim.Ledger) bool { return l.Total.Cancelled > before }); err != nil {
		t.Errorf("the upstream did not see the cancellation: %+v", s.Sim.Ledger().Total)
	}
}

// parallel runs 50 streams, each with a text of its own.
func parallel(t *testing.T, client openai.Client, model string) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			want := strings.Repeat(fmt.Sprintf("stream %d ✓ ", i), 40)
			got, _, _, err := readStream(t.Context(), client, ask(model, want))
			if err != nil || got != want {
				t.Errorf("stream %d: got %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func typedErrors(t *testing.T, s *stack.Stack) {
	client := s.Gateways[0].SDK()
	cases := map[string]struct {
		status int
		code   string
		call   func(ctx context.Context) error
	}{
		"404 unknown model": {404, "model_not_supported", func(ctx context.Context) error {
			_, err := client.Chat.Completions.New(ctx, ask("no-such-model", "x"))
			return err
		}},
		"400 empty messages": {400, "empty_messages", func(ctx context.Context) error {
			_, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: "gpt-4o", Messages: []openai.ChatCompletionMessageParamUnion{}})
			return err
		}},
		"401 wrong key": {401, "unauthorized", func(ctx context.Context) error {
			other := s.Gateways[0].SDK(option.WithAPIKey("sk-wrong"))
			_, err := other.Chat.Completions.New(ctx, ask("gpt-4o", "x"))
			return err
		}},
		"404 unknown model id": {404, "", func(ctx context.Context) error {
			_, err := client.Models.Get(ctx, "no-such-model")
			return err
		}},
		"429 every token limited": {429, "", func(ctx context.Context) error {
			_, err := client.Chat.Completions.New(ctx, ask("openai/sim-http-429", "x"))
			return err
		}},
		"429 in a stream, before its first byte": {429, "", func(ctx context.Context) error {
			_, _, _, err := readStream(ctx, client, ask("cursor/sim-error-8", "x"))
			return err
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.call(t.Context())
			var typed *openai.Error
			if !errors.As(err, &typed) {
				t.Fatalf("got %v", err)
			}
			if typed.StatusCode != c.status || c.code != "" && typed.Code != c.code || typed.Message == "" {
				t.Errorf("got %d %q %q", typed.StatusCode, typed.Code, typed.Message)
			}
			if c.status == http.StatusTooManyRequests && typed.Response.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

// A stream that breaks after its first byte is an error to the SDK, and has no
// [DONE]; nothing of what came before is lost.
func TestBrokenStreamIsNeverAFinishedOne(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	s.AddTokens("cursor", "c", 3, 0)
	s.AddTokens("openai", "o", 3, 0)
	for _, model := range []string{
		"cursor/sim-error-after-text", "cursor/sim-eof-mid-frame", "cursor/sim-eof-no-trailer", "cursor/sim-reset", "cursor/sim-cut",
		"openai/sim-error-after-text", "openai/sim-eof-mid-frame", "openai/sim-eof-no-trailer", "openai/sim-reset", "openai/sim-cut",
	} {
		t.Run(model, func(t *testing.T) {
			text, last, _, err := readStream(t.Context(), s.Gateways[0].SDK(), ask(model, "a text that ends early"))
			if err == nil {
				t.Errorf("no error after %q, last chunk %s", text, last.RawJSON())
			}
			body := rawStream(t, s.Gateways[0], model, "a text that ends early")
			if strings.Contains(body, "[DONE]") || strings.Contains(body, `"finish_reason":"stop"`) {
				t.Errorf("it pretends to be finished:\n%s", body)
			}
		})
	}
}
