package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// textOf is a message of one text.
func textOf(role chat.Role, text string) chat.Message {
	return chat.Message{Role: role, Parts: []chat.Part{{Text: text}}}
}

// compact takes the white space out of what tests are written with.
func compact(t *testing.T, text string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(again)
}

// plain are settings that add nothing of their own.
func plain(s settings) settings {
	s.cache = false
	return s
}

func TestBuild(t *testing.T) {
	t.Parallel()
	yes, no, half, two := true, false, 0.5, 2.0
	hello := []chat.Message{textOf(chat.User, "Hi")}
	call := func(id, name, arguments string) chat.Part {
		return chat.Part{Call: &chat.Call{ID: id, Name: name, Arguments: arguments}}
	}
	result := func(id string, parts ...chat.Part) chat.Message {
		return chat.Message{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: id, Parts: parts}}}}
	}
	sealed := chat.Part{Reasoning: &chat.Reasoning{Text: "Hm.", Seal: "c2ln", Maker: dialect}}
	function := []chat.ToolSpec{{Kind: chat.Function, Name: "read", Description: "Reads.", Schema: []byte(`{"type":"object","b":1,"a":2}`)}}
	const readTool = `{"name":"read","description":"Reads.","input_schema":{"type":"object","b":1,"a":2}}`
	for name, test := range map[string]struct {
		request chat.Request
		want    string // without model, and without max_tokens where it is the model's
	}{
		"a question":                   {chat.Request{Messages: hello}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`},
		"trap 39: the client's limit":  {chat.Request{Messages: hello, MaxTokens: 5}, `{"max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`},
		"trap 36: one token":           {chat.Request{Messages: hello, MaxTokens: 1, Thinking: chat.Thinking{Mode: chat.ThinkingAdaptive}}, `{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`},
		"trap 27: no text but a call":  {chat.Request{Tools: function, Messages: []chat.Message{hello[0], {Role: chat.Assistant, Parts: []chat.Part{{}, call("t", "read", "")}}, result("t", chat.Part{})}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}],"tools":[` + readTool + `]}`},
		"instructions in front":        {chat.Request{Messages: []chat.Message{textOf(chat.System, "Be"), textOf(chat.System, "kind"), hello[0]}}, `{"system":[{"type":"text","text":"Be"},{"type":"text","text":"kind"}],"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`},
		"trap 28: and in the middle":   {chat.Request{Messages: []chat.Message{hello[0], textOf(chat.System, "Be kind"), textOf(chat.Assistant, "Yo")}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"text","text":"<system>\nBe kind\n</system>"}]},{"role":"assistant","content":[{"type":"text","text":"Yo"}]}]}`},
		"instructions alone":           {chat.Request{Messages: []chat.Message{textOf(chat.System, "Greet")}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Greet"}]}]}`},
		"the same side twice":          {chat.Request{Messages: []chat.Message{hello[0], textOf(chat.User, "there")}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"text","text":"there"}]}]}`},
		"the assistant first":          {chat.Request{Messages: []chat.Message{textOf(chat.Assistant, "Yo"), hello[0]}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"(The conversation begins with your answer.)"}]},{"role":"assistant","content":[{"type":"text","text":"Yo"}]},{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`},
		"an answer to be continued":    {chat.Request{Messages: []chat.Message{hello[0], textOf(chat.Assistant, "It is \n")}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"text","text":"It is"}]}]}`},
		"trap 27: texts of no words":   {chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: " \n"}, {Text: "Hi"}, {}}}, textOf(chat.Assistant, ""), hello[0]}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"text","text":"Hi"}]}]}`},
		"images":                       {chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Image: &chat.Image{URL: "data:image/png;base64,/9j/AA=="}}, {Image: &chat.Image{URL: "https://x/y.png"}}}}}}, `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/AA=="}},{"type":"image","source":{"type":"url","url":"https://x/y.png"}}]}]}`},
		"documents":                    {chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Document: &chat.Document{URL: "data:application/pdf;base64,JVBERg==", Name: "a.pdf"}}, {Document: &chat.Document{Text: "words"}}, {Document: &chat.Document{URL: "data:text/plain;base64,aGk="}}}}}}, `{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERg=="},"title":"a.pdf"},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"}},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}}]}]}`},
		"trap 25: a tool's image":      {chat.Request{Tools: function, Messages: []chat.Message{hello[0], {Role: chat.Assistant, Parts: []chat.Part{call("t", "read", `{"a":1}`)}}, result("t", chat.Part{Text: "see"}, chat.Part{Image: &chat.Image{URL: "data:image/png;base64,AA=="}})}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"read","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"see"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]}]}],"tools":[` + readTool + `]}`},
		"arguments of no object":       {chat.Request{Tools: function, Messages: []chat.Message{hello[0], {Role: chat.Assistant, Parts: []chat.Part{call("a.1", "read", ""), call("", "read", `{"a":`)}}, result("a.1"), result("")}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"a_1","name":"read","input":{}},{"type":"tool_use","id":"call","name":"read","input":{"arguments":"{\"a\":"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a_1"},{"type":"tool_result","tool_use_id":"call"}]}],"tools":[` + readTool + `]}`},
		"trap 24: results out of line": {chat.Request{Tools: function, Messages: []chat.Message{hello[0], {Role: chat.Assistant, Parts: []chat.Part{call("a", "read", "{}"), call("b", "read", "{}")}}, textOf(chat.User, "wait"), result("a", chat.Part{Text: "1"}), result("z", chat.Part{Text: "26"})}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"read","input":{}},{"type":"tool_use","id":"b","name":"read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"1"}]},{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"(no result: the call was interrupted)"}],"is_error":true},{"type":"text","text":"wait"},{"type":"text","text":"(a tool's result, of a call that is not in this conversation: \"z\")"},{"type":"text","text":"26"}]}],"tools":[` + readTool + `]}`},
		"a call without a result":      {chat.Request{Tools: function, Messages: []chat.Message{hello[0], {Role: chat.Assistant, Parts: []chat.Part{call("a", "read", "{}")}}}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"(no result: the call was interrupted)"}],"is_error":true}]}],"tools":[` + readTool + `]}`},
		"calls of tools that are gone": {chat.Request{Messages: []chat.Message{hello[0], {Role: chat.Assistant, Parts: []chat.Part{call("a", "read", "{}")}}, result("a")}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}],"tools":[{"name":"read","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"none"}}`},
		"tools":                        {chat.Request{Messages: hello, Tools: []chat.ToolSpec{{Kind: chat.Function, Name: "a"}, {Kind: chat.Function, Name: "b", Schema: []byte(`{}`)}, {Kind: chat.Function, Name: "c", Schema: []byte(`{"properties":{"x":{}}}`)}}, ParallelCalls: &no}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"tools":[{"name":"a","input_schema":{"type":"object","properties":{}}},{"name":"b","input_schema":{"type":"object","properties":{}}},{"name":"c","input_schema":{"type":"object","properties":{"x":{}}}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`},
		"one tool that must be called": {chat.Request{Messages: hello, Tools: function, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"read"}}, Thinking: chat.Thinking{Effort: chat.EffortHigh}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"tools":[` + readTool + `],"tool_choice":{"type":"tool","name":"read"}}`},
		"any tool of some":             {chat.Request{Messages: hello, Tools: append([]chat.ToolSpec{{Name: "x"}, {Name: "y"}}, function...), ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"read", "y"}}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"tools":[{"name":"y","input_schema":{"type":"object","properties":{}}},` + readTool + `],"tool_choice":{"type":"any"}}`},
		"trap 10: stops":               {chat.Request{Messages: hello, Stop: []string{"END", "\n", "x"}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"stop_sequences":["END","x"]}`},
		"sampling":                     {chat.Request{Messages: hello, Sampling: chat.Sampling{Temperature: &two, TopP: &half}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"temperature":1}`},
		"trap 19: an effort":           {chat.Request{Messages: hello, Thinking: chat.Thinking{Effort: chat.EffortLow}, Sampling: chat.Sampling{Temperature: &half}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"thinking":{"type":"enabled","budget_tokens":4096}}`},
		"trap 19: a budget":            {chat.Request{Messages: hello, MaxTokens: 5000, Thinking: chat.Thinking{Mode: chat.ThinkingOn, Budget: 9000, Show: "omitted"}}, `{"max_tokens":5000,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"thinking":{"type":"enabled","budget_tokens":4999,"display":"omitted"}}`},
		"no room to think":             {chat.Request{Messages: hello, MaxTokens: 100, Thinking: chat.Thinking{Effort: chat.EffortHigh}}, `{"max_tokens":100,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`},
		"no thinking":                  {chat.Request{Messages: hello, Thinking: chat.Thinking{Mode: chat.ThinkingOff, Effort: chat.EffortNone}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`},
		"a sealed thought comes back":  {chat.Request{Tools: function, Thinking: chat.Thinking{Effort: chat.EffortLow}, Messages: []chat.Message{hello[0], {Role: chat.Assistant, Parts: []chat.Part{sealed, {Reasoning: &chat.Reasoning{Seal: "ZGF0YQ", Maker: dialect, Redacted: true}}, call("t", "read", "{}")}}, result("t")}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"redacted_thinking","data":"ZGF0YQ"},{"type":"tool_use","id":"t","name":"read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}],"tools":[` + readTool + `],"thinking":{"type":"enabled","budget_tokens":4096}}`},
		"traps 18 and 20: a lost one":  {chat.Request{Tools: function, Thinking: chat.Thinking{Effort: chat.EffortLow}, Messages: []chat.Message{hello[0], {Role: chat.Assistant, Parts: []chat.Part{{Reasoning: &chat.Reasoning{Text: "mine", Seal: "x", Maker: "another"}}, call("t", "read", "{}")}}, result("t")}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}],"tools":[` + readTool + `]}`},
		"JSON":                         {chat.Request{Messages: hello, Output: chat.Output{Form: chat.JSONOutput}}, `{"system":[{"type":"text","text":"` + jsonWish + `"}],"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}`},
		"trap 41: a schema":            {chat.Request{Messages: hello, Output: chat.Output{Form: chat.SchemaOutput, Schema: []byte(`{"type":"object","properties":{"minimum":{"type":"integer","minimum":1,"description":"n"},"f":{"type":"string","format":"phone","maxLength":5},"l":{"type":"array","minItems":2,"items":{"oneOf":[{"type":"string","format":"date"},{"type":"null"}]}}},"required":["minimum"]}`)}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"minimum":{"type":"integer","description":"n\n\n{minimum: 1}"},"f":{"type":"string","description":"{format: \"phone\", maxLength: 5}"},"l":{"type":"array","items":{"anyOf":[{"type":"string","format":"date"},{"type":"null"}]},"description":"{minItems: 2}"}},"required":["minimum"],"additionalProperties":false}}}}`},
		"a strict tool":                {chat.Request{Messages: hello, Tools: []chat.ToolSpec{{Name: "s", Strict: &yes, Schema: []byte(`{"type":"object","properties":{"n":{"type":"number","maximum":3}}}`)}}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"tools":[{"name":"s","input_schema":{"type":"object","properties":{"n":{"type":"number","description":"{maximum: 3}"}},"additionalProperties":false},"strict":true}]}`},
		"marks of what is worth it":    {chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: "Hi", Cache: &chat.CacheMark{TTL: "1h"}}}}}, Cache: &chat.CacheMark{}}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral","ttl":"1h"}}]}],"cache_control":{"type":"ephemeral"}}`},
		"a stream, for somebody":       {chat.Request{Messages: hello, Stream: true, User: "ann"}, `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"metadata":{"user_id":"ann"},"stream":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := &Driver{settings: plain(defaults)}
			body := string(built(driver, translatedCall(test.request)))
			var got map[string]any
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if got["model"] != "claude-sonnet-4-5" || test.request.MaxTokens == 0 && got["max_tokens"] != 64000.0 {
				t.Errorf("model %v, max_tokens %v", got["model"], got["max_tokens"])
			}
			delete(got, "model")
			if test.request.MaxTokens == 0 {
				delete(got, "max_tokens")
			}
			again, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if want := compact(t, test.want); string(again) != want {
				t.Errorf("got  %s\nwant %s", again, want)
			}
		})
	}
}

// Each wish for thinking becomes one that the model knows. Trap 19.
func TestThinkingOfEachModel(t *testing.T) {
	t.Parallel()
	const older, newer = "claude-sonnet-4-5", "claude-sonnet-4-6"
	adaptive := func(effort string) string {
		return `"thinking":{"type":"adaptive"},"output_config":{"effort":"` + effort + `"}`
	}
	for name, test := range map[string]struct {
		model string
		wish  chat.Thinking
		want  string // empty: nothing of it
	}{
		"minimal":                 {newer, chat.Thinking{Effort: chat.EffortMinimal}, adaptive("low")},
		"low":                     {newer, chat.Thinking{Effort: chat.EffortLow}, adaptive("low")},
		"medium":                  {newer, chat.Thinking{Effort: chat.EffortMedium}, adaptive("medium")},
		"high":                    {newer, chat.Thinking{Effort: chat.EffortHigh}, adaptive("high")},
		"xhigh":                   {newer, chat.Thinking{Effort: chat.EffortXHigh}, adaptive("xhigh")},
		"max":                     {newer, chat.Thinking{Effort: chat.EffortMax}, adaptive("max")},
		"a small budget":          {newer, chat.Thinking{Mode: chat.ThinkingOn, Budget: 2048}, adaptive("low")},
		"a budget":                {newer, chat.Thinking{Mode: chat.ThinkingOn, Budget: 10000}, adaptive("medium")},
		"a large budget":          {newer, chat.Thinking{Mode: chat.ThinkingOn, Budget: 60000}, adaptive("high")},
		"a summary":               {newer, chat.Thinking{Mode: chat.ThinkingAdaptive, Show: "summarized"}, `"thinking":{"type":"adaptive","display":"summarized"}`},
		"off":                     {newer, chat.Thinking{Mode: chat.ThinkingOff, Effort: chat.EffortHigh}, ""},
		"none":                    {newer, chat.Thinking{Effort: chat.EffortNone}, ""},
		"minimal, as a budget":    {older, chat.Thinking{Effort: chat.EffortMinimal}, `"thinking":{"type":"enabled","budget_tokens":1024}`},
		"medium, as a budget":     {older, chat.Thinking{Effort: chat.EffortMedium}, `"thinking":{"type":"enabled","budget_tokens":16384}`},
		"high, as a budget":       {older, chat.Thinking{Effort: chat.EffortHigh}, `"thinking":{"type":"enabled","budget_tokens":32768}`},
		"max, as a budget":        {older, chat.Thinking{Effort: chat.EffortMax}, `"thinking":{"type":"enabled","budget_tokens":32768}`},
		"less than there may be":  {older, chat.Thinking{Mode: chat.ThinkingOn, Budget: 5}, `"thinking":{"type":"enabled","budget_tokens":1024}`},
		"more than the answer":    {older, chat.Thinking{Mode: chat.ThinkingOn, Budget: 1 << 20}, `"thinking":{"type":"enabled","budget_tokens":63999}`},
		"as the model thinks fit": {older, chat.Thinking{Mode: chat.ThinkingAdaptive}, `"thinking":{"type":"enabled","budget_tokens":16384}`},
		"a model that does not":   {"claude-3-5-haiku", chat.Thinking{Effort: chat.EffortHigh}, ""},
	} {
		driver := &Driver{settings: plain(defaults)}
		call := translatedCall(chat.Request{Messages: []chat.Message{textOf(chat.User, "Hi")}, Thinking: test.wish})
		call.Model = test.model
		body := string(built(driver, call))
		if thinks := strings.Contains(body, `"thinking"`) || strings.Contains(body, `"effort"`); !strings.Contains(body, test.want) || thinks != (test.want != "") {
			t.Errorf("%s: %s, want %s", name, body, test.want)
		}
	}
}

// Schemas keep the order of their keys, which caches and small models depend on.
func TestSchemasKeepTheirOrder(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"object","properties":{"z":{"type":"string"},"a":{"$ref":"#/$defs/q"}},"$defs":{"q":{"enum":["x",{"minimum":1}]}},"additionalProperties":false}`
	if got := string(appendPlainSchema(nil, []byte(schema))); got != schema {
		t.Errorf("got %s", got)
	}
}

