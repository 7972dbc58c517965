package anthropic_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
)

// decoded is what a body becomes.
func decoded(t testing.TB, body string, header ...string) *chat.Request {
	t.Helper()
	in := dialect.Incoming{Body: []byte(body), Header: http.Header{}, RequestID: requestID, Received: time.Unix(1700000000, 0)}
	for i := 0; i < len(header); i += 2 {
		in.Header.Add(header[i], header[i+1])
	}
	request, err := anthropic.API{}.Decode(in)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return request
}

func TestDecodeText(t *testing.T) {
	t.Parallel()
	r := decoded(t, `{"model":"fable[1m]","max_tokens":100,"stream":true,"system":"Be brief.","messages":[{"role":"user","content":"Hello?"}]}`)
	if r.Model != "fable" || r.MaxTokens != 100 || !r.Stream || !r.IncludeUsage || r.ID != "msg_"+requestID || r.HistoryFault != nil {
		t.Errorf("%+v", r)
	}
	if len(r.Messages) != 2 || r.Messages[0].Role != chat.System || r.Messages[0].Text() != "Be brief." ||
		r.Messages[1].Role != chat.User || r.Messages[1].Text() != "Hello?" {
		t.Errorf("%+v", r.Messages)
	}
}

// told is a conversation in short: each message's role, and what its parts are.
func told(r *chat.Request) string {
	var lines []string
	for _, m := range r.Messages {
		lines = append(lines, string(m.Role)+": "+parts(m.Parts))
	}
	return strings.Join(lines, "\n")
}

