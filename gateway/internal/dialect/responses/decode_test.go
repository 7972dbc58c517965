package responses_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// shown is a conversation in a line for each message.
func shown(messages []chat.Message) string {
	var lines []string
	for _, message := range messages {
		role := string(message.Role)
		if message.Developer {
			role = "developer"
		}
		lines = append(lines, role+": "+partsShown(message.Parts))
	}
	return strings.Join(lines, "\n")
}

func partsShown(parts []chat.Part) string {
	var texts []string
	for i := range parts {
		texts = append(texts, partShown(&parts[i]))
	}
	return strings.Join(texts, " ")
}

func partShown(part *chat.Part) string {
	switch {
	case part.Image != nil:
		return fmt.Sprintf("<image %s%s %s>", part.Image.URL, part.Image.FileID, part.Image.Detail)
	case part.Document != nil:
		return fmt.Sprintf("<document %s%s %s %s>", part.Document.URL, part.Document.FileID, part.Document.Name, part.Document.MediaType)
	case part.Audio != nil:
		return fmt.Sprintf("<audio %s %s>", part.Audio.Base64, part.Audio.Format)
	case part.Call != nil && part.Call.Custom:
		return fmt.Sprintf("<%s %s!%s>", part.Call.ID, part.Call.Name, part.Call.Arguments)
	case part.Call != nil:
		return fmt.Sprintf("<%s %s%s>", part.Call.ID, part.Call.Name, part.Call.Arguments)
	case part.Result != nil:
		failed := ""
		if part.Result.Failed {
			failed = " failed"
		}
		return fmt.Sprintf("<%s%s = %s>", part.Result.CallID, failed, partsShown(part.Result.Parts))
	case part.Reasoning != nil:
		return fmt.Sprintf("<thought %s %s:%s %t>", part.Reasoning.Text, part.Reasoning.Maker, part.Reasoning.Seal, part.Reasoning.Redacted)
	case part.Opaque != nil:
		return fmt.Sprintf("<opaque %s %s>", part.Opaque.Type, part.Opaque.JSON)
	case part.Refusal:
		return "<refusal " + part.Text + ">"
	}
	return part.Text
}

// asksOf are what a request asks for, in the order of their names.
func asksOf(request *chat.Request) string {
	var asks []string
	for _, ask := range request.Asks {
		asks = append(asks, ask.Field+"="+string(ask.Need))
	}
	slices.Sort(asks)
	return strings.Join(asks, " ")
}

