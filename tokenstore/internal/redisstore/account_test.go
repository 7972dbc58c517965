package redisstore

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/token"
)

func TestReveal(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		d := draft("cursor", "a-secret-of-some-length-and-more")
		d.Alias = "work"
		id := create(t, store, d).GetId()
		upstream, got, err := store.Reveal(t.Context(), id)
		if err != nil || upstream != "cursor" || got.Secret.Reveal() != d.Secret.Reveal() || len(got.DeviceID) != 64 || len(got.MACHash) != 64 ||
			got.Alias != "work" || got.Masked != "a-se…more" {
			t.Errorf("%q %+v, %v", upstream, got, err)
		}
		leased, err := store.Credential(t.Context(), id, 0)
		if err != nil || leased.Secret.Reveal() != got.Secret.Reveal() || leased.DeviceID != got.DeviceID || leased.Masked != got.Masked {
			t.Errorf("a lease carries %+v, %v", leased, err)
		}
		for _, unknown := range []string{"", "x", newTokenID()} {
			_, _, err := store.Reveal(t.Context(), unknown)
			wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		}
	})
}

// Accounts are in the order of the tokens; who has none, or is gone by now, spoils no other.
func TestAccounts(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		var listed []*tokenstorev1.Token
		memberships := []string{"", "team", "pro"}
		for _, each := range []struct{ upstream, secret, membership string }{
			{"cursor", "T1", ""}, {"openai", "T2", "team"}, {"cursor", "T3", "pro"}, {"cursor", "T4", "free"},
		} {
			made := create(t, store, draft(each.upstream, each.secret))
			if each.membership == "pro" {
				trusted(t, store, made)
				made.State = tokenstorev1.TokenState_TOKEN_STATE_READY
			}
			listed = append(listed, made)
			if each.membership == "" {
				continue
			}
			if err := store.RecordAccount(ctx, made.GetId(), &tokenstorev1.TokenAccount{Membership: each.membership}); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.DeleteToken(ctx, listed[3].GetId(), 0); err != nil {
			t.Fatal(err)
		}
		for upstream, want := range map[string][]int{"": {0, 1, 2}, "cursor": {0, 2}, "openai": {1}, "nobody": nil} {
			var accounts []*tokenstorev1.AccountOfToken
			for cursor, more := "", true; more; more = cursor != "" {
				page, next, err := store.ListAccounts(ctx, upstream, 1, cursor)
				if err != nil || len(page) > 1 {
					t.Fatalf("%q: %v, %v", upstream, page, err)
				}
				accounts, cursor = append(accounts, page...), next
			}
			if len(accounts) != len(want) {
				t.Fatalf("%q: %v", upstream, accounts)
			}
			for i, place := range want {
				made, token := listed[place], accounts[i].GetToken()
				if token.GetId() != made.GetId() || token.GetUpstream() != made.GetUpstream() || token.GetState() != made.GetState() ||
					accounts[i].GetAccount().GetMembership() != memberships[place] || (accounts[i].Account == nil) != (memberships[place] == "") {
					t.Errorf("%q, %d: %v", upstream, place, accounts[i])
				}
			}
		}
	})
}

// Accounts are asked for by the ids of their tokens, of whichever pool, in any order; one that is
// gone is left out.
func TestAccountsByIDs(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		first, second := create(t, store, draft("cursor", "T1")).GetId(), create(t, store, draft("openai", "T2")).GetId()
		third := create(t, store, draft("cursor", "T3")).GetId()
		for _, id := range []string{first, second} {
			if err := store.RecordAccount(ctx, id, &tokenstorev1.TokenAccount{Membership: "of " + id}); err != nil {
				t.Fatal(err)
			}
		}
		accounts, err := store.AccountsOf(ctx, []string{third, "gone", second, first})
		if err != nil || len(accounts) != 3 {
			t.Fatalf("%v, %v", accounts, err)
		}
		for i, want := range []struct{ id, upstream, membership string }{{third, "cursor", ""}, {second, "openai", "of " + second}, {first, "cursor", "of " + first}} {
			if got := accounts[i]; got.GetToken().GetId() != want.id || got.GetToken().GetUpstream() != want.upstream || got.GetAccount().GetMembership() != want.membership {
				t.Errorf("%d: %v", i, got)
			}
		}
	})
}