func parts(of []chat.Part) string {
	var texts []string
	for _, p := range of {
		text := p.Text
		switch {
		case p.Image != nil:
			text = "image " + p.Image.URL + p.Image.FileID
		case p.Document != nil:
			text = strings.Join([]string{"document", p.Document.MediaType, p.Document.Title, p.Document.Context, p.Document.URL + p.Document.FileID + p.Document.Text}, "|")
		case p.Call != nil:
			text = fmt.Sprintf("call %s %s(%s)", p.Call.ID, p.Call.Name, p.Call.Arguments)
		case p.Result != nil:
			text = fmt.Sprintf("result %s (%s)", p.Result.CallID, parts(p.Result.Parts))
			if p.Result.Failed {
				text += " failed"
			}
		case p.Reasoning != nil:
			text = fmt.Sprintf("thought %q %s %s", p.Reasoning.Text, p.Reasoning.Maker, p.Reasoning.Seal)
		case p.Opaque != nil:
			text = "own " + p.Opaque.Type
		}
		if p.Cache != nil {
			text += " *" + p.Cache.TTL
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " / ")
}

// What readers of this API have stumbled over.
func TestTrapsOfRequests(t *testing.T) {
	t.Parallel()
	const calls = `{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"g","input":{"x":1}}]},`
	const called = "user: Hi\nassistant: call a f({}) / call b g({\"x\":1})\n"
	result := func(id, content string) string {
		return `{"type":"tool_result","tool_use_id":"` + id + `","content":` + content + `}`
	}
	for _, trap := range []struct{ name, messages, want string }{
		{
			"trap 18: thinking is lost before a call",
			`{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"redacted_thinking","data":"ZGF0YQ"},{"type":"text","text":"I look."},{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[` + result("a", `"ok"`) + `]}`,
			"user: Hi\nassistant: thought \"Hm.\" anthropic c2ln / thought \"\" anthropic ZGF0YQ / I look. / call a f({})\ntool: result a (ok)",
		},
		{
			"trap 22: thinking without a signature",
			`{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":""},{"type":"thinking","thinking":"And."},{"type":"thinking","thinking":"","signature":""},{"type":"text","text":"a"}]}`,
			"user: Hi\nassistant: thought \"Hm.\"   / thought \"And.\"   / a",
		},
		{
			"trap 24: what the user says stands before the results",
			calls + `{"role":"user","content":[{"type":"text","text":"Go on."},` + result("b", `"2"`) + `,` + result("a", `"1"`) + `]}`,
			called + "tool: result b (2) / result a (1)\nuser: Go on.",
		},
		{
			"trap 24: a call without a result",
			calls + `{"role":"user","content":[` + result("b", `"2"`) + `,{"type":"text","text":"Stop!"}]}`,
			called + "tool: result b (2) / result a ([no result: the call was interrupted]) failed\nuser: Stop!",
		},
		{
			"trap 24: no result at all",
			calls + `{"role":"user","content":"Never mind."},{"role":"assistant","content":"Fine."}`,
			called + "tool: result a ([no result: the call was interrupted]) failed / result b ([no result: the call was interrupted]) failed\nuser: Never mind.\nassistant: Fine.",
		},
		{
			"trap 24: a conversation that ends with calls",
			calls[:len(calls)-1],
			called + "tool: result a ([no result: the call was interrupted]) failed / result b ([no result: the call was interrupted]) failed",
		},
		{
			"trap 24: a result without a call",
			`{"role":"user","content":[` + result("z", `"9"`) + `,{"type":"text","text":"Go on."}]}`,
			"user: [result of a call that is not in the conversation] / 9 / Go on.",
		},
		{
			"trap 24: two results of a call",
			calls + `{"role":"user","content":[` + result("a", `"1"`) + `,` + result("b", `"2"`) + `,` + result("a", `"3"`) + `]}`,
			called + "tool: result a (1) / result b (2)\nuser: [result of a call that is not in the conversation] / 3",
		},
		{
			"trap 24: results in two messages",
			calls + `{"role":"user","content":[` + result("a", `"1"`) + `]},{"role":"user","content":[` + result("b", `"2"`) + `,{"type":"text","text":"So?"}]}`,
			called + "tool: result a (1) / result b (2)\nuser: So?",
		},
		{
			"trap 25: an image in a result",
			calls + `{"role":"user","content":[` + result("a", `[{"type":"text","text":"seen:"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAEC"}}]`) + `,` + result("b", `[]`) + `]}`,
			called + "tool: result a (seen: / image data:image/png;base64,AAEC) / result b ()",
		},
		{
			"trap 26: content as an array",
			`{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"text","text":"Ho"}]},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"system","content":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}]}`,
			"user: Hi\nassistant: Ho\nuser: a / b\nsystem: Be brief. *",
		},
		{
			"trap 26: content as a string",
			`{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"},{"role":"user","content":"a"},{"role":"system","content":"Be brief."}`,
			"user: Hi\nassistant: Ho\nuser: a\nsystem: Be brief.",
		},
		{
			"trap 27: an empty text",
			`{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"Hi"}]},{"role":"assistant","content":""},{"role":"user","content":[{"type":"text","text":""}]},{"role":"user","content":"Ho"},{"role":"assistant","content":[{"type":"text","text":""},{"type":"tool_use","id":"a","name":"f","input":{}}]}`,
			"user: Hi\nuser: Ho\nassistant: call a f({})\ntool: result a ([no result: the call was interrupted]) failed",
		},
		{
			"trap 28: instructions in the middle",
			`{"role":"user","content":"Hi"},{"role":"system","content":"Be brief."},{"role":"assistant","content":"Ho"},{"role":"user","content":[{"type":"text","text":"And?"},{"type":"mid_conv_system","content":[{"type":"text","text":"Be kind."}]}]}`,
			"user: Hi\nsystem: Be brief.\nassistant: Ho\nuser: And?\nsystem: Be kind.",
		},
		{
			"trap 30: members that are younger",
			`{"role":"user","content":[{"type":"text","text":"Hi","younger":{"a":[1e400]},"citations":null}],"younger":1}`,
			"user: Hi",
		},
		{
			"trap 31: half a character",
			`{"role":"user","content":"\ud83d!"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"t":"\ud83d \ud83d\ude42 \\\\ud83d \udc00"}}]},{"role":"user","content":[` + result("a", `"\ude42"`) + `]}`,
			"user: \ufffd!\nassistant: call a f({\"t\":\"\\ufffd \\ud83d\\ude42 \\\\\\\\ud83d \\ufffd\"})\ntool: result a (\ufffd)",
		},
		{
			"trap 15: blocks of the vendor's own",
			`{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text","text":"a"}]}`,
			"user: Hi\nassistant: own server_tool_use / own web_search_tool_result / a",
		},
		{
			"images and documents",
			`{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://a/b.png"}},{"type":"image","source":{"type":"file","file_id":"f1"}},
			 {"type":"document","title":"T","context":"C","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"},"cache_control":{"type":"ephemeral","ttl":"1h"}},
			 {"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"},"citations":{"enabled":true}},
			 {"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"},{"type":"image","source":{"type":"url","url":"https://c"}}]}},
			 {"type":"document","source":{"type":"content","content":"c"}},
			 {"type":"document","source":{"type":"url","url":"https://a/b.pdf"}},{"type":"document","source":{"type":"file","file_id":"f2"}},
			 {"type":"image","source":{"type":"younger"}},{"type":"document","source":{"type":"younger"}},
			 {"type":"search_result","source":"https://s","title":"Found","content":[{"type":"text","text":"it"}]}]}`,
			"user: image https://a/b.png / image f1 / document|application/pdf|T|C|data:application/pdf;base64,JVBE *1h / document|text/plain|||words / document|text/plain|||a\nb / image https://c" +
				" / document|text/plain|||c / document||||https://a/b.pdf / document||||f2 / own image / own document / Found\nhttps://s\nit",
		},
		{
			"what a search for tools has found",
			calls + `{"role":"user","content":[` + result("a", `[{"type":"tool_reference","tool_name":"h"}]`) + `,` + result("b", `null`) + `]}`,
			called + "tool: result a ([tool: h]) / result b ()",
		},
	} {
		t.Run(trap.name, func(t *testing.T) {
			t.Parallel()
			r := decoded(t, said(trap.messages))
			if got := told(r); got != trap.want || r.HistoryFault != nil {
				t.Errorf("%v\n%s\nwant\n%s", r.HistoryFault, got, trap.want)
			}
		})
	}
}

// trap 29: the line in which Claude Code names its version differs from request to request.
func TestTrap29Attribution(t *testing.T) {
	t.Parallel()
	const line = "x-anthropic-billing-header: cc_version=2.1.177.01c; cc_entrypoint=cli; cch=36ee5;"
	for system, want := range map[string]string{
		`[{"type":"text","text":"` + line + `"},{"type":"text","text":"Be brief."}]`: "system: Be brief.\nuser: Hi",
		`"` + line + `\nBe brief."`: "system: Be brief.\nuser: Hi",
		`"` + line + `"`:            "user: Hi",
		`[{"type":"text","text":"Be brief."},{"type":"text","text":"` + line[:20] + `"}]`: "system: Be brief. / " + line[:20] + "\nuser: Hi",
		`null`: "user: Hi",
	} {
		body := `{"system":` + system + `,` + said(`{"role":"user","content":"Hi"}`)[1:]
		r := decoded(t, body)
		if got := told(r); got != want {
			t.Errorf("%s: %s, want %s", system, got, want)
		}
		if string(r.Source.JSON) != body {
			t.Errorf("an upstream of the dialect gets %s", r.Source.JSON)
		}
	}
}

// What is wrong with a part is named as the client knows it.
func TestPlaces(t *testing.T) {
	t.Parallel()
	r := decoded(t, strings.Replace(claudeCode, `"system":[`, `"system":[{"type":"text","text":"Another."},`, 1))
	var places []string
	for i, m := range r.Messages {
		for j := range m.Parts {
			places = append(places, r.Place(i, j))
		}
		places = append(places, r.Place(i, -1))
	}
	want := []string{
		"system.0", "system.1", "system.2", "system",
		"messages.0.content.0", "messages.0",
		"messages.1.content.0", "messages.1.content.1", "messages.1.content.2", "messages.1.content.3", "messages.1",
		"messages.2.content.0", "messages.2.content.1", "messages.2",
		"messages.2.content.2", "messages.2",
		"messages.3", "messages.3",
	}
	if !slices.Equal(places, want) {
		t.Errorf("%q\nwant %q", places, want)
	}
}

// A turn of Claude Code, all of it.
func TestClaudeCodesTurn(t *testing.T) {
	t.Parallel()
	r := decoded(t, claudeCode, "Anthropic-Version", "2023-06-01")
	const want = `system: You are a coding agent. *1h
user: Look at it. *
assistant: thought "Hm." anthropic c2lnbmVk / I look. / call toolu_1 Read({"path":"a"}) / call toolu_2 Bash({})
tool: result toolu_1 (seen / image data:image/png;base64,iVBORw0KGgo=) / result toolu_2 (failed) failed
user: Go on.
system: The user is in a hurry.`
	if got := told(r); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if len(r.Tools) != 2 || r.Tools[0].Name != "Read" || string(r.Tools[0].Schema) != `{"type":"object","properties":{"path":{"type":"string"}}}` || r.Tools[1].Cache == nil {
		t.Errorf("%+v", r.Tools)
	}
	if r.Thinking.Mode != chat.ThinkingAdaptive || r.Thinking.Effort != chat.EffortHigh || r.MaxTokens != 32000 || r.Session != "7c5b2d54-8d44-4c8b-9e2c-4a9b3c1f0e11" {
		t.Errorf("%+v", r)
	}
	asks := []chat.Ask{
		{Field: "thinking", Need: chat.Tuning},
		{Field: "output_config.effort", Need: chat.Tuning},
		{Field: "context_management", Need: chat.Tuning},
		{Field: "metadata", Need: chat.Tuning},
		{Field: "tools", Need: chat.Tools},
	}
	if !slices.Equal(r.Asks, asks) {
		t.Errorf("%+v", r.Asks)
	}
}

// What the fields of a request ask for; what is not said is left to the upstream.
func TestWishes(t *testing.T) {
	t.Parallel()
	one, half, ten, yes, no := 1.0, 0.5, 10, true, false
	const tool = `"tools":[{"name":"f","input_schema":{}}]`
	tools := []chat.ToolSpec{{Kind: chat.Function, Name: "f", Schema: []byte(`{}`)}}
	const search = `{"type":"web_search_20250305","name":"web_search","max_uses":5}`
	hosted := chat.ToolSpec{Kind: chat.Hosted, Name: "web_search", Own: &chat.Opaque{Dialect: "anthropic", Type: "web_search_20250305", JSON: []byte(search)}}
	schema := chat.Output{Form: chat.SchemaOutput, Schema: []byte(`{"type":"object"}`)}
	asks := func(pairs ...string) (all []chat.Ask) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, chat.Ask{Field: pairs[i], Need: chat.Need(pairs[i+1])})
		}
		return all
	}
	for name, c := range map[string]struct {
		fields string
		want   chat.Request
	}{
		"nothing":                          {``, chat.Request{}},
		"nulls":                            {`"temperature":null,"stop_sequences":null,"thinking":null,"tools":null,"tool_choice":null,"system":null,"metadata":null,"output_config":null,"service_tier":null,"stream":null,"container":null`, chat.Request{}},
		"sampling":                         {`"temperature":1,"top_p":0.5,"top_k":10`, chat.Request{Sampling: chat.Sampling{Temperature: &one, TopP: &half, TopK: &ten}, Asks: asks("temperature", "tuning", "top_p", "tuning", "top_k", "tuning")}},
		"trap 10: stop texts":              {`"stop_sequences":["END","","\n\n"]`, chat.Request{Stop: []string{"END", "\n\n"}}},
		"more stop texts than are kept":    {`"stop_sequences":[` + strings.Repeat(`"x",`, 16) + `"y"]`, chat.Request{Stop: slices.Repeat([]string{"x"}, 16), Asks: asks("stop_sequences", "unclear")}},
		"trap 19: thinking with a budget":  {`"thinking":{"type":"enabled","budget_tokens":2048,"display":"summarized"}`, chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOn, Budget: 2048, Show: "summarized"}, Asks: asks("thinking", "tuning")}},
		"trap 19: adaptive thinking":       {`"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"xhigh"}`, chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingAdaptive, Effort: chat.EffortXHigh, Show: "omitted"}, Asks: asks("thinking", "tuning", "output_config.effort", "tuning")}},
		"trap 19: no thinking":             {`"output_config":{"effort":"low"},"thinking":{"type":"disabled"}`, chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOff, Effort: chat.EffortLow}, Asks: asks("output_config.effort", "tuning", "thinking", "tuning")}},
		"thinking in a younger way":        {`"thinking":{"type":"between_tools"}`, chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingAdaptive}, Asks: asks("thinking", "tuning")}},
		"a schema":                         {`"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}`, chat.Request{Output: schema, Asks: asks("output_config.format", "json_schema")}},
		"a schema, in the older place":     {`"output_format":{"type":"json_schema","schema":{"type":"object"}}`, chat.Request{Output: schema, Asks: asks("output_format", "json_schema")}},
		"a form that nobody knows":         {`"output_config":{"format":{"type":"xml"},"task_budget":{"type":"tokens"}}`, chat.Request{Asks: asks("output_config.format", "unclear", "output_config", "tuning")}},
		"tools":                            {tool + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`, chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsAuto}, ParallelCalls: &no, Asks: asks("tools", "tools")}},
		"any tool":                         {tool + `,"tool_choice":{"type":"any","disable_parallel_tool_use":false}`, chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired}, ParallelCalls: &yes, Asks: asks("tools", "tools", "tool_choice", "tools")}},
		"one tool":                         {tool + `,"tool_choice":{"type":"tool","name":"f"}`, chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"f"}}, Asks: asks("tools", "tools", "tool_choice", "tools")}},
		"no tool":                          {tool + `,"tool_choice":{"type":"none"}`, chat.Request{Tools: tools, ToolChoice: chat.ToolChoice{Mode: chat.ToolsNone}, Asks: asks("tools", "tools")}},
		"a choice that nobody knows":       {tool + `,"tool_choice":{"type":"younger"}`, chat.Request{Tools: tools, Asks: asks("tool_choice", "unclear", "tools", "tools")}},
		"trap 30: a tool of younger kinds": {`"tools":[{"type":"custom","name":"f","description":"d","strict":true,"input_schema":{},"input_examples":[{}],"defer_loading":true,"younger":[]}]`, chat.Request{Tools: []chat.ToolSpec{{Kind: chat.Function, Name: "f", Description: "d", Schema: []byte(`{}`), Strict: &yes}}, Asks: asks("tools", "tools")}},
		"the vendor's tool alone":          {`"tools":[` + search + `]`, chat.Request{Tools: []chat.ToolSpec{hosted}, Asks: asks("tools.0", "hosted_tools")}},
		"the vendor's tool beside another": {`"tools":[` + search + `,{"name":"f","input_schema":{}}]`, chat.Request{Tools: append([]chat.ToolSpec{hosted}, tools...), Asks: asks("tools", "tools", "hosted_tools", "tuning")}},
		"the vendor's tool, demanded":      {`"tools":[` + search + `,{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"web_search"}`, chat.Request{Tools: append([]chat.ToolSpec{hosted}, tools...), ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"web_search"}}, Asks: asks("tools", "tools", "tool_choice", "tools", "tool_choice", "hosted_tools")}},
		"a warm cache":                     {`"max_tokens":0`, chat.Request{Asks: asks("max_tokens", "state")}},
		"a cache mark of all":              {`"cache_control":{"type":"ephemeral","ttl":"5m"}`, chat.Request{Cache: &chat.CacheMark{TTL: "5m"}, Asks: asks("cache_control", "tuning")}},
		"a tier":                           {`"service_tier":"auto"`, chat.Request{ServiceTier: "auto", Asks: asks("service_tier", "tuning")}},
		"trap 44: fields of betas":         {`"context_management":{"edits":[]},"speed":"fast","younger_than_this":{"a":1}`, chat.Request{Asks: asks("context_management", "tuning", "speed", "tuning", "other", "tuning")}},
		"what the vendor keeps":            {`"container":"c","thread":{"type":"create"},"fallbacks":[{"model":"m"}],"context":{"a":1},"inference_geo":"eu"`, chat.Request{Asks: asks("container", "state", "thread", "state", "fallbacks", "state", "context", "state", "inference_geo", "unclear")}},
		"servers of tools":                 {`"mcp_servers":[{"type":"url","url":"https://x"}]`, chat.Request{Asks: asks("mcp_servers", "hosted_tools")}},
		"no servers of tools":              {`"mcp_servers":[],"fallbacks":[]`, chat.Request{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":5`
			if strings.Contains(c.fields, "max_tokens") {
				body = strings.Replace(body, `,"max_tokens":5`, "", 1)
			}
			if c.fields != "" {
				body += ","
			}
			r := decoded(t, body+c.fields+"}")
			if r.HistoryFault != nil {
				t.Fatal(r.HistoryFault)
			}
			got := *r
			got.ID, got.Created, got.Model, got.Messages, got.IncludeUsage, got.MaxTokens, got.Locate, got.Source = "", time.Time{}, "", nil, false, 0, nil, chat.Source{}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v\nwant %+v", got, c.want)
			}
		})
	}
}

