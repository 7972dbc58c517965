package redisstore

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/token"
)

// accessFor is an access token of an account.
func accessFor(subject string, expires time.Time) secret.Value {
	claims := fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, subject, expires.Unix())
	return secret.New("h." + base64.RawURLEncoding.EncodeToString(claims) + ".s")
}

// login is the draft of a login whose access token ends in an hour.
func login(subject, refresh string) token.Draft {
	d := token.NewDraft(accessFor(subject, time.Now().Add(time.Hour)))
	d.Upstream, d.Refresh = "cursor", secret.New(refresh)
	return d
}

func take(t *testing.T, store *Store, held ...ErrandRef) []Errand {
	t.Helper()
	errands, lost, err := store.TakeErrands(t.Context(), MaxErrands, MaxErrands, held)
	if err != nil || len(lost) > 0 {
		t.Fatalf("lost %v, %v", lost, err)
	}
	return slices.DeleteFunc(errands, func(e Errand) bool { return e.Account })
}

// takeRefresh takes the one refresh that is due.
func takeRefresh(t *testing.T, store *Store, held ...ErrandRef) Errand {
	t.Helper()
	errands := take(t, store, held...)
	if len(errands) != 1 || errands[0].Refresh == nil {
		t.Fatalf("took %d errands", len(errands))
	}
	return errands[0]
}

// makeDue brings the errands of a token forward, as time would.
func makeDue(t *testing.T, store *Store, created *tokenstorev1.Token) {
	t.Helper()
	redisZ(t, store, refreshesKey(created.GetUpstream()), created.GetId(), 0)
}

// What is due next is known, also where nobody takes it.
func TestNextErrand(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		nextErrand := func(when string, least, most time.Duration) {
			t.Helper()
			if got, err := store.NextErrand(t.Context()); err != nil || got < least || got > most {
				t.Errorf("%s: the next errand is due in %v, not in %v to %v: %v", when, got, least, most, err)
			}
		}
		nextErrand("there is none", time.Hour, time.Hour)
		created := create(t, store, login("a", "r"))
		take(t, store) // questions are planned
		redisZ(t, store, questionsKey("cursor"), created.GetId(), float64(time.Now().Add(2*time.Hour).UnixMilli()))
		redisZ(t, store, refreshesKey("cursor"), created.GetId(), float64(time.Now().Add(10*time.Minute).UnixMilli()))
		nextErrand("a token is to be refreshed", 5*time.Minute, 10*time.Minute)
		redisZ(t, store, questionsKey("cursor"), created.GetId(), float64(time.Now().Add(5*time.Minute).UnixMilli()))
		nextErrand("an account is asked for before", time.Minute, 5*time.Minute)
		makeDue(t, store, created)
		nextErrand("it is due", math.MinInt64, 0)
	})
}

func redisZ(t testing.TB, store *Store, key, member string, score float64) {
	t.Helper()
	if err := store.client.Do(t.Context(), "ZADD", key, "XX", score, member).Err(); err != nil {
		t.Fatal(err)
	}
}

func grant(t *testing.T, store *Store, errand ErrandRef, granted Granted) {
	t.Helper()
	if stale, err := store.GrantRefresh(t.Context(), errand, granted); stale || err != nil {
		t.Fatalf("stale %v, %v", stale, err)
	}
}

