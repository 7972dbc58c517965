package anthropic

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream"
)

// Each row of the table has at least one failure that it decides.
func TestFailures(t *testing.T) {
	t.Parallel()
	api := func(kind, message string) string {
		return `{"type":"error","error":{"type":"` + kind + `","message":"` + message + `"},"request_id":"req_1"}`
	}
	event := func(kind, message string) string { return "event: error\ndata: " + api(kind, message) + "\n\n" }
	seen := map[string]bool{}
	for _, fixture := range []struct {
		row    string
		status int
		body   string
		class  upstream.Class
	}{
		{"seal refused", 400, api("invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block"), upstream.SealRefused},
		{"seal refused", 400, api("invalid_request_error", "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."), upstream.SealRefused},
		{"credit or spend limit", 400, api("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), upstream.Quota},
		{"credit or spend limit", 400, api("invalid_request_error", "You have reached your specified API usage limits."), upstream.Quota},
		{"in a stream: credit or spend limit", 200, event("billing_error", "no"), upstream.Quota},
		{"organisation closed", 403, api("permission_error", "This organization has been disabled."), upstream.Auth},
		{"key closed", 403, api("permission_error", "This API key has been disabled."), upstream.Auth},
		{"workspace's limit", 429, api("rate_limit_error", "You have reached your workspace usage limits."), upstream.Quota},
		{"overloaded", 529, api("overloaded_error", "Overloaded"), upstream.Broken},
		{"overloaded", 200, event("overloaded_error", "Overloaded"), upstream.Broken},
		{"HTTP 529", 529, "", upstream.Broken},
		{"HTTP 429: spend limit", 429, api("rate_limit_error", "Your monthly limit has been reached"), upstream.Quota},
		{"limit", 429, api("rate_limit_error", "This request would exceed your organization's rate limit"), upstream.RateLimit},
		{"HTTP 429", 429, "slow down", upstream.RateLimit},
		{"token refused", 401, api("authentication_error", "invalid x-api-key"), upstream.Auth},
		{"HTTP 401", 401, "", upstream.Auth},
		{"billing", 402, api("billing_error", "no"), upstream.Quota},
		{"HTTP 402", 402, "", upstream.Quota},
		{"region", 403, api("forbidden", "Request not allowed"), upstream.Region},
		{"not permitted", 403, api("permission_error", "Your API key does not have permission to use the specified resource."), upstream.ModelNotAllowed},
		{"HTTP 403", 403, "", upstream.Auth},
		{"HTTP 404: model unknown", 404, api("not_found_error", "model: claude-9"), upstream.ModelUnknown},
		{"in a stream: model unknown", 200, event("not_found_error", "model: claude-9"), upstream.ModelUnknown},
		{"too large", 413, api("request_too_large", "Request exceeds the maximum size"), upstream.TooLarge},
		{"HTTP 413", 413, "", upstream.TooLarge},
		{"the window", 400, api("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), upstream.TooLarge},
		{"the window", 400, api("invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000"), upstream.TooLarge},
		{"wrong input", 400, api("invalid_request_error", "messages: at least one message is required"), upstream.CallerFault},
		{"wrong input", 409, api("conflict_error", "no"), upstream.CallerFault},
		{"timeout", 504, api("timeout_error", "no"), upstream.Broken},
		{"broken", 500, api("api_error", "Internal server error"), upstream.Broken},
		{"HTTP 408", 408, "", upstream.Broken},
		{"HTTP 4xx", 418, "", upstream.CallerFault},
		{"a page", 200, "<html></html>", upstream.Broken},
		{"anything else", 503, "<html></html>", upstream.Broken},
		{"anything else", 302, "", upstream.Broken},
		{"cut short", 200, "event: message_start\ndata: {\"type\":\"message_start\"}\n\n", upstream.Truncated},
		{"empty", 200, "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n", upstream.Truncated},
		{"garbled", 200, "data: {\n\n", upstream.Truncated},
	} {
		kind := "application/json"
		if fixture.status == 200 {
			kind = "text/event-stream"
		}
		driver, _ := serve(t, fixture.status, kind, fixture.body, nil)
		_, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, true))
		if failure == nil || failure.Rule != fixture.row || failure.Class != fixture.class || failure.Message == "" {
			t.Errorf("%d %s: got %+v, want %s by %q", fixture.status, fixture.body, failure, fixture.class, fixture.row)
		}
		seen[fixture.row] = true
	}
	for _, row := range failures {
		switch row.Name {
		case "unreachable", "proxy", "connection lost", "silent", "late", "hung up": // the suite of drivers has them
		default:
			if !seen[row.Name] {
				t.Errorf("no failure is decided by %q", row.Name)
			}
		}
	}
}

// An error reaches clients of the dialect as it is, with its headers, but without what
// names the account.
func TestErrorsAreKept(t *testing.T) {
	t.Parallel()
	const body = `{"type":"error", "error":{"type":"invalid_request_error","message":"max_tokens: too large"},"request_id":"req_7"}`
	driver, _ := serve(t, 400, "application/json", body, http.Header{
		"Request-Id": {"req_7"}, "X-Should-Retry": {"false"}, "Anthropic-Organization-Id": {"org"}, "Set-Cookie": {"x"},
	})
	_, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, false))
	if failure == nil || failure.Dialect != dialect || string(failure.JSON) != body || failure.Status != 400 || failure.Type != "invalid_request_error" ||
		len(failure.Header) != 2 || failure.Header["Request-Id"][0] != "req_7" {
		t.Errorf("%+v", failure)
	}
}

