package redisstore

import (
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// No script and no transaction spans slots: whatever is done with tokens is done on a
// Cluster too.
func TestACluster(t *testing.T) {
	t.Parallel()
	client := testredis.StartCluster(t).UniversalClient
	store := newStore(t, client)
	ctx := t.Context()
	one := draft("openai", "T1")
	one.Alias = "one"
	id := trusted(t, store, create(t, store, one))
	if _, err := store.ImportTokens(ctx, []token.Draft{draft("cursor", "T2"), draft("openai", "T1"), draft("openai", "T3")}); err != nil {
		t.Fatal(err)
	}
	for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst, token.Sticky} {
		store.rotation.Store(&strategy)
		taken, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 1, TTL: time.Minute, Alias: "one", Affinity: "k"})
		if err != nil || len(taken) != 1 || taken[0].TokenID != id {
			t.Fatalf("%s: %v, %v", strategy, taken, err)
		}
		byID, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 1, TTL: time.Minute, TokenID: id})
		if err != nil || len(byID) != 1 || byID[0].TokenID != id {
			t.Fatalf("%s, by id: %v, %v", strategy, byID, err)
		}
		if lost, err := store.Renew(ctx, []leasing.LeaseRef{taken[0].LeaseRef}, time.Minute); err != nil || len(lost) != 0 {
			t.Fatal(lost, err)
		}
		settled, err := store.Settle(ctx, []leasing.Settlement{{LeaseRef: taken[0].LeaseRef, Effect: leasing.Succeeded}})
		if err != nil || !settled[0].Live {
			t.Fatal(settled, err)
		}
		if _, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 1, TTL: time.Minute, Affinity: "k"}); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Explain(ctx, "openai", "m"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Reserve(ctx, leasing.Reservation{Replica: "g1", Instance: "i1", TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.UpdateToken(ctx, id, token.Fields{Alias: "two", Weight: 1, Enabled: true}, []string{token.Alias}, 0); err != nil {
		t.Fatal(err)
	}
	if err := store.DeleteToken(ctx, id, 0); err != nil {
		t.Fatal(err)
	}
	if restored, err := store.RestoreToken(ctx, id); err != nil || restored.GetAlias() != "two" {
		t.Fatal(restored, err)
	}
	if _, err := store.ReleaseToken(ctx, id, "admin"); err != nil {
		t.Fatal(err)
	}
	uses := []leasing.ReservedUse{{Number: 1, Settlement: leasing.Settlement{
		LeaseRef: leasing.LeaseRef{TokenID: id, LeaseID: "1-0"}, Effect: leasing.Failed, Verdict: &leasing.Verdict{Class: "upstream", Shareable: true},
	}}}
	if counted, err := store.Reconcile(ctx, "g1", uses); err != nil || !counted[0].Live {
		t.Fatal(counted, err)
	}
	if _, err := store.UndoTransitions(ctx, leasing.Undo{Class: "upstream", From: time.Now().Add(-time.Hour), To: time.Now(), By: "admin"}); err != nil {
		t.Fatal(err)
	}
	if all, _, err := store.ListActivity(ctx, ActivityFilter{}, 100, ""); err != nil || len(all) == 0 {
		t.Errorf("activity: %v, %v", all, err)
	}
	if _, err := store.Pardon(ctx, "openai", "guard"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Transitions(ctx, id); err != nil {
		t.Fatal(err)
	}
	if stocked, err := store.StockedUpstreams(ctx); err != nil || len(stocked) != 2 {
		t.Fatal(stocked, err)
	}
	if err := store.heal(ctx); err != nil {
		t.Fatal(err)
	}
	if err := store.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	if pools, err := store.SummarizePools(ctx); err != nil || len(pools) != 2 {
		t.Fatal(pools, err)
	}
	renewed := create(t, store, login("u", "r1"))
	begin(t, store, begun("v"))
	makeDue(t, store, renewed)
	for _, errand := range take(t, store) {
		held := []ErrandRef{errand.ErrandRef}
		if _, lost, err := store.TakeErrands(ctx, 0, 0, held); err != nil || len(lost) != 0 {
			t.Fatal(lost, err)
		}
		if errand.Login != nil {
			if stale, err := store.GrantLogin(ctx, errand.ErrandRef, given("u2", "r2", time.Hour)); stale || err != nil {
				t.Fatal(stale, err)
			}
			continue
		}
		if _, err := store.PostponeRefresh(ctx, errand.ErrandRef, "", 0); err != nil {
			t.Fatal(err)
		}
		makeDue(t, store, renewed)
		grant(t, store, takeRefresh(t, store).ErrandRef, given("u", "r3", time.Hour))
		makeDue(t, store, renewed)
		if stale, err := store.RefuseRefresh(ctx, takeRefresh(t, store).ErrandRef, "no"); stale || err != nil {
			t.Fatal(stale, err)
		}
	}
	if _, _, err := store.RenewCredential(ctx, renewed.GetId(), nil, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := store.RecordAccount(ctx, renewed.GetId(), &tokenstorev1.TokenAccount{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	if logins, err := store.Logins(ctx); err != nil || len(logins) != 1 {
		t.Fatal(logins, err)
	}
	putResponse(t, keeping(store, time.Hour, 2000), response("resp_1", "one", "first"))
	putResponse(t, store, response("resp_2", "one", noise(t, 1800)))
	if hasResponse(t, store, "resp_1", "one") || !hasResponse(t, store, "resp_2", "one") {
		t.Fatal("the first has not made room")
	}
	if err := store.DeleteResponse(ctx, "resp_2", hashed("one")); err != nil {
		t.Fatal(err)
	}
	putResponse(t, store, response("resp_3", "one", "third"))
	if err := store.TrimResponses(ctx); err != nil {
		t.Fatal(err)
	}
	store.keys = testKeys(t, keyLine1("k2", 'b')+keyLine1("k1", 'a'))
	if done, err := store.Reseal(ctx); err != nil || done.Responses != 1 {
		t.Fatal(done, err)
	}
	if _, err := store.Reseal(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutUpstream(ctx, &tokenstorev1.Upstream{Name: "third", Driver: token.DriverOpenAI, BaseUrl: "https://example.com"}, 0); err != nil {
		t.Fatal(err)
	}
	if err := store.DeleteUpstream(ctx, "third", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutPrices(ctx, []*tokenstorev1.Price{price("m", 1)}, 0); err != nil {
		t.Error(err)
	}
	putRoute(t, store, route("fast", ""))
	if snapshot, err := store.Snapshot(ctx); err != nil || len(snapshot.GetRoutes()) != 1 || len(snapshot.GetPrices().GetPrices()) != 1 {
		t.Fatal(snapshot, err)
	}
	if err := store.DeleteRoute(ctx, "fast", 0); err != nil {
		t.Fatal(err)
	}
	key, made := createKey(t, store, &tokenstorev1.ClientKey{Name: "n"})
	if _, err := store.UpdateClientKey(ctx, key.GetId(), &tokenstorev1.ClientKey{Name: "m"}, []string{"name"}, 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.RotateClientKey(ctx, key.GetId(), time.Hour, 2); err != nil {
		t.Fatal(err)
	}
	if err := store.DeleteClientKey(ctx, key.GetId(), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := store.RestoreClientKey(ctx, key.GetId()); err != nil {
		t.Fatal(err)
	}
	if got := namesOf(listKeys(t, store, ClientKeyFilter{})); got != "m" {
		t.Fatal(got)
	}
	if _, until, err := whose(t, store, made); err != nil || until.IsZero() {
		t.Fatal(until, err)
	}
}

func TestDataOfSchemaOneIsMovedOnACluster(t *testing.T) {
	t.Parallel()
	client := testredis.StartCluster(t).UniversalClient
	store := legacyStore(t, client)
	data := (&legacy{t: t, client: client, store: store}).write()
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	data.check(t, store)
}
