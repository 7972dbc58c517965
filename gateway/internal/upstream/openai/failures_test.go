package openai

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/freeport"
)

// fixture is one way in which an attempt fails, and the row that decides it.
type fixture struct {
	row, title string
	handler    http.HandlerFunc
}

func fixtures() []fixture {
	var all []fixture
	refused := func(row string, status int, body string) {
		all = append(all, fixture{row, fmt.Sprint("HTTP ", status, " ", body), answerWith(status, "application/json", body)})
	}
	// streamed are errors inside an answer that began well.
	streamed := func(row, object string) {
		all = append(all, fixture{row, "in a stream: " + object, answerWith(200, "text/event-stream", "data: "+object+"\n\n")})
	}
	named := func(row string, names ...string) {
		for _, name := range names {
			// The status says something else.
			refused(row, 409, `{"error":{"message":"no","code":"`+name+`"}}`)
			refused(row, 409, `{"error":{"message":"no","type":"`+strings.ToUpper(name)+`","code":null}}`)
			streamed(row, `{"error":{"message":"no","code":"`+name+`"}}`)
		}
	}

	named("seal refused", "invalid_encrypted_content")
	const unverified = `{"error":{"message":"The encrypted content gAAA could not be verified. Reason: Encrypted content could not be decrypted or parsed.","type":"invalid_request_error","param":null,"code":null}}`
	refused("seal refused, in words", 400, unverified)
	streamed("seal refused, in words", unverified)
	refused("item not kept, in words", 404, `{"error":{"message":"Item with id 'rs_1' not found. Items are not persisted when store is set to false. Try again with store set to true, or remove this item from your input.","type":"invalid_request_error","param":"input","code":null}}`)
	named("earlier answer unknown", "previous_response_not_found")
	named("wrong input", promptFaults...)
	named("quota", "insufficient_quota", "insufficient_balance", "insufficient_credits", "quota_exceeded",
		"exceeded_current_quota_error", "billing_hard_limit_reached", "billing_not_active", "usage_limit_reached", "usage_not_included")
	named("limit", "rate_limit_exceeded", "rate_limit_reached_error", "too_many_requests")
	const oneModel = "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM)"
	refused("limit: one model", 429, `{"error":{"message":"`+oneModel+`","code":"rate_limit_exceeded"}}`)
	named("too large", "context_length_exceeded", "exceed_context_size_error", "request_too_large")
	named("token refused", "invalid_api_key", "incorrect_api_key_error", "invalid_authentication_error", "account_deactivated", "token_expired")
	named("model not allowed", "model_access_denied")
	named("model unknown", "model_not_found", "invalid_model", "unknown_model", "model_not_available", "deploymentnotfound",
		"model_not_supported", "unsupported_model", "model_decommissioned")
	refused("model unknown", 404, `{"error":{"message":"The model does not exist or you do not have access to it.","code":"model_not_found"}}`)
	for _, name := range noModel {
		refused("HTTP 403: no access to the model", 403, `{"error":{"message":"no","code":"`+name+`"}}`)
	}
	refused("no access to the model, in words", 404, `{"error":{"message":"Project proj_x does not have access to model gpt-5","code":"model_not_found"}}`)
	refused("HTTP 404: the model", 404, `{"error":{"message":"This is not a chat model","type":"invalid_request_error","param":"model"}}`)
	for _, status := range []int{400, 404} {
		for _, words := range []string{
			"The model `gpt-99` does not exist.", `model \"llama9\" not found, try pulling it first`, "models/gemini-9 is not found for API version v1main",
			"Not found the model kimi-9 or Permission denied", "unknown model: x", "Model Not Exist", "gpt-99 is not a valid model ID", "Invalid model: mistral-9",
			"invalid model ID", "Invalid model name passed in model=x", "No endpoints found for x.", "Model does not exist. Please check it carefully.",
			"The API deployment for this resource does not exist.", "model: claude-9", "model 'llama9:8b' not found", "Model: x not found",
			"Unsupported model: x", "Model x is not supported", "The requested model is not supported.",
			"The requested model 'x' is not supported by any provider you have enabled.", "The provided model identifier is invalid.",
			"The model `x` has been decommissioned and is no longer supported.", "模型不存在，请检查模型代码。",
			"LLM Provider NOT provided. Pass in the LLM provider you are trying to call. You passed model=x",
		} {
			refused(fmt.Sprintf("HTTP %d: model unknown, in words", status), status, `{"error":{"message":"`+words+`"}}`)
		}
	}
	for status, words := range map[int]string{503: "No available channel for model foo under group default (distributor)", 500: "当前分组 default 下对于模型 foo 无可用渠道"} {
		refused("HTTP 5xx: no channel for the model", status, `{"error":{"message":"`+words+`","type":"new_api_error"}}`)
	}
	streamed("in a stream: unknown model among wrong input", `{"choices":null,"base_resp":{"status_code":2013,"status_msg":"invalid params, unknown model 'foo'"}}`)
	for _, words := range []string{
		"The model produced invalid content: function get_weather not found in request.tools", "model x is not supported with images",
		"tool call a not found in the history of this model", "unsupported model parameter: logprobs",
		"Invalid model settings", "this model does not support images", "the image was not found",
	} {
		refused("HTTP 4xx", 400, `{"error":{"message":"`+words+`"}}`)
	}
	named("region", "unsupported_country_region_territory")
	named("overloaded", "server_overloaded", "overloaded_error", "engine_overloaded", "engine_overloaded_error", "server_is_overloaded", "slow_down")

	for _, name := range []string{"rate_limit_error", "requests", "tokens"} {
		streamed("in a stream: limit", `{"error":{"message":"slow down","type":"`+name+`"}}`)
	}
	streamed("in a stream: limit of one model", `{"error":{"message":"`+oneModel+`","type":"tokens"}}`)
	streamed("in a stream: token refused", `{"error":{"message":"no","type":"authentication_error"}}`)
	streamed("in a stream: token refused", `{"error":{"message":"no","type":"permission_error"}}`)
	streamed("in a stream: size", `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error"}}`)
	streamed("in a stream: bad request", `{"error":{"message":"no such field","type":"invalid_request_error"}}`)
	streamed("HTTP 429", `{"error":{"message":"busy","code":429}}`)
	streamed("anything else", `{"error":{"message":"oops","code":502}}`)
	streamed("anything else", `{"error":{"message":"oops"}}`)

	numbered := func(row string, numbers ...string) {
		for _, number := range numbers {
			object := `{"choices":null,"base_resp":{"status_code":` + number + `,"status_msg":"no"}}`
			streamed(row, object)
			all = append(all, fixture{row, "whole: " + object, answerWith(200, "application/json", object)})
		}
	}
	numbered("quota", "1008")
	numbered("limit", "1002", "1039")
	numbered("token refused", "1004", "2049")
	numbered("in a stream: wrong input", "1026", "2013")
	numbered("anything else", "1000")

	// worded are answers without a name or a status of their own, in all their forms.
	worded := func(row string, texts ...string) {
		for _, text := range texts {
			for _, object := range []string{
				`{"error":{"message":"` + text + `"}}`, `{"error":"` + text + `"}`, `{"error":true,"message":"` + text + `"}`, `[{"error":{"message":"` + text + `"}}]`,
				`{"code":1234,"message":"` + text + `"}`, `{"status":"error","msg":"` + text + `","data":null}`, `{"success":false,"message":"` + text + `"}`,
				`{"detail":"` + text + `"}`, `{"type":"error","message":"` + text + `"}`, `{"errors":[{"message":"` + text + `"}]}`, `{"error_msg":"` + text + `","error_code":17}`,
				`{"choices":[],"object":"error","message":"` + text + `"}`,
			} {
				streamed(row, object)
				all = append(all, fixture{row, "bare: " + object, answerWith(200, "text/event-stream", object)})
			}
			all = append(all, fixture{row, "words: " + text, answerWith(200, "text/event-stream", text)},
				fixture{row, "words in an event: " + text, answerWith(200, "text/event-stream", "data: "+text+"\n\ndata: [DONE]\n\n")})
		}
	}
	// A number beside the words that says less than they do.
	for _, number := range []string{"400", `"449"`, "500"} {
		for row, text := range map[string]string{
			"in words: quota": "Insufficient balance", "in words: limit": "You exceeded your current rate limit", "in words: token refused": "Invalid API key",
		} {
			object := `{"status":` + number + `,"msg":"` + text + `","body":null}`
			streamed(row, object)
			all = append(all, fixture{row, "whole: " + object, answerWith(200, "application/json", object)})
			streamed(row, `{"error":{"code":`+number+`,"message":"`+text+`"}}`)
		}
	}
	streamed("HTTP 429", `{"error":{"message":"Insufficient balance","code":429}}`)
	streamed("HTTP 4xx", `{"code":400,"message":"no such field"}`)
	worded("in words: quota", "the quota of this key is used up", "Insufficient balance", "You exceeded your current quota, please check your plan")
	worded("in words: limit", "Rate limit reached", "too many requests, slow down")
	worded("in words: token refused", "login failed: this key is not valid", "Invalid API key", "Incorrect API key provided", "Unauthorized")

	worded("in words: size", "This model's maximum context length is 8192 tokens", "prompt is too long")
	worded("in words: model unknown", "The model x does not exist", "model 'x' not found")

	for _, status := range []int{401, 402, 403, 408, 409, 413, 425, 426, 429, 451} {
		refused(fmt.Sprint("HTTP ", status), status, "")
	}
	refused("HTTP 403: the model", 403, `{"error":{"message":"no access","param":"model"}}`)
	refused("HTTP 429: one model", 429, `{"error":{"message":"`+oneModel+`"}}`)
	refused("HTTP 4xx: size", 400, `{"error":{"message":"prompt is too long: 200001 tokens"}}`)
	refused("HTTP 4xx", 400, `{"error":{"message":"no"}}`)
	refused("HTTP 4xx", 404, ``)
	for _, status := range []int{204, 302, 500, 502, 503, 529} {
		refused("anything else", status, "")
	}
	return append(all, brokenFixtures()...)
}

