package upstreamsim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask is a request's body.
func ask(model, text string, stream bool) map[string]any {
	return map[string]any{
		"model": model, "stream": stream,
		"messages": []map[string]any{{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}},
	}
}

func openAIRequest(ctx context.Context, t testing.TB, base, token string, body any) *http.Request {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions", bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// choice is what tests read of a chunk's or an object's choice.
type choice struct {
	Index          int
	Delta, Message struct {
		Role             string
		Content          string
		Refusal          string
		Reasoning        string
		ReasoningContent string `json:"reasoning_content"`
		ToolCalls        []struct {
			Index    int
			ID       string
			Type     string
			Function struct{ Name, Arguments string }
			Custom   struct{ Name, Input string }
		} `json:"tool_calls"`
	}
	FinishReason string `json:"finish_reason"`
}

type completion struct {
	ID, Object, Model string
	Created           int64
	Fingerprint       string `json:"system_fingerprint"`
	Choices           []choice
	Usage             *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`

		PromptDetails struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		Details struct {
			Reasoning int `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	}
	Error *apiError
}

func decodeObject(t *testing.T, raw []byte) completion {
	t.Helper()
	var object completion
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return object
}

// stream is a decoded event stream.
type stream struct {
	chunks  []completion
	content string
	thought string
	texts   int // chunks with content
	finish  string
	garbage []string // data that is not JSON
	done    bool
	rest    string // after the last complete event
}

func decodeEvents(t *testing.T, raw string) stream {
	t.Helper()
	var got stream
	raw = strings.ReplaceAll(raw, "\r\n", "\n")
	for event, rest, found := strings.Cut(raw, "\n\n"); ; event, rest, found = strings.Cut(rest, "\n\n") {
		if !found {
			got.rest = event
			return got
		}
		lines := bufio.NewScanner(strings.NewReader(event))
		for lines.Scan() {
			data, isData := strings.CutPrefix(lines.Text(), "data:")
			if !isData {
				continue
			}
			data = strings.TrimPrefix(data, " ")
			if data == "[DONE]" {
				got.done = true
				continue
			}
			var chunk completion
			if json.Unmarshal([]byte(data), &chunk) != nil {
				got.garbage = append(got.garbage, data)
				continue
			}
			got.add(chunk)
		}
	}
}

func (s *stream) add(chunk completion) {
	s.chunks = append(s.chunks, chunk)
	for _, choice := range chunk.Choices {
		s.content += choice.Delta.Content
		s.thought += choice.Delta.ReasoningContent
		if choice.Delta.Content != "" {
			s.texts++
		}
		if choice.FinishReason != "" {
			s.finish = choice.FinishReason
		}
	}
}

func (s *stream) usages() int {
	count := 0
	for _, chunk := range s.chunks {
		if chunk.Usage != nil {
			count++
		}
	}
	return count
}

func TestOpenAIExactBytes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	const chunk = `data: {"id":"chatcmpl-sim0000000000000001","object":"chat.completion.chunk","created":1700000000,` +
		`"model":"gpt-4o-2026-01-01","system_fingerprint":"fp_sim0000001","choices":[`
	const usage = `{"prompt_tokens":16,"completion_tokens":1,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}`
	for name, test := range map[string]struct {
		stream, usage bool
		want          []string
	}{
		"object": {false, false, []string{
			`{"id":"chatcmpl-sim0000000000000001","object":"chat.completion","created":1700000000,"model":"gpt-4o-2026-01-01",` +
				`"choices":[{"index":0,"message":{"role":"assistant","content":"\"a\\b\"\n\u0001","refusal":null,"annotations":[]},` +
				`"logprobs":null,"finish_reason":"stop"}],"usage":` + usage + `,"service_tier":"default","system_fingerprint":"fp_sim0000001"}`,
		}},
		"stream": {true, false, []string{
			chunk + `{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}` + "\n\n",
			chunk + `{"index":0,"delta":{"content":"\"a\\b\"\n\u0001"},"logprobs":null,"finish_reason":null}]}` + "\n\n",
			chunk + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}` + "\n\n",
			"data: [DONE]\n\n",
		}},
		"stream with usage": {true, true, []string{
			chunk + `{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n",
			chunk + `{"index":0,"delta":{"content":"\"a\\b\"\n\u0001"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n",
			chunk + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}` + "\n\n",
			chunk + `],"usage":` + usage + "}\n\n",
			"data: [DONE]\n\n",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := ask("gpt-4o", "\"a\\b\"\n\x01", test.stream)
			if test.usage {
				body["stream_options"] = map[string]bool{"include_usage": true}
			}
			r := record(New(Options{Now: func() time.Time { return now }}), openAIRequest(t.Context(), t, "http://sim", "sk-1", body))
			got := r.flushed
			if !test.stream {
				got = []string{string(r.all())}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, ""), strings.Join(test.want, ""))
			}
		})
	}
}