func TestAutomaticMarkOfAConversation(t *testing.T) {
	t.Parallel()
	question := chat.Request{Messages: []chat.Message{textOf(chat.User, "Hi")}}
	goesOn := chat.Request{Messages: []chat.Message{textOf(chat.User, "Hi"), textOf(chat.Assistant, "Yo"), textOf(chat.User, "So?")}}
	for _, test := range []struct {
		request chat.Request
		on      bool
		marked  bool
	}{{question, true, false}, {goesOn, true, true}, {goesOn, false, false}} {
		driver := &Driver{settings: defaults}
		driver.settings.cache = test.on
		body := string(built(driver, translatedCall(test.request)))
		if strings.HasSuffix(body, `,"cache_control":{"type":"ephemeral"}}`) != test.marked {
			t.Errorf("%t: %s", test.on, body)
		}
	}
}

// Names that the API does not take come back as the client knows them. Trap 40.
func TestNamesOfToolsComeBack(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("mcp.tool_", 20)
	driver, got := serve(t, 200, "application/json",
		`{"type":"message","content":[{"type":"tool_use","id":"t","name":"SENT","input":{}}],"stop_reason":"tool_use","usage":{"output_tokens":1}}`, nil)
	call := translatedCall(chat.Request{Messages: []chat.Message{textOf(chat.User, "Hi")}, Tools: []chat.ToolSpec{{Kind: chat.Function, Name: long}}})
	if _, failure := gather(t.Context(), t, driver, call); failure != nil {
		t.Fatal(failure)
	}
	var body struct {
		Tools []struct{ Name string } `json:"tools"`
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || len(body.Tools) != 1 || len(body.Tools[0].Name) > maxToolName {
		t.Fatalf("%v: %s", err, got.body)
	}
	again, _ := serve(t, 200, "application/json",
		`{"type":"message","content":[{"type":"tool_use","id":"t","name":"`+body.Tools[0].Name+`","input":{}}],"stop_reason":"tool_use","usage":{"output_tokens":1}}`, nil)
	events, failure := gather(t.Context(), t, again, call)
	if failure != nil || outline(events) != "2"+long+"() tool_calls" {
		t.Errorf("%s, %v", outline(events), failure)
	}
}

// Whatever the texts, the body is JSON that holds them.
func FuzzBuild(f *testing.F) {
	f.Add("Hi", "data:image/png;base64,AA==", `{"a":1}`, `{"type":"object","properties":{"x":{"oneOf":[{"minimum":1}]}}}`)
	f.Add("\x00\xff\"", "https://x", "", `{`)
	f.Fuzz(func(t *testing.T, text, url, arguments, schema string) {
		request := chat.Request{
			Messages: []chat.Message{
				textOf(chat.System, text),
				{Role: chat.User, Parts: []chat.Part{{Text: text}, {Image: &chat.Image{URL: url}}}},
				{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: text, Name: text, Arguments: arguments}}}},
			},
			Tools: []chat.ToolSpec{{Name: text, Schema: []byte(schema)}}, Stop: []string{text},
		}
		if json.Valid([]byte(schema)) {
			request.Output = chat.Output{Form: chat.SchemaOutput, Schema: []byte(schema)}
		} else {
			request.Tools[0].Schema = nil
		}
		driver := &Driver{settings: defaults}
		body := built(driver, translatedCall(request))
		var got struct {
			Messages []struct {
				Content []struct {
					Text string `json:"text"`
				} `json:"content"`
			} `json:"messages"`
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if strings.TrimSpace(text) != "" && got.Messages[0].Content[0].Text != string([]rune(text)) {
			t.Fatalf("%q became %s", text, body)
		}
	})
}
