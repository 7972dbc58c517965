package rawjson_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/rawjson"
)

// Texts are what Inside decodes, and stay so whatever is decoded after them.
func TestTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.StringN(0, 80, -1), rapid.SampledFrom([]string{`\n`, `\"x`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `\x`, `\`, "\n", "", strings.Repeat("a", 64), strings.Repeat(`\n`, 40)}))
		var texts rawjson.Texts
		var got, want []string
		for _, raw := range rapid.SliceOfN(piece, 1, 100).Draw(t, "pieces") {
			text, ok := texts.Inside([]byte(raw))
			expected, expectedOK := rawjson.Inside([]byte(raw))
			if ok != expectedOK {
				t.Fatalf("%q: %t, want %t", raw, ok, expectedOK)
			}
			got, want = append(got, text), append(want, expected)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func TestTextsShareTheirRoom(t *testing.T) {
	var texts rawjson.Texts
	word, line := []byte("a word"), []byte(`two\nlines`)
	each := testing.AllocsPerRun(1000, func() {
		_, _ = texts.Inside(word)
		_, _ = texts.Inside(line)
	})
	if each > 0.1 {
		t.Errorf("%.2f allocations for two texts", each)
	}
}
