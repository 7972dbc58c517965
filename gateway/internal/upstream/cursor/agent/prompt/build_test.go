package prompt_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/png"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const goOnAfterResults = "Go on, using the results of the tools above."

func rootsOf(t *testing.T, made *prompt.Prompt) (roots []string) {
	t.Helper()
	for _, id := range made.Run.GetConversationState().GetRootPromptMessagesJson() {
		data, known := made.Blobs[[32]byte(id)]
		if !known {
			t.Fatalf("no blob %x", id)
		}
		roots = append(roots, string(data))
	}
	return roots
}

// active is what the user says now; "" with ok false: the run resumes.
func active(made *prompt.Prompt) (text string, ok bool) {
	action := made.Run.GetAction().GetUserMessageAction()
	return action.GetUserMessage().GetText(), action != nil
}

func parts(role chat.Role, parts ...chat.Part) chat.Message {
	return chat.Message{Role: role, Parts: parts}
}

func custom(id, name, input string) chat.Message {
	return parts(chat.Assistant, chat.Part{Call: &chat.Call{ID: id, Name: name, Arguments: input, Custom: true}})
}

// What each message becomes: its blobs, and what the user says now.
func TestMessages(t *testing.T) {
	t.Parallel()
	const (
		hi     = `{"role":"user","content":[{"type":"text","text":"Hi"}]}`
		hello  = `{"role":"assistant","content":[{"type":"text","text":"Hello"}]}`
		resume = "(resume)"
	)
	call := func(id, args string) string {
		return `{"type":"tool-call","toolCallId":"` + id + `","toolName":"carousel-f","args":` + args + `}`
	}
	assistant := func(parts ...string) string {
		return `{"role":"assistant","content":[` + strings.Join(parts, ",") + `]}`
	}
	result := func(id, rest string) string {
		return `{"role":"tool","id":"` + id + `","content":[{"type":"tool-result","toolCallId":"` + id + `","toolName":"carousel-f","result":` + rest + `}]}`
	}
	for name, c := range map[string]struct {
		messages []chat.Message
		form     prompt.Form
		inText   bool
		family   string
		roots    []string
		says     string
	}{
		"a user": {messages: []chat.Message{text(chat.User, "Hi")}, says: "Hi"},
		"texts of one message": {
			messages: []chat.Message{parts(chat.User, chat.Part{Text: "a"}, chat.Part{Text: "b"}), text(chat.Assistant, "Hello"), parts(chat.User, chat.Part{Text: "c"}, chat.Part{Text: "d"})},
			roots:    []string{`{"role":"user","content":[{"type":"text","text":"a\nb"}]}`, hello}, says: "c\nd",
		},
		"system texts, wherever": {
			messages: []chat.Message{text(chat.System, "One."), text(chat.User, "Hi"), text(chat.Assistant, "Hello"), text(chat.System, "Two."), text(chat.User, "Ho")},
			roots:    []string{`{"role":"system","content":"One.\n\nTwo."}`, hi, hello}, says: "Ho",
		},
		"a system text alone": {messages: []chat.Message{text(chat.System, "Tell a joke.")}, says: "Tell a joke."},
		"the assistant begins": {
			messages: []chat.Message{text(chat.Assistant, "Hello"), text(chat.User, "Hi")}, roots: []string{hello}, says: "Hi",
		},
		"the assistant ends": {
			messages: []chat.Message{text(chat.User, "Hi"), text(chat.Assistant, "Hello")}, roots: []string{hi, hello},
			says: "Go on with your last message from where it ends. Repeat nothing of it.",
		},
		"nothing said": {
			messages: []chat.Message{text(chat.User, "Hi"), text(chat.Assistant, " "), parts(chat.Assistant), text(chat.User, "\n"), text(chat.User, "Ho")},
			roots:    []string{hi}, says: "Ho",
		},
		"a call in two messages of the assistant": {
			messages: []chat.Message{text(chat.User, "Hi"), text(chat.Assistant, "Hello"), called("1", "f", "{}"), returned("1", "x"), text(chat.User, "Ho")},
			roots:    []string{hi, assistant(`{"type":"text","text":"Hello"}`, call("1", "{}")), result("1", `"x"`)}, says: "Ho",
		},
		"parallel calls, results in another order": {
			messages: []chat.Message{
				text(chat.User, "Hi"), called("1", "f", `{"a":1}`), called("2", "f", `{"a":12345678901234567890}`),
				returned("2", "second"), returned("1", "first"),
			},
			roots: []string{hi, assistant(call("1", `{"a":1}`), call("2", `{"a":12345678901234567890}`)), result("1", `"first"`), result("2", `"second"`)},
			says:  resume,
		},
		"rounds of calls": {
			messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", ""), returned("1", "x"), called("2", "f", ""), returned("2", "y")},
			roots:    []string{hi, assistant(call("1", "{}")), result("1", `"x"`), assistant(call("2", "{}")), result("2", `"y"`)},
			says:     resume,
		},
		"a result that is missing": {
			messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), text(chat.User, "Ho")},
			roots:    []string{hi, assistant(call("1", "{}")), result("1", `"(no result)"`)}, says: "Ho",
		},
		"an empty result": {
			messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), returned("1", "")},
			roots:    []string{hi, assistant(call("1", "{}")), result("1", `""`)}, says: resume,
		},
		"a failed result": {
			messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), parts(chat.Tool, chat.Part{Result: &chat.Result{CallID: "1", Failed: true, Parts: []chat.Part{{Text: "no"}}}})},
			roots:    []string{hi, assistant(call("1", "{}")), result("1", `"no","isError":true`)}, says: resume,
		},
		"two calls of one id": {
			messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), returned("1", "x"), called("1", "f", "{}"), returned("1", "y")},
			roots:    []string{hi, assistant(call("1", "{}")), result("1", `"x"`), assistant(call("1_2", "{}")), result("1_2", `"y"`)},
			says:     resume,
		},
		"no id": {
			messages: []chat.Message{text(chat.User, "Hi"), called("", "f", "{}"), returned("", "x")},
			roots:    []string{hi, assistant(call("call", "{}")), result("call", `"x"`)}, says: resume,
		},
		"arguments that are no object": {
			messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", `[1`), called("2", "f", "null"), returned("1", "x"), returned("2", "y")},
			roots: []string{
				hi, assistant(call("1", `{"arguments":"[1"}`), call("2", `{"arguments":"null"}`)), result("1", `"x"`), result("2", `"y"`),
			},
			says: resume,
		},
		"free text": {
			messages: []chat.Message{text(chat.User, "Hi"), custom("1", "f", `say "x"`), returned("1", "y")},
			roots:    []string{hi, assistant(call("1", `{"input":"say \"x\""}`)), result("1", `"y"`)}, says: resume,
		},
		"results beside a text": {
			messages: []chat.Message{
				text(chat.User, "Hi"), called("1", "f", "{}"),
				parts(chat.User, chat.Part{Result: &chat.Result{CallID: "1", Parts: []chat.Part{{Text: "x"}}}}, chat.Part{Text: "Ho"}),
			},
			roots: []string{hi, assistant(call("1", "{}")), result("1", `"x"`)}, says: "Ho",
		},
		"documents of text": {
			messages: []chat.Message{
				text(chat.User, "Hi"), called("1", "f", "{}"),
				parts(chat.Tool, chat.Part{Result: &chat.Result{CallID: "1", Parts: []chat.Part{{Text: "x"}, {Document: &chat.Document{Text: "y", Title: "T"}}}}}),
				parts(chat.User, chat.Part{Document: &chat.Document{Text: "words"}}),
			},
			roots: []string{hi, assistant(call("1", "{}")), result("1", `"x\nDocument T:\ny"`)}, says: "words",
		},
		"thoughts": {
			messages: []chat.Message{text(chat.User, "Hi"), parts(chat.Assistant, chat.Part{Reasoning: &chat.Reasoning{Text: "hm"}}, chat.Part{Text: "Hello"}), text(chat.User, "Ho")},
			roots:    []string{hi, hello}, says: "Ho",
		},
		"thoughts, where they are wanted": {
			messages: []chat.Message{text(chat.User, "Hi"), parts(chat.Assistant, chat.Part{Reasoning: &chat.Reasoning{Text: "hm"}}, chat.Part{Text: "Hello"}), text(chat.User, "Ho")},
			family:   "kimi-k3",
			roots:    []string{hi, assistant(`{"type":"reasoning","text":"hm"}`, `{"type":"text","text":"Hello"}`)}, says: "Ho",
		},
		"bytes that are no characters": {
			messages: []chat.Message{text(chat.User, "H\xffi"), called("\xff", "f", `{"a":"\ud800","b":"`+"\xff"+`"}`), returned("\xff", "\xff"), text(chat.User, "\xff")},
			roots: []string{
				`{"role":"user","content":[{"type":"text","text":"H` + "\uFFFD" + `i"}]}`,
				assistant(call("\uFFFD", `{"a":"\ufffd","b":"`+"\uFFFD"+`"}`)), result("\uFFFD", `"`+"\uFFFD"+`"`),
			},
			says: "\uFFFD",
		},
		"tools in words": {
			messages: []chat.Message{text(chat.User, "Hi"), parts(chat.Assistant, chat.Part{Text: "Hello"}, chat.Part{Call: &chat.Call{ID: "1", Name: "f", Arguments: "{}"}}), returned("1", "x")},
			form:     prompt.TextTools,
			roots: []string{
				hi, assistant(`{"type":"text","text":"Hello\nCalled the tool \"f\" (\"1\") with {}"}`),
				`{"role":"user","content":[{"type":"text","text":"The tool \"f\" (\"1\") returned:\nx"}]}`,
			},
			says: goOnAfterResults,
		},
		"tools in words, then the user": {
			messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), returned("1", "x"), text(chat.User, "Ho")},
			form:     prompt.TextTools,
			roots: []string{
				hi, assistant(`{"type":"text","text":"Called the tool \"f\" (\"1\") with {}"}`),
				`{"role":"user","content":[{"type":"text","text":"The tool \"f\" (\"1\") returned:\nx"}]}`,
			},
			says: "Ho",
		},
		"texts in a form for tools": {
			messages: []chat.Message{text(chat.User, "Hi"), text(chat.Assistant, "Hello"), text(chat.User, "Ho")},
			form:     prompt.TextTools, roots: []string{hi, hello}, says: "Ho",
		},
		"instructions in the text": {
			messages: []chat.Message{text(chat.System, "Be brief."), text(chat.User, "Hi")}, inText: true,
			roots: []string{`{"role":"system","content":"Be brief."}`},
			says:  "----- Instructions -----\nBe brief.\n----- End of the instructions -----\nHi",
		},
		"instructions in the text of a run that resumes": {
			messages: []chat.Message{text(chat.System, "Be brief."), text(chat.User, "Hi"), called("1", "f", "{}"), returned("1", "x")}, inText: true,
			roots: []string{
				`{"role":"system","content":"Be brief."}`,
				`{"role":"user","content":[{"type":"text","text":"----- Instructions -----\nBe brief.\n----- End of the instructions -----\nHi"}]}`,
				assistant(call("1", "{}")), result("1", `"x"`),
			},
			says: resume,
		},
		"flat: one message": {
			messages: []chat.Message{text(chat.System, "Be brief."), text(chat.User, "Hi")}, form: prompt.Flat,
			says: "----- Instructions -----\nBe brief.\n----- End of the instructions -----\nHi",
		},
		"flat: a conversation": {
			messages: []chat.Message{text(chat.User, "Hi"), text(chat.Assistant, "Hello"), called("1", "f", "{}"), returned("1", "x"), text(chat.User, "Ho")},
			form:     prompt.Flat,
			says: "The conversation so far:\n\nUser:\nHi\n\nAssistant:\nHello\n\nAssistant:\nCalled the tool \"f\" (\"1\") with {}\n\n" +
				"The tool \"f\" (\"1\") returned:\nx\n\nUser:\nHo\n\nAnswer the user's last message.",
		},
		"flat: results": {
			messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), returned("1", "x")}, form: prompt.Flat,
			says: "The conversation so far:\n\nUser:\nHi\n\nAssistant:\nCalled the tool \"f\" (\"1\") with {}\n\n" +
				"The tool \"f\" (\"1\") returned:\nx\n\n" + goOnAfterResults,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := options("")
			set.NewID = nil
			set.Form, set.SystemInText, set.Choice.Family = c.form, c.inText, c.family
			made := build(t, chat.Request{Messages: c.messages}, set)
			if difference := cmp.Diff(c.roots, rootsOf(t, made)); difference != "" {
				t.Errorf("roots (-want +got):\n%s", difference)
			}
			says, speaks := active(made)
			if !speaks {
				says = resume
			}
			if says != c.says {
				t.Errorf("says %q, want %q", says, c.says)
			}
			check(t, made)
		})
	}
}

