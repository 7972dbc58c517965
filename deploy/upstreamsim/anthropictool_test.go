package upstreamsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sayTo sends one body and reads the message or the error.
func sayTo(t *testing.T, sim *Simulator, body object, headers ...string) (vendorReply, *recorder) {
	t.Helper()
	request := messagesRequest(t.Context(), t, "http://sim", messagesPath, body)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	r := record(sim, request)
	return decodeReply(t, r.all()), r
}

// asContent are an answer's blocks as they come back in the next request.
func (b contentBlock) asContent() object {
	switch b.Type {
	case "thinking":
		return object{"type": b.Type, "thinking": b.Thinking, "signature": b.Signature}
	case "redacted_thinking":
		return object{"type": b.Type, "data": b.Data}
	case "tool_use":
		return object{"type": b.Type, "id": b.ID, "name": b.Name, "input": b.Input}
	default:
		return textOf(b.Text)
	}
}

func (r *vendorReply) asEntry() object {
	var content list
	for _, block := range r.Content {
		content = append(content, block.asContent())
	}
	return entryOf("assistant", content)
}

func TestAnthropicToolLoop(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	tools := object{"tools": list{toolOf("look"), toolOf("hear"), toolOf("smell")}}
	user := entryOf("user", "Red?")
	first := bothWays(t, sim, saying("claude-sim-tool-call", "", enabled, tools, talk(user)))
	if first.StopReason != "tool_use" || len(first.Content) != 3 {
		t.Fatalf("got %+v", first)
	}
	thinking, look, hear := first.Content[0], first.Content[1], first.Content[2]
	if thinking.Type != "thinking" || look.Name != "look" || hear.Name != "hear" || look.ID == hear.ID || string(look.Input) != `{"text":"Red?"}` {
		t.Errorf("got %+v", first.Content)
	}
	results := entryOf("user", list{
		object{"type": "tool_result", "tool_use_id": hear.ID, "content": "no", "is_error": true},
		resultOf(look.ID, list{textOf("see"), imageOf("image/png", pixel)}),
		textOf("Well?"),
	})
	second := bothWays(t, sim, saying("claude-sim-tool-call", "", enabled, tools, talk(user, first.asEntry(), results)))
	media := Media{Kind: "image", MediaType: "image/png", Bytes: len(pixel), SHA256: hashOf(string(pixel))}
	if want := "(error)\nno\nsee\n" + media.String() + "\nWell?"; second.text() != want || second.StopReason != "end_turn" {
		t.Errorf("got %q\nwant %q", second.text(), want)
	}
	noViolations(t, sim)
}

