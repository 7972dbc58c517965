package chat_test

import (
	"slices"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

func TestTextOfAMessage(t *testing.T) {
	t.Parallel()
	text := func(text string) chat.Part { return chat.Part{Text: text} }
	picture, sound := chat.Part{Image: &chat.Image{}}, chat.Part{Text: "no", Audio: &chat.Audio{}}
	for _, c := range []struct {
		parts []chat.Part
		want  string
	}{
		{nil, ""},
		{[]chat.Part{picture, sound}, ""},
		{[]chat.Part{text("a")}, "a"},
		{[]chat.Part{text("a"), text("b")}, "a\nb"},
		{[]chat.Part{text(""), text("a"), text("")}, "\na\n"},
		{[]chat.Part{picture, text("a"), sound, text("b"), picture}, "a\nb"},
	} {
		if got := (chat.Message{Parts: c.parts}).Text(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.parts, got, c.want)
		}
	}
}

// A client may send a hundred thousand parts: joining them must not copy the text for each.
func TestTextOfManyPartsIsJoinedAtOnce(t *testing.T) {
	message := chat.Message{Parts: slices.Repeat([]chat.Part{{Text: "a b"}}, 1000)}
	if allocations := testing.AllocsPerRun(10, func() { _ = message.Text() }); allocations > 2 {
		t.Errorf("%v allocations", allocations)
	}
}
