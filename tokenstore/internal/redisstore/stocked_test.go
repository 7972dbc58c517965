package redisstore

import (
	"fmt"
	"slices"
	"testing"

	"carousel.internal/tokenstore/internal/token"
)

// wantStocked checks which upstreams have tokens.
func wantStocked(t *testing.T, store *Store, when string, want ...string) {
	t.Helper()
	got, err := store.StockedUpstreams(t.Context())
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: %q, %v; want %q", when, got, err, want)
	}
}

func TestStockedUpstreams(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		wantStocked(t, store, "no tokens")
		one := create(t, store, draft("cursor", "T1"))
		wantStocked(t, store, "a token in quarantine", "cursor")
		other := create(t, store, draft("openai", "T2"))
		wantStocked(t, store, "one each", "cursor", "openai")
		for enabled, want := range map[bool][]string{false: {"openai"}, true: {"cursor", "openai"}} {
			if _, err := store.UpdateToken(t.Context(), one.GetId(), token.Fields{Enabled: enabled}, []string{token.Enabled}, 0); err != nil {
				t.Fatal(err)
			}
			wantStocked(t, store, fmt.Sprint("enabled: ", enabled), want...)
		}
		if _, err := store.UpdateToken(t.Context(), one.GetId(), token.Fields{Enabled: true}, []string{token.Enabled}, 0); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteToken(t.Context(), other.GetId(), 0); err != nil {
			t.Fatal(err)
		}
		wantStocked(t, store, "one is deleted", "cursor")
	})
}
