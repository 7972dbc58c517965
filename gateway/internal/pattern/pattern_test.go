package pattern_test

import (
	"testing"

	"carousel.internal/gateway/internal/pattern"
)

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name, stood string
		covers               bool
	}{
		{"fast", "fast", "", true},
		{"fast", "faster", "", false},
		{"claude-*", "claude-opus", "opus", true},
		{"claude-*", "claude-", "", true},
		{"claude-*", "claude", "", false},
		{"*-mini", "gpt-mini", "gpt", true},
		{"a*a", "a", "", false}, // the two don't share a letter
		{"a*a", "aba", "b", true},
		{"*", "", "", true},
		{"*", "any/thing", "any/thing", true},
	} {
		if stood, covers := pattern.Covers(c.pattern, c.name); stood != c.stood || covers != c.covers {
			t.Errorf("%s covers %q: %t, %q", c.pattern, c.name, covers, stood)
		}
	}
	if some := []string{"fast", "gpt-*"}; !pattern.AnyCovers(some, "gpt-5") || pattern.AnyCovers(some, "faster") || pattern.AnyCovers(nil, "fast") {
		t.Error("one of them covers a name, or none does")
	}
	if pattern.Is("fast") || !pattern.Is("f*") {
		t.Error("a star makes a pattern")
	}
}
