package caller_test

import (
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/caller"
)

const (
	anID     = "abcdefgh234567xy"
	aPart    = "0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
	aSecret  = "sk-carousel-" + anID + "-" + aPart
	generate = "sk-carousel-" + aPart // an admin token, as the pair generates it
)

func TestParseSecret(t *testing.T) {
	t.Parallel()
	got, ok := caller.ParseSecret(aSecret)
	if want := (caller.Secret{ID: anID, Hash: sha256.Sum256([]byte(aSecret))}); !ok || got != want {
		t.Errorf("got %+v, %t", got, ok)
	}
	for name, text := range map[string]string{
		"empty": "", "an admin token": generate, "cut short": aSecret[:len(aSecret)-1], "too long": aSecret + "x",
		"another prefix": strings.Replace(aSecret, "carousel", "carousal", 1), "capitals in the id": strings.Replace(aSecret, "abcd", "ABCD", 1),
		"an 8 in the id": strings.Replace(aSecret, "2345", "2348", 1), "no separator": strings.Replace(aSecret, "y-0", "y_0", 1),
		"standard base64": strings.Replace(aSecret, "-_", "+/", 1), "an alias behind it": aSecret + "::work", "spaces": " " + aSecret,
	} {
		if got, ok := caller.ParseSecret(text); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

var form = regexp.MustCompile(`^sk-carousel-([a-z2-7]{16})-[A-Za-z0-9_-]{43}\z`)

func FuzzParseSecret(f *testing.F) {
	f.Add(aSecret)
	f.Add(generate)
	f.Add("sk-carousel-" + anID + "-")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := caller.ParseSecret(text)
		want := form.FindStringSubmatch(text)
		if ok != (want != nil) || ok && got.ID != want[1] {
			t.Errorf("%q: %+v, %t", text, got, ok)
		}
	})
}
