package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
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
