package openai

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

const (
	// someHost is an upstream of which nothing is known, openAI is OpenAI's.
	someHost = "http://x/v1"
	openAI   = "https://api.openai.com/v1"
)

// built is the body for a request of another dialect.
func built(t testing.TB, base, settings string, request chat.Request) string {
	t.Helper()
	var texts map[string]string
	if settings != "" {
		texts = map[string]string{}
		for each := range strings.SplitSeq(settings, " ") {
			key, value, _ := strings.Cut(each, "=")
			texts[key] = value
		}
	}
	request.Source = chat.Source{Dialect: "other", JSON: []byte(`{"model":"x"}`)}
	body, _ := newTestDriver(t, base, texts).body(&upstream.Call{Request: &request, Model: "m"})
	if !json.Valid(body) {
		t.Errorf("not valid JSON: %s", body)
	}
	return string(body)
}

func says(role chat.Role, parts ...chat.Part) chat.Message {
	return chat.Message{Role: role, Parts: parts}
}

func words(text string) chat.Part { return chat.Part{Text: text} }

func called(id, name, arguments string) chat.Part {
	return chat.Part{Call: &chat.Call{ID: id, Name: name, Arguments: arguments}}
}

func came(id string, parts ...chat.Part) chat.Part {
	return chat.Part{Result: &chat.Result{CallID: id, Parts: parts}}
}

func thinking(text string) chat.Part {
	return chat.Part{Reasoning: &chat.Reasoning{Text: text, Seal: "SECRETSEAL", Maker: "anthropic"}}
}

func red() chat.Part { return chat.Part{Image: &chat.Image{URL: "data:image/png;base64,UkVE"}} }

func paper() chat.Part {
	return chat.Part{Document: &chat.Document{URL: "data:application/pdf;base64,UERG", MediaType: "application/pdf", Name: "a.pdf"}}
}