func TestAccount(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := create(t, store, draft("cursor", "T1")).GetId()
		if got, err := store.Account(ctx, id); err != nil || got != nil {
			t.Errorf("before anything is recorded: %v, %v", got, err)
		}
		trial := int32(3)
		told := &tokenstorev1.TokenAccount{
			UserId: "user_X", Email: "someone@example.com", Membership: "pro", TrialDaysLeft: &trial,
			Quotas: []*tokenstorev1.TokenQuota{{Name: "premium", Requests: 7}}, AsOf: timestamppb.New(time.Unix(1000, 0)),
		}
		record := func(account *tokenstorev1.TokenAccount) {
			t.Helper()
			if err := store.RecordAccount(ctx, id, account); err != nil {
				t.Fatal(err)
			}
		}
		want := func(want *tokenstorev1.TokenAccount) {
			t.Helper()
			if got, err := store.Account(ctx, id); err != nil || !proto.Equal(got, want) {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		}
		record(told)
		want(told)
		if dump := dumpOf(t, store); strings.Contains(dump, "someone@") {
			t.Error("the address is readable in Redis")
		}

		// A question that was not answered leaves the answer before.
		record(&tokenstorev1.TokenAccount{Error: "timeout", AsOf: timestamppb.New(time.Unix(2000, 0))})
		failed := proto.CloneOf(told)
		failed.Error, failed.AsOf = "timeout", timestamppb.New(time.Unix(2000, 0))
		want(failed)
		record(told)
		want(told)

		// An edit of the token leaves it.
		if _, err := store.UpdateToken(ctx, id, token.Fields{Alias: "a"}, []string{token.Alias}, 0); err != nil {
			t.Fatal(err)
		}
		want(told)

		wantReason(t, store.RecordAccount(ctx, id, &tokenstorev1.TokenAccount{Name: strings.Repeat("n", maxAccount)}), tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
		want(told)
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		_, err := store.Account(ctx, id)
		wantReason(t, err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
		wantReason(t, store.RecordAccount(ctx, id, told), tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND)
	})
}

func TestSummarizePools(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if pools, err := store.SummarizePools(ctx); err != nil || len(pools) != 0 {
			t.Errorf("without tokens: %v, %v", pools, err)
		}
		off := draft("cursor", "off")
		off.Enabled = false
		create(t, store, off)
		trusted(t, store, create(t, store, draft("cursor", "ready")))
		create(t, store, draft("cursor", jwtUntil(time.Now().Add(-time.Hour))))
		ends := create(t, store, draft("cursor", jwtUntil(time.Now().Add(time.Hour))))
		create(t, store, draft("cursor", jwtUntil(time.Now().Add(30*24*time.Hour))))
		cools := trusted(t, store, create(t, store, draft("openai", "cools")))
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 2, TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if changed, err := store.apply(ctx, transition{TokenID: cools, Epoch: taken[0].Epoch(), Class: "rate_limit", CoolFor: 10 * time.Minute}); err != nil || !changed {
			t.Fatal(changed, err)
		}
		rests, err := store.Token(ctx, cools)
		if err != nil {
			t.Fatal(err)
		}
		want := []*tokenstorev1.PoolState{
			{Upstream: "cursor", Ready: 1, Quarantined: 2, Expired: 1, Disabled: 1, Expiring: 1, NextExpiry: ends.GetExpiresAt(), NextExpiringId: ends.GetId()},
			{Upstream: "openai", Cooling: 1, InFlight: 2, NextBack: rests.GetCoolingUntil(), NextBackClass: "rate_limit"},
		}
		pools, err := store.SummarizePools(ctx)
		if err != nil || len(pools) != len(want) {
			t.Fatalf("%v, %v", pools, err)
		}
		for i := range want {
			if !proto.Equal(pools[i], want[i]) {
				t.Errorf("got %v, want %v", pools[i], want[i])
			}
		}
	})
}

// What can't be read is an error, and no account of which nothing is recorded; also where nothing
// is recorded of the one before it.
func TestAccountsThatCanNotBeReadAreNoneThatAreMissing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		create(t, store, draft("cursor", "first"))
		second := tokenKey("cursor", create(t, store, draft("cursor", "second")).GetId())
		if accounts, _, err := store.ListAccounts(t.Context(), "", 10, ""); err != nil || len(accounts) != 2 {
			t.Fatalf("%v, %v", accounts, err)
		}
		if err := store.client.Set(t.Context(), second, "no hash", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if accounts, _, err := store.ListAccounts(t.Context(), "", 10, ""); err == nil {
			t.Errorf("%v", accounts)
		}
	})
}