// Each kind of item, in the forms in which clients send it.
func TestItems(t *testing.T) {
	t.Parallel()
	const user = `{"role":"user","content":"Hi"}`
	for name, test := range map[string]struct{ input, want, asks string }{
		"a question":                     {`"Hi"`, "user: Hi", ""},
		"an instruction alone":           {`[{"role":"developer","content":"Hi"}]`, "developer: Hi", ""},
		"an easy message":                {`[{"role":"user","content":"Hi"}]`, "user: Hi", ""},
		"with a type":                    {`[{"type":"message","role":"user","content":"Hi"}]`, "user: Hi", ""},
		"the type at its end":            {`[{"content":[{"text":"Hi","type":"input_text"}],"role":"user","type":"message"}]`, "user: Hi", ""},
		"roles of instructions":          {`[{"role":"system","content":"a"},{"role":"developer","content":"b"},` + user + `]`, "system: a\ndeveloper: b\nuser: Hi", ""},
		"a message that was an answer":   {`[` + user + `,{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]}],"phase":"final_answer"}]`, "user: Hi\nassistant: a", ""},
		"a refusal":                      {`[` + user + `,{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}]`, "user: Hi\nassistant: <refusal no>", ""},
		"nothing left of an answer":      {`[` + user + `,{"role":"assistant","content":null}]`, "user: Hi", ""},
		"an image":                       {`[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"low"},{"type":"input_image","file_id":"f","image_url":null}]}]`, "user: <image data:image/png;base64,AA== low> <image f >", ""},
		"an image as Chat has it":        {`[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://h/a.png","detail":"high"}}]}]`, "user: <image https://h/a.png high>", ""},
		"a file":                         {`[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="},{"type":"input_file","file_url":"https://h/a"},{"type":"input_file","file_id":"f"}]}]`, "user: <document data:application/pdf;base64,AA== a.pdf application/pdf> <document https://h/a  > <document f  >", ""},
		"a sound":                        {`[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}]}]`, "user: <audio AA== wav>", ""},
		"a part of an unheard kind":      {`[{"role":"user","content":[{"type":"input_hologram","x":1}]}]`, `user: <opaque input_hologram {"type":"input_hologram","x":1}>`, ""},
		"a call and what it came to":     {`[` + user + `,{"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":"{\"a\":1}","status":"completed"},{"type":"function_call_output","call_id":"c","output":"done"}]`, "user: Hi\nassistant: <c f{\"a\":1}>\ntool: <c = done>", ""},
		"an output of parts":             {`[` + user + `,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,AA=="}]}]`, "user: Hi\nassistant: <c f{}>\ntool: <c = see <image data:image/png;base64,AA== >>", ""},
		"an output of nothing":           {`[` + user + `,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":""}]`, "user: Hi\nassistant: <c f{}>\ntool: <c = >", ""},
		"free text":                      {`[` + user + `,{"type":"custom_tool_call","call_id":"c","name":"p","input":"*** \\ud83d"},{"type":"custom_tool_call_output","call_id":"c","output":"done"}]`, "user: Hi\nassistant: <c p!*** \\ud83d>\ntool: <c = done>", ""},
		"arguments as JSON":              {`[` + user + `,{"type":"function_call","call_id":"c","name":"f","arguments":{"b":1,"a":2}}]`, "user: Hi\nassistant: <c f{\"b\":1,\"a\":2}>\ntool: <c failed = [no result: the call was interrupted]>", ""},
		"a thought in short":             {`[` + user + `,{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA"}]`, "user: Hi\nassistant: <thought hm responses:gAAA false>", ""},
		"a thought in full":              {`[` + user + `,{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"content":[{"type":"reasoning_text","text":"hm, hm"}]}]`, "user: Hi\nassistant: <thought hm, hm : false>", ""},
		"a thought that is sealed":       {`[` + user + `,{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}]`, "user: Hi\nassistant: <thought  responses:gAAA true>", ""},
		"a thought of another's":         {`[` + user + `,{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"carousel:anthropic:c2VhbA=="}]`, "user: Hi\nassistant: <thought hm anthropic:c2VhbA== false>", ""},
		"a thought of nothing":           {`[` + user + `,{"type":"reasoning","summary":[],"encrypted_content":null}]`, "user: Hi", ""},
		"one turn in many items":         {`[` + user + `,{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},{"role":"assistant","content":"I look."},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call","call_id":"d","name":"g","arguments":"{}"},{"type":"function_call_output","call_id":"d","output":"2"},{"type":"function_call_output","call_id":"c","output":"1"},{"role":"assistant","content":"So."}]`, "user: Hi\nassistant: <thought hm : false> I look. <c f{}> <d g{}>\ntool: <d = 2> <c = 1>\nassistant: So.", ""},
		"a user who speaks in between":   {`[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},` + user + `,{"type":"function_call_output","call_id":"c","output":"1"}]`, "assistant: <c f{}>\ntool: <c = 1>\nuser: Hi", ""},
		"a call that was interrupted":    {`[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},` + user + `]`, "assistant: <c f{}>\ntool: <c failed = [no result: the call was interrupted]>\nuser: Hi", ""},
		"the result of no call":          {`[` + user + `,{"type":"function_call_output","call_id":"c","output":"1"}]`, "user: Hi\nuser: [result of a call that is not in the conversation] 1", ""},
		"a second result":                {`[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"1"},{"type":"function_call_output","call_id":"c","output":"2"}]`, "assistant: <c f{}>\ntool: <c = 1>\nuser: [result of a call that is not in the conversation] 2", ""},
		"ids that come again":            {`[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"1"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"2"}]`, "assistant: <c f{}>\ntool: <c = 1>\nassistant: <c_1 f{}>\ntool: <c_1 = 2>", ""},
		"no id but the item's":           {`[{"type":"function_call","id":"fc","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"fc","output":"1"}]`, "assistant: <fc f{}>\ntool: <fc = 1>", ""},
		"messages of Chat in between":    {`[` + user + `,{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"1"}]`, "user: Hi\nassistant: <thought hm : false> <c f{}>\ntool: <c = 1>", ""},
		"what the vendor's tools did":    {`[` + user + `,{"type":"web_search_call","id":"ws","status":"completed","action":{}},{"type":"file_search_call","call_id":7,"name":[]},{"type":"of_tomorrow","call_id":1}]`, "user: Hi", "items=tuning"},
		"a shell of the client":          {`[` + user + `,{"type":"local_shell_call","id":"l","call_id":"c","action":{"type":"exec","command":["ls"]},"status":"completed"},{"type":"local_shell_call_output","id":"l","output":"a.go"}]`, "user: Hi\nassistant: <c local_shell{\"type\":\"exec\",\"command\":[\"ls\"]}>\ntool: <c = a.go>", ""},
		"its output as a function's":     {`[` + user + `,{"type":"local_shell_call","id":"l","call_id":"c","action":{}},{"type":"function_call_output","call_id":"c","output":"a.go"}]`, "user: Hi\nassistant: <c local_shell{}>\ntool: <c = a.go>", ""},
		"a newer shell":                  {`[` + user + `,{"type":"shell_call","call_id":"c","action":{"commands":["ls"]}},{"type":"shell_call_output","call_id":"c","output":[{"stdout":"a.go","stderr":""}]}]`, "user: Hi\nassistant: <c shell{\"commands\":[\"ls\"]}>\ntool: <c = [{\"stdout\":\"a.go\",\"stderr\":\"\"}]>", ""},
		"a patch without an output":      {`[` + user + `,{"type":"apply_patch_call","call_id":"c","operation":{"type":"delete_file","path":"a"}},{"type":"apply_patch_call_output","call_id":"c","status":"failed"}]`, "user: Hi\nassistant: <c apply_patch{\"type\":\"delete_file\",\"path\":\"a\"}>\ntool: <c = failed>", ""},
		"a screen":                       {`[` + user + `,{"type":"computer_call","call_id":"c","action":{"type":"screenshot"}},{"type":"computer_call_output","call_id":"c","output":{"type":"computer_screenshot","image_url":"data:image/png;base64,AA=="}}]`, "user: Hi\nassistant: <c computer{\"type\":\"screenshot\"}>\ntool: <c = <image data:image/png;base64,AA== >>", ""},
		"a shell that nobody called":     {`[` + user + `,{"type":"shell_call_output","call_id":7,"output":null}]`, "user: Hi\nuser: [result of a call that is not in the conversation]", ""},
		"a reference to an item":         {`[` + user + `,{"type":"item_reference","id":"x"},{"id":"y"}]`, "user: Hi", "input[1]=state"},
		"a conversation in short":        {`[{"type":"compaction","id":"cmp","encrypted_content":"carousel:summary:aGVsbG8="},` + user + `]`, "user: The conversation so far, in short:\n\nhello\nuser: Hi", ""},
		"in short by the vendor":         {`[{"type":"compaction","id":"cmp","encrypted_content":"gAAA"},` + user + `]`, "user: Hi", "input[0]=state"},
		"in short by somebody, tampered": {`[{"type":"compaction","encrypted_content":"carousel:summary:%"},` + user + `]`, "user: Hi", "input[0]=state"},
		"half a character":               {`[{"role":"user","content":"a\ud83d"},{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":\"\\ud83d\"}"},{"type":"function_call_output","call_id":"c","output":"\ud83d"}]`, "user: a\ufffd\nassistant: <c f{\"a\":\"\\ufffd\"}>\ntool: <c = \ufffd>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := decoded(t, nil, `"input":`+test.input)
			if request.HistoryFault != nil {
				t.Fatal(request.HistoryFault)
			}
			if got := shown(request.Messages); got != test.want {
				t.Errorf("\n%s\nwant\n%s", got, test.want)
			}
			if got := asksOf(request); got != test.asks {
				t.Errorf("asks %q, want %q", got, test.asks)
			}
		})
	}
}

