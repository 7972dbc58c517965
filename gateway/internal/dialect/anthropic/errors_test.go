package anthropic_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/anthropic"
)

// rendered is an error as a client gets it, which the judge has found nothing in.
func rendered(t *testing.T, failure *chat.Error) (status int, header http.Header, body string) {
	t.Helper()
	got := anthropic.API{}.Error(failure, requestID)
	for _, violation := range grammar.Messages.Error(got.Status, got.JSON, grammar.Options{Native: failure.Upstream != nil && failure.Upstream.JSON != nil}) {
		t.Errorf("%s\n%d %s", violation, got.Status, got.JSON)
	}
	if got.Event != "error" {
		t.Errorf("in a stream its name is %q", got.Event)
	}
	return got.Status, got.Header, string(got.JSON)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	const retry = 2500 * time.Millisecond
	for name, c := range map[string]struct {
		failure chat.Error
		status  int
		kind    string
		// header are names and values; an empty value is none.
		header  []string
		message string
	}{
		"a request that is wrong": {
			chat.Error{Kind: chat.InvalidRequest, Message: "max_tokens: Field required"},
			400, "invalid_request_error",
			[]string{"Retry-After", "", "X-Should-Retry", ""},
			"max_tokens: Field required",
		},
		"the client's own key":  {chat.Error{Kind: chat.Unauthenticated, Message: "no"}, 401, "authentication_error", nil, "no"},
		"a key of a pooled one": {chat.Error{Kind: chat.UpstreamAuth, Message: "no", Upstream: &chat.UpstreamError{Status: 401}}, 503, "api_error", nil, "no"},
		"a model that nobody has": {
			chat.Error{Kind: chat.ModelNotFound, Message: `the model "x" does not exist`}, 404, "not_found_error", nil, `model: the model \"x\" does not exist`,
		},
		"a model in the vendor's words": {chat.Error{Kind: chat.ModelNotFound, Message: "model: x"}, 404, "not_found_error", nil, "model: x"},
		"a key that was used":           {chat.Error{Kind: chat.Conflict, Message: "used"}, 409, "conflict_error", []string{"X-Should-Retry", "false"}, "used"},
		"no tokens":                     {chat.Error{Kind: chat.NoTokens, Message: "none"}, 503, "api_error", []string{"X-Should-Retry", "false"}, "none"},
		"a limit of the key's":          {chat.Error{Kind: chat.KeyLimited, Message: "slow", RetryAfter: retry}, 429, "rate_limit_error", []string{"Retry-After", "3", "X-Should-Retry", ""}, "slow"},
		"more than a limit ever allows": {chat.Error{Kind: chat.KeyLimited, Message: "never"}, 429, "rate_limit_error", []string{"Retry-After", "", "X-Should-Retry", "false"}, "never"},
		"a budget of the key's":         {chat.Error{Kind: chat.KeySpent, Message: "spent", RetryAfter: retry}, 429, "rate_limit_error", []string{"Retry-After", "3", "X-Should-Retry", "false"}, "spent"},
		"a key that may not":            {chat.Error{Kind: chat.Forbidden, Message: "no"}, 403, "permission_error", nil, "no"},
		"all are cooling": {
			chat.Error{Kind: chat.NoTokenAvailable, Message: "later", RetryAfter: retry},
			429, "rate_limit_error",
			[]string{"Retry-After", "3", "X-Should-Retry", ""},
			"later",
		},
		"an upstream that has too much": {
			chat.Error{Kind: chat.UpstreamUnavailable, Message: "busy", Upstream: &chat.UpstreamError{Status: 503, Code: "server_is_overloaded"}}, 529, "overloaded_error", nil, "busy",
		},
		"an upstream that says so in words": {
			chat.Error{Kind: chat.UpstreamUnavailable, Message: "Overloaded, try later", Upstream: &chat.UpstreamError{Status: 503}}, 529, "overloaded_error", nil, "Overloaded, try later",
		},
		"an upstream that is broken": {
			chat.Error{Kind: chat.UpstreamUnavailable, Message: "broken", Upstream: &chat.UpstreamError{Status: 500}}, 503, "api_error", nil, "broken",
		},
		"this gateway has too much":  {chat.Error{Kind: chat.Overloaded, Message: "busy", RetryAfter: time.Second}, 529, "overloaded_error", []string{"Retry-After", "1"}, "busy"},
		"this gateway ends":          {chat.Error{Kind: chat.ShuttingDown, Message: "again"}, 503, "api_error", []string{"X-Should-Retry", "true"}, "again"},
		"an upstream's own refusal":  {chat.Error{Kind: chat.UpstreamRejected, Message: "no", Upstream: &chat.UpstreamError{Status: 422, Dialect: "openai", JSON: []byte(`{"error":{}}`)}}, 422, "invalid_request_error", nil, "no"},
		"an upstream's own conflict": {chat.Error{Kind: chat.UpstreamRejected, Message: "no", Upstream: &chat.UpstreamError{Status: 409}}, 409, "conflict_error", []string{"X-Should-Retry", "false"}, "no"},
		"a refusal for the token":    {chat.Error{Kind: chat.UpstreamRejected, Message: "no", Upstream: &chat.UpstreamError{Status: 403}}, 400, "invalid_request_error", nil, "no"},
		"a capability": {
			chat.Error{Kind: chat.Unsupported, Param: "output_config.format", Message: "`output_config.format`: can't"},
			400, "invalid_request_error", nil,
			"capability_rejected: output_config: `output_config.format`: can't",
		},
		"a part of the conversation": {
			chat.Error{Kind: chat.Unsupported, Param: "messages.0.content.1", Message: "`messages.0.content.1`: can't"}, 400, "invalid_request_error", nil, "`messages.0.content.1`: can't",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, header, body := rendered(t, &c.failure)
			if want := `{"type":"error","error":{"type":"` + c.kind + `","message":"` + c.message + `"},"request_id":"` + requestID + `"}`; status != c.status || body != want {
				t.Errorf("%d %s\nwant %d %s", status, body, c.status, want)
			}
			for i := 0; i < len(c.header); i += 2 {
				if got := header.Get(c.header[i]); got != c.header[i+1] {
					t.Errorf("%s: %q, want %q", c.header[i], got, c.header[i+1])
				}
			}
		})
	}
}

