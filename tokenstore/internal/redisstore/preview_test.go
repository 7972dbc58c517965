package redisstore

import (
	"slices"
	"strings"
	"testing"

	"carousel.internal/tokenstore/internal/token"
)

// What a preview says is what the import then does, and it does nothing itself.
func TestPreviewIsWhatAnImportDoes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		taken := draft("openai", "T1")
		taken.Alias = "work"
		create(t, store, taken)
		aliased := func(upstream, text, alias string) token.Draft {
			d := draft(upstream, text)
			d.Alias, d.Said = alias, []string{token.Alias}
			return d
		}
		drafts := []token.Draft{
			aliased("openai", "T1", "work"), aliased("openai", "T1", ""), aliased("openai", "T2", "work"), aliased("openai", "T3", "home"),
			aliased("cursor", "T1", ""), aliased("nowhere", "T4", ""),
		}
		said, err := store.PreviewTokens(t.Context(), drafts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tokens, _, err := store.ListTokens(t.Context(), TokenFilter{}, 10, ""); err != nil || len(tokens) != 1 {
			t.Errorf("there are %v, %v", tokens, err)
		}
		for i, each := range drafts { // one after the other would free the alias
			if i == 1 {
				continue
			}
			done, err := store.ImportTokens(t.Context(), []token.Draft{each})
			if err != nil || !slices.Equal(done, said[i:i+1]) {
				t.Errorf("draft %d: the import says %+v, the preview %+v; %v", i, done, said[i], err)
			}
		}
		if said, err := store.PreviewTokens(t.Context(), drafts[5:], []string{"nowhere"}); err != nil || said[0] != (Imported{}) {
			t.Errorf("of an upstream that is made before: %+v, %v", said, err)
		}
		if !strings.Contains(said[5].Problem, "nowhere") {
			t.Errorf("got %+v", said[5])
		}
	})
}