// brokenFixtures are those of which the upstream says nothing.
func brokenFixtures() []fixture {
	const stream = "text/event-stream"
	return []fixture{
		{"a page", "200", answerWith(200, "text/html", "<html>hello</html>")},
		{"unreachable", "hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"connection lost", "reset", func(w http.ResponseWriter, _ *http.Request) { resetAfter(w, string(textChunk("Hi"))) }},
		{"cut short", "no end", answerWith(200, stream, string(textChunk("Hi")))},
		{"empty", "no words", answerWith(200, stream, "data: [DONE]\n\n")},
		{"garbled", "half an event", answerWith(200, stream, "data: {\"choices\":\n\n")},
		{"silent", "nothing comes", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // before that, a server does not notice who hangs up
			<-r.Context().Done()
		}},
	}
}

func answerWith(status int, media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// resetAfter sends a piece of a stream and breaks the connection as a crash would.
func resetAfter(w http.ResponseWriter, piece string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = w.Write([]byte(piece))
	_ = http.NewResponseController(w).Flush()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Each row of the table, and each name in it, has a fixture that it decides; and
// whatever an upstream answers is decided by the row that is meant.
func TestFailures(t *testing.T) {
	t.Parallel()
	classes, decided := map[string]upstream.Class{}, map[string]bool{}
	for _, row := range failures {
		if _, twice := classes[row.Name]; twice {
			t.Errorf("two rows are named %q", row.Name)
		}
		classes[row.Name] = row.Class
	}
	check := func(row, title string, failure *upstream.Failure) {
		if failure == nil || failure.Rule != row || failure.Class != classes[row] || failure.Message == "" {
			t.Errorf("%s: %v, not decided by %q", title, failure, row)
			return
		}
		decided[row], decided[row+" "+strings.ToLower(failure.Code)] = true, true
	}
	for _, f := range fixtures() {
		patience := "1m" // a busy machine takes its time
		if f.row == "silent" {
			patience = "50ms"
		}
		check(f.row, f.title, failureFrom(t, f.handler, patience))
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	check("hung up", "cancelled", failureWithin(gone, t))
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	check("late", "deadline", failureWithin(late, t))
	check("proxy", "a proxy that is dead", failureWith(t.Context(), t, map[string]string{"proxy": "http://" + freeport.MustAddr(t)}))
	for _, row := range failures {
		if !decided[row.Name] {
			t.Errorf("row %q has no fixture", row.Name)
		}
		for _, name := range row.Names {
			if row.Text == nil && !strings.HasPrefix(name, "(") && name != aboutModel && !decided[row.Name+" "+strings.TrimPrefix(name, aboutBaseResp)] {
				t.Errorf("row %q has no fixture for %s", row.Name, name)
			}
		}
	}
}

func failureFrom(t *testing.T, handler http.HandlerFunc, patience string) *upstream.Failure {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	driver := newTestDriver(t, server.URL, map[string]string{"first_byte_timeout": patience})
	defer driver.Close()
	_, failure := gather(t.Context(), t, driver, newTestCall(true))
	return failure
}

func failureWithin(ctx context.Context, t *testing.T) *upstream.Failure {
	t.Helper()
	return failureWith(ctx, t, nil)
}

// failureWith is that of a call to an upstream that is not there.
func failureWith(ctx context.Context, t *testing.T, settings map[string]string) *upstream.Failure {
	t.Helper()
	driver := newTestDriver(t, "http://127.0.0.1:1", settings)
	defer driver.Close()
	for _, err := range driver.Chat(ctx, newTestCall(true)) {
		if failure, ok := errors.AsType[*upstream.Failure](err); ok {
			return failure
		}
	}
	return nil
}

func TestWaitsInWords(t *testing.T) {
	t.Parallel()
	got := failureFrom(t, answerWith(429, "application/json",
		`{"error":{"message":"Rate limit reached for gpt-4o in organization org-x on requests per min (RPM). Please try again in 1m2.5s.","code":"rate_limit_exceeded"}}`), "1m")
	if !got.ModelOnly || got.RetryAfter != 62500*time.Millisecond {
		t.Errorf("got %+v", got)
	}
}
