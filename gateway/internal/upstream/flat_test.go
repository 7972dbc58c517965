package upstream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
)

func piece(index int, id, name, arguments string) upstream.CallPiece {
	return upstream.CallPiece{Index: index, ID: id, Name: name, Arguments: arguments}
}

func calls(pieces ...upstream.CallPiece) upstream.Flat { return upstream.Flat{Calls: pieces} }

// outline renders events as the client of a dialect with blocks would see them.
func outline(t *testing.T, steps ...upstream.Flat) string {
	t.Helper()
	var blocks upstream.Blocks
	var order upstreamtest.BlockOrder
	var seen []string
	for _, step := range append(steps, upstream.Flat{Finish: chat.Stop}) {
		events, err := blocks.Events(&step)
		if err != nil {
			return err.Error()
		}
		for _, event := range events {
			if err := order.Check(&event); err != nil {
				t.Error(err)
			}
			if event.Open != nil {
				seen = append(seen, fmt.Sprintf("%d%s(", event.Kind, event.Open.Name))
			}
			seen = append(seen, event.Text)
			if event.Close {
				seen = append(seen, ")")
			}
		}
	}
	return strings.Join(seen, "")
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	say, think := func(text string) upstream.Flat { return upstream.Flat{Text: text} }, func(text string) upstream.Flat { return upstream.Flat{Reasoning: text} }
	for name, test := range map[string]struct {
		steps []upstream.Flat
		want  string
	}{
		"text":                      {[]upstream.Flat{{}, say("a"), say("b")}, "0(ab)"},
		"thoughts, then text":       {[]upstream.Flat{think("h"), think("m"), say("a")}, "1(hm)0(a)"},
		"text around thoughts":      {[]upstream.Flat{say("a"), think("h"), say("b")}, "0(a)1(h)0(b)"},
		"all at once":               {[]upstream.Flat{{Text: "a", Reasoning: "h", Calls: []upstream.CallPiece{piece(0, "c", "f", "{}")}}}, "1(h)0(a)2f({})"},
		"a refusal":                 {[]upstream.Flat{{Refusal: "n"}, {Refusal: "o"}}, "3(no)"},
		"one call in pieces":        {[]upstream.Flat{calls(piece(0, "c", "f", "")), calls(piece(0, "", "", `{"a"`)), calls(piece(0, "", "", `:1}`))}, `2f({"a":1})`},
		"calls one after the other": {[]upstream.Flat{calls(piece(0, "c", "f", `{"a":1}`)), calls(piece(1, "d", "g", `{}`))}, `2f({"a":1})2g({})`},
		"calls in turns": {
			[]upstream.Flat{calls(piece(0, "c", "f", `{"a":`), piece(1, "d", "g", `{"b":`)), calls(piece(1, "", "", `2}`), piece(0, "", "", `1}`))},
			`2f({"a":1})2g({"b":2})`,
		},
		"a call without arguments before another": {[]upstream.Flat{calls(piece(0, "c", "f", "")), calls(piece(1, "d", "g", "{}"))}, "2f()2g({})"},
		"text while a call is incomplete":         {[]upstream.Flat{calls(piece(0, "c", "f", `{"a":`)), say("x"), calls(piece(0, "", "", `1}`)), say("y")}, `2f({"a":1})0(xy)`},
		"braces in texts":                         {[]upstream.Flat{calls(piece(0, "c", "f", `{"a":"}\"{`)), calls(piece(1, "d", "g", `{}`)), calls(piece(0, "", "", `"}`))}, `2f({"a":"}\"{"})2g({})`},
		"an end within a call":                    {[]upstream.Flat{calls(piece(0, "c", "f", `{"a":`)), calls(piece(1, "d", "g", `{`))}, `2f({"a":)2g({)`},
		"white space behind a call":               {[]upstream.Flat{calls(piece(0, "c", "f", `{}`)), say("x"), calls(piece(0, "", "", "\n"))}, `2f({})0(x)`},
		"all calls under one index":               {[]upstream.Flat{calls(piece(0, "c", "f", `{}`)), calls(piece(0, "d", "g", `{}`))}, `2f({})2g({})`},
		"a name in pieces": {
			[]upstream.Flat{calls(piece(0, "c", "get", "")), calls(piece(0, "", "_ti", "")), {}, calls(piece(0, "", "me", "")), calls(piece(0, "", "", "{}"))}, "2get_time({})",
		},
		"a name in pieces, and no arguments":    {[]upstream.Flat{calls(piece(0, "c", "ge", "")), calls(piece(0, "", "t", ""))}, "2get()"},
		"a name that is said again":             {[]upstream.Flat{calls(piece(0, "c", "get", "")), calls(piece(0, "c", "get", "")), calls(piece(0, "c", "get", "{}"))}, "2get({})"},
		"names in pieces, with text in between": {[]upstream.Flat{calls(piece(0, "c", "ge", "")), say("a"), calls(piece(1, "d", "se", "")), calls(piece(1, "", "t", "{}"))}, "2ge()0(a)2set({})"},
		"free text has no end of its own": {
			[]upstream.Flat{{Calls: []upstream.CallPiece{{ID: "c", Name: "p", Custom: true, Arguments: "{}"}}}, calls(piece(0, "", "", "{}\n")), say("x"), calls(piece(0, "", "", "more"))}, "2p({}{}\nmore)0(x)",
		},
		"many pieces in one step": {[]upstream.Flat{calls(piece(0, "c", "f", ""), piece(0, "", "", "{"), piece(0, "", "", "}"), piece(1, "d", "g", "{"), piece(1, "", "", "}"))}, "2f({})2g({})"},
		"more behind a call":      {[]upstream.Flat{calls(piece(0, "c", "f", `{}`)), say("x"), calls(piece(0, "", "", "{}"))}, upstream.ErrCallGoesOn.Error()},
	} {
		if got := outline(t, test.steps...); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Raw bytes stand on the first event of a step, the end on its last.
func TestBlocksKeepWhatAStepHas(t *testing.T) {
	t.Parallel()
	var blocks upstream.Blocks
	usage := &chat.Usage{Prompt: 1}
	step := upstream.Flat{Reasoning: "h", Text: "a", Finish: chat.Stop, Usage: usage, Raw: chat.Raw{Dialect: "d", JSON: []byte("{}")}}
	events, err := blocks.Events(&step)
	if err != nil || len(events) != 2 {
		t.Fatalf("%+v, %v", events, err)
	}
	first, last := events[0], events[1]
	if string(first.Raw.JSON) != "{}" || last.Raw.JSON != nil || last.Raw.Dialect != "d" || !first.More || last.More ||
		first.Finish != "" || last.Finish != chat.Stop || first.Usage != nil || last.Usage != usage {
		t.Errorf("%+v", events)
	}
}

func TestBlocksHoldNoMoreThanTheyMay(t *testing.T) {
	t.Parallel()
	var blocks upstream.Blocks
	open, large := calls(piece(0, "c", "f", "{"), piece(1, "d", "g", "")), calls(piece(1, "", "", strings.Repeat("x", 16<<20)))
	var err error
	for _, step := range []upstream.Flat{open, large, large, large} {
		if _, err = blocks.Events(&step); err != nil {
			break
		}
	}
	if !errors.Is(err, upstream.ErrCallsHeld) {
		t.Error(err)
	}
}

// However calls are cut and mixed, each comes out whole and in the order of its beginning.
func TestBlocksProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		number := rapid.IntRange(1, 4).Draw(r, "calls")
		left, want := make([]string, number), ""
		for i := range left {
			left[i] = fmt.Sprintf(`{"n":"%d}{\"%s"}`, i, rapid.StringOf(rapid.SampledFrom([]rune("ab{}é"))).Draw(r, "text"))
			want += fmt.Sprintf("2f%d(%s)", i, left[i])
		}
		var steps []upstream.Flat
		begun := 0
		for {
			var open []int
			for i := range left {
				if i <= begun && left[i] != "" {
					open = append(open, i)
				}
			}
			if len(open) == 0 {
				break
			}
			i := rapid.SampledFrom(open).Draw(r, "call")
			now := piece(i, "", "", "")
			if i == begun {
				now.ID, now.Name = fmt.Sprint("c", i), fmt.Sprint("f", i)
				begun++
			}
			size := rapid.IntRange(1, len(left[i])).Draw(r, "size")
			now.Arguments, left[i] = left[i][:size], left[i][size:]
			steps = append(steps, calls(now))
		}
		if got := outline(t, steps...); got != want {
			r.Fatalf("got %q, want %q", got, want)
		}
	})
}

// What is known of calls is bounded: how many there are, and how long a name goes on.
func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	for name, piece := range map[string]func(i int) upstream.CallPiece{
		"calls without end": func(i int) upstream.CallPiece { return upstream.CallPiece{Index: i, Name: "f", Arguments: "{}"} },
		"a name without end": func(i int) upstream.CallPiece {
			return upstream.CallPiece{Name: strings.Repeat(string(rune('a'+i%2)), 100)}
		},
	} {
		var blocks upstream.Blocks
		var err error
		for i := 0; err == nil && i < 1<<20; i++ {
			_, err = blocks.Events(&upstream.Flat{Calls: []upstream.CallPiece{piece(i)}})
		}
		if !errors.Is(err, upstream.ErrCallsHeld) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
