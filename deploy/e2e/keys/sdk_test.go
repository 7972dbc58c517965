package keys_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

// refusal is what an official client makes of a refusal.
type refusal struct {
	status int
	// kind is the error's type, code its code; Anthropic's have none.
	kind, code string
	header     http.Header
}

// clients are the official clients, each with one question.
var clients = map[string]func(ctx context.Context, url, secret string) (*refusal, error){
	"openai-go, Chat": func(ctx context.Context, url, secret string) (*refusal, error) {
		client := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(secret), option.WithMaxRetries(0))
		_, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
			Model: model, MaxTokens: openai.Int(100), Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)},
		})
		return ofOpenAI(err)
	},
	"openai-go, Responses": func(ctx context.Context, url, secret string) (*refusal, error) {
		client := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(secret), option.WithMaxRetries(0))
		_, err := client.Responses.New(ctx, responses.ResponseNewParams{
			Model: model, MaxOutputTokens: openai.Int(100), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(question)},
		})
		return ofOpenAI(err)
	},
	"anthropic-sdk-go": func(ctx context.Context, url, secret string) (*refusal, error) {
		client := anthropic.NewClient(anthropicoption.WithBaseURL(url), anthropicoption.WithAPIKey(secret), anthropicoption.WithMaxRetries(0))
		_, err := client.Messages.New(ctx, anthropic.MessageNewParams{
			Model: model, MaxTokens: 100, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(question))},
		})
		failure, typed := errors.AsType[*anthropic.Error](err)
		if !typed {
			return nil, err
		}
		return &refusal{failure.StatusCode, string(failure.Type()), "", failure.Response.Header}, nil
	},
}

func ofOpenAI(err error) (*refusal, error) {
	failure, typed := errors.AsType[*openai.Error](err)
	if !typed {
		return nil, err
	}
	return &refusal{failure.StatusCode, failure.Type, failure.Code, failure.Response.Header}, nil
}

// refusals: the official clients see errors of their types, and when it is worth asking again.
func (f *fleet) refusals(t *testing.T) {
	usedUp := f.create(t, map[string]any{"budgets": []map[string]any{{"unit": "requests", "amount": "3", "period": "total"}}})
	hasMinute := f.create(t, map[string]any{"limits": map[string]any{"requests_per_minute": 3, "tokens_per_minute": 1_000_000}})
	for _, k := range []key{usedUp, hasMinute} {
		for range 3 {
			if got := f.ask(t.Context(), f.address(), k.Secret, body(model, 100)); got.status != http.StatusOK {
				t.Fatalf("%s %s", outcome(got), got.text)
			}
		}
	}
	otherModels := f.create(t, map[string]any{"models": []string{"other-*"}})
	disabled := f.create(t, nil)
	f.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/keys/"+disabled.ID, map[string]any{"disabled": true})
	unlimited := f.create(t, nil)
	for name, c := range map[string]struct {
		secret string
		status int
		// openAI and anthropic are the errors' types, code is OpenAI's.
		openAI, anthropic, code string
		// again: there is a time to ask again.
		again bool
	}{
		"unknown":         {"sk-carousel-aaaaaaaaaaaaaaaa-" + unlimited.Secret[len(unlimited.Secret)-43:], 401, "invalid_request_error", "authentication_error", "unauthorized", false},
		"disabled":        {disabled.Secret, 401, "invalid_request_error", "authentication_error", "unauthorized", false},
		"another model":   {otherModels.Secret, 404, "invalid_request_error", "not_found_error", "", false},
		"of a minute":     {hasMinute.Secret, 429, "", "rate_limit_error", "rate_limit_exceeded", true},
		"budget":          {usedUp.Secret, 429, "insufficient_quota", "rate_limit_error", "insufficient_quota", false},
		"nothing refused": {unlimited.Secret, 0, "", "", "", false},
	} {
		for client, ask := range clients {
			got, err := ask(t.Context(), f.address(), c.secret)
			if err != nil || (got == nil) != (c.status == 0) {
				t.Errorf("%s, %s: %+v, %v", name, client, got, err)
				continue
			}
			if got == nil {
				continue
			}
			kind, code := c.openAI, c.code
			if client == "anthropic-sdk-go" {
				kind, code = c.anthropic, ""
			}
			if got.status != c.status || kind != "" && got.kind != kind || code != "" && got.code != code {
				t.Errorf("%s, %s: %d %s %s", name, client, got.status, got.kind, got.code)
			}
			wait, _ := strconv.Atoi(got.header.Get("Retry-After"))
			if c.again && (wait < 1 || wait > 60 || got.header.Get("X-Ratelimit-Limit-Requests") != "3" || got.header.Get("X-Ratelimit-Remaining-Requests") != "0") {
				t.Errorf("%s, %s: headers %v", name, client, got.header)
			}
		}
	}
	told := f.ask(t.Context(), f.address(), f.create(t, map[string]any{"limits": map[string]any{"tokens_per_minute": 5000}}).Secret, body(model, 100))
	if left, err := strconv.Atoi(told.header.Get("X-Ratelimit-Remaining-Tokens")); err != nil || left >= 5000 || told.header.Get("X-Ratelimit-Limit-Tokens") != "5000" {
		t.Errorf("headers of an answer: %v", told.header)
	}
}