// trap 36: a probe of one token is a request like another.
func TestTrap36Probe(t *testing.T) {
	t.Parallel()
	r := decoded(t, `{"model":"fable","max_tokens":1,"messages":[{"role":"user","content":"quota"}],"metadata":{"user_id":"user_0a_account_1b_session_7c5b2d54"}}`)
	if r.MaxTokens != 1 || r.Stream || r.User != "user_0a_account_1b_session_7c5b2d54" {
		t.Errorf("%+v", r)
	}
	for need := range r.Needs() {
		t.Errorf("it needs %+v", need)
	}
}

// trap 42: what belongs together is served by one token, where its cache is.
func TestTrap42Sessions(t *testing.T) {
	t.Parallel()
	const header = "X-Claude-Code-Session-Id"
	for _, c := range []struct{ userID, header, want string }{
		{"", "", ""},
		{"me", "", ""},
		{"user_0a_account_1b_session_7c5b2d54", "", "7c5b2d54"},
		{`{"device_id":"d","session_id":"7c5b2d54"}`, "", "7c5b2d54"},
		{`{"session_id":5}`, "", ""},
		{`{"session_id":"x"`, "", ""},
		{"user_0a_account_1b_session_7c5b2d54", "of-the-header", "of-the-header"},
	} {
		userID, _ := json.Marshal(c.userID)
		body := `{"metadata":{"user_id":` + string(userID) + `,"younger":1},` + said(`{"role":"user","content":"Hi"}`)[1:]
		var headers []string
		if c.header != "" {
			headers = []string{header, c.header}
		}
		if r := decoded(t, body, headers...); r.Session != c.want || r.User != c.userID {
			t.Errorf("%+v: session %q, user %q", c, r.Session, r.User)
		}
	}
}

