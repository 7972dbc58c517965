package tokencount

import (
	"strings"
	"testing"
)

// The work is bounded for a request, however many texts it has: what goes to the tokenizer
// is of a bounded size. 480 texts of 32 KiB took two seconds when the bound was a text's.
func TestTheWorkForARequestIsBounded(t *testing.T) {
	t.Parallel()
	const mixed = "汉a字 word "
	for name, c := range map[string]struct {
		text  string
		times int
	}{
		"480 texts":            {strings.Repeat(mixed, 3<<10), 480},
		"a text of 15 MiB":     {strings.Repeat(mixed, 1<<20), 1},
		"a million letters":    {"a", 1_000_000},
		"half a million pairs": {"ab", 500_000},
		"few":                  {mixed, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := make([]string, c.times)
			for i := range texts {
				texts[i] = c.text
			}
			pieces, bytes := 0, 0
			got := estimate(texts, c.times*len(c.text), func(piece string) int {
				pieces++
				bytes += len(piece)
				if len(piece) > pieceBytes {
					t.Errorf("a piece of %d bytes", len(piece))
				}
				return len(piece)
			})
			if bytes > maxPieces*pieceBytes || pieces > maxTexts+maxPieces {
				t.Errorf("%d pieces of %d bytes were counted", pieces, bytes)
			}
			if all := c.times * len(c.text); got < all*99/100 || got > all*101/100 {
				t.Errorf("%d bytes stand for %d", got, all)
			}
		})
	}
}
