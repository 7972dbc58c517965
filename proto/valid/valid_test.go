package valid_test

import (
	"slices"
	"strings"
	"testing"

	"carousel.internal/proto/valid"
)

func TestTraits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err error
		// says is what is wrong; empty: nothing.
		says string
	}{
		"no tags":                {valid.Tags(nil), ""},
		"as many tags as may be": {valid.Tags(slices.Repeat([]string{"a"}, 32)), ""},
		"one more":               {valid.Tags(slices.Repeat([]string{"a"}, 33)), "there are more than 32 tags"},
		"as long a tag":          {valid.Tags([]string{strings.Repeat("签", 50)}), ""},
		"one longer":             {valid.Tags([]string{strings.Repeat("签", 51)}), "a tag has 1 to 50 characters"},
		"all that is wrong":      {valid.Tags([]string{"", "a\nb", " a", "\xff"}), "a tag has 1 to 50 characters\nthe tag has a character that can't be shown\nthe tag has spaces at its ends\nthe tag is not valid UTF-8"},
		"no cap":                 {valid.Cap(0), ""},
		"the largest cap":        {valid.Cap(100_000), ""},
		"a larger one":           {valid.Cap(100_001), "cap is at most 100000; 0 is unlimited"},
		"the least weight":       {valid.Weight(1), ""},
		"a lesser one":           {valid.Weight(0), "weight is 1 to 1000"},
		"the most weight":        {valid.Weight(1000), ""},
		"more":                   {valid.Weight(1001), "weight is 1 to 1000"},
	} {
		said := ""
		if c.err != nil {
			said = c.err.Error()
		}
		if said != c.says {
			t.Errorf("%s: %q", name, said)
		}
	}
}