func TestInstructionsOfTheGateway(t *testing.T) {
	t.Parallel()
	set := options("")
	set.Instructions = "Be kind."
	for want, messages := range map[string][]chat.Message{
		"Be kind.":  {text(chat.User, "Hi")},
		"Be brief.": {text(chat.System, "Be brief."), text(chat.User, "Hi")},
	} {
		made := build(t, chat.Request{Messages: messages}, set)
		rules := made.Context.GetRules()
		if len(rules) != 1 || rules[0].GetContent() != want {
			t.Errorf("rules %v, want %q", rules, want)
		}
	}
}

func TestWishes(t *testing.T) {
	t.Parallel()
	two := append(weather(), chat.ToolSpec{Kind: chat.Function, Name: "other"})
	for name, c := range map[string]struct {
		request chat.Request
		wish    string
		tools   []string
	}{
		"no tool must be called": {chat.Request{Tools: two}, "", []string{"get_weather", "other"}},
		"none may":               {chat.Request{Tools: two, ToolChoice: chat.ToolChoice{Mode: chat.ToolsNone}}, "", nil},
		"some":                   {chat.Request{Tools: two, ToolChoice: chat.ToolChoice{Names: []string{"other"}}}, "", []string{"other"}},
		"any must": {
			chat.Request{Tools: two, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired}},
			"You must call at least one tool of the provider carousel in this answer.",
			[]string{"get_weather", "other"},
		},
		"one must": {
			chat.Request{Tools: two, ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"other"}}},
			`You must call the tool "other" of the provider carousel in this answer.`,
			[]string{"other"},
		},
		"JSON": {
			chat.Request{Output: chat.Output{Form: chat.JSONOutput}},
			"Answer with one JSON object and nothing else: no words around it, no code fence.", nil,
		},
		"JSON by a schema": {
			chat.Request{Output: chat.Output{Form: chat.SchemaOutput, Schema: []byte(`{"type":"object"}`)}},
			"Answer with one JSON object and nothing else: no words around it, no code fence. It is valid by this JSON Schema:\n" + `{"type":"object"}`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, system := range []string{"", "Be brief."} {
				request, want := c.request, strings.TrimPrefix(system+"\n\n"+c.wish, "\n\n")
				request.Messages = []chat.Message{text(chat.System, system), text(chat.User, "Hi")}
				made := build(t, request, options(""))
				got := ""
				for _, rule := range made.Context.GetRules() {
					got += rule.GetContent()
				}
				if want = strings.TrimSuffix(want, "\n\n"); got != want {
					t.Errorf("told %q, want %q", got, want)
				}
				if difference := cmp.Diff(c.tools, toolNames(made.Tools.Declared())); difference != "" {
					t.Errorf("tools: %s", difference)
				}
				if difference := cmp.Diff(toolNames(made.Run.GetMcpTools().GetMcpTools()), toolNames(made.Context.GetTools())); difference != "" {
					t.Errorf("the two declarations differ: %s", difference)
				}
			}
		})
	}
}