// trap 44: an upstream of the dialect sees betas and fields alike, and nothing of whose the
// client is.
func TestTrap44Headers(t *testing.T) {
	t.Parallel()
	r := decoded(t, said(`{"role":"user","content":"Hi"}`),
		"Anthropic-Version", "2023-06-01", "Anthropic-Beta", "claude-code-20250219,younger-2027", "Anthropic-Beta", "another-2027",
		"X-Claude-Code-Session-Id", "s", "X-App", "cli", "X-Stainless-Retry-Count", "0", "User-Agent", "claude-cli/2.1.177",
		"X-Api-Key", "secret", "Authorization", "Bearer secret", "Cookie", "secret", "Origin", "https://x", "X-Forwarded-For", "1.2.3.4", "Accept-Encoding", "br",
		"Anthropic-Workspace-Id", "secret", "Anthropic-User-Profile-Id", "secret", "Idempotency-Key", "k", "X-Request-Id", "r")
	want := map[string][]string{
		"Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": {"claude-code-20250219,younger-2027", "another-2027"},
		"X-Claude-Code-Session-Id": {"s"}, "X-App": {"cli"}, "X-Stainless-Retry-Count": {"0"}, "User-Agent": {"claude-cli/2.1.177"},
	}
	if !reflect.DeepEqual(r.Source.Header, want) {
		t.Errorf("%v\nwant %v", r.Source.Header, want)
	}
}