// Tools, and the rule for calls.
func TestTools(t *testing.T) {
	t.Parallel()
	const f = `{"type":"function","name":"f","description":"d","parameters":{"type":"object","b":1,"a":2},"strict":false}`
	const two = `{"type":"namespace","name":"mcp__a","description":"A","tools":[` + f + `]},{"type":"namespace","name":"b","tools":[` + f + `]}`
	long := strings.Repeat("x", 40)
	for name, test := range map[string]struct{ fields, want, choice, asks string }{
		"a function":            {`"tools":[` + f + `]`, "function f", " []", "tools=tools"},
		"as Chat has it":        {`"tools":[{"type":"function","function":{"name":"f","parameters":null}}]`, "function f", " []", "tools=tools"},
		"free text":             {`"tools":[{"type":"custom","name":"p","description":"d","format":{"type":"grammar","syntax":"lark","definition":"start: x"}}]`, "custom p: d\n\nThe input must match this grammar lark:\n\nstart: x", " []", "tools=free_tools tools=tools"},
		"namespaces":            {`"tools":[` + two + `]`, "function mcp__a_f|function b_f", " []", "namespace.description=tuning tools=tools"},
		"a taken name":          {`"tools":[{"type":"namespace","name":"a","tools":[{"type":"function","name":"f"}]},{"type":"function","name":"a_f"}]`, "function a_f_078b5e44|function a_f", " []", "tools=tools"},
		"one in another":        {`"tools":[{"type":"namespace","name":"a","tools":[{"type":"namespace","name":"b","tools":[` + f + `]},{"type":"function","name":"g"}]}]`, "hosted b|function a_g", " []", "hosted_tools=tuning tools=tools"},
		"signs that are none":   {`"tools":[{"type":"namespace","name":"a.b/c","tools":[{"type":"function","name":"f"}]}]`, "function a_b_c_f_33c4298e", " []", "tools=tools"},
		"a name that is long":   {`"tools":[{"type":"namespace","name":"` + long + `","tools":[{"type":"function","name":"` + long + `"}]}]`, "function " + long + "_" + long[:14] + "_", " []", "tools=tools"},
		"the vendor's":          {`"tools":[` + f + `,{"type":"web_search","external_web_access":false},{"type":"local_shell"},{"type":"mcp","server_url":"u"}]`, "function f|hosted |hosted |hosted ", " []", "hosted_tools=tuning tools=tools"},
		"the vendor's alone":    {`"tools":[{"type":"web_search"}]`, "hosted ", " []", "hosted_tools=tuning"},
		"the vendor's, forced":  {`"tools":[{"type":"web_search"}],"tool_choice":{"type":"web_search"}`, "hosted ", "required []", "tool_choice=hosted_tools tool_choice=tools"},
		"any, but there is one": {`"tools":[{"type":"web_search"}],"tool_choice":"required"`, "hosted ", "required []", "tool_choice=hosted_tools tool_choice=tools"},
		"later ones":            {`"tools":[` + f + `],"input":[{"type":"additional_tools","role":"developer","tools":[{"type":"function","name":"g"},` + f + `]},{"type":"tool_search_call","call_id":"s","arguments":{}},{"type":"tool_search_output","call_id":"s","tools":[` + two + `]},{"role":"user","content":"Hi"}]`, "function f|function g|function mcp__a_f|function b_f", " []", "items=tuning namespace.description=tuning tools=tools"},
		"none":                  {`"tools":[` + f + `],"tool_choice":"none"`, "function f", "none []", "tools=tools"},
		"must":                  {`"tool_choice":"required","tools":[` + f + `]`, "function f", "required []", "tool_choice=tools tools=tools"},
		"one":                   {`"tool_choice":{"type":"function","name":"f"},"tools":[` + f + `]`, "function f", "required [f]", "tool_choice=tools tools=tools"},
		"one in a namespace":    {`"tool_choice":{"type":"function","name":"f","namespace":"b"},"tools":[` + two + `]`, "function mcp__a_f|function b_f", "required [b_f]", "namespace.description=tuning tool_choice=tools tools=tools"},
		"the only one of that":  {`"tool_choice":{"type":"function","name":"f"},"tools":[{"type":"namespace","name":"b","tools":[` + f + `]}]`, "function b_f", "required [b_f]", "tool_choice=tools tools=tools"},
		"some":                  {`"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"web_search"},{"type":"custom","name":"p"}]},"tools":[` + f + `,{"type":"custom","name":"p"}]`, "function f|custom p: ", "auto [f p]", "tools=free_tools tools=tools"},
		"some of the vendor's":  {`"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"web_search"}]},"tools":[` + f + `]`, "function f", "none []", "tools=tools"},
		"a rule of tomorrow":    {`"tool_choice":"perhaps","tools":[` + f + `]`, "function f", " []", "tool_choice=unclear tools=tools"},
		"nothing":               {`"tools":null,"tool_choice":null`, "", " []", ""},
		"an empty list":         {`"tools":[],"tool_choice":"auto"`, "", "auto []", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields := test.fields
			if !strings.Contains(fields, `"input"`) {
				fields += `,"input":"Hi"`
			}
			request := decoded(t, nil, fields)
			var tools []string
			for i := range request.Tools {
				tool := &request.Tools[i]
				text := string(tool.Kind) + " " + tool.Name
				if tool.Kind == chat.Custom {
					text += ": " + tool.Description
				}
				tools = append(tools, text)
				if tool.Name == "f" && string(tool.Schema) != `{"type":"object","b":1,"a":2}` && name != "as Chat has it" {
					t.Errorf("the schema %s", tool.Schema)
				}
				if len(tool.Name) > 64 {
					t.Errorf("%s is %d bytes long", tool.Name, len(tool.Name))
				}
			}
			got := strings.Join(tools, "|")
			if name == "a name that is long" {
				got = got[:len(test.want)]
			}
			if got != test.want {
				t.Errorf("tools\n%s\nwant\n%s", got, test.want)
			}
			if got := fmt.Sprintf("%s %v", request.ToolChoice.Mode, request.ToolChoice.Names); got != test.choice {
				t.Errorf("choice %s, want %s", got, test.choice)
			}
			if got := asksOf(request); got != test.asks {
				t.Errorf("asks %q, want %q", got, test.asks)
			}
		})
	}
}