// What is left of a key's limits is shown where a setting says so; whose the key is never is.
func TestLimitsAreShownOnDemand(t *testing.T) {
	t.Parallel()
	header := http.Header{
		"Request-Id": {"req_7"}, "Anthropic-Ratelimit-Requests-Remaining": {"3"}, "Anthropic-Organization-Id": {"org"}, "Anthropic-Workspace-Id": {"ws"},
	}
	for setting, want := range map[string]int{"": 1, "false": 1, "true": 2} {
		config := upstream.Config{Name: "up", BaseURL: "https://api.example", Settings: map[string]string{}}
		if setting != "" {
			config.Settings["rate_limit_headers"] = setting
		}
		driver, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		if shown := driver.(*Driver).shown(header); len(shown) != want {
			t.Errorf("%q: %v", setting, shown)
		}
		driver.Close()
	}
}

// One that repeats the key does not.
func TestErrorsWithTheKeyAreNotKept(t *testing.T) {
	t.Parallel()
	driver, _ := serve(t, 400, "application/json", string(errorBody("invalid_request_error", "bad header "+testKey)), nil)
	_, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, false))
	if failure == nil || failure.JSON != nil || strings.Contains(failure.Message, testKey) {
		t.Errorf("%+v", failure)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		header  http.Header
		limited bool
		want    time.Duration
	}{
		"seconds":              {http.Header{"Retry-After": {"12"}}, true, 12 * time.Second},
		"milliseconds":         {http.Header{"Retry-After-Ms": {"1500"}, "Retry-After": {"9"}}, true, 1500 * time.Millisecond},
		"a date":               {http.Header{"Retry-After": {"Sat, 28 Nov 2026 12:01:00 GMT"}}, false, time.Minute},
		"the limit's reset":    {http.Header{"Anthropic-Ratelimit-Requests-Remaining": {"0"}, "Anthropic-Ratelimit-Requests-Reset": {"2026-11-28T12:00:30Z"}, "Anthropic-Ratelimit-Tokens-Remaining": {"5"}, "Anthropic-Ratelimit-Tokens-Reset": {"2026-11-28T13:00:00Z"}}, true, 30 * time.Second},
		"the unified limit":    {http.Header{"Anthropic-Ratelimit-Unified-Reset": {"2026-11-28T14:00:00Z"}}, true, 2 * time.Hour},
		"in Unix seconds":      {http.Header{"Anthropic-Ratelimit-Unified-Reset": {"1795867260"}}, true, time.Minute},
		"no limit was hit":     {http.Header{"Anthropic-Ratelimit-Requests-Reset": {"2026-11-28T12:00:30Z"}}, false, 0},
		"none":                 {nil, true, 0},
		"longer than believed": {http.Header{"Retry-After": {"999999999"}}, true, maxWait},
		"in the past":          {http.Header{"Retry-After": {"Sat, 28 Nov 2026 11:00:00 GMT"}}, true, 0},
	} {
		if got := retryAfter(test.header, test.limited, now); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Names that a caller has chosen stand in what is wrong with its request. They say nothing of
// the key, however they read.
func TestWhatACallerNamesBlamesNoKey(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		"account_disabled: Extra inputs are not permitted",
		"account disabled: Extra inputs are not permitted",
		"metadata.organization is suspended. x: Extra inputs are not permitted",
		"Your credit balance is too low.: Extra inputs are not permitted",
		"Unexpected value(s) `api-key-revoked` for the `anthropic-beta` header.",
		"tool_choice: tool 'get_account_disabled' not found",
		"Tool 'get account disabled' not found in provided tools",
		"tools.0.custom.name: \"monthly limit\" should match pattern",
		"tools.0.input_schema.properties.workspace limit: unknown keyword",
	} {
		got := failures.Judge(upstream.Complaint{Status: 400, Names: []string{"invalid_request_error"}, Text: message})
		if got.Class != upstream.CallerFault || got.GroupWide {
			t.Errorf("%s: %s by %q", message, got.Class, got.Name)
		}
	}
	for message, row := range map[string]string{
		"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.": "credit or spend limit",
		"You've reached your monthly limit.": "credit or spend limit",
		"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits. See https://x.test/y": "credit or spend limit",
		"This organization has been disabled.": "organisation closed",
	} {
		if got := failures.Judge(upstream.Complaint{Status: 400, Names: []string{"invalid_request_error"}, Text: message}); got.Name != row {
			t.Errorf("%s: %s by %q", message, got.Class, got.Name)
		}
	}
}

// What a limit says of an organisation is for its owner.
func TestAnOrganisationsNameIsNotTold(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"9a0b1c2d-1111-2222-3333-444455556666", "org_01AbCdEf", "wrkspc_01AbCdEf"} {
		driver, _ := serve(t, 429, "application/json",
			`{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed the limit of your organization (`+id+`) of 40,000 input tokens per minute."}}`, nil)
		_, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, false))
		if failure == nil || strings.Contains(failure.Message+string(failure.JSON), id) || !strings.Contains(failure.Message, "40,000 input tokens") || failure.JSON == nil {
			t.Errorf("%s: %+v, %s", id, failure, failure.JSON)
		}
	}
}
