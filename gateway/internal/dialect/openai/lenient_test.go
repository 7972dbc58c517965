package openai_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/upstream"
	anthropicdriver "carousel.internal/gateway/internal/upstream/anthropic"
	openaidriver "carousel.internal/gateway/internal/upstream/openai"
)

// What today's clients send that strict servers reject. An upstream of the same API gets it
// byte for byte; one of another gets what it means.
func TestWhatClientsSend(t *testing.T) {
	t.Parallel()
	const hi = `"messages":[{"role":"user","content":"Hi"}]`
	const sentHi = `"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]`
	const sentCall = `{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r"}]}]}`
	const named = `,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"none"}` // tools of the history
	history := func(assistant string) string {
		return `"messages":[{"role":"user","content":"Hi"},` + assistant + `,{"role":"user","content":"Go on"}]`
	}
	spoken := func(blocks string) string {
		return `"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[` + blocks + `]},{"role":"user","content":[{"type":"text","text":"Go on"}]}]`
	}
	called := func(call, result string) string {
		return `"messages":[{"role":"user","content":"Hi"},{"role":"assistant",` + call + `},` + result + `]`
	}
	const result = `{"role":"tool","tool_call_id":"c","content":"r"}`
	question := func(parts string) string { return `"messages":[{"role":"user","content":[` + parts + `]}]` }
	tool := func(definition, choice string) string { return hi + `,"tools":[` + definition + `]` + choice }
	function := `{"type":"function","function":{"name":"f"}}`
	const sentTool = sentHi + `,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]`
	const png = "iVBORw0KGgoAAAANSUhEUg=="
	const sentPNG = `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + png + `"}}`

	tests := map[string]struct {
		fields string    // of the request, without the model
		sent   string    // what an upstream of another API is sent, without model and an output limit of its own
		need   chat.Need // or what keeps it from being sent there
	}{
		"developer":                                   {fields: `"messages":[{"role":"developer","content":"Be brief"},{"role":"user","content":"Hi"}]`, sent: `"system":[{"type":"text","text":"Be brief"}],` + sentHi},
		"functions and function_call":                 {fields: hi + `,"functions":[{"name":"f","parameters":{"type":"object"}}],"function_call":{"name":"f"}`, sent: sentHi + `,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}`},
		"role function":                               {fields: called(`"content":null,"function_call":{"name":"f","arguments":"{}"}`, `{"role":"function","name":"f","content":"r"}`), sent: `"messages":[` + strings.ReplaceAll(sentCall, `"c"`, `"f"`) + `]` + named},
		"role function, after a call with an id":      {fields: called(`"tool_calls":[{"id":"c","function":{"name":"f"}}]`, `{"role":"function","name":"f","content":"r"}`), sent: `"messages":[` + sentCall + `]` + named},
		"assistant content null with calls":           {fields: called(`"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]`, result), sent: `"messages":[` + sentCall + `]` + named},
		"trap 27: assistant content empty with calls": {fields: called(`"content":"","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]`, result), sent: `"messages":[` + sentCall + `]` + named},
		"assistant content missing with a refusal":    {fields: history(`{"role":"assistant","refusal":"No."}`), sent: spoken(`{"type":"text","text":"No."}`)},
		"a bare assistant":                            {fields: `"messages":[{"role":"user","content":"Hi"},{"role":"assistant"}]`, sent: sentHi},
		"an assistant of nothing":                     {fields: `"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":""}]`, sent: sentHi},
		"empty lists and texts":                       {fields: `"messages":[{"role":"system","content":[]},{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"Hi"}]},{"role":"assistant","content":[]}],"tools":[],"stop":[]`, sent: sentHi},
		"assistant content in parts":                  {fields: history(`{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"refusal","refusal":"b"}]}`), sent: spoken(`{"type":"text","text":"a"},{"type":"text","text":"b"}`)},
		"a tool's content in parts":                   {fields: called(`"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]`, `{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"r"}]}`), sent: `"messages":[` + sentCall + `]` + named},
		"trap 25: an image in a tool's content":       {fields: called(`"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]`, `{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"r"},{"type":"image_url","image_url":{"url":"data:image/png;base64,`+png+`"}}]}`), sent: `"messages":[` + strings.Replace(sentCall, `"text":"r"}`, `"text":"r"},`+sentPNG, 1) + `]` + named},
		"a tool with nothing to say":                  {fields: called(`"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]`, `{"role":"tool","tool_call_id":"c","content":null}`), sent: `"messages":[` + strings.Replace(sentCall, `,"content":[{"type":"text","text":"r"}]}`, `}`, 1) + `]` + named},
		"names of messages":                           {fields: `"messages":[{"role":"user","name":"ann","content":"Hi"}]`, sent: sentHi},
		"thoughts without a seal":                     {fields: history(`{"role":"assistant","reasoning_content":"hm","reasoning":"hm","reasoning_signature":"s","reasoning_details":[{"type":"reasoning.text","text":"hm"}],"content":"a"}`), sent: spoken(`{"type":"text","text":"a"}`)},
		"thinking_blocks":                             {fields: history(`{"role":"assistant","reasoning_content":"hm","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"t"}],"content":"a"}`), sent: spoken(`{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"t"},{"type":"text","text":"a"}`)},
		"trap 20: thinking_blocks of another maker":   {fields: history(`{"role":"assistant","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"carousel:openai:x"}],"content":"a"}`), sent: spoken(`{"type":"text","text":"a"}`)},
		"extra members of calls":                      {fields: called(`"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}","x":1},"extra_content":{"google":{"thought_signature":"s"}}}]`, result), sent: `"messages":[` + sentCall + `]` + named},
		"trap 66: arguments empty":                    {fields: called(`"tool_calls":[{"id":"c","function":{"name":"f","arguments":""}}]`, result), sent: `"messages":[` + sentCall + `]` + named},
		"arguments as an object":                      {fields: called(`"tool_calls":[{"id":"c","function":{"name":"f","arguments":{"b":1,"a":2}}}]`, result), sent: `"messages":[` + strings.Replace(sentCall, `"input":{}`, `"input":{"b":1,"a":2}`, 1) + `]` + named},
		"trap 60: calls without ids, or with the same": {
			fields: `"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}},{"id":"c","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"c","content":"1"},{"role":"tool","tool_call_id":"c","content":"2"},` +
				`{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"c","content":"3"}]`,
			sent: `"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}},{"type":"tool_use","id":"c_1","name":"f","input":{}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"1"}]},{"type":"tool_result","tool_use_id":"c_1","content":[{"type":"text","text":"2"}]}]},` +
				`{"role":"assistant","content":[{"type":"tool_use","id":"c_2","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c_2","content":[{"type":"text","text":"3"}]}]}]` + named,
		},
		"an image as an object":           {fields: question(`{"type":"image_url","image_url":{"url":"data:image/png;base64,` + png + `","detail":"high"}}`), sent: `"messages":[{"role":"user","content":[` + sentPNG + `]}]`},
		"an image as a text":              {fields: question(`{"type":"image_url","image_url":"https://x.example/a.png"}`), sent: `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}]}]`},
		"an image without a media type":   {fields: question(`{"type":"image_url","image_url":{"url":"data:;base64,` + png + `","detail":null}}`), sent: `"messages":[{"role":"user","content":[` + sentPNG + `]}]`},
		"audio":                           {fields: question(`{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}`), need: chat.Sounds},
		"a file":                          {fields: question(`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}`), sent: `"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"a.pdf"}]}]`},
		"a file by id":                    {fields: question(`{"type":"file","file":{"file_id":"f-1"}}`), need: chat.FileIDs},
		"video":                           {fields: question(`{"type":"video_url","video_url":{"url":"https://x.example/v"}}`), need: chat.Content},
		"marks for caches on parts":       {fields: question(`{"type":"text","text":"Hi","cache_control":{"type":"ephemeral","ttl":"1h"}}`), sent: `"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]`},
		"parts of the Responses API":      {fields: question(`{"type":"input_text","text":"Hi"},{"type":"input_image","image_url":"https://x.example/a.png"}`), sent: `"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}]}]`},
		"trap 63: both limits":            {fields: hi + `,"max_completion_tokens":7,"max_tokens":9`, sent: `"max_tokens":7,` + sentHi},
		"the old limit":                   {fields: hi + `,"max_tokens":9`, sent: `"max_tokens":9,` + sentHi},
		"stream_options without a stream": {fields: hi + `,"stream_options":{"include_usage":true}`, sent: sentHi},
		"reasoning_effort":                {fields: hi + `,"reasoning_effort":"high"`, sent: sentHi + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}`},
		"reasoning":                       {fields: hi + `,"reasoning":{"max_tokens":2000}`, sent: sentHi + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`},
		"thinking":                        {fields: hi + `,"thinking":{"type":"enabled","budget_tokens":20000}`, sent: sentHi + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}`},
		"enable_thinking":                 {fields: hi + `,"enable_thinking":true`, sent: sentHi + `,"thinking":{"type":"adaptive"}`},
		"chat_template_kwargs":            {fields: hi + `,"reasoning_effort":"low","chat_template_kwargs":{"enable_thinking":false}`, sent: sentHi},
		"verbosity and what is left of extra_body": {fields: hi + `,"verbosity":"low","extra_body":{"x":1},"invented":[1e400]`, sent: sentHi},
		"temperatures above 1":                     {fields: hi + `,"temperature":1.5`, sent: sentHi + `,"temperature":1`},
		"a tool without parameters":                {fields: tool(function, ``), sent: sentTool},
		"parameters null":                          {fields: tool(`{"type":"function","function":{"name":"f","parameters":null,"strict":null}}`, ``), sent: sentTool},
		"parameters empty":                         {fields: tool(`{"type":"function","function":{"name":"f","parameters":{}}}`, ``), sent: sentTool},
		"a flat tool":                              {fields: tool(`{"type":"function","name":"f","description":"d","parameters":{"type":"object","b":1,"a":2}}`, ``), sent: sentHi + `,"tools":[{"name":"f","description":"d","input_schema":{"type":"object","b":1,"a":2}}]`},
		"a custom tool":                            {fields: tool(`{"type":"custom","custom":{"name":"f"}}`, ``), sent: sentHi + `,"tools":[{"name":"f","input_schema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}]`},
		"a tool that its maker runs":               {fields: tool(`{"type":"web_search"}`, ``), need: chat.HostedTools},
		"tool_choice none":                         {fields: tool(function, `,"tool_choice":"none"`), sent: sentTool + `,"tool_choice":{"type":"none"}`},
		"tool_choice any":                          {fields: tool(function, `,"tool_choice":"any"`), sent: sentTool + `,"tool_choice":{"type":"any"}`},
		"tool_choice as an object of a word":       {fields: tool(function, `,"tool_choice":{"type":"auto"}`), sent: sentTool + `,"tool_choice":{"type":"auto"}`},
		"tool_choice named":                        {fields: tool(function, `,"tool_choice":{"type":"function","function":{"name":"f"}}`), sent: sentTool + `,"tool_choice":{"type":"tool","name":"f"}`},
		"tool_choice named, flat":                  {fields: tool(function, `,"tool_choice":{"type":"function","name":"f"}`), sent: sentTool + `,"tool_choice":{"type":"tool","name":"f"}`},
		"tool_choice allowed_tools":                {fields: tool(function+`,{"type":"function","function":{"name":"g"}},{"type":"function","function":{"name":"h"}}`, `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}}`), sent: sentHi + `,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}},{"name":"g","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"any"}`},
		"tool_choice of a hosted tool":             {fields: tool(function, `,"tool_choice":{"type":"web_search"}`), need: chat.Unclear},
		"parallel_tool_calls":                      {fields: tool(function, `,"parallel_tool_calls":false`), sent: sentTool + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`},
		"response_format text":                     {fields: hi + `,"response_format":{"type":"text"}`, sent: sentHi},
		"response_format json_schema":              {fields: hi + `,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"}},"required":["b","a"],"additionalProperties":false}}}`, sent: sentHi + `,"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"}},"required":["b","a"],"additionalProperties":false}}}`},
		"several choices":                          {fields: hi + `,"n":2`, need: chat.Choices},
		"logprobs":                                 {fields: hi + `,"logprobs":true`, need: chat.LogProbs},
		"seed and penalties":                       {fields: hi + `,"seed":1,"presence_penalty":0,"frequency_penalty":0,"logit_bias":{"5":1},"n":1,"logprobs":false`, sent: sentHi},
		"who asks, and notes":                      {fields: hi + `,"user":"u","safety_identifier":"s","metadata":{"a":"b"},"store":true,"service_tier":"auto","prompt_cache_key":"k","prompt_cache_retention":"24h"`, sent: sentHi + `,"metadata":{"user_id":"u"}`},
		"an answer in sounds":                      {fields: hi + `,"modalities":["text","audio"],"audio":{"voice":"v"}`, need: chat.Media},
		"moderation":                               {fields: hi + `,"moderation":{"x":1}`, sent: sentHi},
		"trap 10: stop as a text":                  {fields: hi + `,"stop":"END"`, sent: sentHi + `,"stop_sequences":["END"]`},
		"stop as a list":                           {fields: hi + `,"stop":["a","b"]`, sent: sentHi + `,"stop_sequences":["a","b"]`},
		"null for all that is optional": {
			fields: `"messages":[{"role":"user","name":null,"content":"Hi","tool_calls":null,"tool_call_id":null,"function_call":null,"refusal":null,"audio":null,"reasoning_content":null,"thinking_blocks":null,"reasoning_details":null}],` +
				`"stream":null,"stream_options":null,"max_tokens":null,"max_completion_tokens":null,"temperature":null,"top_p":null,"tools":null,"tool_choice":null,"functions":null,"function_call":null,"parallel_tool_calls":null,` +
				`"response_format":null,"reasoning_effort":null,"reasoning":null,"thinking":null,"verbosity":null,"n":null,"stop":null,"seed":null,"user":null,"metadata":null,"store":null,"service_tier":null,"logit_bias":null,"logprobs":null,"modalities":null,"audio":null,"prediction":null,"web_search_options":null,"input":null,"instructions":null`,
			sent: sentHi,
		},
		"trap 31: half a character": {
			fields: `"messages":[{"role":"user","content":"a\ud83d"},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":\"\\ud83d\"}"}}]},{"role":"tool","tool_call_id":"c","content":"\ude00"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","title":"\ud83d"}}}]`,
			sent: `"messages":[{"role":"user","content":[{"type":"text","text":"a\ufffd"}]},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{"a":"\ufffd"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"\ufffd"}]}]}],` +
				`"tools":[{"name":"f","input_schema":{"type":"object","title":"\ufffd"}}]`,
		},
		"trap 67: the keys of schemas and arguments keep their order": {
			fields: called(`"content":"a","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"z\":1,\"a\":2}"}}]`, result),
			sent:   `"messages":[` + strings.Replace(sentCall, `{"type":"tool_use","id":"c","name":"f","input":{}}`, `{"type":"text","text":"a"},{"type":"tool_use","id":"c","name":"f","input":{"z":1,"a":2}}`, 1) + `]` + named,
		},
	}
	native, translated := newRecording(t), newRecording(t)
	own := native.driver(t, openaidriver.New, nil)
	foreign := translated.driver(t, anthropicdriver.New, map[string]string{"automatic_cache": "false"})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body := `{"model":"m", ` + test.fields + "}\n"
			request := decoded(t, body)
			if request.HistoryFault != nil {
				t.Fatal(request.HistoryFault)
			}
			if got := native.ask(t, own, request); got != body && got != strings.Replace(body, `,"stream_options":{"include_usage":true}`, "", 1) {
				t.Errorf("an upstream of the same API gets %s", got)
			}
			lacks, uncarried := upstream.Uncarried(foreign, request)
			if uncarried || test.need != "" {
				if lacks.Need != test.need {
					t.Errorf("kept from another API by %+v, want %s", lacks, test.need)
				}
				return
			}
			got := translated.ask(t, foreign, request)
			want := `{"model":"m",` + test.sent + `}`
			if !strings.Contains(test.sent, `"max_tokens"`) {
				want = `{"model":"m","max_tokens":32000,` + test.sent + `}`
			}
			if !bytes.Equal(sorted(t, got), sorted(t, want)) {
				t.Errorf("another API is sent\n%s\nwant\n%s", got, want)
			}
			for _, ordered := range []string{`"b":1,"a":2`, `"z":1,"a":2`, `"b":{"type":"string"},"a"`} {
				if strings.Contains(test.sent, ordered) && !strings.Contains(got, ordered) {
					t.Errorf("the order of keys is lost: %s", got)
				}
			}
		})
	}
}