// A call in the history goes by the same name as its tool.
func TestCallsIntoNamespacesInTheHistory(t *testing.T) {
	t.Parallel()
	request := decoded(t, nil, `"input":[{"type":"function_call","call_id":"c","name":"f","namespace":"a","arguments":"{}"},{"type":"function_call","call_id":"d","name":"g","namespace":"gone","arguments":"{}"}],`+
		`"tools":[{"type":"namespace","name":"a","tools":[{"type":"function","name":"f"}]},{"type":"function","name":"a_f"}]`)
	if got := partsShown(request.Messages[0].Parts); got != "<c "+request.Tools[0].Name+"{}> <d gone_g{}>" || request.Tools[0].Name == "a_f" {
		t.Errorf("%s, the tool is %s", got, request.Tools[0].Name)
	}
}

// What an upstream wants back with a call comes with the call's id.
func TestWhatBelongsToACall(t *testing.T) {
	t.Parallel()
	extra := &chat.Opaque{Dialect: "another", JSON: []byte(`"extra_content":{"signature":"s"}`)}
	answer := both(t, decoded(t, nil, `"input":"Hi"`), chat.Event{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "f", Extra: extra}, Text: "{}", Close: true}, chat.Event{Finish: chat.CalledTools})
	id := answer.Output[0].CallID
	request := decoded(t, nil, `"input":[{"type":"function_call","call_id":"`+id+`","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"`+id+`","output":"r"}]`)
	call := request.Messages[0].Parts[0].Call
	if got := shown(request.Messages); got != "assistant: <c f{}>\ntool: <c = r>" || !reflect.DeepEqual(call.Extra, extra) {
		t.Errorf("%s %+v", got, call.Extra)
	}
}

