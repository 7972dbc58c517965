package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

func wantReason(t *testing.T, err error, reason tokenstorev1.Reason) {
	t.Helper()
	if !rpcerr.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
}

func TestCreateToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		long := "eyJh" + strings.Repeat("x", 100) + "hcqk"
		d := draft("cursor", long)
		d.Alias, d.Tags, d.Cap, d.Weight = "work", []string{"a", "b"}, 2, 3
		got := create(t, store, d)
		if got.GetAlias() != "work" || !slices.Equal(got.GetTags(), []string{"a", "b"}) || got.GetCap() != 2 || got.GetWeight() != 3 ||
			!got.GetEnabled() || got.GetState() != tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED || got.GetVersion() != 1 ||
			got.GetMaskedSecret() != "eyJh…hcqk" || len(got.GetFingerprint()) != 16 || got.GetMaskedChecksum() == "" {
			t.Errorf("got %v", got)
		}
		if age := time.Since(got.GetCreatedAt().AsTime()); age < -time.Minute || age > time.Minute {
			t.Errorf("created %v ago", age)
		}
		if other := create(t, store, draft("openai", long)); other.GetMaskedChecksum() != "" {
			t.Error("a checksum where none is needed")
		}
		_, err := store.CreateToken(t.Context(), d)
		wantReason(t, err, tokenstorev1.Reason_REASON_ALREADY_EXISTS)
		if strings.Contains(err.Error(), long) {
			t.Errorf("the error shows the token: %v", err)
		}
		same := draft("cursor", "another")
		same.Alias = "work"
		_, err = store.CreateToken(t.Context(), same)
		wantReason(t, err, tokenstorev1.Reason_REASON_ALIAS_TAKEN)
		_, err = store.CreateToken(t.Context(), draft("nowhere", "another"))
		wantReason(t, err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND)
		_, err = store.CreateToken(t.Context(), draft("cursor", ""))
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		credential, err := store.Credential(t.Context(), got.GetId(), 1)
		if err != nil || credential.Secret.Reveal() != long || credential.Alias != "work" ||
			credential.Fingerprint != got.GetFingerprint() || len(credential.DeviceID) != 64 || len(credential.MACHash) != 64 {
			t.Errorf("credential %+v, %v", credential, err)
		}
		if explained, err := store.Explain(t.Context(), "cursor", "m"); err != nil || explained.Chosen != got.GetId() {
			t.Errorf("the new token is not in the rotation: %+v, %v", explained, err)
		}
	})
}

func TestUpdateToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := create(t, store, draft("cursor", "T1")).GetId()
		second := create(t, store, draft("cursor", "T2"))
		before, err := store.Credential(ctx, id, 1)
		if err != nil {
			t.Fatal(err)
		}
		update := func(names []string, expected uint64, edit token.Fields) (*tokenstorev1.Token, error) {
			return store.UpdateToken(ctx, id, edit, names, expected)
		}
		got, err := update([]string{token.Alias, token.Cap}, 1, token.Fields{Alias: "x", Cap: 5, Weight: 9})
		if err != nil || got.GetAlias() != "x" || got.GetCap() != 5 || got.GetWeight() != 1 || got.GetVersion() != 2 {
			t.Errorf("got %v, %v", got, err)
		}
		if got, err = update([]string{token.Alias}, 0, token.Fields{Alias: "x"}); err != nil || got.GetVersion() != 2 {
			t.Errorf("an edit that changes nothing: %v, %v", got, err)
		}
		_, err = update([]string{token.Alias}, 1, token.Fields{Alias: "y"})
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		_, err = update([]string{token.Weight}, 0, token.Fields{Weight: 0})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		_, err = store.UpdateToken(ctx, second.GetId(), token.Fields{Alias: "x"}, []string{token.Alias}, 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_ALIAS_TAKEN)
		_, err = store.UpdateToken(ctx, "t0000000000000000", token.Fields{}, []string{token.Alias}, 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)

		// An alias that was given up is free.
		if _, err = update([]string{token.Alias}, 0, token.Fields{Alias: "z"}); err != nil {
			t.Fatal(err)
		}
		if _, err = store.UpdateToken(ctx, second.GetId(), token.Fields{Alias: "x"}, []string{token.Alias}, 0); err != nil {
			t.Error(err)
		}
		material := checksum.New()
		if got, err = update([]string{token.Checksum}, 0, token.Fields{Checksum: material}); err != nil {
			t.Fatal(err)
		}
		after, err := store.Credential(ctx, id, got.GetVersion())
		if err != nil || after.DeviceID != material.DeviceID || after.Alias != "z" || before.DeviceID == after.DeviceID || after.Secret.Reveal() != "T1" {
			t.Errorf("credential %+v, %v", after, err)
		}
	})
}

