package openai

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
)

// blocksOf renders an answer as the client of another dialect would see it.
func blocksOf(t *testing.T, events []chat.Event) string {
	t.Helper()
	var order upstreamtest.BlockOrder
	var seen strings.Builder
	kinds := map[chat.BlockKind]string{chat.TextBlock: "text", chat.ReasoningBlock: "thought", chat.CallBlock: "call", chat.RefusalBlock: "refusal", chat.OpaqueBlock: "opaque"}
	for _, event := range events {
		if err := order.Check(&event); err != nil {
			t.Error(err)
		}
		if open := event.Open; open != nil {
			kind := kinds[event.Kind]
			if open.Custom {
				kind = "custom"
			}
			fmt.Fprint(&seen, kind)
			if event.Kind == chat.CallBlock {
				id := open.ID
				if madeID.MatchString(id) {
					id = "made"
				}
				fmt.Fprintf(&seen, " %s %s", id, open.Name)
			}
			if open.Opaque != nil {
				fmt.Fprintf(&seen, " %s", open.Opaque.Type)
			}
			if open.Extra != nil {
				fmt.Fprintf(&seen, " %s", open.Extra.JSON)
			}
			fmt.Fprint(&seen, "(")
		}
		seen.WriteString(event.Text)
		if event.Close {
			seen.WriteString(")")
		}
		if seal := event.Seal; seal != nil {
			fmt.Fprintf(&seen, "[%s %s]", seal.Data, seal.Maker)
		}
		if event.Finish != chat.Unfinished {
			fmt.Fprintf(&seen, " %s", event.Finish)
		}
	}
	return seen.String()
}

// What a client of another dialect is given of answers in each form, by the traps that they
// are.
func TestAnswersInBlocks(t *testing.T) {
	t.Parallel()
	const (
		called = `{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`
		length = `{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}`
	)
	for name, test := range map[string]struct {
		chunks []string
		want   string
	}{
		"a refusal":                          {[]string{delta(`"refusal":"I "`), delta(`"refusal":"won't"`), finished}, "refusal(I won't) stop"},
		"a refusal in parts":                 {[]string{delta(`"content":[{"type":"refusal","refusal":"no"}]`), finished}, "refusal(no) stop"},
		"text, then a refusal":               {[]string{delta(`"content":"a","refusal":null`), delta(`"refusal":"no"`), finished}, "text(a)refusal(no) stop"},
		"all in one chunk (14)":              {[]string{delta(`"content":"a","reasoning_content":"h","tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]`), called}, "thought(h)text(a)call c f({}) tool_calls"},
		"the signature of a call (23)":       {[]string{calling(`{"index":0,"id":"c","type":"function","extra_content":{"google":{"thought_signature":"s"}},"x":null,"function":{"name":"f","arguments":"{}"}}`), called}, `call c f "extra_content":{"google":{"thought_signature":"s"}}({}) tool_calls`},
		"no id (60)":                         {[]string{calling(`{"index":0,"function":{"name":"f","arguments":"{}"}}`), called}, "call made f({}) tool_calls"},
		"empty ids and names later (60)":     {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":""}}`), calling(`{"index":0,"id":"","function":{"name":"","arguments":"{}"}}`), called}, "call c f({}) tool_calls"},
		"no index (60)":                      {[]string{calling(`{"id":"c","function":{"name":"f","arguments":"{}"}}`), calling(`{"id":"d","function":{"name":"g","arguments":"{}"}}`), called}, "call c f({})call d g({}) tool_calls"},
		"all under one index (60)":           {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}`), calling(`{"index":0,"id":"d","function":{"name":"g","arguments":"{}"}}`), called}, "call c f({})call d g({}) tool_calls"},
		"calls in turns (60)":                {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":"{"}},{"index":1,"id":"d","function":{"name":"g","arguments":"{"}}`), calling(`{"index":1,"function":{"arguments":"}"}},{"index":0,"function":{"arguments":"}"}}`), called}, "call c f({})call d g({}) tool_calls"},
		"no arguments (66)":                  {[]string{calling(`{"index":0,"id":"c","function":{"name":"f"}}`), called}, "call c f() tool_calls"},
		"a name in pieces (71)":              {[]string{calling(`{"index":0,"id":"c","function":{"name":"get"}}`), calling(`{"index":0,"function":{"name":"_ti"}}`), calling(`{"index":0,"function":{"name":"me","arguments":""}}`), calling(`{"index":0,"function":{"arguments":"{}"}}`), called}, "call c get_time({}) tool_calls"},
		"arguments that are an object":       {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":{"a":1}}}`), called}, `call c f({"a":1}) tool_calls`},
		"free text":                          {[]string{calling(`{"index":0,"id":"c","type":"custom","custom":{"name":"p","input":"{} "}}`), calling(`{"index":0,"custom":{"input":"go"}}`), called}, "custom c p({} go) tool_calls"},
		"an end within arguments (8)":        {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a\":"}}`), length}, `call c f({"a":) length`},
		"an end that is no call's (13)":      {[]string{delta(`"content":"a"`), called}, "text(a) tool_calls"},
		"a call's that is said as another's": {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}`), finished}, "call c f({}) stop"},
		"a call and an empty reason (12)":    {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}`), `{"choices":[{"index":0,"delta":{},"finish_reason":""}]}`}, "call c f({}) stop"},
		"a call and no reason (12)":          {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}`)}, "call c f({}) stop"},
		"empty arguments (66)":               {[]string{calling(`{"index":0,"id":"c","function":{"name":"f","arguments":""}}`), called}, "call c f() tool_calls"},
		"an empty list of calls (72)":        {[]string{delta(`"content":"a","tool_calls":[]`), finished}, "text(a) stop"},
		"a shortened name (40)":              {[]string{calling(`{"index":0,"id":"c","function":{"name":"` + upstream.NewToolNames(&chat.Request{}, maxToolName).Sent("mcp.tool") + `","arguments":"{}"}}`), called}, "call c mcp.tool({}) tool_calls"},
	} {
		call := newTestCall(true)
		call.Request.Source = chat.Source{Dialect: "other"}
		call.Request.Tools = []chat.ToolSpec{{Kind: chat.Function, Name: "mcp.tool"}}
		events, failure := gather(t.Context(), t, answering(t, "", eventsOf(append(test.chunks, "[DONE]")...)), call)
		if got := blocksOf(t, events); failure != nil || got != test.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, failure, test.want)
		}
	}
}

