package redisstore

import (
	"testing"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/token"
)

// blame makes a token cool or parks it.
func blame(t *testing.T, store *Store, id string, how transition) {
	t.Helper()
	read, err := store.read(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	how.TokenID, how.Epoch = id, read.epoch
	if changed, err := store.apply(t.Context(), how); err != nil || !changed {
		t.Fatal(changed, err)
	}
}

func stateOf(t *testing.T, store *Store, id string) tokenstorev1.TokenState {
	t.Helper()
	got, err := store.Token(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return got.GetState()
}

const (
	ready       = tokenstorev1.TokenState_TOKEN_STATE_READY
	quarantined = tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED
	parked      = tokenstorev1.TokenState_TOKEN_STATE_PARKED
	coolingNow  = tokenstorev1.TokenState_TOKEN_STATE_COOLING
)

// A transition keeps what led to it; the history is bounded, and goes with its token.
func TestHistory(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := create(t, store, draft("cursor", "T1")).GetId()
		evidence := leasing.Evidence{RequestID: "req-1", AskedModel: "m", Detail: "429: slow down", Replica: "g1"}
		blame(t, store, id, transition{Class: "rate_limit", CoolFor: time.Hour, Evidence: evidence})
		got, err := store.Transitions(ctx, id)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		first := got[0]
		if first.GetKind() != "cooling" || first.GetClass() != "rate_limit" || first.GetRequestId() != "req-1" || first.GetDetail() != "429: slow down" ||
			first.GetReplica() != "g1" || first.GetModel() != "" || time.Since(first.GetAt().AsTime()).Abs() > time.Minute ||
			time.Until(first.GetUntil().AsTime()) < 59*time.Minute {
			t.Errorf("%v", first)
		}
		for range keepTransitions + 5 {
			if _, err := store.ReleaseToken(ctx, id, "admin"); err != nil {
				t.Fatal(err)
			}
		}
		if got, err = store.Transitions(ctx, id); err != nil || len(got) != keepTransitions || got[0].GetBy() != "admin" {
			t.Errorf("%d, %v", len(got), err)
		}
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		_, err = store.Transitions(ctx, id)
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		if ttl := store.client.PTTL(ctx, historyKey(poolOf(t, store, id), id)).Val(); ttl <= 0 || ttl > trashTTL {
			t.Errorf("the history of a deleted token is kept for %v", ttl)
		}
		if _, err := store.RestoreToken(ctx, id); err != nil {
			t.Fatal(err)
		}
		if got, err = store.Transitions(ctx, id); err != nil || len(got) != keepTransitions || store.client.PTTL(ctx, historyKey(poolOf(t, store, id), id)).Val() > 0 {
			t.Errorf("restored: %d, %v", len(got), err)
		}
	})
}

// Transitions are undone by cause and time; what else has happened stays.
func TestUndo(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		add := func(upstream, secret string) string { return create(t, store, draft(upstream, secret)).GetId() }
		fresh, bad, limited, elsewhere := add("cursor", "fresh"), add("cursor", "bad"), add("cursor", "limited"), add("openai", "elsewhere")
		for _, id := range []string{bad, limited, elsewhere} {
			if err := store.client.HDel(ctx, tokenKey(poolOf(t, store, id), id), "phase").Err(); err != nil {
				t.Fatal(err)
			}
		}
		from := time.Now().Add(-time.Second)
		auth := transition{Class: "auth", CoolFor: time.Hour}
		blame(t, store, fresh, auth)
		blame(t, store, bad, auth)
		blame(t, store, bad, transition{Class: "auth"}) // parked
		blame(t, store, bad, transition{Class: "auth", CoolFor: time.Hour, Model: "m"})
		blame(t, store, limited, transition{Class: "rate_limit", CoolFor: time.Hour})
		blame(t, store, elsewhere, auth)
		if got := stateOf(t, store, bad); got != parked {
			t.Fatal(got)
		}
		undo := func(upstream, class string, from, to time.Time, want int) {
			t.Helper()
			what := leasing.Undo{Upstream: upstream, Class: class, From: from, To: to, By: "admin"}
			preview, err := store.PreviewUndo(ctx, what, "")
			if err != nil || int(preview.GetCount()) != want {
				t.Errorf("would undo %v, %v, want %d", preview, err, want)
			}
			got, err := store.UndoTransitions(ctx, what)
			if err != nil || got != want {
				t.Errorf("undid %d, %v, want %d", got, err, want)
			}
		}
		later := time.Now().Add(time.Minute)
		undo("cursor", "auth", from.Add(-time.Hour), from, 0)
		undo("cursor", "quota", from, later, 0)
		undo("cursor", "auth", from, later, 4)
		undo("cursor", "auth", from, later, 0) // once
		for id, want := range map[string]tokenstorev1.TokenState{fresh: quarantined, bad: ready, limited: coolingNow, elsewhere: coolingNow} {
			if got := stateOf(t, store, id); got != want {
				t.Errorf("%s: %v, want %v", id, got, want)
			}
		}
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Model: "m", Count: 2, TTL: time.Minute})
		if err != nil || len(taken) != 2 || taken[0].TokenID == taken[1].TokenID {
			t.Errorf("not in the rotation: %v, %v", taken, err)
		}
		undo("", "auth", from, later, 1)
		if got := stateOf(t, store, elsewhere); got != ready {
			t.Errorf("elsewhere: %v", got)
		}
		// What an admin has done since stays.
		blame(t, store, limited, transition{Class: "quota", CoolFor: 2 * time.Hour})
		for _, on := range []bool{false, true} {
			if _, err := store.UpdateToken(ctx, limited, token.Fields{Enabled: on}, []string{token.Enabled}, 0); err != nil {
				t.Fatal(err)
			}
		}
		undo("", "quota", from, later, 0)
		_, err = store.UndoTransitions(ctx, leasing.Undo{From: from, To: later})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