// trap 37: clients look for these words and numbers, and send less.
func TestTrap37Overflow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ upstream, want string }{
		{
			"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages.",
			"prompt is too long: 9000 tokens > 8192 maximum",
		},
		{
			"This model's maximum context length is 4097 tokens, however you requested 5360 tokens (1360 in your prompt; 4000 for the completion). Please reduce your prompt; or completion length.",
			"input length and `max_tokens` exceed context limit: 1360 + 4000 > 4097, decrease input length or `max_tokens` and try again",
		},
		{
			"This model's maximum context length is 8192 tokens. However, you requested 10294 tokens (6094 in the messages, 200 in the functions, and 4000 in the completion).",
			"input length and `max_tokens` exceed context limit: 6294 + 4000 > 8192, decrease input length or `max_tokens` and try again",
		},
		{
			"This model's maximum context length is 4096 tokens. However, you requested 9500 tokens (9000 in the messages, 500 in the completion). Please reduce the length of the messages or completion.",
			"prompt is too long: 9000 tokens > 4096 maximum",
		},
		{
			"'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens and your request has 20 input tokens (5000 > 4096 - 20).",
			"input length and `max_tokens` exceed context limit: 20 + 5000 > 4096, decrease input length or `max_tokens` and try again",
		},
		{
			"You passed 4000 input tokens and requested 512 output tokens. However, the model's context length is only 4096 tokens, resulting in a maximum input length of 3584 tokens.",
			"input length and `max_tokens` exceed context limit: 4000 + 512 > 4096, decrease input length or `max_tokens` and try again",
		},
		{
			"This model's maximum context length is 4096 tokens. However, you requested 512 output tokens and your prompt contains at least 3585 input tokens, for a total of at least 4097 tokens.",
			"input length and `max_tokens` exceed context limit: 3585 + 512 > 4096, decrease input length or `max_tokens` and try again",
		},
		{
			"The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller than the number of text tokens.",
			"prompt is too long: 5000 tokens > 4096 maximum",
		},
		{
			"request (4242 tokens) exceeds the available context size (4096 tokens), try increasing it",
			"prompt is too long: 4242 tokens > 4096 maximum",
		},
		{
			"The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
			"prompt is too long: 1048577 tokens > 1048576 maximum",
		},
		{
			"This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (139000 of text input, 1000 in the output).",
			"prompt is too long: 139000 tokens > 131072 maximum",
		},
		{
			"Your input exceeds the context window of this model. Please adjust your input and try again.",
			"prompt is too long: Your input exceeds the context window of this model. Please adjust your input and try again.",
		},
		{
			"prompt is too long: 205000 tokens > 200000 maximum",
			"prompt is too long: 205000 tokens > 200000 maximum",
		},
		{
			"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
			"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
		},
		{
			"This model's maximum context length is 99999999999999999999999 tokens. However, your messages resulted in 99999999999999999999999 tokens.",
			"prompt is too long: 9223372036854775807 tokens > 9223372036854775807 maximum",
		},
	} {
		status, _, body := rendered(t, &chat.Error{Kind: chat.ContextTooLong, Message: c.upstream})
		if !strings.Contains(body, `"type":"invalid_request_error","message":"`+c.want+`"`) || status != 400 {
			t.Errorf("%s\nbecomes %d %s\nwant %s", c.upstream, status, body, c.want)
		}
	}
}