// A disabled token is not picked; enabled again it is, whatever made it cool.
func TestDisableAndEnable(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := create(t, store, draft("cursor", "T1")).GetId()
		acquire := func() int {
			t.Helper()
			taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Model: "m", Count: 1, TTL: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			return len(taken)
		}
		set := func(on bool) *tokenstorev1.Token {
			t.Helper()
			got, err := store.UpdateToken(ctx, id, token.Fields{Enabled: on}, []string{token.Enabled}, 0)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if acquire() != 1 {
			t.Fatal("not picked")
		}
		read, err := store.read(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, model := range []string{"", "m"} {
			if _, err := store.apply(ctx, transition{TokenID: id, Epoch: read.epoch, CoolFor: time.Hour, Model: model}); err != nil {
				t.Fatal(err)
			}
			read.epoch++
		}
		if got, _ := store.Token(ctx, id); got.GetState() != tokenstorev1.TokenState_TOKEN_STATE_COOLING || got.GetCoolingUntil() == nil || got.GetInFlight() != 1 {
			t.Errorf("cooling: %v", got)
		}
		if got := set(false); got.GetState() != tokenstorev1.TokenState_TOKEN_STATE_DISABLED || acquire() != 0 {
			t.Errorf("disabled: %v", got)
		}
		if got := set(true); got.GetState() != tokenstorev1.TokenState_TOKEN_STATE_READY || acquire() != 1 {
			t.Errorf("enabled: %v", got)
		}
	})
}

func TestDeleteToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := draft("cursor", "T1")
		d.Alias = "a"
		id := create(t, store, d).GetId()
		if taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Count: 1, TTL: time.Minute}); err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		wantReason(t, store.DeleteToken(ctx, id, 7), tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		if err := store.DeleteToken(ctx, id, 1); err != nil {
			t.Fatal(err)
		}
		wantReason(t, store.DeleteToken(ctx, id, 0), tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		wantReason(t, store.DeleteToken(ctx, "x", 0), tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		_, err := store.Token(ctx, id)
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		_, err = store.Credential(ctx, id, 1<<40)
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		// Nothing of it stays but the pool's own keys, and what is kept to restore it.
		keys, err := store.client.Keys(ctx, "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if strings.Contains(key, id) && key != trashKey(poolOf(t, store, id), id) {
				t.Errorf("%s stays", key)
			}
		}
		for _, hash := range []string{aliasKey(), fingerprintKey()} {
			if rest, err := store.client.HGetAll(ctx, hash).Result(); err != nil || len(rest) != 0 {
				t.Errorf("%s: %v, %v", hash, rest, err)
			}
		}
		if again := create(t, store, d); again.GetId() == id {
			t.Error("the id came back")
		}
	})
}

func TestListTokens(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		var drafts []token.Draft
		for i := range 250 {
			d := draft("cursor", fmt.Sprintf("T%d", i))
			d.Alias = fmt.Sprintf("Alias-%03d", i)
			if i%50 == 0 {
				d.Upstream, d.Tags, d.Enabled = "openai", []string{"team-blue"}, false
			}
			drafts = append(drafts, d)
		}
		if _, err := store.ImportTokens(ctx, drafts); err != nil {
			t.Fatal(err)
		}
		list := func(filter TokenFilter, limit int) []string {
			t.Helper()
			var aliases []string
			var cursor string
			for {
				page, next, err := store.ListTokens(ctx, filter, limit, cursor)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 && cursor != "" {
					t.Error("an empty page was announced")
				}
				for _, each := range page {
					aliases = append(aliases, each.GetAlias())
				}
				if cursor = next; cursor == "" {
					return aliases
				}
			}
		}
		for _, limit := range []int{70, 125, 1000} {
			all := list(TokenFilter{}, limit)
			if len(all) != 250 || !slices.IsSorted(all) {
				t.Errorf("limit %d: %d tokens, in order of creation: %v", limit, len(all), slices.IsSorted(all))
			}
		}
		for _, limit := range []int{70, 125, 250} {
			newest := list(TokenFilter{NewestFirst: true}, limit)
			if slices.Reverse(newest); len(newest) != 250 || !slices.IsSorted(newest) {
				t.Errorf("limit %d, the newest first: %d tokens, in order: %v", limit, len(newest), slices.IsSorted(newest))
			}
		}
		for name, test := range map[string]struct {
			filter TokenFilter
			want   int
		}{
			"upstream":    {TokenFilter{Upstream: "openai"}, 5},
			"state":       {TokenFilter{State: tokenstorev1.TokenState_TOKEN_STATE_DISABLED}, 5},
			"tag":         {TokenFilter{Tag: "team-blue"}, 5},
			"part of tag": {TokenFilter{Tag: "tea"}, 0},
			"query":       {TokenFilter{Query: "aLIAS-01"}, 10},
			"query tag":   {TokenFilter{Query: "TEAM-B"}, 5},
			"both":        {TokenFilter{Query: "alias-20", Tag: "team-blue"}, 1},
		} {
			if got := list(test.filter, 3); len(got) != test.want {
				t.Errorf("%s: %v", name, got)
			}
		}
		_, _, err := store.ListTokens(ctx, TokenFilter{}, 1, "nonsense!")
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

func TestImportTokens(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		known := draft("cursor", "known")
		known.Alias, known.Cap = "old", 4
		id := create(t, store, known).GetId()
		before, _ := store.Credential(ctx, id, 1)

		again := draft("cursor", "known") // as from a `.token` file: no alias
		again.Said = []string{token.Alias}
		fresh := draft("cursor", "fresh")
		fresh.Alias = "old" // free by then
		taken := draft("cursor", "taken")
		taken.Alias = "old"
		got, err := store.ImportTokens(ctx, []token.Draft{draft("cursor", "new"), again, draft("nowhere", "lost"), taken})
		if err != nil {
			t.Fatal(err)
		}
		if got[0] != (Imported{}) || got[1] != (Imported{Updated: true}) || !strings.Contains(got[2].Problem, "no upstream") {
			t.Errorf("got %+v", got)
		}
		if got[3].Problem == "" {
			t.Error("an alias was given twice")
		}
		if got, err = store.ImportTokens(ctx, []token.Draft{fresh}); err != nil || got[0] != (Imported{}) {
			t.Errorf("got %+v, %v", got, err)
		}
		after, err := store.Token(ctx, id)
		if err != nil || after.GetAlias() != "" || after.GetCap() != 4 {
			t.Errorf("got %v, %v", after, err)
		}
		credential, err := store.Credential(ctx, id, after.GetVersion())
		if err != nil || credential.DeviceID != before.DeviceID {
			t.Errorf("the checksum changed: %v", err)
		}
		exported, err := store.ExportTokens(ctx, "cursor")
		if err != nil || len(exported) != 3 || exported[0].Secret.Reveal() != "known" || exported[0].Cap != 4 {
			t.Errorf("exported %+v, %v", exported, err)
		}
	})
}