// TestOpenAIAnswers is about the answers that are successes, both ways.
func TestOpenAIAnswers(t *testing.T) {
	t.Parallel()
	plain := func(model string) string {
		raw, _ := json.Marshal(ask(model, hello, false))
		return string(raw)
	}
	streamed := func(model string) string {
		raw, _ := json.Marshal(ask(model, hello, true))
		return string(raw)
	}
	for model, test := range map[string]struct {
		object, stream string
		finish         string
		check          func(t *testing.T, r *recorder, got stream)
	}{
		"gpt-4o":            {hello, hello, "stop", nil},
		"sim-echo":          {hello, hello, "stop", nil},
		"openai/sim-echo":   {hello, hello, "stop", nil},
		"sim-delay-1":       {hello, hello, "stop", nil},
		"sim-slow":          {hello, hello, "stop", nil},
		"sim-count-50":      {CountText(50), CountText(50), "stop", func(t *testing.T, _ *recorder, got stream) { wantCount(t, make([]string, got.texts), 50) }},
		"sim-unicode":       {UnicodeText(), UnicodeText(), "stop", nil},
		"sim-one-write":     {hello, hello, "stop", func(t *testing.T, r *recorder, _ stream) { wantCount(t, r.flushed, 1) }},
		"sim-split-bytes":   {hello, hello, "stop", func(t *testing.T, r *recorder, _ stream) { wantCount(t, r.flushed, len(r.all())) }},
		"echo-request":      {plain("echo-request"), streamed("echo-request"), "stop", nil},
		"sim-echo-request":  {plain("sim-echo-request"), streamed("sim-echo-request"), "stop", nil},
		"tool-call":         {hello, hello, "stop", nil}, // without tools
		"sim-finish-length": {hello, hello, "length", nil},
		"sim-empty":         {"", "", "stop", nil},
		"sim-no-usage":      {hello, hello, "stop", func(t *testing.T, _ *recorder, got stream) { wantCount(t, make([]string, got.usages()), 0) }},
		"sim-usage-always": {hello, hello, "stop", func(t *testing.T, _ *recorder, got stream) {
			if last := got.chunks[len(got.chunks)-1]; last.Usage == nil || len(last.Choices) != 1 {
				t.Errorf("the last chunk is %+v", last)
			}
		}},
		"sim-reasoning": {hello, hello, "stop", func(t *testing.T, _ *recorder, got stream) {
			if got.thought != "Thinking about it." {
				t.Errorf("thought %q", got.thought)
			}
		}},
		"sim-sse-crlf":     {hello, hello, "stop", func(t *testing.T, r *recorder, _ stream) { wantPart(t, r, "}\r\n\r\ndata: [DONE]\r\n\r\n") }},
		"sim-sse-no-space": {hello, hello, "stop", func(t *testing.T, r *recorder, _ stream) { wantPart(t, r, "}\n\ndata:[DONE]\n\n") }},
		"sim-sse-comments": {hello, hello, "stop", func(t *testing.T, r *recorder, _ stream) {
			wantPart(t, r, ": still here\n\nevent: message\nid: 1\ndata: [DONE]\n\n")
		}},
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{SlowInterval: time.Nanosecond})
			r := record(sim, openAIRequest(t.Context(), t, "http://sim", "sk-1", ask(model, hello, false)))
			object := decodeObject(t, r.all())
			if object.Choices[0].Message.Content != test.object || object.Choices[0].FinishReason != test.finish || object.Model != model+ModelSuffix {
				t.Errorf("object: got %+v", object)
			}
			if (object.Usage == nil) != (model == "sim-no-usage") {
				t.Errorf("usage: %+v", object.Usage)
			}

			r = record(sim, openAIRequest(t.Context(), t, "http://sim", "sk-1", ask(model, hello, true)))
			if r.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
				t.Errorf("got %v", r.header)
			}
			got := decodeEvents(t, string(r.all()))
			if got.content != test.stream || got.finish != test.finish || !got.done || len(got.garbage) > 0 || got.rest != "" {
				t.Errorf("stream: got %+v", got)
			}
			if test.check != nil {
				test.check(t, r, got)
			}
			noViolations(t, sim)
			if counts := sim.Ledger().Models[model]; counts != (Counts{Requests: 2, MaxInFlight: 1, Completed: 2}) {
				t.Errorf("counts: %+v", counts)
			}
		})
	}
}

