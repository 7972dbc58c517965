package callextra_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/callextra"
)

// What belongs to a call comes back with its id, byte for byte.
func TestExtraComesBack(t *testing.T) {
	t.Parallel()
	for _, want := range []chat.Opaque{
		{Dialect: "openai", JSON: []byte(`"signature":"a_carousel_b"`)},
		{Dialect: "openai", JSON: []byte(`"a":1,"b":{"c":"é"}`)},
	} {
		given := callextra.With("call_carousel_1", &want)
		id, got := callextra.Cut(given)
		if id != "call_carousel_1" || got == nil || got.Dialect != want.Dialect || string(got.JSON) != string(want.JSON) {
			t.Errorf("%s: id %q, extra %+v", given, id, got)
		}
	}
}

// Nothing is added to an id that is none of a call's, or too much for any client.
func TestIDsWithoutExtra(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]*chat.Opaque{
		"nothing":  nil,
		"empty":    {Dialect: "openai"},
		"too much": {Dialect: "openai", JSON: []byte(`"a":"` + strings.Repeat("x", 16<<10) + `"`)},
	} {
		if id := callextra.With("call_1", extra); id != "call_1" {
			t.Errorf("%s: %q", name, id)
		}
	}
}

// What a client has made up is part of the id.
func TestIDsOfClients(t *testing.T) {
	t.Parallel()
	packed := func(text string) string {
		return "call_1_carousel_openai_" + base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	for _, given := range []string{
		"", "call_1", "call_1_carousel_", "call_1_carousel_openai_", "call_1_carousel_openai_%%", "_carousel_openai_ImEiOjE",
		packed("no members"), packed(`"a":1}`), packed(`"a":1},{"b":2`), packed("\"a\":\"\xff\""),
		packed(`"a":"` + strings.Repeat("x", 16<<10) + `"`),
	} {
		if id, extra := callextra.Cut(given); id != given || extra != nil {
			t.Errorf("%.60q: id %.60q, extra %+v", given, id, extra)
		}
	}
}
