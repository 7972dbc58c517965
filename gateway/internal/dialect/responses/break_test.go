package responses_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/dialecttest"
)

// broken is a stream that ends with the error after these events, and whether the error has
// been told in it.
func broken(t testing.TB, header http.Header, err error, begun bool, events ...chat.Event) (wire string, told bool) {
	t.Helper()
	var sink dialecttest.Recorder
	stream := api.Stream(decoded(t, header, `"input":"Hi"`), dialect.Options{}, &sink)
	for _, event := range events {
		if err := stream.Event(event); err != nil {
			t.Fatal(err)
		}
	}
	told = stream.(dialect.Breaker).Break(err, requestID, begun)
	return string(sink.Close()), told
}

// What a client decides by when a stream has broken.
func TestCodesOfFailures(t *testing.T) {
	t.Parallel()
	upstreams := func(code string) *chat.UpstreamError { return &chat.UpstreamError{Status: 400, Code: code} }
	for name, test := range map[string]struct {
		err           chat.Error
		code, message string
	}{
		"too long":                     {chat.Error{Kind: chat.ContextTooLong, Message: "too long"}, "context_length_exceeded", "too long"},
		"limited":                      {chat.Error{Kind: chat.RateLimited, Message: "limited.", RetryAfter: 1500 * time.Millisecond}, "rate_limit_exceeded", "limited. Please try again in 1.5s."},
		"limited, for how long":        {chat.Error{Kind: chat.RateLimited, Message: "limited"}, "rate_limit_exceeded", "limited"},
		"all busy":                     {chat.Error{Kind: chat.NoTokenAvailable, Message: "all busy", RetryAfter: 2 * time.Second}, "rate_limit_exceeded", "all busy. Please try again in 2s."},
		"rounded up":                   {chat.Error{Kind: chat.NoTokenAvailable, Message: "busy", RetryAfter: 1234 * time.Millisecond}, "rate_limit_exceeded", "busy. Please try again in 1.3s."},
		"said already":                 {chat.Error{Kind: chat.RateLimited, Message: "Try again in 3s.", RetryAfter: time.Second}, "rate_limit_exceeded", "Try again in 3s."},
		"the key is at its limit":      {chat.Error{Kind: chat.KeyLimited, Message: "5 requests a minute", RetryAfter: 20 * time.Second}, "rate_limit_exceeded", "5 requests a minute. Please try again in 20s."},
		"the key's budget is used up":  {chat.Error{Kind: chat.KeySpent, Message: "spent", RetryAfter: time.Hour}, "insufficient_quota", "spent"},
		"nobody can serve":             {chat.Error{Kind: chat.NoTokens, Message: "none"}, "server_is_overloaded", "none"},
		"no money":                     {chat.Error{Kind: chat.UpstreamRejected, Message: "no", Upstream: upstreams("insufficient_quota")}, "insufficient_quota", "no"},
		"a policy":                     {chat.Error{Kind: chat.UpstreamRejected, Message: "no", Upstream: upstreams("cyber_policy")}, "cyber_policy", "no"},
		"refused":                      {chat.Error{Kind: chat.UpstreamRejected, Message: "no", Upstream: upstreams("whatever")}, "invalid_prompt", "no"},
		"what can't be carried":        {chat.Error{Kind: chat.Unsupported, Message: "no"}, "invalid_prompt", "no"},
		"broken off":                   {chat.Error{Kind: chat.UpstreamProtocol, Message: "cut"}, "server_error", "cut"},
		"out of reach":                 {chat.Error{Kind: chat.UpstreamUnavailable, Message: "down", RetryAfter: time.Second}, "server_error", "down"},
		"this gateway has no room":     {chat.Error{Kind: chat.Overloaded, Message: "full"}, "server_error", "full"},
		"a kind that is not a table's": {chat.Error{Kind: "unheard of", Message: "?"}, "server_error", "?"},
	} {
		wire, told := broken(t, nil, &test.err, true)
		answer := strictly(t, wire)
		if !told || answer.Status != "failed" || answer.Error.Code != test.code || answer.Error.Message != test.message {
			t.Errorf("%s: %t %+v %+v", name, told, answer, answer.Error)
		}
		if got := namesOf(wire); got != "response.created response.in_progress response.failed" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// namesOf are the events of a stream.
func namesOf(wire string) string {
	var names []string
	for _, frame := range framesOf(wire) {
		names = append(names, frame.name)
	}
	return strings.Join(names, " ")
}

// An error before anything has been sent is told in a stream only where a status would be
// misread.
func TestErrorsBeforeTheStart(t *testing.T) {
	t.Parallel()
	for _, kind := range chat.Kinds() {
		for _, header := range []http.Header{nil, codexHeader} {
			want := kind == chat.ContextTooLong || header != nil && slices.Contains([]chat.Kind{chat.RateLimited, chat.NoTokenAvailable, chat.KeyLimited, chat.KeySpent}, kind)
			wire, told := broken(t, header, chat.Errorf(kind, "no"), false)
			if told != want || told != (wire != "") {
				t.Errorf("%s, %v: told %t, want %t: %s", kind, header, told, want, wire)
			}
			if told {
				strictly(t, wire)
			}
		}
	}
}

// Trap 46: what has been said is closed, so that no client loses it, and the answer has failed.
// A call that is cut is never complete: a client would do it.
func TestTrap46AnswersThatBreak(t *testing.T) {
	t.Parallel()
	text := []chat.Event{{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "so "}, {Kind: chat.TextBlock, Text: "far"}}
	cut := append(text[:2:2], chat.Event{Kind: chat.TextBlock, Close: true}, chat.Event{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "rm"}, Text: `{"path":"/`})
	for name, test := range map[string]struct {
		events []chat.Event
		ends   string
	}{
		"in a text": {text, " response.output_text.done response.content_part.done response.output_item.done response.failed"},
		"in a call": {cut, " response.output_item.added response.function_call_arguments.delta response.failed"},
		"behind a call": {
			[]chat.Event{{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "ls"}, Text: "{}"}, {Kind: chat.CallBlock, Close: true}},
			" response.function_call_arguments.done response.output_item.done response.failed",
		},
		"before anything was said": {[]chat.Event{{Kind: chat.TextBlock, Open: &chat.Block{}}}, "response.created response.in_progress response.failed"},
	} {
		wire, told := broken(t, nil, chat.Errorf(chat.UpstreamProtocol, "cut"), true, test.events...)
		answer := strictly(t, wire)
		if names := namesOf(wire); !told || !strings.HasSuffix(names, test.ends) {
			t.Errorf("%s: %t %s", name, told, names)
		}
		for _, item := range answer.Output {
			if item.Type == "message" && allOf(item) != "so far" || item.Type == "function_call" && item.Name != "ls" {
				t.Errorf("%s: %+v", name, item)
			}
		}
		if strings.Contains(wire, "[DONE]") {
			t.Errorf("%s: %s", name, wire)
		}
	}
}