func toolNames(tools []*agentv1.McpToolDefinition) (names []string) {
	for _, each := range tools {
		names = append(names, each.GetToolName())
	}
	return names
}

// picture is a png file of so many pixels a side.
func picture(side int) []byte {
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		panic(err)
	}
	return file.Bytes()
}

func TestImages(t *testing.T) {
	t.Parallel()
	file := picture(9)
	url := "data:image/png;base64," + base64.StdEncoding.EncodeToString(file)
	part := chat.Part{Image: &chat.Image{URL: url}}
	root := `{"type":"image","image":"` + url + `","mediaType":"image/png"}`
	set := options(earlierID)
	set.Choice.Vision = true
	selected := func(t *testing.T, message *agentv1.UserMessage) {
		t.Helper()
		images := message.GetSelectedContext().GetSelectedImages()
		if len(images) != 1 || !bytes.Equal(images[0].GetData(), file) || images[0].GetMimeType() != "image/png" || images[0].GetDimension().GetWidth() != 9 ||
			images[0].GetDimension().GetHeight() != 9 || images[0].GetUuid() != earlierID {
			t.Errorf("images: %v", images)
		}
	}
	userOf := func(t *testing.T, made *prompt.Prompt, turn int) *agentv1.UserMessage {
		t.Helper()
		structure, message := &agentv1.ConversationTurnStructure{}, &agentv1.UserMessage{}
		read(t, made, made.Run.GetConversationState().GetTurns()[turn], structure)
		read(t, made, structure.GetAgentConversationTurn().GetUserMessage(), message)
		return message
	}
	result := parts(chat.Tool, chat.Part{Result: &chat.Result{CallID: "1", Parts: []chat.Part{{Text: "see"}, part}}})

	t.Run("of the history", func(t *testing.T) {
		t.Parallel()
		made := build(t, chat.Request{Messages: []chat.Message{parts(chat.User, chat.Part{Text: "Hi"}, part), text(chat.Assistant, "Hello"), text(chat.User, "Ho")}}, set)
		if want := `{"role":"user","content":[{"type":"text","text":"Hi"},` + root + `]}`; rootsOf(t, made)[0] != want {
			t.Errorf("%s", rootsOf(t, made)[0])
		}
		selected(t, userOf(t, made, 0))
	})
	t.Run("of a result", func(t *testing.T) {
		t.Parallel()
		made := build(t, chat.Request{Messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), result}}, set)
		if says, _ := active(made); says != "(Images of a tool's result:)" {
			t.Errorf("says %q", says)
		}
		selected(t, made.Run.GetAction().GetUserMessageAction().GetUserMessage())
		if got := rootsOf(t, made)[2]; !strings.Contains(got, `"result":"see\n(Its images are in the next message.)"`) {
			t.Errorf("%s", got)
		}
	})
	t.Run("of a result, for the blind", func(t *testing.T) {
		t.Parallel()
		made := build(t, chat.Request{Messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), result}}, options(""))
		if _, speaks := active(made); speaks {
			t.Error("the images are sent")
		}
		if got := rootsOf(t, made)[2]; !strings.Contains(got, `"result":"see\n(It has images, which you can't be shown.)"`) {
			t.Errorf("%s", got)
		}
	})
	t.Run("of an earlier result", func(t *testing.T) {
		t.Parallel()
		made := build(t, chat.Request{Messages: []chat.Message{text(chat.User, "Hi"), called("1", "f", "{}"), result, text(chat.Assistant, "Hello"), text(chat.User, "Ho")}}, set)
		if got := rootsOf(t, made)[3]; !strings.Contains(got, root) {
			t.Errorf("%s", got)
		}
		selected(t, userOf(t, made, 1))
	})
	t.Run("flat", func(t *testing.T) {
		t.Parallel()
		flat := set
		flat.Form = prompt.Flat
		made := build(t, chat.Request{Messages: []chat.Message{parts(chat.User, part), text(chat.Assistant, "Hello"), text(chat.User, "Ho")}}, flat)
		if says, _ := active(made); !strings.Contains(says, "User:\n[image 1]\n") {
			t.Errorf("says %q", says)
		}
		selected(t, made.Run.GetAction().GetUserMessageAction().GetUserMessage())
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	png := chat.Part{Image: &chat.Image{URL: "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture(1))}}
	for name, c := range map[string]struct {
		messages []chat.Message
		blind    bool
		kind     chat.Kind
		param    string
	}{
		"nothing":         {kind: chat.EmptyMessages},
		"nothing but air": {messages: []chat.Message{text(chat.User, " ")}, kind: chat.EmptyMessages},
		"a result of no call": {
			messages: []chat.Message{text(chat.User, "Hi"), returned("1", "x")}, kind: chat.InvalidRequest, param: "messages[1].content[0]",
		},
		"a result before its call": {
			messages: []chat.Message{returned("1", "x"), called("1", "f", "{}")}, kind: chat.InvalidRequest, param: "messages[0].content[0]",
		},
		"two results of one call": {
			messages: []chat.Message{called("1", "f", "{}"), returned("1", "x"), returned("1", "y")}, kind: chat.InvalidRequest, param: "messages[2].content[0]",
		},
		"an image for the blind": {
			messages: []chat.Message{parts(chat.User, chat.Part{Text: "Hi"}, png)}, blind: true, kind: chat.Unsupported, param: "messages[0].content[1]",
		},
		"an image that nobody has fetched": {
			messages: []chat.Message{parts(chat.User, chat.Part{Image: &chat.Image{URL: "https://example.com/a.png"}})}, kind: chat.InvalidImage, param: "messages[0].content[0]",
		},
		"no image": {
			messages: []chat.Message{parts(chat.User, chat.Part{Image: &chat.Image{URL: "data:image/png;base64,AAAA"}})}, kind: chat.InvalidImage, param: "messages[0].content[0]",
		},
		"a large image": {
			messages: []chat.Message{parts(chat.User, chat.Part{Image: &chat.Image{Data: make([]byte, 5<<20+1)}})}, kind: chat.InvalidImage, param: "messages[0].content[0]",
		},
		"a sound": {
			messages: []chat.Message{parts(chat.User, chat.Part{Audio: &chat.Audio{}})}, kind: chat.Unsupported, param: "messages[0].content[0]",
		},
		"a result that is a sound": {
			messages: []chat.Message{called("1", "f", "{}"), parts(chat.Tool, chat.Part{Result: &chat.Result{CallID: "1", Parts: []chat.Part{{Audio: &chat.Audio{}}}}})},
			kind:     chat.Unsupported, param: "messages[1].content[0]",
		},
		"an assistant's picture": {
			messages: []chat.Message{parts(chat.Assistant, png)}, kind: chat.Unsupported, param: "messages[0].content[0]",
		},
		"a text without end": {
			messages: []chat.Message{text(chat.User, strings.Repeat("a", 850_001))}, kind: chat.ContextTooLong, param: "messages",
		},
		"instructions without end": {
			messages: []chat.Message{text(chat.System, strings.Repeat("a", 850_001)), text(chat.User, "Hi")}, kind: chat.ContextTooLong, param: "messages",
		},
		"a conversation without end": {
			messages: []chat.Message{text(chat.User, strings.Repeat("a", 500_000)), text(chat.Assistant, strings.Repeat("b", 500_000)), text(chat.User, "Ho")},
			kind:     chat.ContextTooLong, param: "messages",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := options("")
			set.Choice.Vision = !c.blind
			made, err := prompt.Build(&chat.Request{Messages: c.messages}, set)
			refused, ok := errors.AsType[*chat.Error](err)
			if !ok || made != nil {
				t.Fatalf("%v, %v", made, err)
			}
			if refused.Kind != c.kind || refused.Param != c.param || refused.Message == "" {
				t.Errorf("%s of %q: %s", refused.Kind, refused.Param, refused.Message)
			}
		})
	}
}

// rounds are so many calls, each with its result, after a question.
func rounds(n int) []chat.Message {
	messages := []chat.Message{text(chat.System, "Be brief."), text(chat.User, "Begin")}
	for i := range n {
		id := "call_" + strconv.Itoa(i)
		messages = append(messages, called(id, "f", "{}"), returned(id, "result "+strconv.Itoa(i)+"."))
	}
	return messages
}

// What no longer fits stands in words at the beginning, and stays the same for many requests.
func TestFolding(t *testing.T) {
	t.Parallel()
	before := ""
	beginnings := 0
	for n := 90; n < 140; n++ {
		made := build(t, chat.Request{Messages: rounds(n)}, options(earlierID))
		check(t, made)
		roots := rootsOf(t, made)
		if len(roots) > 192 {
			t.Fatalf("%d roots of %d rounds", len(roots), n)
		}
		if _, speaks := active(made); speaks {
			t.Errorf("%d rounds: it does not resume", n)
		}
		all := strings.Join(roots, "\n")
		for i := range n {
			if !strings.Contains(all, "result "+strconv.Itoa(i)+".") {
				t.Fatalf("%d rounds: result %d is lost", n, i)
			}
		}
		if !strings.Contains(all, "Begin") {
			t.Fatalf("%d rounds: the question is lost", n)
		}
		if roots[1] != before {
			beginnings++
		}
		before = roots[1]
	}
	if beginnings > 4 {
		t.Errorf("the history began anew %d times in 50 requests", beginnings)
	}
}

func TestTooManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	messages := []chat.Message{text(chat.User, "Hi")}
	var results []chat.Message
	for i := range 200 {
		id := "call_" + strconv.Itoa(i)
		messages, results = append(messages, called(id, "f", "{}")), append(results, returned(id, "x"))
	}
	made := build(t, chat.Request{Messages: slices.Concat(messages, results)}, options(earlierID))
	says, _ := active(made)
	if len(rootsOf(t, made)) > 0 || !strings.Contains(says, `"call_199"`) || !strings.HasSuffix(says, goOnAfterResults) {
		t.Errorf("%d roots; says %.200q", len(rootsOf(t, made)), says)
	}
}

// A history whose texts are too large for blobs is one text; images do not count as texts.
func TestLargeHistories(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("a", 600_000)
	made := build(t, chat.Request{Messages: []chat.Message{text(chat.User, large), text(chat.Assistant, "Hello"), text(chat.User, "Ho")}}, options(""))
	if says, _ := active(made); len(rootsOf(t, made)) > 0 || len(made.Blobs) > 0 || !strings.Contains(says, large) {
		t.Errorf("%d roots, %d blobs, says %d bytes", len(rootsOf(t, made)), len(made.Blobs), len(says))
	}
	set := options("")
	set.Choice = models.Choice{Requested: set.Choice.Requested, Vision: true}
	file := append(picture(9), make([]byte, 600_000)...)
	made = build(t, chat.Request{Messages: []chat.Message{parts(chat.User, chat.Part{Image: &chat.Image{Data: file}}), text(chat.Assistant, "Hello"), text(chat.User, "Ho")}}, set)
	if got := len(rootsOf(t, made)); got != 2 {
		t.Errorf("%d roots", got)
	}
}

// The same history is the same blobs, so that the upstream need not fetch them again; no two
// messages have one id.
func TestMadeIDs(t *testing.T) {
	t.Parallel()
	set := options("")
	set.NewID = nil
	request := chat.Request{Messages: []chat.Message{text(chat.User, "Hi"), text(chat.Assistant, "Hello"), text(chat.User, "Hi"), text(chat.Assistant, "Hello"), text(chat.User, "Ho")}}
	one, two := build(t, request, set), build(t, request, set)
	if difference := cmp.Diff(one.Blobs, two.Blobs); difference != "" {
		t.Error(difference)
	}
	if turns := one.Run.GetConversationState().GetTurns(); len(turns) != 2 || bytes.Equal(turns[0], turns[1]) {
		t.Errorf("turns %x", turns)
	}
}