// What each message becomes.
func TestBuildMessages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		base, settings string
		messages       []chat.Message
		want           string
	}{
		"texts": {
			someHost, "",
			[]chat.Message{says(chat.System, words("be\nbrief")), says(chat.User, words("a"), words(""), words("b")), says(chat.Assistant, words("c"))},
			`{"role":"system","content":"be\nbrief"},{"role":"user","content":"a\nb"},{"role":"assistant","content":"c"}`,
		},
		"a name": {
			someHost, "", []chat.Message{{Role: chat.User, Name: "ann", Parts: []chat.Part{words("a")}}}, `{"role":"user","name":"ann","content":"a"}`,
		},
		"a message of nothing (27)": {
			someHost, "", []chat.Message{says(chat.User, words("a")), says(chat.Assistant, words("")), says(chat.User)}, `{"role":"user","content":"a"}`,
		},
		"a developer (56)": {
			someHost, "", []chat.Message{{Role: chat.System, Developer: true, Parts: []chat.Part{words("a")}}}, `{"role":"system","content":"a"}`,
		},
		"a developer, at OpenAI's (56)": {
			openAI, "", []chat.Message{{Role: chat.System, Developer: true, Parts: []chat.Part{words("a")}}}, `{"role":"developer","content":"a"}`,
		},
		"leading instructions are one": {
			someHost, "",
			[]chat.Message{says(chat.System, words("a")), says(chat.System, words("b")), says(chat.User, words("c"))},
			`{"role":"system","content":"a\nb"},{"role":"user","content":"c"}`,
		},
		"instructions in the middle (28)": {
			someHost, "",
			[]chat.Message{says(chat.User, words("a")), says(chat.System, words("b")), says(chat.Assistant, words("c")), says(chat.System, words("d"))},
			`{"role":"user","content":"a\n<system>\nb\n</system>"},{"role":"assistant","content":"c"},{"role":"user","content":"<system>\nd\n</system>"}`,
		},
		"instructions in the middle, in place (28)": {
			someHost, "mid_system=keep", []chat.Message{says(chat.User, words("a")), says(chat.System, words("b"))}, `{"role":"user","content":"a"},{"role":"system","content":"b"}`,
		},
		"an image": {
			someHost, "",
			[]chat.Message{says(chat.User, words("see"), chat.Part{Image: &chat.Image{URL: "https://h/i.png", Detail: "low"}})},
			`{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"https://h/i.png","detail":"low"}}]}`,
		},
		"a sound": {
			someHost, "",
			[]chat.Message{says(chat.User, chat.Part{Audio: &chat.Audio{Base64: "QQ==", Format: "wav"}})},
			`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}]}`,
		},
		"a document": {
			openAI, "",
			[]chat.Message{says(chat.User, paper())},
			`{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,UERG"}}]}`,
		},
		"a document of which something is said": {
			openAI, "",
			[]chat.Message{says(chat.User, chat.Part{Document: &chat.Document{URL: "data:application/pdf;base64,UERG", Context: "read it"}})},
			`{"role":"user","content":[{"type":"text","text":"read it"},{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,UERG"}}]}`,
		},
		"a document as text": {
			someHost, "",
			[]chat.Message{says(chat.User, chat.Part{Document: &chat.Document{Text: "long", MediaType: "text/plain", Title: `a "b"`}})},
			`{"role":"user","content":"<document title=\"a 'b'\">\nlong\n</document>"}`,
		},
		"a lone surrogate (31)": {
			someHost, "", []chat.Message{says(chat.User, words("a\xed\xa0\xbdb"))}, `{"role":"user","content":"a\ufffd\ufffd\ufffdb"}`,
		},
		"a refusal": {
			someHost, "", []chat.Message{says(chat.Assistant, chat.Part{Text: "no", Refusal: true})}, `{"role":"assistant","content":"no"}`,
		},
		"a refusal, at OpenAI's": {
			openAI, "", []chat.Message{says(chat.Assistant, chat.Part{Text: "no", Refusal: true})}, `{"role":"assistant","content":null,"refusal":"no"}`,
		},
		"calls and results (66, 67)": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, words("look"), called("c", "f", `{"a":1}`), called("d", "g", " ")), says(chat.Tool, came("d", words("2"), words("")), came("c", words("1"), words("!"))), says(chat.User, words("go"))},
			`{"role":"assistant","content":"look","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"d","type":"function","function":{"name":"g","arguments":"{}"}}]},` +
				`{"role":"tool","content":"2","tool_call_id":"d"},{"role":"tool","content":"1\n!","tool_call_id":"c"},{"role":"user","content":"go"}`,
		},
		"members that the upstream wants back (23)": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, chat.Part{Call: &chat.Call{ID: "c", Name: "f", Extra: &chat.Opaque{Dialect: dialect, JSON: []byte(`"extra_content":{"google":{"thought_signature":"s"}}`)}}}), says(chat.Tool, came("c"))},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]},{"role":"tool","content":"","tool_call_id":"c"}`,
		},
		"a call of a custom tool": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, chat.Part{Call: &chat.Call{ID: "c", Name: "p", Arguments: "*** go", Custom: true}}), says(chat.Tool, came("c", words("1")))},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"p","arguments":"{\"input\":\"*** go\"}"}}]},{"role":"tool","content":"1","tool_call_id":"c"}`,
		},
		"a call of a custom tool, at OpenAI's": {
			openAI, "",
			[]chat.Message{says(chat.Assistant, chat.Part{Call: &chat.Call{ID: "c", Name: "p", Arguments: "*** go", Custom: true}}), says(chat.Tool, came("c", words("1")))},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"custom","custom":{"name":"p","input":"*** go"}}]},{"role":"tool","content":"1","tool_call_id":"c"}`,
		},
		"an assistant's turn in several messages (67)": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, called("c", "f", "{}")), says(chat.Assistant, words("b"), called("d", "g", "{}")), says(chat.Tool, came("c", words("1")), came("d", words("2")))},
			`{"role":"assistant","content":"b","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"d","type":"function","function":{"name":"g","arguments":"{}"}}]},` +
				`{"role":"tool","content":"1","tool_call_id":"c"},{"role":"tool","content":"2","tool_call_id":"d"}`,
		},
		"a call without a result (24)": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, called("c", "f", "{}")), says(chat.User, words("go on"))},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
				`{"role":"tool","content":"[no result: the call was interrupted]","tool_call_id":"c"},{"role":"user","content":"go on"}`,
		},
		"a result without a call (24)": {
			someHost, "",
			[]chat.Message{says(chat.User, words("a")), says(chat.Tool, came("x", words("1"))), says(chat.User, words("b"))},
			`{"role":"user","content":"a"},{"role":"user","content":"[result of a call that is not in the conversation]\n1"},{"role":"user","content":"b"}`,
		},
		"a tool that failed": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, called("c", "f", "{}")), says(chat.Tool, chat.Part{Result: &chat.Result{CallID: "c", Failed: true, Parts: []chat.Part{words("no such file")}}})},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"[the tool failed] no such file","tool_call_id":"c"}`,
		},
		"images of results (25)": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, called("c", "f", "{}"), called("d", "g", "{}")), says(chat.Tool, came("c", words("see"), red()), came("d", words("2"))), says(chat.User, words("what is it?"))},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"d","type":"function","function":{"name":"g","arguments":"{}"}}]},` +
				`{"role":"tool","content":"see\n[image 1 follows in the next message]","tool_call_id":"c"},{"role":"tool","content":"2","tool_call_id":"d"},` +
				`{"role":"user","content":[{"type":"text","text":"[image 1, a result of f]"},{"type":"image_url","image_url":{"url":"data:image/png;base64,UkVE"}}]},{"role":"user","content":"what is it?"}`,
		},
		"images of results, where they are taken (25)": {
			someHost, "tool_result_images=tool",
			[]chat.Message{says(chat.Assistant, called("c", "f", "{}")), says(chat.Tool, came("c", words("see"), red(), paper()))},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":[{"type":"text","text":"see"},` +
				`{"type":"image_url","image_url":{"url":"data:image/png;base64,UkVE"}},{"type":"text","text":"[document 2 is left out: the model can't be shown it]"}],"tool_call_id":"c"}`,
		},
		"images of results, where there are none (25)": {
			someHost, "lacks=images",
			[]chat.Message{says(chat.Assistant, called("c", "f", "{}")), says(chat.Tool, came("c", red()))},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"[image 1 is left out: the model can't be shown it]","tool_call_id":"c"}`,
		},
		"an id that is too long": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, called(strings.Repeat("c", 41), "f", "{}")), says(chat.Tool, came(strings.Repeat("c", 41), words("1")))},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"2d55900a1d3409d7a599bb69946cbd9ae27a4868","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"1","tool_call_id":"2d55900a1d3409d7a599bb69946cbd9ae27a4868"}`,
		},
		"thoughts in a loop of tools (22)": {
			someHost, "",
			[]chat.Message{says(chat.User, words("a")), says(chat.Assistant, thinking("old"), words("b")), says(chat.User, words("c")), says(chat.Assistant, thinking("new"), called("c", "f", "{}")), says(chat.Tool, came("c", words("d")))},
			`{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},` +
				`{"role":"assistant","content":null,"reasoning_content":"new","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"d","tool_call_id":"c"}`,
		},
		"thoughts before an image, with which a loop of tools ends (22)": {
			someHost, "",
			[]chat.Message{says(chat.User, words("c")), says(chat.Assistant, thinking("new"), called("c", "f", "{}")), says(chat.Tool, came("c", red()))},
			`{"role":"user","content":"c"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"[image 1 follows in the next message]","tool_call_id":"c"},` +
				`{"role":"user","content":[{"type":"text","text":"[image 1, a result of f]"},{"type":"image_url","image_url":{"url":"data:image/png;base64,UkVE"}}]}`,
		},
		"thoughts always (17)": {
			someHost, "reasoning_history=always reasoning_field=reasoning",
			[]chat.Message{says(chat.Assistant, thinking("x"), thinking("y"), words("b")), says(chat.Assistant, thinking("z")), says(chat.User, words("c"))},
			`{"role":"assistant","content":"b","reasoning":"x\ny"},{"role":"assistant","content":"","reasoning":"z"},{"role":"user","content":"c"}`,
		},
		"thoughts never (20)": {
			openAI, "", []chat.Message{says(chat.User, words("c")), says(chat.Assistant, thinking("x"), words("b")), says(chat.Assistant, thinking("z"))}, `{"role":"user","content":"c"},{"role":"assistant","content":"b"}`,
		},
		"what a provider wants back": {
			someHost, "",
			[]chat.Message{says(chat.Assistant, chat.Part{Reasoning: &chat.Reasoning{Text: "x", Details: &chat.Opaque{Dialect: dialect, JSON: []byte(`[{"type":"reasoning.text"}]`)}}}, words("b"))},
			`{"role":"assistant","content":"b","reasoning_content":"x","reasoning_details":[{"type":"reasoning.text"}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := `{"model":"m","messages":[` + test.want + `]}`
			if got := built(t, test.base, test.settings, chat.Request{Messages: test.messages}); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func ptr[T any](value T) *T { return &value }

// What stands beside the messages.
func TestBuildWishes(t *testing.T) {
	t.Parallel()
	schema := []byte(`{"type":"object","properties":{"z":{"minimum":1},"a":{"$ref":"#/x"}}}`)
	tools := []chat.ToolSpec{{Kind: chat.Function, Name: "f", Description: "does", Schema: schema}, {Kind: chat.Function, Name: "g", Strict: ptr(true)}, {Kind: chat.Hosted, Name: "web"}}
	const f, g = `{"type":"function","function":{"name":"f","description":"does","parameters":{"type":"object","properties":{"z":{"minimum":1},"a":{"$ref":"#/x"}}}}}`, `{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}},"strict":true}}`
	long := strings.Repeat("u", 65)
	for name, test := range map[string]struct {
		base, settings string
		request        chat.Request
		want           string
	}{
		"nothing":                {someHost, "", chat.Request{}, ``},
		"a stream":               {someHost, "", chat.Request{Stream: true}, `,"stream":true,"stream_options":{"include_usage":true}`},
		"a stream without usage": {someHost, "include_usage=false", chat.Request{Stream: true}, `,"stream":true`},
		"tools (41, 67)":         {someHost, "", chat.Request{Tools: tools}, `,"tools":[` + f + `,` + g + `]`},
		"a tool whose schema says no properties": {
			someHost, "",
			chat.Request{Tools: []chat.ToolSpec{{Kind: chat.Function, Name: "f", Schema: []byte(`{"type":"object" }`)}}},
			`,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]`,
		},
		"a tool whose schema is empty": {
			someHost, "",
			chat.Request{Tools: []chat.ToolSpec{{Kind: chat.Function, Name: "f", Schema: []byte(`{}`)}}},
			`,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]`,
		},
		"free to choose":         {someHost, "", chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsAuto}, ParallelCalls: ptr(false)}, `,"tools":[` + f + `,` + g + `],"tool_choice":"auto","parallel_tool_calls":false`},
		"no tool":                {someHost, "", chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsNone}}, `,"tools":[` + f + `,` + g + `],"tool_choice":"none"`},
		"some tool":              {someHost, "", chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired}}, `,"tools":[` + f + `,` + g + `],"tool_choice":"required"`},
		"one tool":               {someHost, "", chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"g"}}}, `,"tools":[` + f + `,` + g + `],"tool_choice":{"type":"function","function":{"name":"g"}}`},
		"those that are allowed": {someHost, "", chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsAuto, Names: []string{"g"}}}, `,"tools":[` + g + `],"tool_choice":"auto"`},
		"only another's tools":   {someHost, "", chat.Request{Tools: tools[2:], ToolChoice: chat.ToolChoice{Mode: chat.ToolsAuto}, ParallelCalls: ptr(true)}, ``},
		"a tool of free text (48)": {
			someHost, "",
			chat.Request{Tools: []chat.ToolSpec{{Kind: chat.Custom, Name: "p", Description: "d"}}, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"p"}}},
			`,"tools":[{"type":"function","function":{"name":"p","description":"d","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}}],"tool_choice":{"type":"function","function":{"name":"p"}}`,
		},
		"a tool of free text, as such": {
			someHost, "custom_tools=keep",
			chat.Request{Tools: []chat.ToolSpec{{Kind: chat.Custom, Name: "p", Description: "d"}}, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"p"}}},
			`,"tools":[{"type":"custom","custom":{"name":"p","description":"d"}}],"tool_choice":{"type":"custom","custom":{"name":"p"}}`,
		},
		"a tool of free text with a grammar": {
			openAI, "",
			chat.Request{Tools: []chat.ToolSpec{{Kind: chat.Custom, Name: "p", Own: &chat.Opaque{Dialect: responsesDialect, JSON: []byte(`{"type":"custom","name":"p","format":{"type":"grammar","syntax":"lark","definition":"start: a"}}`)}}}},
			`,"tools":[{"type":"custom","custom":{"name":"p","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: a"}}}}]`,
		},
		"a tool of free text, as it came": {
			openAI, "",
			chat.Request{Tools: []chat.ToolSpec{{Kind: chat.Custom, Name: "p", Own: &chat.Opaque{Dialect: dialect, JSON: []byte(`{"type":"custom","custom":{"name":"p","format":{}}}`)}}}},
			`,"tools":[{"type":"custom","custom":{"name":"p","format":{}}}]`,
		},
		"a limit of one token (36)":    {someHost, "", chat.Request{MaxTokens: 1}, `,"max_tokens":1`},
		"the limit (63)":               {someHost, "", chat.Request{MaxTokens: 9}, `,"max_tokens":9`},
		"the limit, at OpenAI's (63)":  {openAI, "", chat.Request{MaxTokens: 9}, `,"max_completion_tokens":9`},
		"the limit, by a setting (63)": {openAI, "output_limit_field=max_tokens output_limit_max=5", chat.Request{MaxTokens: 9}, `,"max_tokens":5`},
		"the limit, kept here":         {openAI, "output_limit_field=never", chat.Request{MaxTokens: 9}, ``},
		"ends (10)":                    {someHost, "", chat.Request{Stop: []string{"a", "b"}}, `,"stop":["a","b"]`},
		"ends, at OpenAI's":            {openAI, "", chat.Request{Stop: []string{"a"}}, ``},
		"ends, by a setting":           {openAI, "lacks=", chat.Request{Stop: []string{"a"}}, `,"stop":["a"]`},
		"ends, kept here":              {someHost, "lacks=stop", chat.Request{Stop: []string{"a"}}, ``},
		"sampling": {
			someHost, "",
			chat.Request{Sampling: chat.Sampling{Temperature: ptr(0.3), TopP: ptr(1.0), TopK: ptr(5), Seed: ptr(int64(7)), PresencePenalty: ptr(-1e-7), FrequencyPenalty: ptr(2.0), LogitBias: []byte(`{"5":1}`)}},
			`,"temperature":0.3,"top_p":1,"presence_penalty":-0.0000001,"frequency_penalty":2,"seed":7,"logit_bias":{"5":1}`,
		},
		"all of sampling":  {someHost, "sampling=always", chat.Request{Sampling: chat.Sampling{TopK: ptr(5)}}, `,"top_k":5`},
		"none of sampling": {someHost, "sampling=never", chat.Request{Sampling: chat.Sampling{Temperature: ptr(0.3)}}, ``},
		"a form":           {someHost, "", chat.Request{Output: chat.Output{Form: chat.JSONOutput}}, `,"response_format":{"type":"json_object"}`},
		"a schema": {
			someHost, "",
			chat.Request{Output: chat.Output{Form: chat.SchemaOutput, Schema: schema}},
			`,"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":` + string(schema) + `}}`,
		},
		"a schema with a name": {
			someHost, "",
			chat.Request{Output: chat.Output{Form: chat.SchemaOutput, Name: "n", Description: "d", Schema: schema, Strict: ptr(true)}},
			`,"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":` + string(schema) + `,"strict":true}}`,
		},
		"length":               {someHost, "", chat.Request{Verbosity: "low"}, `,"verbosity":"low"`},
		"a tier":               {openAI, "", chat.Request{ServiceTier: "flex"}, `,"service_tier":"flex"`},
		"another's tier":       {openAI, "", chat.Request{ServiceTier: "standard_only"}, `,"service_tier":"default"`},
		"a tier that is not":   {openAI, "", chat.Request{ServiceTier: "batch"}, ``},
		"a tier nobody knows":  {someHost, "", chat.Request{ServiceTier: "auto"}, ``},
		"who asks":             {someHost, "", chat.Request{User: "u", Session: "s"}, `,"user":"u"`},
		"nobody":               {someHost, "user=false", chat.Request{User: "u"}, ``},
		"what belongs":         {openAI, "", chat.Request{User: "u", Session: "s"}, `,"user":"u","prompt_cache_key":"s"`},
		"names are never long": {openAI, "", chat.Request{User: long, Session: long}, `,"user":"` + hashOf(long) + `","prompt_cache_key":"` + hashOf(long) + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := `{"model":"m","messages":[]` + test.want + `}`
			if got := built(t, test.base, test.settings, test.request); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// Each level that a client may wish for becomes one that the model has.
func TestEffort(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		base, settings, model string
		wish                  chat.Thinking
		want                  chat.Effort
	}{
		"no wish":               {openAI, "", "gpt-5", chat.Thinking{Mode: chat.ThinkingAdaptive}, ""},
		"a model without":       {openAI, "", "gpt-4o", chat.Thinking{Effort: chat.EffortHigh}, ""},
		"a model that chats":    {openAI, "", "gpt-5-chat-latest", chat.Thinking{Effort: chat.EffortHigh}, ""},
		"an upstream's model":   {someHost, "", "openai/gpt-oss-120b", chat.Thinking{Effort: chat.EffortMedium}, "medium"},
		"none of it":            {openAI, "", "o3", chat.Thinking{Mode: chat.ThinkingOff}, "low"},
		"none, where there is":  {openAI, "reasoning_efforts=none,low", "x", chat.Thinking{Mode: chat.ThinkingOff}, "none"},
		"minimal":               {openAI, "reasoning_efforts=none,low", "x", chat.Thinking{Effort: chat.EffortMinimal}, "low"},
		"more than there is":    {openAI, "", "o3", chat.Thinking{Effort: chat.EffortMax}, "high"},
		"as much as there is":   {openAI, "reasoning_efforts=low,max", "o3", chat.Thinking{Effort: chat.EffortMax}, "max"},
		"a small budget":        {openAI, "", "o3", chat.Thinking{Mode: chat.ThinkingOn, Budget: 1024}, "low"},
		"a budget":              {openAI, "", "o3", chat.Thinking{Mode: chat.ThinkingOn, Budget: 10000}, "medium"},
		"a large budget":        {openAI, "", "o3", chat.Thinking{Mode: chat.ThinkingOn, Budget: 31999}, "high"},
		"the largest":           {openAI, "reasoning_efforts=low,xhigh", "o3", chat.Thinking{Mode: chat.ThinkingOn, Budget: 64000}, "xhigh"},
		"effort before budget":  {openAI, "", "o3", chat.Thinking{Effort: chat.EffortLow, Budget: 64000}, "low"},
		"never":                 {openAI, "reasoning_efforts=never", "o3", chat.Thinking{Effort: chat.EffortLow}, ""},
		"a word that is no one": {openAI, "", "o3", chat.Thinking{Effort: "vast"}, ""},
	} {
		settings := map[string]string{}
		if key, value, has := strings.Cut(test.settings, "="); has {
			settings[key] = value
		}
		if got := newTestDriver(t, test.base, settings).settings.quirks.effort(test.model, test.wish); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if got := built(t, someHost, "reasoning_efforts=low,high", chat.Request{Thinking: chat.Thinking{Effort: chat.EffortHigh}}); !strings.Contains(got, `"reasoning_effort":"high"`) {
		t.Error(got)
	}
	if q := quirksOf("api.openai.com"); q.samples("o3") || !q.samples("gpt-4o") {
		t.Error("models that think take no sampling at OpenAI's, others do")
	}
}

// A name that the API does not take has another one everywhere (40).
func TestToolNames(t *testing.T) {
	t.Parallel()
	long := "mcp__" + strings.Repeat("server_", 20) + "tool.name"
	other := long + "2"
	request := chat.Request{
		Tools:      []chat.ToolSpec{{Kind: chat.Function, Name: long}, {Kind: chat.Function, Name: other}, {Kind: chat.Function, Name: "f"}},
		ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{long}},
		Messages:   []chat.Message{says(chat.Assistant, called("c", long, "{}")), says(chat.Tool, came("c"))},
	}
	names := usualQuirks.naming(&request)
	theirs := names.toolName(long)
	if len(theirs) > maxToolName || !strings.HasPrefix(theirs, "mcp__server_") || theirs == names.toolName(other) || names.toolName("f") != "f" {
		t.Errorf("%s", theirs)
	}
	if got := strings.Count(built(t, someHost, "", request), `"name":"`+theirs+`"`); got != 3 {
		t.Errorf("the tool is named %d times, want 3", got)
	}
	if names.ownName(theirs) != long || names.ownName("f") != "f" {
		t.Errorf("%s comes back as %s", theirs, names.ownName(theirs))
	}
	if got := built(t, someHost, "tool_names=keep", request); strings.Count(got, long) != 4 {
		t.Error(got)
	}
}

