package anthropic

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// builtBody is what tests look at of a body.
type builtBody struct {
	System   []builtBlock `json:"system"`
	Messages []struct {
		Role    string       `json:"role"`
		Content []builtBlock `json:"content"`
	} `json:"messages"`
	Tools    []builtBlock    `json:"tools"`
	Cache    json.RawMessage `json:"cache_control"`
	Thinking json.RawMessage `json:"thinking"`
}

type builtBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ID        string          `json:"id"`
	ToolUseID string          `json:"tool_use_id"`
	Content   []builtBlock    `json:"content"`
	Name      string          `json:"name"`
	Cache     json.RawMessage `json:"cache_control"`
}

func buildOf(t *testing.T, s settings, request chat.Request) (body builtBody) {
	t.Helper()
	text := built(&Driver{settings: s}, translatedCall(request))
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return body
}

// shapeOf tells roles and blocks apart: results by what they say.
func shapeOf(body builtBody) string {
	text := ""
	for _, message := range body.Messages {
		text += message.Role[:1] + "["
		for _, block := range message.Content {
			switch block.Type {
			case "text":
				text += block.Text
			case "tool_use":
				text += "call " + block.ID
			case "tool_result":
				text += "result " + block.ToolUseID
				for _, inner := range block.Content {
					text += "=" + inner.Text
				}
			default:
				text += block.Type
			}
			text += ","
		}
		text += "]"
	}
	return text
}

func TestOddConversations(t *testing.T) {
	t.Parallel()
	call := func(id string) chat.Part { return chat.Part{Call: &chat.Call{ID: id, Name: "f"}} }
	result := func(id, text string) chat.Part {
		return chat.Part{Result: &chat.Result{CallID: id, Parts: []chat.Part{{Text: text}}}}
	}
	say := func(role chat.Role, parts ...chat.Part) chat.Message { return chat.Message{Role: role, Parts: parts} }
	thought := chat.Part{Reasoning: &chat.Reasoning{Text: "Hm", Seal: "s", Maker: dialect}}
	hello, yo, rule := textOf(chat.User, "Hi"), textOf(chat.Assistant, "Yo"), textOf(chat.System, "Be kind")
	for name, test := range map[string]struct {
		messages []chat.Message
		mid      bool
		want     string
	}{
		"ids that collide when they are made fit": {
			[]chat.Message{hello, say(chat.Assistant, call("a.1"), call("a_1"), call("a:1")), say(chat.Tool, result("a_1", "2"), result("a:1", "3"), result("a.1", "1"))},
			false,
			`u[Hi,]a[call a_1,call a_1_2,call a_1_3,]u[result a_1=1,result a_1_2=2,result a_1_3=3,]`,
		},
		"one id twice": {
			[]chat.Message{hello, say(chat.Assistant, call("x"), call("x")), say(chat.Tool, result("x", "1")), say(chat.Tool, result("x", "2")), say(chat.Tool, result("x", "3"))},
			false,
			`u[Hi,]a[call x,call x_2,]u[result x=1,result x_2=2,(a tool's result, of a call that is not in this conversation: "x"),3,]`,
		},
		"one id in two turns": {
			[]chat.Message{hello, say(chat.Assistant, call("")), say(chat.Tool, result("", "1")), say(chat.Assistant, call("")), say(chat.Tool, result("", "2"))},
			false,
			`u[Hi,]a[call call,]u[result call=1,]a[call call_2,]u[result call_2=2,]`,
		},
		"an id that looks made": {
			[]chat.Message{hello, say(chat.Assistant, call("x_2"), call("x"), call("x")), say(chat.Tool, result("x_2", "1"), result("x", "2"), result("x", "3"))},
			false,
			`u[Hi,]a[call x_2,call x,call x_3,]u[result x_2=1,result x=2,result x_3=3,]`,
		},
		"instructions in the middle":        {[]chat.Message{hello, rule, rule, yo, hello}, true, `u[Hi,]s[Be kind,Be kind,]a[Yo,]u[Hi,]`},
		"instructions at the end":           {[]chat.Message{hello, yo, hello, rule}, true, `u[Hi,]a[Yo,]u[Hi,]s[Be kind,]`},
		"instructions before the user":      {[]chat.Message{hello, rule, textOf(chat.Assistant, " "), hello}, true, "u[Hi,<system>\nBe kind\n</system>,Hi,]"},
		"instructions behind the assistant": {[]chat.Message{hello, yo, rule, hello}, true, "u[Hi,]a[Yo,]u[<system>\nBe kind\n</system>,Hi,]"},
		"instructions between call and result": {
			[]chat.Message{hello, say(chat.Assistant, call("x")), rule, say(chat.Tool, result("x", "1"))},
			true,
			"u[Hi,]a[call x,]u[result x=1,<system>\nBe kind\n</system>,]",
		},
		"instructions of no words":      {[]chat.Message{hello, textOf(chat.System, " \n"), yo, hello}, false, `u[Hi,]a[Yo,]u[Hi,]`},
		"empty everywhere":              {[]chat.Message{{Role: chat.System}, {Role: chat.User}, {Role: chat.Assistant, Parts: []chat.Part{{}}}, {Role: chat.Tool}, hello, {Role: chat.Assistant}}, false, `u[Hi,]`},
		"nothing at all":                {nil, false, `u[(The conversation begins with your answer.),]`},
		"a thought behind a text":       {[]chat.Message{hello, yo, say(chat.Assistant, thought, call("x")), say(chat.Tool, result("x", "1"))}, false, `u[Hi,]a[Yo,call x,]u[result x=1,]`},
		"a thought at the end":          {[]chat.Message{hello, say(chat.Assistant, thought, chat.Part{Text: "Yo"}, thought), hello}, false, `u[Hi,]a[thinking,Yo,]u[Hi,]`},
		"a thought alone":               {[]chat.Message{hello, say(chat.Assistant, thought), hello}, false, `u[Hi,Hi,]`},
		"an answer to be continued":     {[]chat.Message{hello, say(chat.Assistant, call("x"), chat.Part{Text: "so "})}, false, `u[Hi,]a[call x,so ,]u[result x=(no result: the call was interrupted),]`},
		"a result of nothing but space": {[]chat.Message{hello, say(chat.Assistant, call("x")), say(chat.Tool, result("x", " "))}, false, `u[Hi,]a[call x,]u[result x,]`},
	} {
		s := plain(defaults)
		s.midSystem = test.mid
		before, err := json.Marshal(test.messages)
		if err != nil {
			t.Fatal(err)
		}
		if got := shapeOf(buildOf(t, s, chat.Request{Messages: test.messages})); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
		if after, _ := json.Marshal(test.messages); string(after) != string(before) {
			t.Errorf("%s: the conversation itself was changed to %s", name, after)
		}
	}
}