// Arguments of two megabytes in one event arrive whole, for clients of each dialect. Trap 70.
func TestALargeEvent(t *testing.T) {
	t.Parallel()
	arguments := `{"text":"` + strings.Repeat("x", 2<<20) + `"}`
	sent := calling(`{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":` + string(rawjson.AppendString(nil, arguments)) + `}}`)
	for _, client := range []string{dialect, "other"} {
		call := newTestCall(true)
		call.Request.Source.Dialect = client
		events, failure := gather(t.Context(), t, answering(t, "text/event-stream", eventsOf(sent, `{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, "[DONE]")), call)
		if failure != nil || blocksOf(t, events) != "call c f("+arguments+") tool_calls" || client == dialect && rawOf(events)[0] != sent {
			t.Errorf("for %s: %d events, %v", client, len(events), failure)
		}
	}
}

// A client of the same dialect gets the upstream's own words of what is wrong with its
// request, and of nothing else.
func TestRefusalsAreQuoted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		quoted bool
	}{
		"a wrong request":    {422, `{"error":{"message":"no","param":"stop","code":"bad","x":[1]}}`, true},
		"too large":          {400, `{"error":{"message":"no","code":"context_length_exceeded"}}`, true},
		"another form":       {400, `{"detail":[{"loc":["body","stop"],"msg":"no"}]}`, false},
		"half an object":     {400, `{"error":{"message":"no"`, false},
		"words":              {400, "no", false},
		"the key in it":      {400, `{"error":{"message":"` + testKey + `"}}`, false},
		"a key":              {401, `{"error":{"message":"no"}}`, false},
		"a limit":            {429, `{"error":{"message":"no"}}`, false},
		"an upstream at end": {500, `{"error":{"message":"no"}}`, false},
	} {
		failure := failWith(t, test.status, http.Header{"X-Request-Id": {"r"}}, test.body)
		quoted := string(failure.JSON) == test.body && failure.Dialect == dialect && len(failure.Header) == 1
		if quoted != test.quoted || !quoted && failure.JSON != nil {
			t.Errorf("%s: %q %q %v", name, failure.Dialect, failure.JSON, failure.Header)
		}
	}
}

// However a server says that the window is too small, it is one class, and its words with
// their numbers stay (37).
func TestOverflows(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"OpenAI":           `{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
		"vLLM":             `{"error":{"message":"This model's maximum context length is 8192 tokens. However, your request has 9000 input tokens.","type":"BadRequestError","param":null,"code":400}}`,
		"vLLM, flat":       `{"object":"error","message":"The decoder prompt (length 9000) is longer than the maximum model length of 8192.","type":"BadRequestError","param":null,"code":400}`,
		"llama.cpp":        `{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}`,
		"llama.cpp, apart": `{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}`,
		"vLLM, in parts":   `{"object":"error","message":"You passed 9000 input tokens and requested 512 output tokens. However, the model's context length is only 8192 tokens.","type":"BadRequestError","code":400}`,
		"Bedrock":          `{"message":"Input is too long: 9000 tokens, of 8192"}`,
		"llama.cpp, old":   `{"error":{"code":400,"message":"the request of 9000 tokens exceeds the available context size of 8192","type":"invalid_request_error"}}`,
		"SGLang":           `{"object":"error","message":"The input (9000 tokens) is longer than the model's context length (8192 tokens).","type":"BadRequestError","code":400}`,
		"xAI":              `{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 8192 but the request contains 9000 tokens."}`,
		"Gemini":           `[{"error":{"code":400,"message":"The input token count (9000) exceeds the maximum number of tokens allowed (8192).","status":"INVALID_ARGUMENT"}}]`,
		"words, and more":  `prompt is too long: 9000 tokens > 8192 maximum`,
	} {
		failure := failWith(t, 400, nil, body)
		if failure.Class != upstream.TooLarge || !strings.Contains(failure.Message, "9000") || !strings.Contains(failure.Message, "8192") {
			t.Errorf("%s: %v", name, failure)
		}
	}
	if failure := failWith(t, 400, nil, `{"error":{"message":"'stop' must not exceed 4 texts of any length"}}`); failure.Class != upstream.CallerFault {
		t.Errorf("another length: %v", failure)
	}
}

// An error's words may be an object of their own, as Mistral's are.
func TestWordsInAnObject(t *testing.T) {
	t.Parallel()
	failure := failWith(t, 422, nil, `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","user"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"}`)
	if failure.Class != upstream.CallerFault || failure.Message != "Extra inputs are not permitted" || failure.Param != "user" || failure.Type != "invalid_request_error" {
		t.Errorf("%v, about %q", failure, failure.Param)
	}
}