// Two turns of a conversation have the same beginning, and the same bytes each time (29, 67).
func TestPrefixIsStable(t *testing.T) {
	t.Parallel()
	request := chat.Request{
		Tools: []chat.ToolSpec{{Kind: chat.Function, Name: "f", Schema: []byte(`{"type":"object","properties":{"z":{},"a":{}}}`)}},
		Messages: []chat.Message{
			says(chat.System, words("be brief"), words("be kind")), says(chat.User, words("look")), says(chat.Assistant, words("yes"), called("c", "a.b", `{"z":1}`)),
			says(chat.Tool, came("c", words("see"), red())), says(chat.System, words("hurry")), says(chat.User, words("and now?")),
		},
	}
	for _, base := range []string{someHost, openAI} {
		for turns := 2; turns < len(request.Messages); turns++ {
			if request.Messages[turns-1].Role == chat.Assistant || request.Messages[turns].Role == chat.System {
				continue // no request ends here
			}
			earlier, later := request, request
			earlier.Messages = request.Messages[:turns]
			before, _, _ := strings.Cut(built(t, base, "", earlier), `],"tools"`)
			if got := built(t, base, "", later); !strings.HasPrefix(got, before) || got != built(t, base, "", later) {
				t.Errorf("got  %s\nwant the beginning %s", got, before)
			}
		}
	}
}

