package chat_test

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// A conversation in short comes back as what a user would say, and nothing else does.
func TestSealedSummaries(t *testing.T) {
	t.Parallel()
	for seal, want := range map[string]string{
		chat.SealSummary("a\n\"é\""):  "The conversation so far, in short:\n\na\n\"é\"",
		chat.SealSummary(""):          "The conversation so far, in short:\n\n",
		"gAAAAA":                      "",
		"carousel:summary:%":          "",
		"carousel:summary:/w==":       "", // no UTF-8
		chat.ForeignSeal("a", "YQ=="): "",
	} {
		if text, ok := chat.OfSealedSummary(seal); text != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", seal, text, ok)
		}
	}
}
