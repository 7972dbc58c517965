package redisstore

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// What somebody has changed or deleted since the export stays as it is now.
func TestEditsAndDeletionsOfWhatWasExported(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		for _, text := range []string{"same", "changed", "gone", "holder"} {
			d := draft("cursor", text)
			d.Alias = text
			create(t, store, d)
		}
		exported, err := store.ExportTokens(ctx, "cursor")
		if err != nil || len(exported) != 4 || exported[0].Alias != "same" || exported[0].Version != 1 {
			t.Fatal(exported, err)
		}
		if _, err := store.UpdateToken(ctx, exported[1].ID, token.Fields{Cap: 7}, []string{token.Cap}, 0); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteToken(ctx, exported[2].ID, 0); err != nil {
			t.Fatal(err)
		}
		edits := make([]Edit, len(exported))
		for i, each := range exported {
			edits[i] = Edit{each, each.Fields}
			edits[i].After.Alias = "new-" + each.Alias
		}
		edits[3].After.Alias = "changed"
		problems, err := store.EditTokens(ctx, edits)
		if err != nil || len(problems) != 4 || problems[0] != "" || problems[1] == "" || problems[2] == "" || problems[3] == "" {
			t.Errorf("%q, %v", problems, err)
		}
		for i, want := range map[int]string{0: "new-same", 1: "changed", 3: "holder"} {
			if got, err := store.Token(ctx, exported[i].ID); err != nil || got.GetAlias() != want {
				t.Errorf("%v, %v; want the alias %s", got, err, want)
			}
		}
		if deleted, err := store.DeleteTokens(ctx, exported); err != nil || deleted != 1 { // only the holder is as it was
			t.Errorf("%d deleted, %v", deleted, err)
		}
		_, err = store.Token(ctx, exported[3].ID)
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
	})
}

func TestTokenFilesAreRemembered(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if known, err := store.TokenFiles(ctx); err != nil || len(known.Seen)+len(known.Shown)+len(known.Written) != 0 {
			t.Errorf("at first: %+v, %v", known, err)
		}
		for _, known := range []TokenFiles{
			{Seen: map[string]string{"a": "1", "b": "2"}, Shown: []string{"t1"}, Written: []string{"t1", "t2"}},
			{Seen: map[string]string{"b": "3"}},
			{Shown: []string{"t3"}},
		} {
			if err := store.RememberTokenFiles(ctx, known); err != nil {
				t.Fatal(err)
			}
		}
		want := TokenFiles{Seen: map[string]string{"a": "1", "b": "3"}, Shown: []string{"t3"}, Written: []string{}}
		if got, err := store.TokenFiles(ctx); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%v, %s", err, cmp.Diff(want, got))
		}
		if first, other := store.Fingerprint("a"), store.Fingerprint("b"); first == other || first != store.Fingerprint("a") {
			t.Errorf("fingerprints %s and %s", first, other)
		}
	})
}