func TestAnthropicToolChoice(t *testing.T) {
	t.Parallel()
	tools := list{object{"type": "web_search_20260318", "name": "web_search"}, toolOf("look"), toolOf("hear")}
	for name, test := range map[string]struct {
		model  string
		choice any
		want   []string
	}{
		"free":           {"sim-tool-call", nil, []string{"look", "hear"}},
		"none":           {"sim-tool-call", object{"type": "none"}, nil},
		"one at a time":  {"sim-tool-call", object{"type": "auto", "disable_parallel_tool_use": true}, []string{"look"}},
		"a named one":    {"sim-tool-call", object{"type": "tool", "name": "hear"}, []string{"hear"}},
		"any":            {"sim-tool-call", object{"type": "any"}, []string{"look", "hear"}},
		"forced in echo": {"claude-x", object{"type": "tool", "name": "hear"}, []string{"hear"}},
		"any in echo":    {"claude-x", object{"type": "any"}, []string{"look"}},
		"free in echo":   {"claude-x", object{"type": "auto"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := bothWays(t, New(Options{}), saying(test.model, hello, object{"tools": tools, "tool_choice": test.choice}))
			var names []string
			for _, block := range got.Content {
				if block.Type == "tool_use" {
					names = append(names, block.Name)
				}
			}
			stop := "end_turn"
			if test.want != nil {
				stop = "tool_use"
			}
			if !slices.Equal(names, test.want) || got.StopReason != stop {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestAnthropicCutsCalls(t *testing.T) {
	t.Parallel()
	body := saying("sim-tool-call", strings.Repeat(hello, 20), object{"tools": list{toolOf("look")}, "max_tokens": 2})
	if got, _ := sayTo(t, New(Options{}), body); got.StopReason != "max_tokens" || string(got.Content[0].Input) != "{}" {
		t.Errorf("whole: %+v", got)
	}
	body["stream"] = true
	r := record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath, body))
	got := playBack(t, string(r.all()))
	if got.StopReason != "max_tokens" || len(got.Content[0].Input) == 0 || json.Valid(got.Content[0].Input) {
		t.Errorf("streamed: %+v", got.vendorReply)
	}
}

func TestAnthropicOutputSchema(t *testing.T) {
	t.Parallel()
	schema := object{
		"type": "object", "additionalProperties": false, "required": list{"name", "size", "tags"},
		"properties": object{
			"name": object{"type": "string"}, "size": object{"enum": list{"small", "large"}}, "day": object{"type": "string", "format": "date"},
			"tags": object{"type": "array", "items": object{"$ref": "#/$defs/tag"}},
		},
		"$defs": object{"tag": object{"anyOf": list{object{"type": "integer"}, object{"type": "null"}}}},
	}
	got := bothWays(t, New(Options{}), saying("claude-x", hello, outputSchema(schema)))
	var value map[string]any
	if err := json.Unmarshal([]byte(got.text()), &value); err != nil {
		t.Fatalf("%s: %v", got.text(), err)
	}
	want := map[string]any{"name": hello, "size": "small", "tags": []any{1.0}}
	if diff := cmp.Diff(want, value); diff != "" {
		t.Error(diff)
	}
}

func TestAnthropicDescribes(t *testing.T) {
	t.Parallel()
	text := documentOf(object{"type": "text", "media_type": "text/plain", "data": "abc"})
	text["title"] = "letters"
	nested := documentOf(object{"type": "content", "content": list{textOf("x"), imageOf("image/png", pixel)}})
	linked := object{"type": "image", "source": object{"type": "url", "url": "https://example.com/a.png"}}
	got := bothWays(t, New(Options{}), saying("sim-describe", "", object{"tools": list{toolOf("look")}}, talk(
		entryOf("user", list{text, linked}),
		entryOf("assistant", list{callOf("a")}),
		entryOf("user", list{resultOf("a", list{imageOf("image/png", pixel)}), nested}),
	)))
	var d Description
	if err := json.Unmarshal([]byte(got.text()), &d); err != nil {
		t.Fatal(err)
	}
	image := Media{Kind: "image", Message: 2, MediaType: "image/png", Bytes: len(pixel), SHA256: hashOf(string(pixel))}
	inResult, inDocument := image, image
	inResult.Role, inDocument.Role = "tool", "user"
	want := Description{
		Model: "sim-describe", Roles: []string{"user", "assistant", "user"}, Tools: []string{"look"}, Calls: 1, Results: 1, Thoughts: []string{},
		Media: []Media{
			{Kind: "document", Role: "user", MediaType: "text/plain", Bytes: 3, SHA256: hashOf("abc"), Name: "letters"},
			{Kind: "image", Role: "user", URL: "https://example.com/a.png"},
			inResult,
			{Kind: "document", Role: "user", Message: 2},
			inDocument,
		},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

// TestAnthropicSeals is about thinking that comes back.
func TestAnthropicSeals(t *testing.T) {
	t.Parallel()
	sim, foreign := New(Options{}), New(Options{SealKey: "another"})
	ask := func(sim *Simulator, model string, more ...object) vendorReply {
		got, _ := sayTo(t, sim, saying(model, hello, more...))
		return got
	}
	adaptive := func(display string) object {
		return object{"thinking": object{"type": "adaptive", "display": display}}
	}
	shown, hidden := ask(sim, "m", adaptive("summarized")), ask(sim, "m", adaptive("omitted"))
	if shown.Content[0].Thinking == "" || hidden.Content[0].Thinking != "" || hidden.Content[0].Signature == "" {
		t.Fatalf("shown %+v, omitted %+v", shown.Content, hidden.Content)
	}
	if a, b := shown.Usage, hidden.Usage; a.Details.Thinking != len(thoughts) || a != b {
		t.Errorf("usage %+v, %+v", a, b)
	}
	altered := func(r vendorReply, change func(object)) object {
		block := r.Content[0].asContent()
		change(block)
		return entryOf("assistant", list{block, textOf("x")})
	}
	redacted := ask(sim, "sim-redacted-thinking")
	for name, test := range map[string]struct {
		entry object
		bad   string
	}{
		"shown":                 {shown.asEntry(), ""},
		"omitted":               {hidden.asEntry(), ""},
		"redacted":              {redacted.asEntry(), ""},
		"another text":          {altered(shown, func(b object) { b["thinking"] = "else" }), "thinking"},
		"the text left out":     {altered(shown, func(b object) { b["thinking"] = "" }), "thinking"},
		"a text put in":         {altered(hidden, func(b object) { b["thinking"] = "else" }), "thinking"},
		"no signature":          {altered(shown, func(b object) { b["signature"] = "" }), "thinking"},
		"forged":                {altered(shown, func(b object) { b["signature"] = "c2lnbmF0dXJl" }), "thinking"},
		"a redaction's":         {altered(shown, func(b object) { b["signature"] = redacted.Content[0].Data }), "thinking"},
		"a foreign one":         {altered(ask(foreign, "m", adaptive("summarized")), func(object) {}), "thinking"},
		"foreign and redacted":  {altered(ask(foreign, "sim-redacted-thinking"), func(object) {}), "redacted_thinking"},
		"redacted by signature": {altered(redacted, func(b object) { b["data"] = shown.Content[0].Signature }), "redacted_thinking"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, r := sayTo(t, sim, saying("m", "", talk(entryOf("user", "Hi"), test.entry, entryOf("user", "go on"))))
			want := ""
			switch test.bad {
			case "thinking":
				want = "messages.1.content.0: Invalid `signature` in `thinking` block"
			case "redacted_thinking":
				want = "messages.1.content.0: Invalid `data` in `redacted_thinking` block"
			}
			if got.Error.Message != want || (r.status == http.StatusBadRequest) != (want != "") {
				t.Errorf("got %d %s", r.status, r.all())
			}
		})
	}
	t.Cleanup(func() { noViolations(t, sim) }) // a seal is nobody's fault
}

func TestAnthropicRefusesOwnSignaturesWhenTold(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	made, _ := sayTo(t, sim, saying("sim-reasoning", hello))
	got, _ := sayTo(t, sim, saying("sim-error-invalid-signature", "", talk(entryOf("user", "Hi"), made.asEntry(), entryOf("user", "on"))))
	if want := "messages.1.content.0: Invalid `signature` in `thinking` block"; got.Error.Message != want {
		t.Errorf("got %+v", got)
	}
	bothWays(t, sim, saying("sim-error-invalid-signature", "on"))
	noViolations(t, sim)
}

func TestAnthropicModelsThatLackSomething(t *testing.T) {
	t.Parallel()
	user := entryOf("user", "Hi")
	for name, test := range map[string]struct {
		with object
		want string
	}{
		"without-thinking":        {enabled, "thinking is not supported on this model"},
		"without-cache-control":   {ephemeral, "cache_control is not supported on this model"},
		"without-system-messages": {talk(user, entryOf("system", "s")), "role 'system' is not supported on this model"},
		"without-prefill":         {talk(user, entryOf("assistant", "x")), "does not support assistant message prefill"},
		"without-sampling":        {object{"top_p": 1}, "are not supported on this model"},
		"without-advisor":         {object{"tools": list{object{"type": "advisor_20260301", "name": "advisor"}}}, "advisor tool is not supported on this model"},
		"without-images":          {talk(entryOf("user", list{imageOf("image/png", pixel)})), "image input is not supported on this model"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			got, r := sayTo(t, sim, saying("claude-sim-"+name, "Hi", test.with))
			if r.status != http.StatusBadRequest || !strings.Contains(got.Error.Message, test.want) {
				t.Errorf("got %d %s", r.status, r.all())
			}
			bothWays(t, sim, saying("claude-sim-"+name, "Hi"))
			noViolations(t, sim)
		})
	}
	if len(lacks) != 7 {
		t.Errorf("%d things are lacked", len(lacks))
	}
}