// The API takes four marks: the last ones keep the most.
func TestMarksAreBounded(t *testing.T) {
	t.Parallel()
	mark := &chat.CacheMark{}
	marked := func(role chat.Role) chat.Message {
		return chat.Message{Role: role, Parts: []chat.Part{{Text: "x", Cache: mark}}}
	}
	for name, test := range map[string]struct {
		tools, messages int
		automatic       *chat.CacheMark
		want            string // of tools, system and messages
	}{
		"as many as it takes":          {1, 2, nil, "1 1 2 false"},
		"more":                         {3, 5, nil, "0 0 4 false"},
		"more, and the automatic one":  {2, 2, mark, "0 1 2 true"},
		"the client has its own marks": {1, 0, nil, "1 1 0 false"},
	} {
		request := chat.Request{Messages: []chat.Message{marked(chat.System), textOf(chat.User, "Hi"), textOf(chat.Assistant, "Yo")}, Cache: test.automatic}
		for range test.tools {
			request.Tools = append(request.Tools, chat.ToolSpec{Kind: chat.Function, Name: "f", Cache: mark})
		}
		for range test.messages {
			request.Messages = append(request.Messages, marked(chat.User))
		}
		body := buildOf(t, defaults, request)
		count := func(blocks []builtBlock) (n int) {
			for _, block := range blocks {
				if block.Cache != nil {
					n++
				}
			}
			return n
		}
		inMessages := 0
		for _, message := range body.Messages {
			inMessages += count(message.Content)
		}
		if got := fmt.Sprint(count(body.Tools), count(body.System), inMessages, body.Cache != nil); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
		if slices.ContainsFunc(request.Tools, func(tool chat.ToolSpec) bool { return tool.Cache == nil }) {
			t.Errorf("%s: the request itself was changed", name)
		}
	}
}

