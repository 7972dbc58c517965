package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

const (
	pending   = tokenstorev1.LoginState_LOGIN_STATE_PENDING
	done      = tokenstorev1.LoginState_LOGIN_STATE_DONE
	failed    = tokenstorev1.LoginState_LOGIN_STATE_FAILED
	expired   = tokenstorev1.LoginState_LOGIN_STATE_EXPIRED
	cancelled = tokenstorev1.LoginState_LOGIN_STATE_CANCELLED
)

// begun is a login that somebody begins at the upstream cursor.
func begun(verifier string) NewLogin {
	return NewLogin{Upstream: "cursor", URL: "https://example.com/login?challenge=x", UUID: "an-uuid", Verifier: secret.New(verifier)}
}

func begin(t *testing.T, store *Store, asked NewLogin) *tokenstorev1.Login {
	t.Helper()
	login, err := store.CreateLogin(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	return login
}

// poll takes the one poll that is due.
func poll(t *testing.T, store *Store) ErrandRef {
	t.Helper()
	errands := take(t, store)
	if len(errands) != 1 || errands[0].Login == nil {
		t.Fatalf("took %d errands", len(errands))
	}
	return errands[0].ErrandRef
}

func given(subject, refresh string, life time.Duration) Granted {
	return Granted{Access: accessFor(subject, time.Now().Add(life)), Refresh: secret.New(refresh)}
}

// finish logs somebody in and returns what became of the login.
func finish(t *testing.T, store *Store, granted Granted) *tokenstorev1.Login {
	t.Helper()
	at := poll(t, store)
	if stale, err := store.GrantLogin(t.Context(), at, granted); stale || err != nil {
		t.Fatal(stale, err)
	}
	login, err := store.Login(t.Context(), at.ID)
	if err != nil {
		t.Fatal(err)
	}
	return login
}

func TestALoginMakesAToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		asked := begun("the-verifier")
		asked.Alias, asked.Proxy = "mine", secret.New("socks5://u:password@proxy:1080")
		login := begin(t, store, asked)
		if login.GetState() != pending || login.GetUrl() != asked.URL || login.GetExpiresAt().AsTime().Sub(login.GetCreatedAt().AsTime()) != loginLife {
			t.Fatalf("begun as %v", login)
		}
		errands := take(t, store)
		if len(errands) != 1 || errands[0].Upstream != "cursor" || errands[0].Login.UUID != "an-uuid" ||
			errands[0].Login.Verifier.Reveal() != "the-verifier" || errands[0].Proxy.Reveal() != asked.Proxy.Reveal() {
			t.Fatalf("took %d polls", len(errands))
		}
		if stale, err := store.GrantLogin(t.Context(), errands[0].ErrandRef, given("u", "r1", time.Hour)); stale || err != nil {
			t.Fatal(stale, err)
		}
		if login, _ = store.Login(t.Context(), login.GetId()); login.GetState() != done || login.GetTokenId() == "" {
			t.Fatalf("ended as %v", login)
		}
		made, err := store.Token(t.Context(), login.GetTokenId())
		if err != nil || made.GetKind() != tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN || made.GetAlias() != "mine" ||
			made.GetMaskedProxy() != "socks5://u:•••@proxy:1080" || made.GetNextRefreshAt() == nil {
			t.Errorf("made %v, %v", made, err)
		}
		if stale, err := store.GrantLogin(t.Context(), errands[0].ErrandRef, given("u", "r2", time.Hour)); !stale || err != nil {
			t.Errorf("granted again: stale %v, %v", stale, err)
		}
	})
}

// Whoever logs in again is the same token, with the new credentials.
func TestTheSameAccountAgainIsTheSameToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		begin(t, store, begun("v1"))
		first := finish(t, store, given("u", "r1", time.Hour))
		created, err := store.Token(ctx, first.GetTokenId())
		if err != nil {
			t.Fatal(err)
		}
		makeDue(t, store, created)
		refresh := takeRefresh(t, store)
		if stale, err := store.RefuseRefresh(ctx, refresh.ErrandRef, "no"); stale || err != nil {
			t.Fatal(stale, err)
		}
		for name, asked := range map[string]NewLogin{"without saying so": begun("v2"), "by its id": {TokenID: created.GetId()}} {
			full := begun("v2")
			full.TokenID = asked.TokenID
			begin(t, store, full)
			again := finish(t, store, given("u", "r2", 2*time.Hour))
			if again.GetState() != done || again.GetTokenId() != created.GetId() {
				t.Errorf("%s: %v", name, again)
			}
			if now, err := store.Token(ctx, created.GetId()); err != nil || now.GetNeedsLogin() || now.GetState() == tokenstorev1.TokenState_TOKEN_STATE_PARKED {
				t.Errorf("%s: %v, %v", name, now, err)
			}
		}
		makeDue(t, store, created)
		if next := takeRefresh(t, store); next.Refresh.Token.Reveal() != "r2" || !next.Refresh.Former.Empty() {
			t.Error("the refresh token of before is still used")
		}
		other := begun("v3")
		other.TokenID = created.GetId()
		begin(t, store, other)
		if wrong := finish(t, store, given("somebody else", "r3", time.Hour)); wrong.GetState() != failed || !strings.Contains(wrong.GetDetail(), "another account") {
			t.Errorf("another account: %v", wrong)
		}
	})
}