// Settings in the middle of a conversation hold from there on, and before those of the request.
func TestConfigurationUpdates(t *testing.T) {
	t.Parallel()
	const (
		low    = `{"type":"configuration_update","reasoning":{"effort":"low"}}`
		schema = `{"type":"configuration_update","text":{"format":{"type":"json_schema","name":"n","schema":{"a":1}}}}`
		plain  = `{"type":"configuration_update","text":{"format":{"type":"text"}}}`
		rest   = `,"reasoning":{"effort":"high","summary":"auto"},"text":{"verbosity":"low","format":{"type":"json_object"}}`
	)
	for name, test := range map[string]struct{ items, want, asks string }{
		"none":              {``, "high auto json low", "reasoning=tuning text.format=json_object verbosity=tuning"},
		"an effort":         {low, "low auto json low", "input[1].reasoning=tuning reasoning=tuning text.format=json_object verbosity=tuning"},
		"a form":            {schema, "high auto schema low", "input[1].text.format=json_schema reasoning=tuning verbosity=tuning"},
		"both, in two":      {low + "," + schema, "low auto schema low", "input[1].reasoning=tuning input[2].text.format=json_schema reasoning=tuning verbosity=tuning"},
		"the latest counts": {schema + "," + plain, "high auto  low", "reasoning=tuning verbosity=tuning"},
		"an effort of tomorrow": {
			`{"type":"configuration_update","reasoning":{"effort":"boundless"}},` + plain, "high auto  low",
			"input[1].reasoning.effort=unclear reasoning=tuning verbosity=tuning",
		},
	} {
		items := `"input":[{"role":"user","content":"Hi"}` + strings.TrimSuffix(","+test.items, ",") + `]`
		request := decoded(t, nil, items+rest)
		got := fmt.Sprintf("%s %s %s %s", request.Thinking.Effort, request.Thinking.Show, request.Output.Form, request.Verbosity)
		if got != test.want || asksOf(request) != test.asks || shown(request.Messages) != "user: Hi" {
			t.Errorf("%s: %s, %s", name, got, asksOf(request))
		}
	}
	request := decoded(t, nil, `"input":[{"role":"user","content":"Hi"},`+low+`]`)
	tuned, err := api.Tune(request, []chat.Parameter{{Name: chat.SetEffort, Value: `"none"`}})
	if err != nil || request.Thinking.Effort != chat.EffortLow || tuned.Thinking.Effort != chat.EffortNone || tuned.Thinking.Mode != chat.ThinkingOff {
		t.Errorf("%+v, %v", tuned, err)
	}
}

