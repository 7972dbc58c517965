package tokencount_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/tokencount"
)

func TestHead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"", 3, ""},
		{"Hello, world!", 0, ""},
		{"Hello, world!", 2, "Hello,"},
		{"Hello, world!", 4, "Hello, world!"},
		{"Hello, world!", 100, "Hello, world!"},
		{strings.Repeat("Hello ", 2000), 1000, strings.TrimSuffix(strings.Repeat("Hello ", 1000), " ")},
	} {
		if got := tokencount.Head(c.text, c.n); got != c.want {
			t.Errorf("%d of %.20q: %d bytes, want %d", c.n, c.text, len(got), len(c.want))
		}
	}
}

// Whatever the text: its head is a beginning of it, of whole characters, of no more
// tokens than asked for.
func TestHeadIsABeginning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab ,\n漢字😀é")), 0, 60, -1).Draw(t, "text")
		n := rapid.IntRange(0, 20).Draw(t, "n")
		head := tokencount.Head(text, n)
		if !strings.HasPrefix(text, head) || !utf8.ValidString(head) || tokencount.Text(head) > n+1 {
			t.Fatalf("%d tokens of %q: %q has %d", n, text, head, tokencount.Text(head))
		}
		if tokencount.Text(text) <= n && head != text {
			t.Fatalf("%q fits in %d tokens, and was cut to %q", text, n, head)
		}
	})
}