// A session token that somebody logs in for is from then on the account's login.
func TestASessionBecomesALogin(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		pasted := draft("cursor", accessFor("u", time.Now().Add(time.Hour)).Reveal())
		session := create(t, store, pasted)
		if session.GetKind() != tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION || session.GetNextRefreshAt() != nil {
			t.Fatalf("pasted as %v", session)
		}
		asked := begun("v")
		asked.TokenID = session.GetId()
		begin(t, store, asked)
		finish(t, store, given("u", "r1", 2*time.Hour))
		now, err := store.Token(ctx, session.GetId())
		if err != nil || now.GetKind() != tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN || now.GetNextRefreshAt() == nil {
			t.Errorf("now %v, %v", now, err)
		}
		begin(t, store, begun("v"))
		if again := finish(t, store, given("u", "r2", 2*time.Hour)); again.GetTokenId() != session.GetId() {
			t.Errorf("logged in again as %v", again)
		}
		_, err = store.CreateToken(ctx, draft("cursor", accessFor("u", time.Now().Add(3*time.Hour)).Reveal()))
		wantReason(t, err, tokenstorev1.Reason_REASON_ALREADY_EXISTS)
		got, err := store.ImportTokens(ctx, []token.Draft{pasted, draft("cursor", "T1")})
		if err != nil || got[0] != (Imported{Updated: true}) || got[1] != (Imported{}) {
			t.Errorf("imported %v, %v", got, err)
		}
		if created := create(t, store, draft("openai", pasted.Secret.Reveal())); created.GetId() == session.GetId() {
			t.Error("an account of another upstream is the same")
		}
	})
}

func TestALoginInFlightEndsARefresh(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		created := create(t, store, login("u", "r1"))
		makeDue(t, store, created)
		late := takeRefresh(t, store)
		begin(t, store, begun("v"))
		finish(t, store, given("u", "r2", 2*time.Hour))
		if stale, err := store.GrantRefresh(t.Context(), late.ErrandRef, given("u", "r1b", time.Hour)); !stale || err != nil {
			t.Errorf("a refresh of before the login: stale %v, %v", stale, err)
		}
	})
}

func TestPollsSlowDownAndEnd(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := begin(t, store, begun("v")).GetId()
		postpone := func(detail string, after time.Duration, counts bool) {
			t.Helper()
			redisZ(t, store, pollsKey(), id, 0)
			if stale, err := store.PostponeLogin(ctx, poll(t, store), detail, after, counts); stale || err != nil {
				t.Fatal(stale, err)
			}
		}
		// pauses postpones the login, and wants the next poll to be due so long after that.
		pauses := func(what string, want time.Duration, detail string, after time.Duration, counts bool) {
			t.Helper()
			begun := time.Now()
			postpone(detail, after, counts)
			ended, due := time.Now(), time.UnixMilli(int64(store.client.ZScore(ctx, pollsKey(), id).Val()))
			const rounded = 2 * time.Millisecond // to whole ones, here and there
			if due.Before(begun.Add(want-rounded)) || due.After(ended.Add(want+rounded)) {
				t.Errorf("%s: from between %v and %v until %v, want %v", what, begun, ended, due, want)
			}
		}
		for i, want := range []time.Duration{1200 * time.Millisecond, 1440 * time.Millisecond, 1728 * time.Millisecond, 2074 * time.Millisecond} {
			pauses(fmt.Sprint("pause ", i), want, "", 0, true)
		}
		pauses("what the upstream asks to wait", 20*time.Second, "busy", 20*time.Second, false)
		for range 3 {
			postpone("away", 0, false)
		}
		pauses("after many that found nothing out", 30*time.Second, "away", 0, false)
		if login, _ := store.Login(ctx, id); login.GetState() != pending || login.GetDetail() != "away" {
			t.Errorf("it is %v", login)
		}
		for range maxPolls - 5 {
			postpone("", 0, true)
		}
		redisZ(t, store, pollsKey(), id, 0)
		if stale, err := store.PostponeLogin(ctx, poll(t, store), "", 0, true); stale || err != nil {
			t.Fatal(stale, err)
		}
		if login, _ := store.Login(ctx, id); login.GetState() != expired {
			t.Errorf("after all polls it is %v", login)
		}
		if left := take(t, store); len(left) != 0 {
			t.Error("a login that is over is polled")
		}
	})
}

