package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

// shortly says activities as `action` and `kind name`.
func shortly(activities []*tokenstorev1.Activity) string {
	said := make([]string, len(activities))
	for i, activity := range activities {
		said[i] = activity.GetEntry().GetAction()
		if event := activity.GetEvent(); event != nil {
			said[i] = event.GetTransition().GetKind() + " " + event.GetTokenName()
		}
	}
	return strings.Join(said, ", ")
}

// activityAt writes an activity as if it had happened at some ms.
func activityAt(t *testing.T, store *Store, stream, id string, values ...any) {
	t.Helper()
	if err := store.client.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, ID: id, Values: values}).Err(); err != nil {
		t.Fatal(err)
	}
}

// What happens to a token by itself, and what is taken back, is told of its pool.
func TestWhatHappensToTokensIsTold(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		named := draft("cursor", "T1")
		named.Alias = "anna"
		id := trusted(t, store, create(t, store, named))
		blame(t, store, id, transition{Class: "rate_limit", CoolFor: time.Hour, Evidence: leasing.Evidence{RequestID: "req-1", Detail: "slow down"}})
		if _, err := store.UndoTransitions(ctx, leasing.Undo{Class: "rate_limit", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), By: "admin"}); err != nil {
			t.Fatal(err)
		}
		blame(t, store, id, transition{Class: "quota", CoolFor: time.Hour, Model: "m"})
		if _, err := store.ReleaseToken(ctx, id, "admin"); err != nil {
			t.Fatal(err)
		}
		blame(t, store, id, transition{Class: "auth"})
		all, next, err := store.ListActivity(ctx, ActivityFilter{}, 10, "")
		if err != nil || next != "" {
			t.Fatal(next, err)
		}
		if got := shortly(all); got != "parked anna, released anna, cooling anna, undone anna, cooling anna" {
			t.Errorf("told: %s", got)
		}
		first := all[4].GetEvent()
		if e := first.GetTransition(); first.GetUpstream() != "cursor" || first.GetTokenId() != id || e.GetClass() != "rate_limit" || e.GetRequestId() != "req-1" ||
			e.GetDetail() != "" || time.Until(e.GetUntil().AsTime()) < 59*time.Minute || time.Since(e.GetAt().AsTime()).Abs() > time.Minute {
			t.Errorf("the first is %v", first)
		}
		if e := all[2].GetEvent().GetTransition(); e.GetModel() != "m" || all[3].GetEvent().GetTransition().GetBy() != "admin" {
			t.Errorf("%v, %v", all[2], all[3])
		}
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		if all, _, err = store.ListActivity(ctx, ActivityFilter{}, 1, ""); err != nil || all[0].GetEvent().GetTokenName() != "" || all[0].GetEvent().GetTokenId() != id {
			t.Errorf("of a deleted token: %v, %v", all, err)
		}
		if err := store.DeleteUpstream(ctx, "cursor", 0); err != nil {
			t.Fatal(err)
		}
		if left := store.client.Exists(ctx, eventsKey("cursor")).Val(); left > 0 {
			t.Error("the upstream is deleted, and its events are there")
		}
	})
}

// A token that serves again, and for good, is told once.
func TestRecoveryIsTold(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := draft("cursor", "T1")
		d.Alias = "anna"
		id := trusted(t, store, create(t, store, d))
		store.client.HSet(ctx, tokenKey("cursor", id), "streak", 2, "cause", "rate_limit")
		for range 2 {
			leases, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "cursor", Count: 1, TTL: time.Minute})
			if err != nil || len(leases) != 1 {
				t.Fatal(leases, err)
			}
			if _, err := store.Settle(ctx, []leasing.Settlement{{LeaseRef: leases[0].LeaseRef, Effect: leasing.Succeeded}}); err != nil {
				t.Fatal(err)
			}
		}
		all, _, err := store.ListActivity(ctx, ActivityFilter{}, 10, "")
		if got := shortly(all); err != nil || got != "recovered anna" || all[0].GetEvent().GetTransition().GetClass() != "rate_limit" {
			t.Errorf("told: %s (%v), %v", got, all, err)
		}
	})
}