func wantPart(t *testing.T, r *recorder, part string) {
	t.Helper()
	if !strings.Contains(string(r.all()), part) {
		t.Errorf("no %q in %q", part, r.all())
	}
}

// TestOpenAIBrokenStreams is about streams that must not be taken for complete.
func TestOpenAIBrokenStreams(t *testing.T) {
	t.Parallel()
	_, server := serving(t, Options{})
	for model, check := range map[string]func(r received, got stream) bool{
		"sim-error-after-text": func(r received, got stream) bool {
			last := got.chunks[len(got.chunks)-1]
			return r.err == nil && got.content == hello && last.Error != nil && last.Error.Type == "server_error" && !got.done
		},
		"sim-eof-mid-frame": func(r received, got stream) bool {
			return r.err == nil && got.content == hello && got.rest != "" && !got.done
		},
		"sim-eof-no-trailer": func(r received, got stream) bool {
			return r.err == nil && got.content == hello && got.finish == "" && !got.done
		},
		"sim-eof-no-done": func(r received, got stream) bool {
			return r.err == nil && got.content == hello && got.finish == "stop" && !got.done
		},
		"sim-garbage": func(r received, got stream) bool { return r.err == nil && len(got.garbage) == 1 && got.done },
		"sim-cut": func(r received, got stream) bool {
			return errors.Is(r.err, io.ErrUnexpectedEOF) && got.content == hello
		},
		"sim-reset": func(r received, _ stream) bool {
			return errors.Is(r.err, syscall.ECONNRESET) && r.status == http.StatusOK
		},
		"sim-reset-first": func(r received, _ stream) bool { return r.err != nil && r.status == 0 },
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			r := roundTrip(t, server, openAIRequest(deadline(t), t, server.URL, "sk-1", ask(model, hello, true)))
			if got := decodeEvents(t, string(r.body)); !check(r, got) {
				t.Errorf("got %d %v: %s", r.status, r.err, r.body)
			}
		})
	}
}

// TestOpenAIBrokenObjects is the same without a stream.
func TestOpenAIBrokenObjects(t *testing.T) {
	t.Parallel()
	_, server := serving(t, Options{})
	half := func(r received) bool {
		return r.err == nil && r.status == http.StatusOK && len(r.body) > 50 && !json.Valid(r.body)
	}
	for model, check := range map[string]func(received) bool{
		"sim-error-after-text": func(r received) bool { return r.status == http.StatusInternalServerError && json.Valid(r.body) },
		"sim-eof-mid-frame":    half,
		"sim-eof-no-trailer":   half,
		"sim-eof-no-done":      half,
		"sim-garbage":          func(r received) bool { return r.err == nil && string(r.body) == `{"id": what` },
		"sim-cut":              func(r received) bool { return errors.Is(r.err, io.ErrUnexpectedEOF) },
		"sim-reset":            func(r received) bool { return errors.Is(r.err, syscall.ECONNRESET) },
		"sim-reset-first":      func(r received) bool { return r.err != nil && r.status == 0 },
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			if r := roundTrip(t, server, openAIRequest(deadline(t), t, server.URL, "sk-1", ask(model, hello, false))); !check(r) {
				t.Errorf("got %d %v: %s", r.status, r.err, r.body)
			}
		})
	}
}

func TestOpenAIOversized(t *testing.T) {
	t.Parallel()
	_, server := serving(t, Options{})
	for _, streamed := range []bool{false, true} {
		response, err := server.Client().Do(openAIRequest(deadline(t), t, server.URL, "sk-1", ask("sim-oversized", hello, streamed)))
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 1<<20)
		_, err = io.ReadFull(response.Body, head)
		_ = response.Body.Close()
		if err != nil || !bytes.HasSuffix(head, bytes.Repeat([]byte("A"), 1<<19)) {
			t.Errorf("got %v", err)
		}
	}
}