// secretOf is what a lease of the token carries; empty where none is to be had.
func secretOf(t *testing.T, store *Store, upstream string) (string, leasing.Shortage) {
	t.Helper()
	taken, shortage, err := store.Acquire(t.Context(), leasing.Wanted{Upstream: upstream, Model: "m", Count: 1, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if len(taken) == 0 {
		return "", shortage
	}
	credential, err := store.Credential(t.Context(), taken[0].TokenID, taken[0].Version)
	if err != nil || !credential.Renewable {
		t.Fatalf("renewable %v, %v", credential.Renewable, err)
	}
	return credential.Secret.Reveal(), shortage
}

func TestAUsersKeyServesOnceItHasAnAccessToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		created := create(t, store, draft("cursor", "crsr_a-key-of-a-user-0123456789"))
		if created.GetKind() != tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY ||
			created.GetState() != tokenstorev1.TokenState_TOKEN_STATE_EXPIRED || created.GetExpiresAt() != nil {
			t.Fatalf("created %v", created)
		}
		if got, shortage := secretOf(t, store, "cursor"); got != "" || shortage.Expired != 1 || shortage.Renewing != 1 {
			t.Fatalf("it serves as %q, short of %+v", got, shortage)
		}
		errand := takeRefresh(t, store)
		if errand.Refresh.Token.Reveal() != "crsr_a-key-of-a-user-0123456789" || !errand.Refresh.Former.Empty() {
			t.Error("another key is exchanged")
		}
		access := accessFor("u", time.Now().Add(time.Minute))
		before := time.Now()
		for range 2 { // a repeat is as well
			grant(t, store, errand.ErrandRef, Granted{Access: access, Refresh: secret.New("rotated")})
		}
		if got, shortage := secretOf(t, store, "cursor"); got != access.Reveal() {
			t.Fatalf("it serves as %q, short of %+v", got, shortage)
		}
		now, err := store.Token(t.Context(), created.GetId())
		if err != nil || now.GetRefreshedAt() == nil || now.GetExpiresAt().AsTime() != token.Expiry(access) ||
			now.GetMaskedSecret() != created.GetMaskedSecret() || now.GetFingerprint() != created.GetFingerprint() {
			t.Errorf("now %v, %v", now, err)
		}
		next := now.GetNextRefreshAt().AsTime()
		if next.Sub(before) < 25*time.Second || next.Sub(now.GetRefreshedAt().AsTime()) > 31*time.Second {
			t.Errorf("a token of a minute, granted after %v, is refreshed at %v", before, next)
		}
		makeDue(t, store, created)
		if again := takeRefresh(t, store); again.Refresh.Token.Reveal() != "crsr_a-key-of-a-user-0123456789" {
			t.Error("the second time, another key is exchanged")
		}
	})
}

// The lead before the expiry of others is longer than the whole life of some access tokens.
func TestAnAccessTokenServesUntilShortlyBeforeItsEnd(t *testing.T) {
	t.Parallel()
	for left, serves := range map[time.Duration]bool{20 * time.Second: true, 3 * time.Second: false} {
		eachStore(t, func(t *testing.T, store *Store) {
			d := login("u", "r1")
			d.Secret = accessFor("u", time.Now().Add(left))
			trusted(t, store, create(t, store, d))
			if got, shortage := secretOf(t, store, "cursor"); (got != "") != serves || shortage.Expired == 1 == serves {
				t.Errorf("%v before its end: %q, short of %+v", left, got, shortage)
			}
		})
	}
}

func TestTheFormerRefreshTokenStaysUntilTheNewerHasServed(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		created := create(t, store, login("u", "r1"))
		trusted(t, store, created)
		rotate := func(refresh string) Errand {
			makeDue(t, store, created)
			errand := takeRefresh(t, store)
			grant(t, store, errand.ErrandRef, Granted{Access: accessFor("u", time.Now().Add(time.Hour)), Refresh: secret.New(refresh)})
			return errand
		}
		if first := rotate("r2"); first.Refresh.Token.Reveal() != "r1" || !first.Refresh.Former.Empty() {
			t.Error("the first refresh has another token")
		}
		if second := rotate("r3"); second.Refresh.Token.Reveal() != "r2" || second.Refresh.Former.Reveal() != "r1" {
			t.Error("the second refresh lacks the former token")
		}
		taken, _, err := store.Acquire(t.Context(), leasing.Wanted{Upstream: "cursor", Model: "m", Count: 1, TTL: time.Minute})
		if err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		if _, err := store.Settle(t.Context(), []leasing.Settlement{{LeaseRef: taken[0].LeaseRef, Effect: leasing.Succeeded}}); err != nil {
			t.Fatal(err)
		}
		if third := rotate("r4"); third.Refresh.Token.Reveal() != "r3" || !third.Refresh.Former.Empty() {
			t.Error("the former token is still there after the newer has served")
		}
	})
}