// What would be undone is told by token, those that rest for the longest time first; nothing
// changes.
func TestPreviewOfAnUndo(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		bad, limited := trusted(t, store, create(t, store, draft("cursor", "bad"))), trusted(t, store, create(t, store, draft("openai", "limited")))
		auth := transition{Class: "auth", CoolFor: time.Hour}
		blame(t, store, bad, auth)
		blame(t, store, bad, transition{Class: "auth", CoolFor: time.Hour, Model: "m1"})
		blame(t, store, bad, transition{Class: "auth", CoolFor: time.Hour, Model: "m2"})
		blame(t, store, limited, transition{Class: "auth", CoolFor: time.Hour, Model: "m1"})
		what := leasing.Undo{Class: "auth", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}
		preview, err := store.PreviewUndo(ctx, what, "")
		if err != nil || preview.GetCount() != 4 || preview.GetTokenCount() != 2 || len(preview.GetTokens()) != 2 {
			t.Fatalf("%v, %v", preview, err)
		}
		history, err := store.Transitions(ctx, bad)
		if err != nil {
			t.Fatal(err)
		}
		first, second := preview.GetTokens()[0], preview.GetTokens()[1]
		if first.GetSince().AsTime().After(second.GetSince().AsTime()) {
			t.Errorf("first %v, then %v", first, second)
		}
		if first.GetTokenId() != bad {
			first, second = second, first // they began within one ms
		}
		if first.GetTokenId() != bad || first.GetTransitions() != 3 || !first.GetWhole() || first.GetModels() != 2 || first.GetTokenName() == "" ||
			!first.GetSince().AsTime().Equal(history[2].GetAt().AsTime()) {
			t.Errorf("of %s: %v", bad, first)
		}
		if second.GetTokenId() != limited || second.GetUpstream() != "openai" || second.GetWhole() || second.GetModels() != 1 {
			t.Errorf("of %s: %v", limited, second)
		}
		if got := stateOf(t, store, bad); got != coolingNow {
			t.Errorf("afterwards it is %v", got)
		}
		if one, err := store.PreviewUndo(ctx, what, limited); err != nil || one.GetCount() != 1 {
			t.Errorf("of one: %v, %v", one, err)
		}
		_, err = store.PreviewUndo(ctx, what, "gone")
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		_, err = store.PreviewUndo(ctx, leasing.Undo{}, "")
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

// Of one token alone, another that failed alike keeps what happened to it.
func TestUndoOfOneToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		wrong, right := trusted(t, store, create(t, store, draft("cursor", "T1"))), trusted(t, store, create(t, store, draft("cursor", "T2")))
		for _, id := range []string{wrong, right} {
			blame(t, store, id, transition{Class: "rate_limit", CoolFor: time.Hour})
		}
		history, err := store.Transitions(ctx, wrong)
		if err != nil || len(history) != 1 {
			t.Fatalf("history %v, %v", history, err)
		}
		at := history[0].GetAt().AsTime()
		undo := leasing.Undo{Class: "rate_limit", From: at, To: at, By: "admin"}
		for _, want := range []int{1, 0} { // once
			if got, err := store.UndoTokenTransitions(ctx, wrong, undo); err != nil || got != want {
				t.Errorf("undid %d, %v, want %d", got, err, want)
			}
		}
		for id, want := range map[string]tokenstorev1.TokenState{wrong: ready, right: coolingNow} {
			if got := stateOf(t, store, id); got != want {
				t.Errorf("%s: %v, want %v", id, got, want)
			}
		}
		_, err = store.UndoTokenTransitions(ctx, "t0000000000000000", undo)
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		_, err = store.UndoTokenTransitions(ctx, wrong, leasing.Undo{From: at, To: at})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

func TestReleaseToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := trusted(t, store, create(t, store, draft("cursor", "T1")))
		wanted := leasing.Wanted{Upstream: "cursor", Model: "m", Count: 3, TTL: time.Minute}
		for name, how := range map[string]transition{
			"cooling": {Class: "quota", CoolFor: time.Hour}, "parked": {Class: "auth"},
			"cooling for a model": {Class: "model_not_allowed", CoolFor: time.Hour, Model: "m"},
		} {
			blame(t, store, id, how)
			if got, err := store.ReleaseToken(ctx, id, "admin"); err != nil || got.GetState() != ready {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			taken, _, err := store.Acquire(ctx, wanted)
			if err != nil || len(taken) != 3 {
				t.Errorf("%s: %v, %v", name, taken, err)
			}
		}
		for _, unknown := range []string{"t0000000000000000", "x"} {
			if _, err := store.ReleaseToken(ctx, unknown, "admin"); !rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) {
				t.Errorf("%s: %v", unknown, err)
			}
		}
	})
}
