package redisstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// asked are the tokens whose accounts are to be asked for now.
func asked(t *testing.T, store *Store) []string {
	t.Helper()
	errands, _, err := store.TakeErrands(t.Context(), MaxErrands, MaxErrands, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, errand := range errands {
		if errand.Account {
			ids = append(ids, errand.ID)
		}
	}
	return ids
}

// nextSecond lets the pause between two questions be over.
func nextSecond(t *testing.T, store *Store) {
	t.Helper()
	if err := store.client.HDel(t.Context(), clockKey("cursor"), "asked").Err(); err != nil {
		t.Fatal(err)
	}
}

// Who has no room for a question is given what is not one.
func TestAccountsAreAskedForWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		created := create(t, store, login("u", "r1"))
		makeDue(t, store, created)
		errands, _, err := store.TakeErrands(t.Context(), MaxErrands, 0, nil)
		if err != nil || len(errands) != 1 || errands[0].Refresh == nil {
			t.Fatalf("without room for a question: %+v, %v", errands, err)
		}
		errands, _, err = store.TakeErrands(t.Context(), MaxErrands, 1, nil)
		if err != nil || len(errands) != 1 || !errands[0].Account {
			t.Fatalf("with room for one: %+v, %v", errands, err)
		}
	})
}

func TestAccountsAreAskedForWithinABudget(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		of := map[string]string{}
		for _, name := range []string{"used", "idle", "disabled"} {
			of[name] = create(t, store, draft("cursor", "T-"+name)).GetId()
		}
		create(t, store, draft("openai", "sk-1"))
		if _, err := store.UpdateToken(ctx, of["disabled"], token.Fields{}, []string{token.Enabled}, 0); err != nil {
			t.Fatal(err)
		}
		if err := store.client.HSet(ctx, tokenKey("cursor", of["used"]), "last_used", time.Now().UnixMilli()).Err(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		first, second := asked(t, store), asked(t, store)
		if len(first) != 1 || len(second) != 0 && time.Since(began) < questionPause {
			t.Fatalf("asked for %v at once, and for %v within a second", first, second)
		}
		if len(second) == 0 { // as it is, unless this took longer
			nextSecond(t, store)
			second = asked(t, store)
		}
		of2 := append(first, second...)
		slices.Sort(of2)
		want := []string{of["used"], of["idle"]}
		slices.Sort(want)
		if !slices.Equal(of2, want) {
			t.Fatalf("asked for %v, want %v", of2, want)
		}
		nextSecond(t, store)
		if more := asked(t, store); len(more) != 0 {
			t.Errorf("asked for %v again while they are in hand", more)
		}
		for name, pause := range map[string]time.Duration{"used": oftenAsked, "idle": seldomAsked} {
			if err := store.RecordAccount(ctx, of[name], &tokenstorev1.TokenAccount{Error: "timeout"}); err != nil {
				t.Fatal(err)
			}
			due := time.UnixMilli(int64(store.client.ZScore(ctx, questionsKey("cursor"), of[name]).Val()))
			if left := time.Until(due); left > pause || left < pause-10*time.Second {
				t.Errorf("the %s one is asked about in %v", name, left)
			}
		}
		late := create(t, store, draft("cursor", "T-late")).GetId()
		nextSecond(t, store)
		if got := asked(t, store); !slices.Equal(got, []string{late}) {
			t.Errorf("a new one is asked about: %v", got)
		}
		if err := store.DeleteToken(ctx, late, 0); err != nil {
			t.Fatal(err)
		}
		nextSecond(t, store)
		redisZ(t, store, questionsKey("cursor"), late, 0)
		if got := asked(t, store); len(got) != 0 {
			t.Errorf("a deleted one is asked about: %v", got)
		}
		if _, err := store.RestoreToken(ctx, late); err != nil {
			t.Fatal(err)
		}
		if got := asked(t, store); !slices.Equal(got, []string{late}) {
			t.Errorf("a restored one is asked about: %v", got)
		}
	})
}

// What a quota lacks at its end is lost: the one that begins anew first is used first.
func TestFillFirstGoesByTheQuotasReset(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		fill := token.FillFirst
		store.rotation.Store(&fill)
		p := &leasePool{Store: store, t: t, client: store.client}
		jwt := draft(somewhere, jwtUntil(time.Now().Add(48*time.Hour)))
		ends := trusted(t, store, create(t, store, jwt))
		resets := trusted(t, store, create(t, store, draft(somewhere, "T2")))
		take := func() string { return p.take(leasing.Wanted{Count: 1})[0].TokenID }
		if got := take(); got != ends {
			t.Fatalf("took %s, not the one that ends", got)
		}
		record := func(at time.Time) {
			if err := store.RecordAccount(t.Context(), resets, &tokenstorev1.TokenAccount{QuotaResetsAt: timestamppb.New(at)}); err != nil {
				t.Fatal(err)
			}
		}
		record(time.Now().Add(24 * time.Hour))
		if got := take(); got != resets {
			t.Error("the quota that begins anew first is not used first")
		}
		record(time.Now().Add(96 * time.Hour))
		if got := take(); got != ends {
			t.Error("a later reset changes nothing")
		}
	})
}

