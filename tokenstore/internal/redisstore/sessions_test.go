package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestRevokeSession(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx, now := t.Context(), time.Now().Truncate(time.Millisecond)
		revoke := func(id string, ends time.Time) {
			t.Helper()
			if err := store.RevokeSession(ctx, id, ends); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		revoke("later", now.Add(2*time.Hour))
		revoke("sooner_-", now.Add(time.Hour))
		revoke("ended", now.Add(-time.Hour))
		revoke("later", now.Add(time.Minute)) // its end is known already
		snapshot, err := store.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, session := range snapshot.GetRevokedSessions() {
			got = append(got, fmt.Sprintf("%s in %v", session.GetId(), session.GetExpiresAt().AsTime().Sub(now)))
		}
		if want := "sooner_- in 1h0m0s, later in 2h0m0s"; strings.Join(got, ", ") != want {
			t.Errorf("revoked %v, want %s", got, want)
		}
		if left := store.client.PTTL(ctx, revokedKey()).Val(); left < time.Hour || left > 2*time.Hour {
			t.Errorf("the set lives for %v", left)
		}
		for _, bad := range []string{"", "a b", strings.Repeat("x", 65), "ä"} {
			wantReason(t, store.RevokeSession(ctx, bad, now.Add(time.Hour)), tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		}
		wantReason(t, store.RevokeSession(ctx, "forever", now.AddDate(10, 0, 0)), tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

// Sessions that have ended make room; beyond the bound none is taken, and none
// that is revoked becomes valid.
func TestRevokedSessionsAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx, now := t.Context(), time.Now()
		full := make([]redis.Z, maxRevoked)
		for i := range full {
			full[i] = redis.Z{Member: fmt.Sprintf("s%d", i), Score: float64(now.Add(time.Hour).UnixMilli())}
		}
		if err := store.client.ZAdd(ctx, revokedKey(), full...).Err(); err != nil {
			t.Fatal(err)
		}
		wantReason(t, store.RevokeSession(ctx, "new", now.Add(time.Hour)), tokenstorev1.Reason_REASON_STORE_UNAVAILABLE)
		if err := store.RevokeSession(ctx, "s1", now.Add(2*time.Hour)); err != nil {
			t.Errorf("a known one: %v", err)
		}
		full[2].Score = float64(now.Add(-time.Hour).UnixMilli())
		if err := store.client.ZAdd(ctx, revokedKey(), full[2]).Err(); err != nil {
			t.Fatal(err)
		}
		if err := store.RevokeSession(ctx, "new", now.Add(time.Hour)); err != nil {
			t.Errorf("there is room: %v", err)
		}
		if kept := store.client.ZCard(ctx, revokedKey()).Val(); kept != maxRevoked {
			t.Errorf("%d are kept", kept)
		}
	})
}