// A hundred thousand messages, each with a call of its own tool, take no more than their share.
func TestManyMessages(t *testing.T) {
	t.Parallel()
	var request chat.Request
	for i := range 50_000 {
		id := fmt.Sprintf("same.%d", i%3)
		request.Messages = append(request.Messages,
			chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: id, Name: fmt.Sprintf("f%d", i)}}}},
			chat.Message{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: id}}}})
	}
	body := buildOf(t, defaults, request)
	ids := map[string]bool{}
	for i, message := range body.Messages[1:] {
		if i%2 == 0 {
			ids[message.Content[0].ID] = true
		} else if got, want := message.Content[0].ToolUseID, body.Messages[i].Content[0].ID; got != want {
			t.Fatalf("message %d: the result is of %s, the call is %s", i, got, want)
		}
	}
	if len(body.Messages) != 100_001 || len(ids) != 50_000 || len(body.Tools) != 50_000 {
		t.Errorf("%d messages, %d ids, %d tools", len(body.Messages), len(ids), len(body.Tools))
	}
}

// A single tool that may be called, and need not be, is the only one that is sent.
func TestOneAllowedTool(t *testing.T) {
	t.Parallel()
	body := buildOf(t, plain(defaults), chat.Request{
		Messages: []chat.Message{textOf(chat.User, "Hi")}, Tools: []chat.ToolSpec{{Name: "a"}, {Name: "b"}},
		ToolChoice: chat.ToolChoice{Mode: chat.ToolsAuto, Names: []string{"b"}},
	})
	if len(body.Tools) != 1 || body.Tools[0].Name != "b" {
		t.Errorf("sent %+v", body.Tools)
	}
}

// With a budget a use of tools must begin with a thought; a model that decides itself may have
// had none.
func TestThinkingInTheMiddleOfAUse(t *testing.T) {
	t.Parallel()
	thought := chat.Part{Reasoning: &chat.Reasoning{Text: "Hm", Seal: "s", Maker: dialect}}
	call := func(id string, before ...chat.Part) chat.Message {
		return chat.Message{Role: chat.Assistant, Parts: append(before, chat.Part{Call: &chat.Call{ID: id, Name: "f"}})}
	}
	result := func(id string) chat.Message {
		return chat.Message{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: id}}}}
	}
	hello := textOf(chat.User, "Hi")
	for name, test := range map[string]struct {
		messages []chat.Message
		model    string
		want     bool
	}{
		"it began with a thought":   {[]chat.Message{hello, call("a", thought), result("a"), call("b"), result("b")}, "claude-sonnet-4-5", true},
		"it began without":          {[]chat.Message{hello, call("a"), result("a"), call("b", thought), result("b")}, "claude-sonnet-4-5", false},
		"an earlier use is over":    {[]chat.Message{hello, call("a"), result("a"), hello, call("b", thought), result("b")}, "claude-sonnet-4-5", true},
		"the model decides itself":  {[]chat.Message{hello, call("a"), result("a")}, "claude-opus-4-8", true},
		"instructions stand behind": {[]chat.Message{hello, call("a"), result("a"), textOf(chat.System, "Go on")}, "claude-sonnet-4-5", false},
		"an answer to be continued": {[]chat.Message{hello, textOf(chat.Assistant, "It")}, "claude-opus-4-8", false},
		"there is no use under way": {[]chat.Message{hello}, "claude-sonnet-4-5", true},
	} {
		s := plain(defaults)
		s.midSystem = true
		c := translatedCall(chat.Request{Messages: test.messages, Thinking: chat.Thinking{Effort: chat.EffortLow}})
		c.Model = test.model
		if got := strings.Contains(string(built(&Driver{settings: s}, c)), `"thinking":{`); got != test.want {
			t.Errorf("%s: thinking is %t", name, got)
		}
	}
}

func TestReadableDocuments(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"data:application/pdf;base64,JVBERg==": true, "data:text/plain;base64,aGk=": true, "data:text/plain;BASE64,aGk=": true, "data:text/plain,a%20b": true, "https://x/y.pdf": true,
		"data:text/plain;base64,?": false, "data:application/zip;base64,UEs=": false, "data:": false, "ftp://x": false, "": false,
	} {
		part := chat.Part{Document: &chat.Document{URL: url}}
		inside := chat.Part{Result: &chat.Result{Parts: []chat.Part{{Text: "x"}, part}}}
		if readableAll([]chat.Part{part}) != want || readableAll([]chat.Part{{}, inside}) != want {
			t.Errorf("%q: want %t, in a tool's result too", url, want)
		}
	}
	if _, data, _ := ofDataURL("data:text/plain,a%20b"); data != "YSBi" {
		t.Errorf("got %s", data)
	}
}