// An answer says that what was granted is on disk, so it waits for that, and a wait that
// fails is told.
func TestWhatIsGrantedIsSavedFirst(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := newStore(t, client)
		created := create(t, store, login("u", "r1"))
		full := errors.New("the disk is full")
		var had []string
		store.barrier.Barrier = BarrierFunc(func(ctx context.Context) error {
			had = append(had, client.HGet(ctx, tokenKey("cursor", created.GetId()), "grants").Val())
			return full
		})
		makeDue(t, store, created)
		errand := takeRefresh(t, store)
		if _, err := store.GrantRefresh(t.Context(), errand.ErrandRef, given("u", "r2", time.Hour)); !errors.Is(err, full) {
			t.Errorf("granted: %v", err)
		}
		if _, err := store.GrantRefresh(t.Context(), errand.ErrandRef, given("u", "r2", time.Hour)); !errors.Is(err, full) {
			t.Errorf("repeated: %v", err)
		}
		if !slices.Equal(had, []string{"1", "1"}) {
			t.Errorf("it was made durable with %v grants", had)
		}
	})
}

// A gateway that dies, and a Redis that is killed, lose nothing that was answered.
func TestAGrantSurvivesAKill(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t, "--appendfsync", "always")
	store := newStore(t, server.Client(t))
	created := create(t, store, login("u", "r1"))
	makeDue(t, store, created)
	grant(t, store, takeRefresh(t, store).ErrandRef, given("u", "r2", time.Hour))
	makeDue(t, store, created)
	inHand := takeRefresh(t, store)
	server.Kill()
	server.Start(t)
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	makeDue(t, store, created)                                                                    // as two seconds later
	if err := store.client.HSet(t.Context(), clockKey("cursor"), "errand", 1).Err(); err != nil { // as one that has lost what it wrote last
		t.Fatal(err)
	}
	next := takeRefresh(t, store)
	if next.Refresh.Token.Reveal() != "r2" || next.Refresh.Former.Reveal() != "r1" || next.Epoch <= inHand.Epoch {
		t.Errorf("epoch %d after %d", next.Epoch, inHand.Epoch)
	}
	if stale, err := store.GrantRefresh(t.Context(), inHand.ErrandRef, given("u", "r3", 2*time.Hour)); !stale || err != nil {
		t.Errorf("the one that was in hand: stale %v, %v", stale, err)
	}
}

// A pasted or imported login of a known account brings its credentials, unless what is known
// is newer: a refresh token that was used must not come back.
func TestAKnownLoginIsImported(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		created := create(t, store, login("u", "r1"))
		makeDue(t, store, created)
		grant(t, store, takeRefresh(t, store).ErrandRef, given("u", "r2", 2*time.Hour))
		exported, err := store.ExportTokens(ctx, "cursor")
		if err != nil || len(exported) != 1 || exported[0].Refresh.Reveal() != "r2" || exported[0].Access.Empty() {
			t.Fatalf("exported %d, %v", len(exported), err)
		}
		for _, each := range []struct {
			refresh, then string
			life          time.Duration
		}{{"old", "r2", time.Hour}, {"newer", "newer", 3 * time.Hour}} {
			d := token.NewDraft(accessFor("u", time.Now().Add(each.life)))
			d.Upstream, d.Refresh, d.Alias, d.Said = "cursor", secret.New(each.refresh), each.refresh, []string{token.Alias}
			got, err := store.ImportTokens(ctx, []token.Draft{d})
			if err != nil || got[0] != (Imported{Updated: true}) {
				t.Fatal(got, err)
			}
			makeDue(t, store, created)
			errand := takeRefresh(t, store)
			if now := errand.Refresh.Token.Reveal(); now != each.then {
				t.Errorf("after %s it is refreshed with %s", each.refresh, now)
			}
		}
		again := login("u", "pasted")
		again.Secret = accessFor("u", time.Now().Add(4*time.Hour))
		if got := create(t, store, again); got.GetId() != created.GetId() || got.GetAlias() != "newer" {
			t.Errorf("pasted again it is %v", got)
		}
		wrong := login("u", "r")
		wrong.Upstream = "openai"
		if _, err := store.CreateToken(ctx, wrong); err == nil || !strings.Contains(err.Error(), "no logins") {
			t.Errorf("a login of an upstream without: %v", err)
		}
	})
}

func TestErrandsOfDeletedTokens(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		created := create(t, store, login("u", "r1"))
		makeDue(t, store, created)
		before := takeRefresh(t, store)
		if err := store.DeleteToken(ctx, created.GetId(), 0); err != nil {
			t.Fatal(err)
		}
		if left := take(t, store); len(left) != 0 {
			t.Errorf("%d errands of a deleted token", len(left))
		}
		if _, err := store.GrantRefresh(ctx, before.ErrandRef, given("u", "r2", time.Hour)); !isNoToken(err) {
			t.Errorf("granted to a deleted token: %v", err)
		}
		if _, err := store.RestoreToken(ctx, created.GetId()); err != nil {
			t.Fatal(err)
		}
		if stale, err := store.GrantRefresh(ctx, before.ErrandRef, given("u", "r2", 2*time.Hour)); !stale || err != nil {
			t.Errorf("granted after a restoration: stale %v, %v", stale, err)
		}
		makeDue(t, store, created)
		if again := takeRefresh(t, store); again.Refresh.Token.Reveal() != "r1" {
			t.Error("the refresh token did not come back")
		}
	})
}

func TestTheRoomIsDividedAmongPools(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ room, pools, least, most int }{{0, 3, 0, 0}, {2, 3, 0, 1}, {7, 3, 2, 3}, {64, 1, 64, 64}, {5, 0, 0, 0}} {
		shares, sum := divided(c.room, c.pools), 0
		for _, share := range shares {
			if sum += share; share < c.least || share > c.most {
				t.Errorf("%d among %d: %v", c.room, c.pools, shares)
			}
		}
		if len(shares) != c.pools || c.pools > 0 && sum != c.room {
			t.Errorf("%d among %d: %v", c.room, c.pools, shares)
		}
	}
}
