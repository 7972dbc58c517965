package reqbody_test

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/reqbody"
)

func TestWholeForms(t *testing.T) {
	t.Parallel()
	const part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue\r\n"
	for name, c := range map[string]struct {
		body string
		want bool
	}{
		"whole":                     {part + "--b--\r\n", true},
		"without the last line end": {part + "--b--", true},
		"with an epilogue":          {part + "--b--\r\nGood bye.", true},
		"of many bytes":             {strings.Repeat(part, 1000) + "--b--\r\n", true},
		"without parts":             {"--b--", true},
		"cut in the last line":      {part + "--b-", false},
		"cut behind a boundary":     {part + "--b\r\n", false},
		"cut in a part":             {part[:20], false},
		"of another boundary":       {part + "--c--\r\n", false},
		"empty":                     {"", false},
	} {
		if got := reqbody.WholeForm(strings.NewReader(c.body), int64(len(c.body)), "b"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
