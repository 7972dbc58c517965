package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"

	"carousel.internal/deploy/e2e/stack"
)

// asking is a chat body with more fields.
func asking(model, text, fields string) string {
	return strings.TrimSuffix(chatBody(model, text, false), "}") + "," + fields + "}"
}

// What would change the answer is honoured or refused by a Cursor upstream, and what
// only tunes is counted.
func TestACursorUpstreamDropsNothingSilently(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("cursor", "c", 2, 0)
	for field, fields := range map[string]string{
		"tools":              `"tools":[{"type":"function","function":{"name":"f"}}]`,
		"functions":          `"functions":[{"name":"f"}]`,
		"n":                  `"n":2`,
		"logprobs":           `"logprobs":true`,
		"top_logprobs":       `"top_logprobs":3`,
		"response_format":    `"response_format":{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":{}}}`,
		"audio":              `"audio":{"voice":"alloy","format":"wav"}`,
		"modalities":         `"modalities":["text","audio"]`,
		"prediction":         `"prediction":{"type":"content","content":"x"}`,
		"web_search_options": `"web_search_options":{}`,
		"max_tokens":         `"max_tokens":"ten"`,
	} {
		status, _, body := post(t, gateway, stack.AdminToken, asking("cursor/gpt-4o", "Hello", fields))
		var failed struct {
			Error struct{ Message, Param, Code string }
		}
		if err := json.Unmarshal([]byte(body), &failed); err != nil || status != http.StatusBadRequest || failed.Error.Param != field ||
			failed.Error.Code != "unsupported_parameter" || !strings.Contains(failed.Error.Message, `"cursor"`) {
			t.Errorf("%s: %d %s", field, status, body)
		}
	}
	for param, message := range map[string]string{
		"messages[0].function_call": `{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}`,
		"messages[0].audio":         `{"role":"assistant","audio":{"id":"a"}}`,
	} {
		status, _, body := post(t, gateway, stack.AdminToken, `{"model":"cursor/gpt-4o","messages":[`+message+`,{"role":"user","content":"x"}]}`)
		if status != http.StatusBadRequest || !strings.Contains(body, `"param":"`+param+`"`) {
			t.Errorf("%s: %d %s", param, status, body)
		}
	}
	if asked := s.Sim.Ledger().Total.Requests; asked != 0 {
		t.Errorf("the upstream was asked %d times", asked)
	}
	status, _, body := post(t, gateway, stack.AdminToken, asking("cursor/gpt-4o", "Hello", `"temperature":0.5,"seed":1,"n":1,"tools":[],"someday":true`))
	if status != http.StatusOK {
		t.Errorf("what only tunes: %d %s", status, body)
	}
	for _, field := range []string{"temperature", "seed", "other"} {
		if count := stack.Metric(t, gateway.Ops, "carousel_gateway_fields_ignored_total", `field="`+field+`"`); count != 1 {
			t.Errorf("%s was counted %v times", field, count)
		}
	}
}

// Stop texts and limits hold on a Cursor upstream, streamed or not, for the SDK.
func TestACursorUpstreamStopsWhereItShall(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	s.AddTokens("cursor", "c", 1, 0)
	client := s.Gateways[0].SDK()
	const text = "始まり、one two three END four five 終わり"
	for name, test := range map[string]struct {
		change func(*openai.ChatCompletionNewParams)
		want   string
		finish string
	}{
		"stop":            {func(p *openai.ChatCompletionNewParams) { p.Stop.OfString = openai.String("END") }, "始まり、one two three ", "stop"},
		"stop, two bytes": {func(p *openai.ChatCompletionNewParams) { p.Stop.OfStringArray = []string{"zero", "、o"} }, "始まり", "stop"},
		"limit":           {func(p *openai.ChatCompletionNewParams) { p.MaxCompletionTokens = openai.Int(1000) }, text, "stop"},
		"both": {func(p *openai.ChatCompletionNewParams) {
			p.MaxTokens, p.Stop.OfString = openai.Int(1), openai.String("END")
		}, "", "length"},
	} {
		params := openai.ChatCompletionNewParams{
			Model: "cursor/gpt-4o", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)},
		}
		test.change(&params)
		whole, err := client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		choice := whole.Choices[0]
		if test.finish == "length" {
			test.want = choice.Message.Content
			if !strings.HasPrefix(text, test.want) || test.want == "" || whole.Usage.CompletionTokens != 1 {
				t.Errorf("%s: %q, %d tokens", name, test.want, whole.Usage.CompletionTokens)
			}
		}
		if choice.Message.Content != test.want || choice.FinishReason != test.finish {
			t.Errorf("%s: %q, %s", name, choice.Message.Content, choice.FinishReason)
		}
		stream := client.Chat.Completions.NewStreaming(t.Context(), params)
		var collected openai.ChatCompletionAccumulator
		for stream.Next() {
			collected.AddChunk(stream.Current())
		}
		if err := stream.Err(); err != nil || len(collected.Choices) != 1 || collected.Choices[0].Message.Content != test.want || collected.Choices[0].FinishReason != test.finish {
			t.Errorf("%s, streamed: %+v, %v", name, collected.Choices, err)
		}
	}
	for _, token := range s.Gateways[0].Tokens(t) {
		if token.State != "ready" && token.State != "quarantined" {
			t.Errorf("a token is %s", token.State)
		}
	}
}