func TestOpenAIHeartbeats(t *testing.T) {
	t.Parallel()
	_, server := serving(t, Options{Heartbeat: time.Millisecond})
	for streamed, want := range map[bool]string{true: ": keep-alive\n\n: keep-alive\n\n", false: "\n\n\n\n"} {
		response, err := server.Client().Do(openAIRequest(deadline(t), t, server.URL, "sk-1", ask("sim-heartbeat-only", hello, streamed)))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		_, err = io.ReadFull(response.Body, got)
		_ = response.Body.Close()
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestOpenAIHTTPStatuses(t *testing.T) {
	t.Parallel()
	for model, test := range map[string]struct {
		status               int
		kind, code, retryAft string
	}{
		"sim-http-400":             {400, "invalid_request_error", "", ""},
		"sim-http-401":             {401, "invalid_request_error", "invalid_api_key", ""},
		"sim-http-402":             {402, "unknown_error", "invalid_request_error", ""},
		"sim-http-403":             {403, "request_forbidden", "unsupported_country_region_territory", ""},
		"sim-http-404":             {404, "invalid_request_error", "model_not_found", ""},
		"sim-http-429":             {429, "requests", "rate_limit_exceeded", "2"},
		"sim-http-429-quota":       {429, "insufficient_quota", "insufficient_quota", "2"},
		"sim-http-500":             {500, "server_error", "", ""},
		"sim-http-503":             {503, "server_error", "", "2"},
		"sim-http-418":             {418, "invalid_request_error", "", ""},
		"sim-error-context-length": {400, "invalid_request_error", "context_length_exceeded", ""},
		"sim-no-such-scenario":     {404, "invalid_request_error", "model_not_found", ""},
		"sim-error-10":             {404, "invalid_request_error", "model_not_found", ""},
	} {
		for _, streamed := range []bool{false, true} {
			r := record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", ask(model, hello, streamed)))
			failure := decodeObject(t, r.all()).Error
			if failure == nil {
				t.Fatalf("%s: %s", model, r.all())
			}
			code := ""
			if failure.Code != nil {
				code = *failure.Code
			}
			if r.status != test.status || failure.Type != test.kind || code != test.code || r.header.Get("Retry-After") != test.retryAft || failure.Message == "" {
				t.Errorf("%s: got %d %v %+v", model, r.status, r.header, failure)
			}
		}
	}
	r := record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", ask("sim-http-502-html", hello, true)))
	if r.status != http.StatusBadGateway || !strings.HasPrefix(string(r.all()), "<!DOCTYPE html>") {
		t.Errorf("got %d %s", r.status, r.all())
	}
	r = record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", ask("sim-http-500-empty", hello, true)))
	if r.status != http.StatusInternalServerError || len(r.all()) > 0 {
		t.Errorf("got %d %s", r.status, r.all())
	}
}

func TestOpenAIKeys(t *testing.T) {
	t.Parallel()
	demo := DemoTokens().OpenAI[0]
	for name, test := range map[string]struct {
		token  string
		only   []string
		status int
	}{
		"any":     {"sk-1", nil, http.StatusOK},
		"known":   {demo, []string{demo}, http.StatusOK},
		"unknown": {"sk-1", []string{demo}, http.StatusUnauthorized},
		"none":    {"", nil, http.StatusUnauthorized},
	} {
		sim := New(Options{Tokens: test.only})
		chat := openAIRequest(t.Context(), t, "http://sim", test.token, ask("gpt-4o", hello, true))
		models, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sim/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		models.Header = chat.Header
		for _, request := range []*http.Request{chat, models} {
			r := record(sim, request)
			if r.status != test.status && (r.status != 0 || test.status != http.StatusOK) {
				t.Errorf("%s: %s answered %d", name, request.URL.Path, r.status)
			}
		}
		noViolations(t, sim)
	}
}

func TestOpenAIRefusesBadRequests(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, contentType, body, want string
	}{
		"method":       {http.MethodGet, "application/json", `{}`, "the method is GET"},
		"content type": {http.MethodPost, "text/plain", `{}`, "content-type"},
		"JSON":         {http.MethodPost, "application/json", `{"model":`, "could not parse the JSON"},
		"no model":     {http.MethodPost, "application/json", `{"messages":[{"role":"user","content":"x"}]}`, "model parameter"},
		"no messages":  {http.MethodPost, "application/json; charset=utf-8", `{"model":"m","messages":[]}`, "messages"},
		"content":      {http.MethodPost, "application/json", `{"model":"m","messages":[{"role":"user","content":1}]}`, "'messages[0].content': expected one of a string or array of objects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			request, err := http.NewRequestWithContext(t.Context(), test.method, "http://sim/v1/chat/completions", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", test.contentType)
			request.Header.Set("Authorization", "Bearer sk-1")
			r := record(sim, request)
			failure := decodeObject(t, r.all()).Error
			if r.status != http.StatusBadRequest || failure == nil || !strings.Contains(failure.Message, test.want) {
				t.Errorf("got %d %s", r.status, r.all())
			}
			if violations := sim.Ledger().Violations; len(violations) != 1 || violations[0].API != OpenAI {
				t.Errorf("the ledger has %+v", violations)
			}
		})
	}
}