// Errors of the vendor are an interface: they go back as they came. Not those that speak of
// a pooled token.
func TestErrorsOfTheVendor(t *testing.T) {
	t.Parallel()
	own := func(kind string) string {
		return `{"type":"error",  "error":{"type":"` + kind + `","message":"its own words"},"request_id":"req_own"}`
	}
	for name, c := range map[string]struct {
		kind       chat.Kind
		upstream   chat.UpstreamError
		retryAfter time.Duration
		status     int
		native     bool
		wait       string
	}{
		"a request that is wrong":      {chat.UpstreamRejected, chat.UpstreamError{Status: 400, Type: "invalid_request_error"}, 0, 400, true, "7"},
		"one that is too large":        {chat.UpstreamRejected, chat.UpstreamError{Status: 413, Type: "request_too_large"}, 0, 413, true, "7"},
		"too long a prompt":            {chat.ContextTooLong, chat.UpstreamError{Status: 400, Type: "invalid_request_error"}, 0, 400, true, "7"},
		"an unknown model":             {chat.ModelNotFound, chat.UpstreamError{Status: 404, Type: "not_found_error"}, 0, 404, true, "7"},
		"a limit":                      {chat.RateLimited, chat.UpstreamError{Status: 429, Type: "rate_limit_error"}, 0, 429, true, "7"},
		"a limit of the pool":          {chat.RateLimited, chat.UpstreamError{Status: 429, Type: "rate_limit_error"}, time.Minute, 429, true, "60"},
		"too much to do":               {chat.UpstreamUnavailable, chat.UpstreamError{Status: 529, Type: "overloaded_error"}, 0, 529, true, "7"},
		"trap 38: the same in a 200":   {chat.UpstreamUnavailable, chat.UpstreamError{Status: 200, Type: "overloaded_error"}, 0, 529, true, "7"},
		"trap 38: its fault in a 200":  {chat.UpstreamUnavailable, chat.UpstreamError{Status: 200, Type: "api_error"}, 0, 500, true, "7"},
		"a key that is not accepted":   {chat.UpstreamAuth, chat.UpstreamError{Status: 401, Type: "authentication_error"}, 0, 503, false, ""},
		"a model that is not allowed":  {chat.UpstreamAuth, chat.UpstreamError{Status: 403, Type: "permission_error"}, 0, 503, false, ""},
		"a credit that is used up":     {chat.RateLimited, chat.UpstreamError{Status: 400, Type: "invalid_request_error"}, 0, 429, false, ""},
		"a bill that is not paid":      {chat.RateLimited, chat.UpstreamError{Status: 402, Type: "billing_error"}, 0, 429, false, ""},
		"a refusal with a token's 403": {chat.UpstreamRejected, chat.UpstreamError{Status: 403, Type: "permission_error"}, 0, 400, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.upstream.Dialect, c.upstream.JSON = anthropic.Dialect, []byte(own(c.upstream.Type))
			c.upstream.Header = map[string][]string{"Request-Id": {"req_own"}, "Retry-After": {"7"}, "Anthropic-Ratelimit-Requests-Limit": {"5"}}
			status, header, body := rendered(t, &chat.Error{Kind: c.kind, Message: "words", Upstream: &c.upstream, RetryAfter: c.retryAfter})
			if status != c.status || (body == own(c.upstream.Type)) != c.native {
				t.Errorf("%d %s", status, body)
			}
			if got := header.Get("Request-Id") == "req_own" && header.Get("Anthropic-Ratelimit-Requests-Limit") == "5"; got != c.native {
				t.Errorf("%v", header)
			}
			if got := header.Get("Retry-After"); got != c.wait {
				t.Errorf("Retry-After %q, want %q", got, c.wait)
			}
		})
	}
}