// Fifty edits at once, of different fields and of one: each answers success, and
// none is lost.
func TestConcurrentEditsLoseNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := create(t, store, draft("cursor", "T1")).GetId()
		names := []string{token.Alias, token.Tags, token.Cap, token.Weight}
		var group sync.WaitGroup
		for _, name := range names {
			group.Go(func() {
				for i := range uint32(10) {
					edit := token.Fields{Alias: fmt.Sprint("a", i), Tags: []string{fmt.Sprint("t", i)}, Cap: i + 1, Weight: i + 2}
					if _, err := store.UpdateToken(ctx, id, edit, []string{name}, 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		got, err := store.Token(ctx, id)
		if err != nil || got.GetAlias() != "a9" || got.GetTags()[0] != "t9" || got.GetCap() != 10 || got.GetWeight() != 11 || got.GetVersion() != 41 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestReseal(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		var ids []string
		for i := range 5 {
			ids = append(ids, create(t, store, draft("cursor", fmt.Sprint("T", i))).GetId())
		}
		reopen := func(text string) *Store {
			return New(store.client, Options{Keys: testKeys(t, text), Defaults: store.defaults, Logger: store.log})
		}
		check := func(when string, s *Store, prints bool) {
			t.Helper()
			for i, id := range ids {
				credential, err := s.Credential(ctx, id, 0)
				if err != nil || credential.Secret.Reveal() != fmt.Sprint("T", i) {
					t.Errorf("%s: token %d: %v", when, i, err)
				}
			}
			_, err := s.CreateToken(ctx, draft("cursor", "T3"))
			if prints {
				wantReason(t, err, tokenstorev1.Reason_REASON_ALREADY_EXISTS)
			}
		}
		rotated := reopen(keyLine1("k2", 'b') + keyLine1("k1", 'a'))
		check("with a second key", rotated, true)
		if n, err := rotated.Reseal(ctx); err != nil || n.Tokens != 5 {
			t.Errorf("resealed %+v, %v", n, err)
		}
		if n, err := rotated.Reseal(ctx); err != nil || n != (Resealed{}) {
			t.Errorf("resealed %+v again, %v", n, err)
		}
		final := reopen(keyLine1("k2", 'b'))
		check("without the first key", final, false)
	})
}

// A token that is damaged is told by its id, and takes nobody else's place: not in a list
// and not in an export.
func TestDamagedTokens(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	store := newStore(t, client)
	var ids []string
	for _, text := range []string{"T1", "T2", "T3", "T4"} {
		ids = append(ids, create(t, store, draft("cursor", text)).GetId())
	}
	for id, rec := range map[string]string{ids[1]: `{"sealed":"v1.gone.AAAA"}`, ids[2]: `no JSON`} {
		if err := client.HSet(t.Context(), tokenKey("cursor", id), "rec", rec).Err(); err != nil {
			t.Fatal(err)
		}
	}
	exported, unreadable, err := store.ExportReadable(t.Context(), "cursor")
	if err != nil || len(exported) != 2 || exported[0].ID != ids[0] || exported[1].ID != ids[3] {
		t.Errorf("exported %v, %v", exported, err)
	}
	if len(unreadable) != 2 || unreadable[0] != ids[1] || unreadable[1] != ids[2] {
		t.Errorf("unreadable %v", unreadable)
	}
	if listed, _, err := store.ListTokens(t.Context(), TokenFilter{}, 10, ""); err != nil || len(listed) != 4 {
		t.Errorf("listed %v, %v", listed, err)
	}
	if err := store.Prepare(t.Context()); err != nil {
		t.Errorf("it is no reason not to start: %v", err)
	}
}