// Each field that shapes the answer.
func TestWishes(t *testing.T) {
	t.Parallel()
	half, yes, no := 0.5, true, false
	for name, test := range map[string]struct {
		fields string
		want   chat.Request
		asks   string
	}{
		"sampling":      {`"temperature":0.5,"top_p":0.5`, chat.Request{Sampling: chat.Sampling{Temperature: &half, TopP: &half}}, "temperature=tuning top_p=tuning"},
		"a limit":       {`"max_output_tokens":50`, chat.Request{MaxTokens: 50}, ""},
		"no limit":      {`"max_output_tokens":0`, chat.Request{}, "max_output_tokens=unclear"},
		"one at a time": {`"parallel_tool_calls":false`, chat.Request{ParallelCalls: &no}, "parallel_tool_calls=tuning"},
		"reasoning":     {`"reasoning":{"effort":"low","summary":"auto","context":"auto"}`, chat.Request{Thinking: chat.Thinking{Effort: chat.EffortLow, Show: "auto"}}, "reasoning=tuning"},
		"no reasoning":  {`"reasoning":{"effort":"none","generate_summary":null}`, chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOff, Effort: chat.EffortNone}}, "reasoning=tuning"},
		"a new effort":  {`"reasoning":{"effort":"boundless"}`, chat.Request{}, "reasoning.effort=unclear"},
		"verbosity":     {`"text":{"verbosity":"low","format":{"type":"text"}}`, chat.Request{Verbosity: "low"}, "verbosity=tuning"},
		"JSON":          {`"text":{"format":{"type":"json_object"}}`, chat.Request{Output: chat.Output{Form: chat.JSONOutput}}, "text.format=json_object"},
		"a schema": {
			`"text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{"b":1,"a":2},"strict":true}}`,
			chat.Request{Output: chat.Output{Form: chat.SchemaOutput, Name: "n", Description: "d", Schema: []byte(`{"b":1,"a":2}`), Strict: &yes}},
			"text.format=json_schema",
		},
		"a new form":          {`"text":{"format":{"type":"poem"}}`, chat.Request{}, "text.format=unclear"},
		"what to include":     {`"include":["reasoning.encrypted_content","file_search_call.results","web_search_call.results"]`, chat.Request{}, "include=tuning"},
		"probabilities":       {`"include":["message.output_text.logprobs"],"top_logprobs":3`, chat.Request{}, "include=logprobs top_logprobs=logprobs"},
		"no probabilities":    {`"top_logprobs":0`, chat.Request{}, ""},
		"who and what":        {`"user":"u","safety_identifier":"s","prompt_cache_key":"k","metadata":{"a":"b"},"service_tier":"flex"`, chat.Request{User: "s", Session: "k", ServiceTier: "flex"}, "metadata=tuning prompt_cache_key=tuning safety_identifier=tuning service_tier=tuning user=tuning"},
		"what Codex says":     {`"client_metadata":{"a":"b"},"stream_options":{"reasoning_summary_delivery":"x"},"store":false`, chat.Request{}, "client_metadata=tuning stream_options=tuning"},
		"what is elsewhere":   {`"previous_response_id":"resp_1","conversation":{"id":"c"},"prompt":{"id":"p"},"background":true`, chat.Request{}, "background=state conversation=state previous_response_id=state prompt=state"},
		"what is not":         {`"previous_response_id":null,"conversation":null,"prompt":null,"background":false,"truncation":null`, chat.Request{}, ""},
		"Chat's usual words":  {`"n":1,"stop":null,"logprobs":false,"modalities":["text"],"logit_bias":{}`, chat.Request{}, ""},
		"fields of tomorrow":  {`"of_tomorrow":1,"of_the_day_after":{"x":[]}`, chat.Request{}, "other=tuning"},
		"nulls, wherever":     {`"temperature":null,"reasoning":null,"text":null,"include":null,"metadata":null,"user":null,"max_output_tokens":null,"stream":null,"instructions":null,"parallel_tool_calls":null,"service_tier":null,"prompt_cache_key":null,"store":null,"top_logprobs":null`, chat.Request{}, ""},
		"a stream":            {`"stream":true`, chat.Request{Stream: true}, ""},
		"truncation and more": {`"truncation":"auto","max_tool_calls":3,"moderation":{"a":1}`, chat.Request{}, "max_tool_calls=tuning moderation=tuning truncation=tuning"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := decoded(t, nil, `"input":"Hi",`+test.fields)
			got := chat.Request{
				Sampling: request.Sampling, MaxTokens: request.MaxTokens, ParallelCalls: request.ParallelCalls, Thinking: request.Thinking, Verbosity: request.Verbosity,
				Output: request.Output, User: request.User, Session: request.Session, ServiceTier: request.ServiceTier, Stream: request.Stream,
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v\nwant\n%+v", got, test.want)
			}
			if got := asksOf(request); got != test.asks {
				t.Errorf("asks %q, want %q", got, test.asks)
			}
		})
	}
}

