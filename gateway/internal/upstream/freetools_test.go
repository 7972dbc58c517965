package upstream_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// Models write the text of a free tool in more ways than the one that they are asked for.
func TestUnwrapFreeText(t *testing.T) {
	t.Parallel()
	const patch = "*** Begin Patch\n+\"a\\b\"\n*** End Patch"
	for arguments, want := range map[string]string{
		upstream.WrapFreeText(patch): patch,
		" {\n \"input\" : \"*** Begin Patch\\n+\\\"a\\\\b\\\"\\n*** End Patch\" }\n": patch,
		`{"patch":"a"}`:                          "a",
		`{"text":"a"}`:                           "a",
		`{"input":"a","why":"b"}`:                "a",
		`{"why":"b","input":"a"}`:                "a",
		`{"why":1,"patch":"a"}`:                  "a",
		`{"diff":"a"}`:                           "a",
		`"a\nb"`:                                 "a\nb",
		`"a" b`:                                  `"a" b`,
		patch:                                    patch,
		" \n " + patch:                           " \n " + patch,
		`{"x":1}`:                                `{"x":1}`,
		`{"a":"b","c":"d"}`:                      `{"a":"b","c":"d"}`,
		`{ "input": {"a":1} }`:                   `{ "input": {"a":1} }`,
		`[1]`:                                    `[1]`,
		`{}`:                                     ``,
		``:                                       ``,
		`{"input":""}`:                           ``,
		`{"input":"cut \u00e9 sho`:               "cut é sho",
		`{"input":"cut in an escape \`:           "cut in an escape ",
		`{"input":"cut in an escape \u00`:        "cut in an escape ",
		`{"input":"cut in a pair \ud83d`:         "cut in a pair \uFFFD",
		`{"input":"cut in a pair \ud83d\u`:       "cut in a pair \uFFFD",
		`{"inp`:                                  `{"inp`,
		`{"input":"\ud83d\ude00 \ud83d \ude00"}`: "😀 \uFFFD \uFFFD",
		`{"input":"\ud83d\n\ud83d\u0041"}`:       "\uFFFD\n\uFFFDA",
		`{"input":"\d+ \uzz \/"}`:                `\d+ \uzz /`,
		"{\"input\":\"two\nlines\"}":             "two\nlines",
		`{"input":"a"} and words`:                "a",
		strings.Repeat(" ", 2000) + `{"input":"a"}`: "a",
	} {
		if got := upstream.UnwrapFreeText(arguments); got != want {
			t.Errorf("%q: got %q, want %q", arguments, got, want)
		}
	}
}

// The text is the same in whatever pieces it comes, and what was wrapped comes out as it was.
func FuzzFreeText(f *testing.F) {
	for _, seed := range []string{`{"input":"a\ud83d\ude00\\\"b\u00e9"}`, `{"patch":"a`, `"a\n"`, "*** Begin", `{"x":{"input":"a"}}`, ` { "text" : "\d\u12"} x`, `{"input":"\ud83d\ud83d\ude00"}`} {
		f.Add(seed, uint8(3), uint8(7))
	}
	f.Fuzz(func(t *testing.T, arguments string, first, second uint8) {
		whole := upstream.UnwrapFreeText(arguments)
		i := min(int(first), len(arguments))
		j := min(i+int(second), len(arguments))
		for _, pieces := range [][]string{{arguments[:i], arguments[i:j], arguments[j:]}, strings.Split(arguments, "")} {
			if got := answered(pieces); got != whole {
				t.Fatalf("%q in pieces %q: got %q, want %q", arguments, pieces, got, whole)
			}
		}
		if utf8.ValidString(arguments) && upstream.UnwrapFreeText(upstream.WrapFreeText(arguments)) != arguments {
			t.Fatalf("%q came out as %q", arguments, upstream.UnwrapFreeText(upstream.WrapFreeText(arguments)))
		}
	})
}

// answered is what a client sees of a wrapped call.
func answered(pieces []string) string {
	_, free := upstream.WrapFreeTools(freeRequest())
	var text strings.Builder
	see := func(event chat.Event) {
		free.Unwrap(&event)
		text.WriteString(event.Text)
	}
	see(chat.Event{Kind: chat.CallBlock, Open: &chat.Block{ID: "c", Name: "apply_patch"}})
	for _, piece := range pieces {
		see(chat.Event{Kind: chat.CallBlock, Text: piece})
	}
	see(chat.Event{Kind: chat.CallBlock, Close: true})
	return text.String()
}

func freeRequest() *chat.Request {
	return &chat.Request{
		Tools: []chat.ToolSpec{
			{Kind: chat.Custom, Name: "apply_patch", Description: "Edits files.", Own: &chat.Opaque{
				Dialect: "x", JSON: []byte(`{"type":"custom","name":"apply_patch","format":{"type":"grammar","syntax":"lark","definition":"start: a"}}`),
			}},
			{Kind: chat.Function, Name: "shell", Schema: []byte(`{"type":"object"}`)},
		},
		Messages: []chat.Message{
			{Role: chat.User, Parts: []chat.Part{{Text: "hi"}}},
			{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: "c", Name: "apply_patch", Arguments: "a\n\"b\" <c>", Custom: true}}, {Call: &chat.Call{ID: "d", Name: "shell", Arguments: "{}"}}}},
		},
	}
}

