package e2e_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"

	"carousel.internal/deploy/e2e/stack"
)

// Anthropic's official client, unchanged, over upstreams that speak other APIs.
func TestAnthropicSDK(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	s.AddTokens("cursor", "c", 2, 0)
	s.AddTokens("openai", "o", 2, 0)
	client := anthropic.NewClient(option.WithBaseURL(s.Gateways[0].URL), option.WithAPIKey(stack.AdminToken),
		option.WithMaxRetries(0), option.WithHTTPClient(stack.Client(t)))
	const text = "Grüße, 世界! 👩‍👩‍👧 data: x\n\nevent: message_stop"
	ask := func(model string) anthropic.MessageNewParams {
		return anthropic.MessageNewParams{
			Model: model, MaxTokens: 500, System: []anthropic.TextBlockParam{{Text: "Be brief."}},
			Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))},
		}
	}
	for upstream, model := range models {
		t.Run(upstream, func(t *testing.T) {
			whole, err := client.Messages.New(t.Context(), ask(model))
			if err != nil {
				t.Fatal(err)
			}
			streamed, err := accumulated(client.Messages.NewStreaming(t.Context(), ask(model)))
			if err != nil {
				t.Fatal(err)
			}
			for form, answer := range map[string]*anthropic.Message{"whole": whole, "streamed": streamed} {
				if len(answer.Content) != 1 || answer.Content[0].Text != text || answer.StopReason != anthropic.StopReasonEndTurn || answer.Model != model {
					t.Errorf("%s: %s", form, answer.RawJSON())
				}
				if answer.Usage.InputTokens == 0 || answer.Usage.OutputTokens == 0 {
					t.Errorf("%s: %+v", form, answer.Usage)
				}
			}
			// The log has the request by the id that its answer's header had.
			id, _ := strings.CutPrefix(streamed.ID, "msg_")
			s.Eventually("the request is in the log", 10*time.Second, func() bool {
				return s.Gateways[0].Admin(t, http.MethodGet, "/admin/api/logs/"+id, nil).Status == http.StatusOK
			})
			count, err := client.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: model, Messages: ask(model).Messages})
			if err != nil || count.InputTokens == 0 {
				t.Errorf("%+v, %v", count, err)
			}
		})
	}
	t.Run("thinking", func(t *testing.T) {
		answer, err := accumulated(client.Messages.NewStreaming(t.Context(), ask("openai/sim-reasoning")))
		if err != nil || len(answer.Content) != 2 || answer.Content[0].Thinking == "" || answer.Content[1].Text != text {
			t.Errorf("%+v, %v", answer, err)
		}
	})
	t.Run("failures", func(t *testing.T) {
		for model, status := range map[string]int{
			"no-such-model": 404, "openai/sim-error-context-length": 400, "openai/sim-http-429": 429, "openai/sim-http-503": 529, "openai/sim-eof-mid-frame": 502,
		} {
			_, err := client.Messages.New(t.Context(), ask(model))
			failure, ok := errors.AsType[*anthropic.Error](err)
			if !ok || failure.StatusCode != status || failure.RequestID == "" {
				t.Errorf("%s: %v, want status %d", model, err, status)
			}
		}
		_, err := accumulated(client.Messages.NewStreaming(t.Context(), ask("openai/sim-eof-mid-frame")))
		if _, ok := errors.AsType[*anthropic.Error](err); !ok {
			t.Errorf("a stream that breaks: %v", err)
		}
	})
	t.Run("models", func(t *testing.T) {
		list, err := client.Models.List(t.Context(), anthropic.ModelListParams{})
		if err != nil || len(list.Data) == 0 || list.Data[0].DisplayName == "" || list.Data[0].CreatedAt.IsZero() {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// accumulated is a stream as the client puts it together.
func accumulated(stream interface {
	Next() bool
	Current() anthropic.MessageStreamEventUnion
	Err() error
	Close() error
},
) (*anthropic.Message, error) {
	defer func() { _ = stream.Close() }()
	var message anthropic.Message
	for stream.Next() {
		if err := message.Accumulate(stream.Current()); err != nil {
			return &message, err
		}
	}
	return &message, stream.Err()
}
