package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"carousel.internal/proto/service/secret"
)

func TestNoFormatterShowsTheText(t *testing.T) {
	const text = "sk-very-secret"
	value := secret.New(text)
	holder := struct {
		Value  secret.Value
		hidden secret.Value
	}{value, value}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&shown, verb, value)
		fmt.Fprintf(&shown, verb, holder)
		fmt.Fprintf(&shown, verb, &holder)
	}
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("m", "value", value, "holder", holder)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("m", "value", value, "holder", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(encoded)
	for _, form := range []string{text, fmt.Sprintf("%x", text)} {
		if strings.Contains(shown.String(), form) {
			t.Errorf("the secret shows as %q in:\n%s", form, shown.String())
		}
	}
}

func TestList(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          nil,
		" \n,":                      nil,
		"one alone":                 {"one alone"},
		"old,new":                   {"old", "new"},
		" old , new ,":              {"old", "new"},
		"from a file\n":             {"from a file"},
		"old\r\nnew\n\n":            {"old", "new"},
		"a=b/c+d,e":                 {"a=b/c+d", "e"},
		"three,are\nas good as two": {"three", "are", "as good as two"},
	} {
		var got []string
		for _, value := range secret.New(text).List() {
			got = append(got, value.Reveal())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q has %q, want %q", text, got, want)
		}
		if first := secret.New(text).First(); len(want) > 0 && first.Reveal() != want[0] || len(want) == 0 && !first.Empty() {
			t.Errorf("%q begins with %q", text, first.Reveal())
		}
	}
	if got := (secret.Value{}).List(); got != nil {
		t.Errorf("nothing has %v", got)
	}
}

func TestMasked(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "short": "…", strings.Repeat("x", 23): "…", "eyJh" + strings.Repeat("x", 100) + "hcqk": "eyJh…hcqk",
		"abc" + strings.Repeat("ü", 20): "abc…üü", // half a character is not shown
	} {
		if got := secret.New(text).Masked(); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