func TestWrapFreeTools(t *testing.T) {
	t.Parallel()
	request := freeRequest()
	wrapped, free := upstream.WrapFreeTools(request)
	if !reflect.DeepEqual(request, freeRequest()) {
		t.Error("the request has changed")
	}
	tool := wrapped.Tools[0]
	const schema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`
	if tool.Kind != chat.Function || tool.Name != "apply_patch" || string(tool.Schema) != schema || tool.Own != nil ||
		tool.Description != "Edits files.\n\n`input` has to follow this grammar (lark):\nstart: a" {
		t.Errorf("got %+v, %s", tool, tool.Schema)
	}
	call := wrapped.Messages[1].Parts[0].Call
	if call.Custom || call.Arguments != `{"input":"a\n\"b\" <c>"}` || call.ID != "c" || !reflect.DeepEqual(wrapped.Tools[1], request.Tools[1]) || wrapped.Messages[1].Parts[1].Call != request.Messages[1].Parts[1].Call {
		t.Errorf("got %+v", call)
	}
	other := chat.Event{Kind: chat.CallBlock, Open: &chat.Block{Name: "shell"}, Text: `{"input":"a"}`, Close: true}
	if free.Unwrap(&other); other.Open.Custom || other.Text != `{"input":"a"}` {
		t.Errorf("a function's call has become %+v", other)
	}
	whole := chat.Event{Kind: chat.CallBlock, Open: &chat.Block{Name: "apply_patch"}, Text: `{"input":"a"}`, Close: true}
	if free.Unwrap(&whole); !whole.Open.Custom || whole.Text != "a" {
		t.Errorf("a call in one event has become %+v", whole)
	}
	plain := &chat.Request{Tools: request.Tools[1:], Messages: request.Messages[:1]}
	if same, _ := upstream.WrapFreeTools(plain); same != plain {
		t.Error("a request without such tools is copied")
	}
}

// The two APIs that have such tools say in other places what grammar the text follows.
func TestGrammarOf(t *testing.T) {
	t.Parallel()
	for own, want := range map[string]string{
		`{"format":{"type":"grammar","syntax":"lark","definition":"a"}}`:                         "lark a",
		`{"custom":{"format":{"type":"grammar","grammar":{"syntax":"regex","definition":"b"}}}}`: "regex b",
		`{"format":{"type":"text"}}`: " ",
		`{"format":7}`:               " ",
	} {
		syntax, grammar := upstream.GrammarOf(&chat.ToolSpec{Own: &chat.Opaque{JSON: []byte(own)}})
		if got := syntax + " " + grammar; got != want {
			t.Errorf("%s: got %q, want %q", own, got, want)
		}
	}
}