func TestOpenAIContentForms(t *testing.T) {
	t.Parallel()
	for want, messages := range map[string]string{
		"one\ntwo": `[{"role":"user","content":[{"type":"text","text":"one"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"text","text":"two"}]}]`,
		"first":    `[{"role":"user","content":"first"},{"role":"assistant","content":""},{"role":"user","content":""}]`,
		"last":     `[{"role":"user","content":"first"},{"role":"user","content":"last"},{"role":"assistant","content":"answer"}]`,
		NoText:     `[{"role":"system","content":"x"}]`,
	} {
		body := json.RawMessage(`{"model":"gpt-4o","n":3,"messages":` + messages + `}`)
		object := decodeObject(t, record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", body)).all())
		if len(object.Choices) != 3 || object.Choices[0].Message.Content != want || object.Choices[2].Message.Content != want {
			t.Errorf("got %+v, want %q", object, want)
		}
	}
}

func TestOpenAIToolCalls(t *testing.T) {
	t.Parallel()
	body := ask("tool-call", hello, false)
	body["tools"] = json.RawMessage(`[{"type":"function","function":{"name":"one"}},{"type":"function","function":{"name":"two"}},{"type":"function","function":{"name":"three"}}]`)
	wantArguments, err := json.Marshal(map[string]string{"text": hello})
	if err != nil {
		t.Fatal(err)
	}
	object := decodeObject(t, record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", body)).all())
	calls := object.Choices[0].Message.ToolCalls
	if object.Choices[0].FinishReason != "tool_calls" || len(calls) != 2 || calls[0].ID == calls[1].ID {
		t.Fatalf("got %+v", object)
	}
	body["stream"] = true
	got := decodeEvents(t, string(record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", body)).all()))
	var names, arguments [2]string
	for _, chunk := range got.chunks {
		for _, call := range chunk.Choices[0].Delta.ToolCalls {
			names[call.Index] += call.Function.Name
			arguments[call.Index] += call.Function.Arguments
		}
	}
	for i, name := range []string{"one", "two"} {
		if calls[i].Function.Name != name || calls[i].Function.Arguments != string(wantArguments) || calls[i].Type != "function" {
			t.Errorf("object: %+v", calls[i])
		}
		if names[i] != name || arguments[i] != string(wantArguments) {
			t.Errorf("stream: %s(%s)", names[i], arguments[i])
		}
	}
	if got.finish != "tool_calls" || !got.done || got.content != "" {
		t.Errorf("stream: %+v", got)
	}

	body["stream"] = false
	body["messages"] = json.RawMessage(`[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"one","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"a","content":"the result"}]`)
	object = decodeObject(t, record(New(Options{}), openAIRequest(t.Context(), t, "http://sim", "sk-1", body)).all())
	if object.Choices[0].Message.Content != "the result" {
		t.Errorf("after a tool's result: %+v", object)
	}
}

func TestOpenAIModels(t *testing.T) {
	t.Parallel()
	sim := New(Options{Models: []string{"one", "maker/two"}})
	get := func(path string) *recorder {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sim"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer sk-1")
		return record(sim, request)
	}
	var list struct {
		Object string
		Data   []modelObject
	}
	if err := json.Unmarshal(get("/v1/models").all(), &list); err != nil {
		t.Fatal(err)
	}
	if list.Object != "list" || list.Data[0] != newModel("one") || !slices.Contains(list.Data, newModel("sim-hold")) {
		t.Errorf("got %+v", list)
	}
	for id, found := range map[string]bool{"one": true, "maker/two": true, "sim-count-50": true, "sim-http-429": true, "three": false, "sim-nothing": false} {
		r := get("/v1/models/" + id)
		if found != (r.status == 0) || !found && r.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", id, r.status, r.all())
		}
	}
}