// A reasoning part is left out where the upstream has refused its seal, and no seal is ever
// sent.
func TestSealsAreNotSent(t *testing.T) {
	t.Parallel()
	request := &chat.Request{Source: chat.Source{Dialect: "other"}, Messages: []chat.Message{says(chat.User, words("a")), says(chat.Assistant, thinking("deep"), words("b"))}}
	driver := newTestDriver(t, someHost, nil)
	for _, without := range []bool{false, true} {
		body, _ := driver.body(&upstream.Call{Request: request, Model: "m", WithoutSeals: without})
		got := string(body)
		if strings.Contains(got, "SECRETSEAL") || strings.Contains(got, "deep") == without {
			t.Errorf("without seals %t: %s", without, got)
		}
	}
}

// FuzzBuild holds that a body is always valid JSON and has all that was said in it.
func FuzzBuild(f *testing.F) {
	f.Add("system", "hello", "f", `{"a":1}`, "42", uint16(0))
	f.Add("", "\xed\xa0\xbd", "a.b/c", "", "\u2028\x00", uint16(0xffff))
	f.Fuzz(func(t *testing.T, system, text, name, arguments, result string, order uint16) {
		all := []chat.Message{
			says(chat.System, words(system)), says(chat.User, words(text), red()), says(chat.Assistant, thinking(text), called(text, name, arguments)),
			says(chat.Tool, came(text, words(result), red(), paper())),
		}
		request := chat.Request{Tools: []chat.ToolSpec{{Kind: chat.Function, Name: name}}, Stop: []string{text}, User: text}
		for ; order > 0; order >>= 2 {
			request.Messages = append(request.Messages, all[order&3])
		}
		for base, settings := range map[string]string{someHost: "reasoning_history=always", openAI: "tool_result_images=tool"} {
			got := built(t, base, settings, request)
			var body struct{ Messages []json.RawMessage }
			if err := json.Unmarshal([]byte(got), &body); err != nil {
				t.Fatalf("%v: %s", err, got)
			}
			for _, message := range request.Messages {
				for _, want := range []struct {
					role chat.Role
					text string
				}{{chat.System, system}, {chat.User, text}, {chat.Assistant, arguments}, {chat.Tool, result}} {
					if message.Role != want.role || strings.TrimSpace(want.text) == "" {
						continue
					}
					quoted, _ := json.Marshal(strings.ToValidUTF8(want.text, "\ufffd"))
					var plain string
					_ = json.Unmarshal(quoted, &plain)
					if !slices.ContainsFunc(body.Messages, func(each json.RawMessage) bool { return strings.Contains(flat(each), plain) }) {
						t.Fatalf("%q of %s is not in %s", plain, want.role, got)
					}
				}
			}
		}
	})
}

