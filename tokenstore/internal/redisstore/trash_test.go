package redisstore

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

func TestRestore(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		first := create(t, store, draft("cursor", "first")).GetId()
		d := draft("cursor", "T1")
		d.Alias, d.Tags, d.Cap, d.Weight = "work", []string{"a"}, 2, 3
		id := trusted(t, store, create(t, store, d))
		create(t, store, draft("cursor", "last"))
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Alias: "work", Count: 2, TTL: time.Minute})
		if err != nil || len(taken) != 2 {
			t.Fatal(taken, err)
		}
		if _, err := store.Settle(ctx, []leasing.Settlement{{LeaseRef: taken[0].LeaseRef, Effect: leasing.Failed, Error: "said no"}}); err != nil {
			t.Fatal(err)
		}
		if err := store.RecordAccount(ctx, id, &tokenstorev1.TokenAccount{Membership: "pro"}); err != nil {
			t.Fatal(err)
		}
		before, err := store.Token(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.RestoreToken(ctx, id) // it is there
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)

		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Token(ctx, id); err == nil {
			t.Error("it is still there")
		}
		if left := store.client.PTTL(ctx, trashKey(poolOf(t, store, id), id)).Val(); left < trashTTL-time.Minute || left > trashTTL {
			t.Errorf("it can be restored for %v", left)
		}
		got, err := store.RestoreToken(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		want := proto.CloneOf(before)
		want.InFlight, want.Version = 0, got.GetVersion()
		if !proto.Equal(got, want) || got.GetVersion() <= before.GetVersion() {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if left := store.client.PTTL(ctx, tokenKey(poolOf(t, store, id), id)).Val(); left > 0 {
			t.Errorf("it will be gone in %v", left)
		}
		if account, err := store.Account(ctx, id); err != nil || account.GetMembership() != "pro" {
			t.Errorf("account %v, %v", account, err)
		}
		if listed, _, err := store.ListTokens(ctx, TokenFilter{}, 10, ""); err != nil || len(listed) != 3 || listed[0].GetId() != first || listed[1].GetId() != id {
			t.Errorf("listed %v, %v", listed, err)
		}
		if lost, err := store.Renew(ctx, []leasing.LeaseRef{taken[1].LeaseRef}, time.Minute); err != nil || len(lost) != 1 {
			t.Errorf("a lease from before lives on: %v, %v", lost, err)
		}
		again, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Alias: "work", Count: 2, TTL: time.Minute})
		if err != nil || len(again) != 2 || again[0].TokenID != id {
			t.Errorf("leased %v, %v", again, err)
		}
	})
}

func TestWhatCanNotBeRestored(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		deleted := func(d string, alias string) string {
			t.Helper()
			one := draft("openai", d)
			one.Alias = alias
			id := create(t, store, one).GetId()
			if err := store.DeleteToken(ctx, id, 0); err != nil {
				t.Fatal(err)
			}
			return id
		}
		refused := func(id string, reason tokenstorev1.Reason) {
			t.Helper()
			_, err := store.RestoreToken(ctx, id)
			wantReason(t, err, reason)
		}
		for _, unknown := range []string{"", "x", newTokenID()} {
			refused(unknown, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		}
		old := deleted("T1", "")
		store.client.Del(ctx, trashKey(poolOf(t, store, old), old)) // as its expiry does
		refused(old, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)

		known := deleted("T2", "")
		second := create(t, store, draft("openai", "T2")).GetId()
		refused(known, tokenstorev1.Reason_REASON_ALREADY_EXISTS)

		named := deleted("T3", "work")
		other := draft("cursor", "T4")
		other.Alias = "work"
		holder := create(t, store, other).GetId()
		refused(named, tokenstorev1.Reason_REASON_ALIAS_TAKEN)

		// What stood in the way goes: now it works.
		for _, id := range []string{second, holder} {
			if err := store.DeleteToken(ctx, id, 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []string{known, named} {
			if _, err := store.RestoreToken(ctx, id); err != nil {
				t.Error(err)
			}
		}
		for _, id := range []string{known, named} {
			if err := store.DeleteToken(ctx, id, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.DeleteUpstream(ctx, "openai", 0); err != nil {
			t.Fatal(err)
		}
		refused(named, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND)
	})
}

// A token that cooled when it was deleted goes on cooling.
func TestARestoredTokenIsAsFitAsItWas(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		off := draft("cursor", "off")
		off.Enabled = false
		cools, disabled := create(t, store, draft("cursor", "cools")).GetId(), create(t, store, off).GetId()
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Count: 1, TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.apply(ctx, transition{TokenID: cools, Epoch: taken[0].Epoch(), CoolFor: 20 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{cools, disabled} {
			if err := store.DeleteToken(ctx, id, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := store.RestoreToken(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		leases, shortage, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Count: 1, TTL: time.Minute})
		if err != nil || len(leases) != 0 || shortage.Cooling != 1 || shortage.Disabled != 1 || shortage.Soonest < 19*time.Minute {
			t.Errorf("%v, %+v, %v", leases, shortage, err)
		}
	})
}

// Of more deleted tokens than are kept, those that were deleted first are forgotten.
func TestTheTrashIsBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		var ids []string
		for _, name := range []string{"first", "second", "third", "fourth"} {
			id := create(t, store, draft("cursor", name)).GetId()
			if err := store.DeleteToken(ctx, id, 0); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
			// Deletions within a millisecond have no order.
			store.client.ZAddXX(ctx, discardedKey(), redis.Z{Member: id, Score: float64(time.Now().Add(trashTTL).UnixMilli() + int64(len(ids)))})
		}
		if _, err := store.RestoreToken(ctx, ids[1]); err != nil {
			t.Fatal(err)
		}
		if err := store.boundTrash(ctx, 2); err != nil {
			t.Fatal(err)
		}
		if left := store.client.Exists(ctx, trashKey("cursor", ids[0]), historyKey("cursor", ids[0])).Val(); left > 0 {
			t.Errorf("%d keys of the first are left", left)
		}
		_, err := store.RestoreToken(ctx, ids[0])
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		for _, id := range ids[2:] {
			if _, err := store.RestoreToken(ctx, id); err != nil {
				t.Error(err)
			}
		}
		if known := store.client.HExists(ctx, directoryKey(), ids[0]).Val(); known {
			t.Error("the directory still knows the first")
		}
	})
}

// A token that is being restored while the trash is emptied is still known.
func TestTheTrashKeepsWhatIsBeingRestored(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		restoring, other := create(t, store, draft("cursor", "T1")).GetId(), create(t, store, draft("cursor", "T2")).GetId()
		if err := store.DeleteToken(ctx, restoring, 0); err != nil {
			t.Fatal(err)
		}
		store.client.HSet(ctx, claimsKey(), restoring, "a-claim 1  \n")
		store.client.ZAddXX(ctx, discardedKey(), redis.Z{Member: restoring})
		if err := store.DeleteToken(ctx, other, 0); err != nil {
			t.Fatal(err)
		}
		if !store.client.HExists(ctx, directoryKey(), restoring).Val() {
			t.Error("the directory does not know it any more")
		}
		store.client.HDel(ctx, claimsKey(), restoring)
		if _, err := store.RestoreToken(ctx, other); err != nil {
			t.Fatal(err)
		}
		if store.client.HExists(ctx, directoryKey(), restoring).Val() {
			t.Error("nobody restores it, and the directory still knows it")
		}
	})
}