func TestARefusedRefreshNeedsALogin(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		created := create(t, store, login("u", "r1"))
		makeDue(t, store, created)
		errand := takeRefresh(t, store)
		if stale, err := store.RefuseRefresh(ctx, errand.ErrandRef, "the account is gone"); stale || err != nil {
			t.Fatal(stale, err)
		}
		now, err := store.Token(ctx, created.GetId())
		if err != nil || !now.GetNeedsLogin() || now.GetState() != tokenstorev1.TokenState_TOKEN_STATE_PARKED ||
			now.GetRefreshError() != "the account is gone" || now.GetNextRefreshAt() != nil {
			t.Errorf("now %v, %v", now, err)
		}
		history, err := store.Transitions(ctx, created.GetId())
		if err != nil || len(history) != 1 || history[0].GetKind() != "parked" || history[0].GetClass() != "auth" || history[0].GetDetail() != "the account is gone" {
			t.Errorf("history %v, %v", history, err)
		}
		pools, err := store.SummarizePools(ctx)
		if err != nil || pools[0].GetNeedsLogin() != 1 || pools[0].GetParked() != 1 {
			t.Errorf("pools %v, %v", pools, err)
		}
		if value, _, err := store.RenewCredential(ctx, created.GetId(), nil, time.Minute); !value.Empty() || err != nil {
			t.Errorf("renewed at once: %v", err)
		}
		if left := take(t, store); len(left) != 0 {
			t.Errorf("%d errands of a token that needs a login", len(left))
		}
		if _, err := store.ReleaseToken(ctx, created.GetId(), "admin"); err != nil {
			t.Fatal(err)
		}
		again := takeRefresh(t, store)
		grant(t, store, again.ErrandRef, Granted{Access: accessFor("u", time.Now().Add(time.Hour))})
		if now, err = store.Token(ctx, created.GetId()); err != nil || now.GetNeedsLogin() || now.GetRefreshError() != "" {
			t.Errorf("after a release and a grant %v, %v", now, err)
		}
		if pools, err = store.SummarizePools(ctx); err != nil || pools[0].GetNeedsLogin() != 0 {
			t.Errorf("pools %v, %v", pools, err)
		}
	})
}

// What a refusal of access tokens has done to a token is over when there is another one.
func TestAGrantEndsParkingByAuth(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		created := create(t, store, login("u", "r1"))
		trusted(t, store, created)
		for _, cools := range []time.Duration{time.Minute, 0} {
			taken, _, err := store.Acquire(t.Context(), leasing.Wanted{Upstream: "cursor", Model: "m", Count: 1, TTL: time.Minute})
			if err != nil || len(taken) != 1 {
				t.Fatal(taken, err)
			}
			verdict := &leasing.Verdict{Class: "auth", CoolFor: []time.Duration{cools}}
			settled, err := store.Settle(t.Context(), []leasing.Settlement{{LeaseRef: taken[0].LeaseRef, Effect: leasing.Failed, Verdict: verdict}})
			if err != nil || settled[0].Became == "" {
				t.Fatal(settled, err)
			}
			if got, _ := secretOf(t, store, "cursor"); got != "" {
				t.Fatal("it serves before it has another access token")
			}
			makeDue(t, store, created)
			access := accessFor("u", time.Now().Add(2*time.Hour))
			grant(t, store, takeRefresh(t, store).ErrandRef, Granted{Access: access})
			if got, shortage := secretOf(t, store, "cursor"); got != access.Reveal() {
				t.Fatalf("after a grant it serves as %q, short of %+v", got, shortage)
			}
			trusted(t, store, created)
		}
	})
}

func TestPostponedRefreshesBackOff(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		created := create(t, store, draft("cursor", "key_0123456789012345678901234567890"))
		for i, want := range []struct{ retryAfter, pause time.Duration }{
			{0, time.Second},
			{0, 2 * time.Second},
			{10 * time.Second, 10 * time.Second},
			{0, 8 * time.Second},
			{0, 16 * time.Second},
			{0, 32 * time.Second},
			{0, time.Minute},
			{0, time.Minute},
			{24 * time.Hour, time.Hour},
		} {
			makeDue(t, store, created)
			errand := takeRefresh(t, store)
			before := time.Now()
			if stale, err := store.PostponeRefresh(t.Context(), errand.ErrandRef, "busy", want.retryAfter); stale || err != nil {
				t.Fatal(stale, err)
			}
			after := time.Now()
			now, err := store.Token(t.Context(), created.GetId())
			if err != nil || now.GetRefreshError() != "busy" || now.GetNeedsLogin() {
				t.Fatalf("now %v, %v", now, err)
			}
			if next := now.GetNextRefreshAt().AsTime(); next.Before(before.Add(want.pause-time.Millisecond)) || next.After(after.Add(want.pause)) {
				t.Errorf("pause %d: from between %v and %v until %v, want %v", i, before, after, next, want.pause)
			}
		}
		if left := take(t, store); len(left) != 0 {
			t.Errorf("%d errands before the pause is over", len(left))
		}
	})
}