// Instructions stand before all items, wherever their field does, and a part is named by the
// item in which the client has put it.
func TestPlaces(t *testing.T) {
	t.Parallel()
	request := decoded(t, nil, `"input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"u"}]},{"type":"reasoning","summary":[]},`+
		`{"role":"assistant","content":"b"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"role":"user","content":"y"},{"type":"function_call_output","call_id":"c","output":"r"}],"instructions":"i"`)
	var places []string
	for i := range request.Messages {
		for j := range request.Messages[i].Parts {
			places = append(places, request.Place(i, j))
		}
		places = append(places, request.Place(i, -1))
	}
	want := "instructions instructions input[0].content[0] input[0].content[1] input[0] input[2] input[3] input[2] input[5] input[5] input[4] input[4]"
	if got := strings.Join(places, " "); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// What belongs together is told by headers before the body, and an upstream of the dialect
// sees what it knows, but neither a key nor the client's own account.
func TestHeaders(t *testing.T) {
	t.Parallel()
	header := http.Header{
		"Session-Id": {"s"}, "Thread-Id": {"t"}, "Originator": {"codex_cli_rs"}, "User-Agent": {"codex_cli_rs/1"}, "Version": {"1"}, "X-Client-Request-Id": {"t"},
		"X-Codex-Turn-State": {"x"}, "X-Codex-Window-Id": {"w"}, "X-Openai-Subagent": {"review"}, "Openai-Beta": {"b"}, "X-Stainless-Lang": {"go"},
	}
	withheld := http.Header{
		"Authorization": {"Bearer k"}, "X-Api-Key": {"k"}, "Api-Key": {"k"}, "Cookie": {"c"}, "Openai-Organization": {"o"}, "Openai-Project": {"p"},
		"Chatgpt-Account-Id": {"a"}, "Origin": {"o"}, "Host": {"h"}, "X-Forwarded-For": {"1.2.3.4"}, "Accept-Encoding": {"gzip"},
	}
	all := header.Clone()
	for name, values := range withheld {
		all[name] = values
	}
	request := decoded(t, all, `"input":"Hi","prompt_cache_key":"k"`)
	if !reflect.DeepEqual(http.Header(request.Source.Header), header) {
		t.Errorf("passed on %v\nwant %v", request.Source.Header, header)
	}
	for want, given := range map[string]http.Header{"s": header, "t": {"Thread-Id": {"t"}}, "k": {}} {
		if got := decoded(t, given, `"input":"Hi","prompt_cache_key":"k"`).Session; got != want {
			t.Errorf("session %q, want %q", got, want)
		}
	}
	for name, given := range map[string]http.Header{"Codex": header, "by its agent": {"User-Agent": {"Codex/1"}}, "by its window": {"X-Codex-Window-Id": {"w"}}} {
		if !api.Recognizes(given) {
			t.Errorf("%s is not recognised", name)
		}
	}
	for _, other := range []http.Header{nil, {"User-Agent": {"OpenAI/Go"}}, {"Originator": {"opencode"}}} {
		if api.Recognizes(other) {
			t.Errorf("%v is Codex", other)
		}
	}
}

// A byte order mark is no part of a request.
func TestAMarkBeforeTheBody(t *testing.T) {
	t.Parallel()
	request, err := api.Decode(dialect.Incoming{Body: []byte("\xef\xbb\xbf" + `{"model":"m","input":"Hi"}`)})
	if err != nil || shown(request.Messages) != "user: Hi" || request.Source.JSON[0] != '{' {
		t.Errorf("%+v, %v", request, err)
	}
}