// sorted is JSON with its keys in order.
func sorted(t *testing.T, text string) []byte {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func decoded(t *testing.T, body string) *chat.Request {
	t.Helper()
	request, err := openai.API{}.Decode(dialect.Incoming{Body: []byte(body), RequestID: "r", Received: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// recording is an upstream that keeps what it is sent, and refuses it.
type recording struct {
	server *httptest.Server
	bodies chan string
}

func newRecording(t *testing.T) *recording {
	t.Helper()
	r := &recording{bodies: make(chan string, 1)}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.bodies <- string(body)
		http.Error(w, `{"error":{"message":"seen"}}`, http.StatusBadRequest)
	}))
	t.Cleanup(r.server.Close)
	return r
}

func (r *recording) driver(t *testing.T, construct upstream.Constructor, settings map[string]string) upstream.Driver {
	t.Helper()
	driver, err := construct(upstream.Config{Name: "up", BaseURL: r.server.URL + "/v1", Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver
}

// ask returns what the upstream was sent.
func (r *recording) ask(t *testing.T, driver upstream.Driver, request *chat.Request) string {
	t.Helper()
	for range driver.Chat(t.Context(), &upstream.Call{Request: request, Model: request.Model}) {
		break
	}
	select {
	case body := <-r.bodies:
		return body
	default:
		t.Fatal("nothing was sent")
		return ""
	}
}
