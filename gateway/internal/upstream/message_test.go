package upstream

import (
	"strings"
	"testing"
	"unicode/utf8"

	"carousel.internal/proto/service/secret"
)

func TestCleanMessage(t *testing.T) {
	t.Parallel()
	known := secret.New("s3cret-key")
	for text, want := range map[string]string{
		"":                               "",
		"Not logged in.":                 "Not logged in.",
		"  two\r\n lines\tand \x07bell ": "two lines and bell",
		"key s3cret-key is wrong":        "key [hidden] is wrong",
		"no eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.sig ok":                                  "no [hidden] ok",
		"Incorrect API key: sk-abcdefghij":                                         "Incorrect API key: [hidden]",
		"Authorization: Bearer abc.def":                                            "Authorization: [hidden]",
		"<html><style>p{}</style><script>x('<')</script><b>Bad</b> gateway</html>": "Bad gateway",
		"<script>never closed":                                                     "",
		"1 < 2 > 0":                                                                "1 < 2 > 0",
		"a value <= 2, a value >= 0":                                               "a value <= 2, a value >= 0",
		"a<b>c < d e> <f":                                                          "a c < d e f",
		"<scr<b>ipt>alert</scr<b>ipt>":                                             "scr iptalert/scr ipt",
		"< b onclick=x >and < /b >no < ":                                           "b onclick=x and < /b no",
		"id " + strings.Repeat("a", 64):                                            "id [hidden]",
		"\xff\xfe broken":                                                          "broken",
	} {
		if got := CleanMessage(text, known); got != want {
			t.Errorf("CleanMessage(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCleanMessageIsBounded(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("é", 1000), strings.Repeat("x", 512), strings.Repeat("x", 513), strings.Repeat("<b>", 1<<20)} {
		got := CleanMessage(text, secret.Value{})
		if len(got) > maxMessage || !utf8.ValidString(got) {
			t.Errorf("%d bytes, valid: %t", len(got), utf8.ValidString(got))
		}
	}
}