// Who waits for an access token is told at once that a try for it was in vain: the reason is
// known, and the next one is some time away.
func TestWhoWaitsIsToldOfATryInVain(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := login("u", "r1")
		created := create(t, store, d)
		sum := sha256.Sum256([]byte(d.Secret.Reveal()))
		makeDue(t, store, created)
		ask := func(refused []byte) <-chan *tokenstorev1.Token {
			answers := make(chan *tokenstorev1.Token, 1)
			go func() {
				got, now, err := store.RenewCredential(ctx, created.GetId(), refused, maxRenewWait)
				if err != nil || !got.Empty() {
					t.Errorf("%v", err)
				}
				answers <- now
			}()
			return answers
		}
		told := func(who string, answers <-chan *tokenstorev1.Token, want string) {
			t.Helper()
			select {
			case now := <-answers:
				if now.GetRefreshError() != want {
					t.Errorf("%s: %q", who, now.GetRefreshError())
				}
			case <-time.After(maxRenewWait * 2 / 3):
				t.Fatalf("%s waits although it is known", who)
			}
		}
		postpone := func(detail string, retryAfter time.Duration) {
			t.Helper()
			var errand Errand
			waitUntil(t, "a refresh is due", func() bool {
				for _, each := range take(t, store) {
					errand = each
				}
				return errand.Refresh != nil
			})
			if stale, err := store.PostponeRefresh(ctx, errand.ErrandRef, detail, retryAfter); stale || err != nil {
				t.Fatal(stale, err)
			}
		}
		waiting := ask(sum[:])
		postpone("the proxy is dead", time.Minute)
		told("who waits", waiting, "the proxy is dead")
		told("who comes later", ask(sum[:]), "the proxy is dead")
		if left := take(t, store); len(left) != 0 {
			t.Error("a refused access token makes a refresh due in the pause")
		}
		waiting = ask(nil)
		postpone("the proxy is still dead", time.Minute)
		told("who insists", waiting, "the proxy is still dead")
	})
}

func TestRenewCredential(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		d := login("u", "r1")
		created := create(t, store, d)
		id := created.GetId()
		hash := func(value secret.Value) []byte { sum := sha256.Sum256([]byte(value.Reveal())); return sum[:] }
		if got, _, err := store.RenewCredential(ctx, id, []byte("another"), time.Minute); err != nil || got.Reveal() != d.Secret.Reveal() {
			t.Fatalf("another one was refused: %v", err)
		}
		if left := take(t, store); len(left) != 0 {
			t.Fatal("a refresh is due although there was an answer")
		}
		if got, _, err := store.RenewCredential(ctx, id, hash(d.Secret), 0); err != nil || !got.Empty() {
			t.Fatalf("without time to wait: %v", err)
		}
		errand := takeRefresh(t, store) // it was made due
		answers := make(chan secret.Value)
		go func() {
			got, _, _ := store.RenewCredential(ctx, id, hash(d.Secret), maxRenewWait)
			answers <- got
		}()
		access := accessFor("u", time.Now().Add(2*time.Hour))
		grant(t, store, errand.ErrandRef, Granted{Access: access})
		if got := <-answers; got.Reveal() != access.Reveal() {
			t.Error("who waited did not get the new access token")
		}
		if got, _, err := store.RenewCredential(ctx, id, hash(access), 0); err != nil || !got.Empty() {
			t.Fatalf("right after a refresh: %v", err)
		}
		if left := take(t, store); len(left) != 0 {
			t.Error("a refresh is due right after the last one")
		}
		plain := create(t, store, draft("openai", "sk-1"))
		if _, _, err := store.RenewCredential(ctx, plain.GetId(), nil, 0); err == nil {
			t.Error("a key of an API was renewed")
		}
		if _, _, err := store.RenewCredential(ctx, newTokenID(), nil, 0); !isNoToken(err) {
			t.Errorf("no token: %v", err)
		}
	})
}
