package userkey_test

import (
	"testing"

	"carousel.internal/proto/cursor/userkey"
)

func TestIs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"crsr_0123": true, "key_0123": true, "": false, "sk-0123": false, "a crsr_0123": false, "crsr-0123": false,
	} {
		if got := userkey.Is(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