// flat joins all texts of a JSON value. Bytes that were no UTF-8 count once, however many
// stood together.
func flat(value json.RawMessage) string {
	var tree any
	_ = json.Unmarshal(value, &tree)
	var texts []string
	var walk func(any)
	walk = func(node any) {
		switch node := node.(type) {
		case string:
			texts = append(texts, node)
		case []any:
			for _, each := range node {
				walk(each)
			}
		case map[string]any:
			for _, each := range node {
				walk(each)
			}
		}
	}
	walk(tree)
	text := strings.Join(texts, "\n")
	for strings.Contains(text, "\ufffd\ufffd") {
		text = strings.ReplaceAll(text, "\ufffd\ufffd", "\ufffd")
	}
	return text
}

// What an upstream can't do is known before it is asked.
func TestCarries(t *testing.T) {
	t.Parallel()
	all := []chat.Need{
		chat.Tools, chat.HostedTools, chat.FreeTools, chat.Choices, chat.LogProbs, chat.JSONObject, chat.JSONSchema, chat.Media, chat.Pictures, chat.Papers,
		chat.TextPapers, chat.Sounds, chat.ToolMedia, chat.FileIDs, chat.Content, chat.Prediction, chat.WebSearch, chat.Words, chat.State, chat.Unclear,
		chat.StopTexts, chat.OutputLimit, chat.Tuning,
	}
	never := []chat.Need{
		chat.HostedTools, chat.Choices, chat.LogProbs, chat.Media, chat.FileIDs, chat.Content, chat.Prediction, chat.WebSearch, chat.State, chat.Unclear,
	}
	for name, test := range map[string]struct {
		base     string
		settings map[string]string
		lacks    []chat.Need
	}{
		"some upstream": {someHost, nil, []chat.Need{chat.Papers}},
		"OpenAI":        {openAI, nil, []chat.Need{chat.StopTexts}},
		"text alone":    {someHost, map[string]string{"lacks": "images, tools,json_schema", "documents": "file", "output_limit_field": "never"}, []chat.Need{chat.Pictures, chat.Tools, chat.JSONSchema, chat.OutputLimit}},
	} {
		driver := newTestDriver(t, test.base, test.settings)
		for _, need := range all {
			if got, want := driver.Carries(need), !slices.Contains(never, need) && !slices.Contains(test.lacks, need); got != want {
				t.Errorf("%s: %s: %t, want %t", name, need, got, want)
			}
		}
	}
}