// Under the version of October 2026 some fields are no longer there. An upstream of the
// dialect says so itself.
func TestVersionOfOctober2026(t *testing.T) {
	t.Parallel()
	const paper = `{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"}}`
	for body, field := range map[string]string{
		`{"temperature":1,` + said(`{"role":"user","content":"Hi"}`)[1:]:                                                "temperature",
		`{"top_k":1,` + said(`{"role":"user","content":"Hi"}`)[1:]:                                                      "",
		said(`{"role":"user","content":"Hi"},{"role":"assistant","content":[` + paper + `]}`):                           "messages.1.content.0",
		said(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b","citations":[{"a":1}]}]}`): "messages.0.content.1.citations",
		said(`{"role":"user","content":[` + paper + `,{"type":"text","text":"b","citations":[]}]}`):                     "-",
	} {
		if r := decoded(t, body); r.HistoryFault != nil {
			t.Errorf("%s under no version: %v", body, r.HistoryFault)
		}
		fault := decoded(t, body, "Anthropic-Version", "2026-10-21").HistoryFault
		if (fault != nil) != (field != "-") || fault != nil && field != "" && fault.Param != field {
			t.Errorf("%s: %+v, want %s", body, fault, field)
		}
	}
}

// The last of equal keys counts, in any order.
func TestOrderOfKeys(t *testing.T) {
	t.Parallel()
	r := decoded(t, `{"messages":[{"content":1}],"max_tokens":5,"messages":[{"content":"Hi","role":"user"}],"system":"a","model":"m","system":[{"text":"b","type":"text"}]}`)
	if got := told(r); got != "system: b\nuser: Hi" || r.HistoryFault != nil {
		t.Errorf("%s %v", got, r.HistoryFault)
	}
}

// A question for tokens is a request without what only an answer needs.
func TestQuestionForTokens(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"fable","messages":[{"role":"user","content":"Hi"}],"tools":[{"name":"f","input_schema":{}}]}`)
	r, err := anthropic.API{}.DecodeCount(dialect.Incoming{Body: body, RequestID: requestID})
	if err != nil || len(r.Tools) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := string(anthropic.API{}.Count(12)); got != `{"input_tokens":12}` {
		t.Error(got)
	}
}