func TestLoginsThatEnd(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		refused := begin(t, store, begun("v")).GetId()
		if stale, err := store.RefuseLogin(ctx, poll(t, store), "it is over"); stale || err != nil {
			t.Fatal(stale, err)
		}
		given := begin(t, store, begun("v")).GetId()
		at := poll(t, store)
		if login, err := store.CancelLogin(ctx, given); err != nil || login.GetState() != cancelled {
			t.Errorf("cancelled as %v, %v", login, err)
		}
		if stale, err := store.RefuseLogin(ctx, at, "too late"); !stale || err != nil {
			t.Errorf("refused after it was cancelled: %v, %v", stale, err)
		}
		if login, err := store.CancelLogin(ctx, refused); err != nil || login.GetState() != failed || login.GetDetail() != "it is over" {
			t.Errorf("what is over is cancelled: %v, %v", login, err)
		}
		forgotten := begin(t, store, begun("v")).GetId()
		if err := store.client.HSet(ctx, loginKey(forgotten), "expires", 1).Err(); err != nil { // as time would
			t.Fatal(err)
		}
		if left := take(t, store); len(left) != 0 {
			t.Error("a login is polled after its end")
		}
		for i, id := range []string{refused, given} { // all may have begun in one millisecond
			redisZ(t, store, loginsKey(), id, float64(i))
		}
		logins, err := store.Logins(ctx)
		if err != nil || len(logins) != 3 || logins[0].GetState() != expired {
			t.Errorf("listed %v, %v", logins, err)
		}
		if left := store.client.TTL(ctx, loginKey(forgotten)).Val(); left <= 0 || left > loginKept {
			t.Errorf("it is kept for %v", left)
		}
	})
}

func TestWhatIsNoLogin(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		named := draft("cursor", "T1")
		named.Alias = "taken"
		of := create(t, store, named).GetId()
		for name, change := range map[string]func(*NewLogin){
			"no link":                func(l *NewLogin) { l.URL = "x" },
			"no uuid":                func(l *NewLogin) { l.UUID = "" },
			"no verifier":            func(l *NewLogin) { l.Verifier = secret.Value{} },
			"a proxy that is none":   func(l *NewLogin) { l.Proxy = secret.New("ftp://x") },
			"an upstream without":    func(l *NewLogin) { l.Upstream = "openai" },
			"no upstream":            func(l *NewLogin) { l.Upstream = "nowhere" },
			"the alias of another":   func(l *NewLogin) { l.Alias = "taken" },
			"a token of another one": func(l *NewLogin) { l.Upstream, l.TokenID = "openai", of },
			"no token":               func(l *NewLogin) { l.TokenID = newTokenID() },
		} {
			asked := begun("the-verifier")
			change(&asked)
			if login, err := store.CreateLogin(t.Context(), asked); err == nil {
				t.Errorf("%s: %v", name, login)
			} else if strings.Contains(err.Error(), "the-verifier") {
				t.Errorf("%s: the error has the verifier", name)
			}
		}
		for i := range maxLogins {
			begin(t, store, begun(fmt.Sprint("v", i)))
		}
		if _, err := store.CreateLogin(t.Context(), begun("one too many")); err == nil {
			t.Error("there is no end of logins")
		}
	})
}

// However many logins wait, and however long their upstream takes, who polls them has room for
// refreshes.
func TestPollsLeaveRoomForRefreshes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		for i := range 2 * maxPolling {
			begin(t, store, begun(fmt.Sprint("v", i)))
		}
		due := create(t, store, login("u", "refresh-token"))
		makeDue(t, store, due)
		const room = maxPolling + 1
		errands, _, err := store.TakeErrands(t.Context(), room, 0, nil)
		if err != nil || len(errands) != room || errands[maxPolling].ID != due.GetId() {
			t.Fatalf("took %d errands, %v", len(errands), err)
		}
		var held []ErrandRef
		for _, errand := range errands {
			held = append(held, errand.ErrandRef)
		}
		if more := take(t, store, held...); len(more) > 0 {
			t.Errorf("took %d polls more", len(more))
		}
		if more := take(t, store, held[1:]...); len(more) != 1 || more[0].Login == nil {
			t.Errorf("in the place of one that is over: %d errands", len(more))
		}
	})
}