// Parts that the upstream can't be given are refused before a token is lent.
func TestPrepare(t *testing.T) {
	t.Parallel()
	driver := newTestDriver(t, openAI, nil)
	far := chat.Part{Document: &chat.Document{URL: "https://h/a.pdf"}}
	for name, test := range map[string]struct {
		vision string
		part   chat.Part
		want   chat.Kind
	}{
		"an image":                   {"", red(), ""},
		"an image, switched off":     {upstream.VisionNone, red(), chat.VisionDisabled},
		"of a result":                {upstream.VisionNone, came("c", words("a"), red()), chat.VisionDisabled},
		"a document":                 {"", paper(), ""},
		"a document to be fetched":   {"", far, chat.Unsupported},
		"in a result":                {"", came("c", far), chat.Unsupported},
		"a document that is as text": {"", chat.Part{Document: &chat.Document{Text: "a", URL: "https://h/a"}}, ""},
	} {
		request := &chat.Request{Source: chat.Source{Dialect: "other"}, Messages: []chat.Message{says(chat.User, words("a"), test.part)}}
		_, err := driver.Prepare(t.Context(), request, upstream.Options{Vision: test.vision})
		if got := chat.AsError(err); (err == nil) != (test.want == "") || err != nil && (got.Kind != test.want || got.Param != "messages[0].content[1]") {
			t.Errorf("%s: %v", name, err)
		}
	}
	native := &chat.Request{Source: chat.Source{Dialect: dialect}, Messages: []chat.Message{says(chat.User, far)}}
	if _, err := driver.Prepare(t.Context(), native, upstream.Options{}); err != nil {
		t.Errorf("as it came: %v", err)
	}
}

// What only tunes is sent where the upstream takes it, and counted where it is not.
func TestTunes(t *testing.T) {
	t.Parallel()
	bare := newTestDriver(t, someHost, map[string]string{"sampling": "never", "reasoning_efforts": "never", "user": "false"})
	some, official := newTestDriver(t, someHost, nil), newTestDriver(t, openAI, map[string]string{"sampling": "always"})
	for field, want := range map[string][3]bool{ // bare, some, official
		"temperature": {false, true, true}, "top_k": {false, false, true}, "thinking": {false, true, true}, "metadata": {false, true, true},
		"prompt_cache_key": {false, false, true}, "service_tier": {false, false, true}, "verbosity": {true, true, true},
		"hosted_tools": {}, "cache_control": {}, "context_management": {}, "other": {},
	} {
		if got := [3]bool{bare.Tunes(field), some.Tunes(field), official.Tunes(field)}; got != want {
			t.Errorf("%s: %v, want %v", field, got, want)
		}
	}
}
