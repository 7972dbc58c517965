package chat_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
)

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 0, ""},
		{"short", 5, "short"},
		{"longer", 5, "longe…"},
		{"aé", 2, "a…"},
		{"a😀b", 4, "a…"},
		{"a😀b", 5, "a😀…"},
		{"😀", 0, "…"},
		{"😀", 3, "…"},
		{"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80\x80…"},
	} {
		if got := chat.Cut(c.text, c.limit); got != c.want {
			t.Errorf("%q at %d: %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("a😀b", 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 0 || limit > 1<<10 {
			return
		}
		got := chat.Cut(text, limit)
		if beginning, cut := strings.CutSuffix(got, "…"); got != text && (!cut || len(beginning) > limit || !strings.HasPrefix(text, beginning)) {
			t.Errorf("%q at %d: %q", text, limit, got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q at %d is cut in two: %q", text, limit, got)
		}
	})
}
