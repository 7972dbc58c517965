package openai

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

const testKey = "sk-proj-0123456789abcdef"

// failWith answers what a call yields when the upstream refuses it.
func failWith(t *testing.T, status int, header http.Header, body string) *upstream.Failure {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for key, values := range header {
			w.Header()[key] = values
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	driver := newTestDriver(t, server.URL, nil)
	defer driver.Close()
	_, failure := gather(t.Context(), t, driver, newTestCall(true))
	if failure == nil {
		t.Fatal("no failure")
	}
	return failure
}

// Fixtures of what upstreams really send, one for each row of the tables and each
// form of an error.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		status  int
		body    string
		class   upstream.Class
		code    string
		message string
	}{
		{"OpenAI: malformed", 400, `{"error":{"message":"'temperature' is too high","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value"}}`, upstream.CallerFault, "decimal_above_max_value", "'temperature' is too high"},
		{"OpenAI: wrong key", 401, `{"error":{"message":"Incorrect API key provided: sk-proj-********cdef. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, upstream.Auth, "invalid_api_key", "Incorrect API key provided"},
		{"OpenAI: quota", 429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, upstream.Quota, "insufficient_quota", "You exceeded"},
		{"OpenAI: quota by its type", 429, `{"error":{"message":"quota","type":"insufficient_quota","param":null,"code":null}}`, upstream.Quota, "insufficient_quota", "quota"},
		{"OpenAI: rate limit", 429, `{"error":{"message":"Rate limit reached for gpt-4o","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`, upstream.RateLimit, "rate_limit_exceeded", "Rate limit"},
		{"OpenAI: too long", 400, `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, upstream.TooLarge, "context_length_exceeded", "maximum context"},
		{"OpenAI: no such model", 404, `{"error":{"message":"The model 'gpt-9' does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, upstream.ModelUnknown, "model_not_found", "gpt-9"},
		{"OpenAI: model for other projects", 403, `{"error":{"message":"Project does not have access to model","type":"invalid_request_error","param":"model","code":null}}`, upstream.ModelNotAllowed, "invalid_request_error", "Project"},
		{"OpenAI: country", 403, `{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","param":null,"code":"unsupported_country_region_territory"}}`, upstream.Region, "unsupported_country_region_territory", "Country"},
		{"OpenAI: scopes", 403, `{"error":{"message":"You have insufficient permissions for this operation.","type":"invalid_request_error","param":null,"code":null}}`, upstream.Auth, "invalid_request_error", "insufficient"},
		{"OpenAI: deactivated", 401, `{"error":{"message":"deactivated","code":"account_deactivated"}}`, upstream.Auth, "account_deactivated", "deactivated"},
		{"OpenAI: hard limit", 400, `{"error":{"message":"Billing hard limit has been reached","type":"invalid_request_error","code":"billing_hard_limit_reached"}}`, upstream.Quota, "billing_hard_limit_reached", "Billing"},
		{"OpenAI: inactive", 429, `{"error":{"message":"Your account is not active","type":"billing_not_active","code":"billing_not_active"}}`, upstream.Quota, "billing_not_active", "not active"},
		{"OpenAI: broken", 500, `{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`, upstream.Broken, "server_error", "The server"},
		{"OpenAI: overloaded", 503, `{"error":{"message":"The engine is currently overloaded","type":"server_error","param":null,"code":"engine_overloaded"}}`, upstream.Broken, "engine_overloaded", "overloaded"},
		{"DeepSeek: no balance", 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, upstream.Quota, "invalid_request_error", "Insufficient Balance"},
		{"Moonshot: no balance", 429, `{"error":{"message":"suspended","type":"exceeded_current_quota_error"}}`, upstream.Quota, "exceeded_current_quota_error", "suspended"},
		{"Moonshot: overloaded", 429, `{"error":{"message":"busy","type":"engine_overloaded_error"}}`, upstream.Broken, "engine_overloaded_error", "busy"},
		{"Moonshot: limit", 429, `{"error":{"message":"slow down","type":"rate_limit_reached_error"}}`, upstream.RateLimit, "rate_limit_reached_error", "slow down"},
		{"Moonshot: wrong key", 401, `{"error":{"message":"no","type":"incorrect_api_key_error"}}`, upstream.Auth, "incorrect_api_key_error", "no"},
		{"vLLM: too long", 400, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}`, upstream.TooLarge, "400", "4096"},
		{"vLLM: no such model", 404, `{"object":"error","message":"The model x does not exist.","type":"NotFoundError","param":"model","code":404}`, upstream.ModelUnknown, "404", "does not exist"},
		{"llama.cpp: too long", 400, `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}`, upstream.TooLarge, "400", "exceeds"},
		{"Ollama: bare text", 404, `{"error":"model 'x' not found"}`, upstream.ModelUnknown, "", "model 'x' not found"},
		{"Anthropic: too long", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 200001 tokens"}}`, upstream.TooLarge, "invalid_request_error", "prompt is too long"},
		{"Anthropic: too large", 413, `{"type":"error","error":{"type":"request_too_large","message":"too big"}}`, upstream.TooLarge, "request_too_large", "too big"},
		{"Anthropic: overloaded", 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, upstream.Broken, "overloaded_error", "Overloaded"},
		{"Gemini: a list", 400, `[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]`, upstream.CallerFault, "400", "API key not valid."},
		{"FastAPI: detail", 422, `{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}`, upstream.CallerFault, "missing", "field required"},
		{"FastAPI: short detail", 405, `{"detail":"Method Not Allowed"}`, upstream.CallerFault, "", "Method Not Allowed"},
		{"Mistral: message", 401, `{"message":"Unauthorized","request_id":"x"}`, upstream.Auth, "", "Unauthorized"},
		{"plain text", 502, `upstream connect error`, upstream.Broken, "", "upstream connect error"},
		{"a page", 502, "<html>\n<head><title>502 Bad Gateway</title></head></html>", upstream.Broken, "", "the upstream answered with status 502 Bad Gateway"},
		{"half an object", 500, `{"error":{"message":"x`, upstream.Broken, "", "the upstream answered with status 500 Internal Server Error"},
		{"nothing", 429, ``, upstream.RateLimit, "", "the upstream answered with status 429 Too Many Requests"},
		{"a redirect", 302, ``, upstream.Broken, "", "is its base_url right?"},
		{"no content", 204, ``, upstream.Broken, "", "is its base_url right?"},
		{"request timeout", 408, ``, upstream.Broken, "", "408"},
		{"conflict", 409, ``, upstream.Broken, "", "409"},
		{"too early", 425, ``, upstream.Broken, "", "425"},
		{"for legal reasons", 451, ``, upstream.Region, "", "451"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := failWith(t, test.status, nil, test.body)
			if got.Class != test.class || got.Code != test.code || got.Status != test.status || !strings.Contains(got.Message, test.message) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// An error as large as an answer may be takes no longer to judge than any other.
func TestJudgingIsBounded(t *testing.T) {
	t.Parallel()
	said := apiError{message: strings.Repeat("model ", 5<<20)}
	began := time.Now()
	failures.Fail(said.complaint(http.StatusOK))
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("%d bytes take %s", len(said.message), took)
	}
}

func TestFailuresShowNoSecret(t *testing.T) {
	t.Parallel()
	got := failWith(t, 401, nil, `{"error":{"message":"bad key `+testKey+` <b>!</b>`+strings.Repeat("x", 2000)+`","code":"`+testKey+`"}}`)
	if strings.Contains(got.Error(), testKey) || strings.ContainsAny(got.Message, "<>") || len(got.Message) > 512 {
		t.Errorf("got %v", got)
	}
	if got := failWith(t, 500, nil, strings.Repeat("x", 1<<20)); len(got.Message) > 512 {
		t.Errorf("a message of %d bytes", len(got.Message))
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	began := time.Now()
	tests := []struct {
		name   string
		status int
		header http.Header
		want   time.Duration
	}{
		{"seconds", 429, http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		{"a fraction", 503, http.Header{"Retry-After": {"1.5"}}, 1500 * time.Millisecond},
		{"milliseconds win", 429, http.Header{"Retry-After": {"7"}, "Retry-After-Ms": {"250"}}, 250 * time.Millisecond},
		{"a date", 429, http.Header{"Retry-After": {began.Add(time.Hour).UTC().Format(http.TimeFormat)}}, time.Hour},
		{"a date in the past", 429, http.Header{"Retry-After": {"Mon, 02 Jan 2006 15:04:05 GMT"}}, 0},
		{"too long", 429, http.Header{"Retry-After": {"1e12"}}, 24 * time.Hour},
		{"nonsense", 429, http.Header{"Retry-After": {"soon"}}, 0},
		{"not a number", 429, http.Header{"Retry-After": {"NaN"}}, 0},
		{"OpenAI's limits", 429, http.Header{"X-Ratelimit-Reset-Requests": {"1s"}, "X-Ratelimit-Reset-Tokens": {"6m0s"}}, 6 * time.Minute},
		{"only the limit that was hit", 429, http.Header{"X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Reset-Requests": {"90ms"}, "X-Ratelimit-Remaining-Tokens": {"999"}, "X-Ratelimit-Reset-Tokens": {"6m0s"}}, 90 * time.Millisecond},
		{"Unix seconds", 429, http.Header{"X-Ratelimit-Reset": {unix(began.Add(time.Hour).Unix())}}, time.Hour},
		{"Unix milliseconds", 429, http.Header{"X-Ratelimit-Reset": {unix(began.Add(time.Hour).UnixMilli())}}, time.Hour},
		{"plain seconds", 429, http.Header{"X-Ratelimit-Reset": {"30"}}, 30 * time.Second},
		{"limits of an answer that is not about them", 500, http.Header{"X-Ratelimit-Reset-Tokens": {"6m0s"}}, 0},
		{"the caller's fault", 400, http.Header{"Retry-After": {"7"}}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := failWith(t, test.status, test.header, `{}`).RetryAfter
			least := test.want
			if test.want == time.Hour { // since the beginning, in seconds that are whole
				least -= time.Since(began) + time.Second
			}
			if got > test.want || got < least {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet || r.URL.Path != "/v1/models":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") == "Bearer large":
			_, _ = w.Write([]byte(`{"data":[` + strings.Repeat(" ", 5<<20) + `]}`))
		case r.Header.Get("Authorization") == "Bearer odd":
			_, _ = w.Write([]byte(`{"data":"none"}`))
		case r.Header.Get("Authorization") != "Bearer "+testKey:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":{"message":"no"}}`))
		default:
			_, _ = w.Write([]byte(`{"object":"list","data":[{"id":"gpt-4o","created":1715367049,"owned_by":"system","x":1},{"id":" "},{"id":"b","created":1.7e9}]}`))
		}
	}))
	defer server.Close()
	driver := newTestDriver(t, server.URL+"/v1", nil)
	got, err := driver.Models(t.Context(), upstream.Credential{Secret: secret.New(testKey)})
	if err != nil || len(got) != 2 || got[0].ID != "gpt-4o" || got[0].OwnedBy != "system" || got[0].Created != 1715367049 || got[1].ID != "b" {
		t.Errorf("got %+v, %v", got, err)
	}
	for key, want := range map[string]upstream.Class{"": upstream.Auth, "large": upstream.Truncated, "odd": upstream.Truncated} {
		if _, err := driver.Models(t.Context(), upstream.Credential{Secret: secret.New(key)}); classOf(err) != want {
			t.Errorf("%q: %v, want %s", key, err, want)
		}
	}
	driver.Close()
}

// What an upstream calls an error reaches the client, whatever form it has.
func TestNamesOfRefusals(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][3]string{
		`{"error":{"message":"too high","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value"}}`: {"decimal_above_max_value", "invalid_request_error", "temperature"},
		`{"error":{"message":"no","type":"invalid_request_error","param":"messages[0].content","code":null}}`:                    {"invalid_request_error", "invalid_request_error", "messages[0].content"},
		`{"object":"error","message":"no","type":"BadRequestError","param":"stop","code":400}`:                                   {"400", "BadRequestError", "stop"},
		`{"detail":[{"loc":["body","messages",0,"content"],"msg":"field required","type":"missing"}]}`:                           {"missing", "missing", "messages[0].content"},
		`{"error":"in words only"}`: {},
		`{"error":{"message":"x","param":"` + strings.Repeat("long", 99) + `","code":"` + testKey + `"}}`: {"[hidden]", "", ""},
	} {
		for name, failure := range map[string]*upstream.Failure{
			"refused":  failWith(t, 400, nil, body),
			"streamed": failureFrom(t, answerWith(200, "text/event-stream", "event: error\ndata: "+body+"\n\n"), "1m"),
		} {
			if got := [3]string{failure.Code, failure.Type, failure.Param}; got != want {
				t.Errorf("%s: %s: got %q, want %q", name, body, got, want)
			}
		}
	}
}
