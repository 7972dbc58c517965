package web

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitPrompt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, prompt string
		want         []message
	}{
		{"nothing", "", nil},
		{"no markers", "just text", []message{{"", "just text"}}},
		{"one", "<|BEGIN_USER|>\nHello\n<|END_USER|>\n", []message{{"user", "Hello"}}},
		{
			"three", "<|BEGIN_SYSTEM|>\na\n<|END_SYSTEM|>\n<|BEGIN_USER|>\nb\nc\n<|END_USER|>\n<|BEGIN_ASSISTANT|>\nd\n<|END_ASSISTANT|>\n",
			[]message{{"system", "a"}, {"user", "b\nc"}, {"assistant", "d"}},
		},
		{"cut within a message", "<|BEGIN_USER|>\nHel", []message{{"user", "Hel"}}},
		{"cut within a marker", "<|BEGIN_USER|>\nHello\n<|END_US", []message{{"user", "Hello\n<|END_US"}}},
		{"cut within a beginning", "<|BEGIN_USER|>\nHello\n<|END_USER|>\n<|BEGIN_ASS", []message{{"user", "Hello\n<|END_USER|>\n<|BEGIN_ASS"}}},
		{"text before", "x <|BEGIN_USER|>y<|END_USER|>", []message{{"", "x"}, {"user", "y"}}},
		{"an empty message", "<|BEGIN_USER|>\n<|END_USER|>", []message{{"user", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, splitPrompt(c.prompt)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