// Several streams are read as one, newest first, page by page, each activity once, also where
// they are of one millisecond.
func TestActivityIsOneStream(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		const n = 3 * activityBatch / 2
		want := 0
		for i := range n {
			at := fmt.Sprintf("%d-0", 1_000+i/3)
			if i%3 > 0 {
				at = fmt.Sprintf("%d-%d", 1_000+i/3, i%3)
			}
			activityAt(t, store, eventsKey("cursor"), at, "id", "t1", "kind", "cooling", "class", fmt.Sprint("c", i))
			activityAt(t, store, eventsKey("openai"), at, "id", "t2", "kind", "cooling", "class", fmt.Sprint("o", i))
			activityAt(t, store, auditKey(), at, "e", "")
			want += 3
		}
		for _, limit := range []int{7, activityBatch, 1000} {
			seen, cursor, last := map[string]bool{}, "", int64(1<<60)
			for range want/limit + 2 {
				page, next, err := store.ListActivity(ctx, ActivityFilter{}, limit, cursor)
				if err != nil {
					t.Fatal(err)
				}
				for _, each := range page {
					at := each.GetEntry().GetAt()
					if event := each.GetEvent(); event != nil {
						at = event.GetTransition().GetAt()
						if seen[event.GetTransition().GetClass()] {
							t.Fatalf("pages of %d: %v twice", limit, event)
						}
						seen[event.GetTransition().GetClass()] = true
					} else {
						seen[fmt.Sprint("entry ", len(seen))] = true
					}
					if ms := at.AsTime().UnixMilli(); ms > last {
						t.Fatalf("pages of %d: %d comes after %d", limit, ms, last)
					} else {
						last = ms
					}
				}
				if cursor = next; cursor == "" {
					break
				}
			}
			if len(seen) != want || cursor != "" {
				t.Errorf("pages of %d: %d of %d, then %q", limit, len(seen), want, cursor)
			}
		}
		_, _, err := store.ListActivity(ctx, ActivityFilter{}, 3, "1-1")
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

func TestActivityIsFiltered(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := draft("cursor", "T1")
		d.Alias = "anna"
		anna, other := trusted(t, store, create(t, store, d)), trusted(t, store, create(t, store, draft("cursor", "T2")))
		record := func(entry *tokenstorev1.AuditEntry) {
			t.Helper()
			if err := store.RecordAudit(ctx, entry); err != nil {
				t.Fatal(err)
			}
		}
		record(&tokenstorev1.AuditEntry{Action: "token changed", Actor: "api 192.0.2.1", Details: map[string]string{"token_id": anna}})
		record(&tokenstorev1.AuditEntry{Action: "tokens disabled", Actor: "pages 192.0.2.7", RequestId: "bulk", Undo: &tokenstorev1.AuditUndo{Disabled: []string{anna, other}}})
		record(&tokenstorev1.AuditEntry{Action: "key created", Actor: "api 192.0.2.1", Details: map[string]string{"name": "Ci"}})
		nextMillisecond(t, store) // of two streams nothing else tells which was first
		blame(t, store, anna, transition{Class: "auth", CoolFor: time.Hour})
		blame(t, store, other, transition{Class: "auth"})
		masked, err := store.Token(ctx, other)
		if err != nil {
			t.Fatal(err)
		}
		parkedOther := "parked " + masked.GetMaskedSecret()
		const people, carousel = tokenstorev1.ActivitySource_ACTIVITY_SOURCE_PEOPLE, tokenstorev1.ActivitySource_ACTIVITY_SOURCE_CAROUSEL
		now := time.Now()
		for name, c := range map[string]struct {
			filter ActivityFilter
			want   string
		}{
			"both":                  {ActivityFilter{}, parkedOther + ", cooling anna, key created, tokens disabled, token changed"},
			"people":                {ActivityFilter{Source: people}, "key created, tokens disabled, token changed"},
			"Carousel":              {ActivityFilter{Source: carousel}, parkedOther + ", cooling anna"},
			"who":                   {ActivityFilter{Actor: "PAGES"}, "tokens disabled"},
			"what":                  {ActivityFilter{Kind: "key created"}, "key created"},
			"what happened":         {ActivityFilter{Kind: "parked"}, parkedOther},
			"a token by its alias":  {ActivityFilter{Account: "anna"}, "cooling anna, tokens disabled, token changed"},
			"a token by its id":     {ActivityFilter{Account: other}, parkedOther + ", tokens disabled"},
			"an action by its id":   {ActivityFilter{Account: "bulk"}, "tokens disabled"},
			"a key by its name":     {ActivityFilter{Account: "ci"}, "key created"},
			"two filters":           {ActivityFilter{Account: "anna", Source: carousel}, "cooling anna"},
			"before there was any":  {ActivityFilter{To: now.Add(-time.Hour)}, ""},
			"after there was any":   {ActivityFilter{From: now.Add(time.Hour)}, ""},
			"while all of it was":   {ActivityFilter{From: now.Add(-time.Hour), To: now.Add(time.Hour), Kind: "cooling"}, "cooling anna"},
			"nobody, and not a one": {ActivityFilter{Actor: "nobody"}, ""},
		} {
			got, next, err := store.ListActivity(ctx, c.filter, 10, "")
			if err != nil || next != "" || shortly(got) != c.want {
				t.Errorf("%s: %s, %q, %v; want %s", name, shortly(got), next, err, c.want)
			}
		}
	})
}

// One call looks at a bounded number; the next goes on from there.
func TestALookAtActivityIsBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		pipe := store.client.Pipeline()
		for i := range maxActivityRead + 1 {
			kind := "cooling"
			if i == 0 {
				kind = "parked"
			}
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: eventsKey("cursor"), ID: fmt.Sprintf("%d-0", 1000+i), Values: []any{"id", "t1", "kind", kind}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
		got, next, err := store.ListActivity(ctx, ActivityFilter{Kind: "parked"}, 10, "")
		if err != nil || len(got) != 0 || next == "" {
			t.Fatalf("the first look: %v, %q, %v", got, next, err)
		}
		if got, next, err = store.ListActivity(ctx, ActivityFilter{Kind: "parked"}, 10, next); err != nil || len(got) != 1 || next != "" {
			t.Errorf("the second: %v, %q, %v", got, next, err)
		}
	})
}

// Of a pool the last events are kept, whoever tells them.
func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := create(t, store, draft("cursor", "T1")).GetId()
		pipe := store.client.Pipeline()
		for range 2100 {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: eventsKey("cursor"), Values: []any{"id", "t1", "kind", "cooling"}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := store.ReleaseToken(ctx, id, "admin"); err != nil {
			t.Fatal(err)
		}
		if kept := store.client.XLen(ctx, eventsKey("cursor")).Val(); kept != 2000 {
			t.Errorf("%d are kept", kept)
		}
	})
}

// nextMillisecond returns once the store's clock shows another millisecond.
func nextMillisecond(t *testing.T, store *Store) {
	t.Helper()
	var began int64
	for {
		now, err := store.client.Time(t.Context()).Result()
		switch {
		case err != nil:
			t.Fatal(err)
		case began == 0:
			began = now.UnixMilli()
		case now.UnixMilli() > began:
			return
		}
	}
}
