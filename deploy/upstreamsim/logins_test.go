package upstreamsim

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/proto/cursor/sessiontoken"
)

// clock is a time that a test sets.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(by time.Duration) { c.ahead.Add(int64(by)) }

type tokens struct {
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	AuthID       string `json:"authId"`
}

func exchangeRequest(ctx context.Context, t *testing.T, server *httptest.Server, token string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/auth/exchange_user_api_key", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", jsonType)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func refresh(t *testing.T, server *httptest.Server, token string) (int, tokens) {
	t.Helper()
	got := roundTrip(t, server, exchangeRequest(deadline(t), t, server, token))
	if got.err != nil {
		t.Fatal(got.err)
	}
	var told tokens
	if got.status == http.StatusOK {
		if err := json.Unmarshal(got.body, &told); err != nil {
			t.Fatal(err)
		}
	}
	return got.status, told
}

func createAccount(t *testing.T, sim *Simulator, settings AccountSettings) NewAccount {
	t.Helper()
	made, err := sim.CreateAccounts(1, settings)
	if err != nil {
		t.Fatal(err)
	}
	return made[0]
}

func TestRefreshTokensRotate(t *testing.T) {
	time := new(clock)
	sim, server := serving(t, Options{Now: time.now, Tokens: []string{"another"}})
	account := createAccount(t, sim, AccountSettings{LifetimeS: 60})

	status, first := refresh(t, server, account.RefreshToken)
	if status != http.StatusOK || first.RefreshToken == "" || first.RefreshToken == account.RefreshToken || first.AccessToken == account.AccessToken {
		t.Fatalf("first: %d %+v", status, first)
	}
	status, again := refresh(t, server, account.RefreshToken)
	if status != http.StatusOK || again != first {
		t.Errorf("within the grace: %d, and the current pair is told: %t", status, again == first)
	}
	if book := sim.Logins(); book.Refreshes != 1 || book.DoubleRefreshes != 1 || book.Doubles[0].Subject != account.Subject || book.Doubles[0].FirstUnanswered || book.Lost != 0 {
		t.Errorf("book: %+v", book)
	}
	time.advance(refreshGrace + 1)
	if status, _ = refresh(t, server, account.RefreshToken); status != http.StatusUnauthorized {
		t.Errorf("after the grace: %d", status)
	}
	if book := sim.Logins(); book.Lost != 1 || book.LostSubjects[0] != account.Subject || !book.Doubles[1].Refused {
		t.Errorf("book: %+v", book)
	}
	if status, _ = refresh(t, server, first.RefreshToken); status != http.StatusOK || sim.Logins().Lost != 0 {
		t.Errorf("the current one: %d, %+v", status, sim.Logins())
	}
	noViolations(t, sim)
}

func TestRefreshWithoutAnAnswerIsNoted(t *testing.T) {
	sim, server := serving(t, Options{})
	account := createAccount(t, sim, AccountSettings{DelayMS: 60_000})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	left := make(chan received, 1)
	go func() { left <- roundTrip(t, server, exchangeRequest(ctx, t, server, account.RefreshToken)) }() // ends with cancel
	if _, err := sim.Await(deadline(t), func(Ledger) bool { return sim.Logins().Refreshes == 1 }); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-left
	if err := sim.ChangeAccounts(account.Subject, AccountSettings{DelayMS: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Await(deadline(t), func(Ledger) bool { return wentUnanswered(sim, account.RefreshToken) }); err != nil {
		t.Fatal(err)
	}
	if status, told := refresh(t, server, account.RefreshToken); status != http.StatusOK || told.RefreshToken == "" {
		t.Errorf("the repeat: %d", status)
	}
	if book := sim.Logins(); len(book.Doubles) != 1 || !book.Doubles[0].FirstUnanswered || book.Doubles[0].FirstClosedAt.IsZero() {
		t.Errorf("book: %+v", book)
	}
}

func wentUnanswered(sim *Simulator, token string) bool {
	sim.logins.mu.Lock()
	defer sim.logins.mu.Unlock()
	used := sim.logins.byRefresh[token].used[token]
	return used != nil && used.unanswered && !used.connection.closed().IsZero()
}

func TestRefreshSwitches(t *testing.T) {
	for name, c := range map[string]struct {
		settings AccountSettings
		statuses []int
		told     func(account NewAccount, got tokens) bool
	}{
		"keep":   {AccountSettings{Rotation: "keep"}, []int{200, 200}, func(a NewAccount, got tokens) bool { return got.RefreshToken == a.RefreshToken }},
		"silent": {AccountSettings{Rotation: "silent"}, []int{200, 200}, func(_ NewAccount, got tokens) bool { return got.RefreshToken == "" }},
		"401":    {AccountSettings{Status: 401}, []int{401, 401}, nil},
		"429":    {AccountSettings{Status: 429, Times: 1}, []int{429, 200}, nil},
		"500":    {AccountSettings{Status: 500, Times: 2}, []int{500, 500}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			sim, server := serving(t, Options{})
			account := createAccount(t, sim, c.settings)
			for _, want := range c.statuses {
				status, got := refresh(t, server, account.RefreshToken)
				if status != want || c.told != nil && !c.told(account, got) {
					t.Errorf("status %d, want %d", status, want)
				}
			}
			if book := sim.Logins(); book.DoubleRefreshes != 0 {
				t.Errorf("book: %+v", book)
			}
		})
	}
}

func TestUserKeysAreExchanged(t *testing.T) {
	sim, server := serving(t, Options{Tokens: []string{"another"}})
	account := createAccount(t, sim, AccountSettings{})
	for range 2 {
		status, got := refresh(t, server, account.UserAPIKey)
		if status != http.StatusOK || got.AccessToken == "" || got.RefreshToken != "" {
			t.Errorf("exchange: %d", status)
		}
		c := newAgentClient(t, server, "composer-2.5", hello)
		c.header.Set("Authorization", "Bearer "+got.AccessToken)
		if c.mustRun(); c.text.String() != hello {
			t.Errorf("chat: %s", c.trailer)
		}
	}
	if status, _ := refresh(t, server, "crsr_unknown"); status != http.StatusUnauthorized {
		t.Errorf("unknown: %d", status)
	}
	if closedRuns(t, sim).Runs[0].Subject != account.Subject {
		t.Error("the Run does not tell its account")
	}
}

func TestAccessTokensEndAndAreRevoked(t *testing.T) {
	time := new(clock)
	sim, server := serving(t, Options{Now: time.now})
	account := createAccount(t, sim, AccountSettings{LifetimeS: 60, Refused: map[string]int{"claude-": 64}})
	enumOf := func(model, token string) int32 {
		t.Helper()
		c := newAgentClient(t, server, model, hello)
		c.header.Set("Authorization", "Bearer "+token)
		if c.mustRun(); c.trailer == success {
			return 0
		}
		_, _, enum := agentError(t, c.trailer)
		return enum
	}
	if enum := enumOf("composer-2.5", account.AccessToken); enum != 0 {
		t.Errorf("fresh: %d", enum)
	}
	if enum := enumOf("claude-opus-5-high", account.AccessToken); enum != 64 {
		t.Errorf("region: %d", enum)
	}
	time.advance(61 * 1e9)
	if enum := enumOf("composer-2.5", account.AccessToken); enum != 12 || sim.Logins().Expired != 1 {
		t.Errorf("expired: %d, %+v", enum, sim.Logins())
	}
	_, got := refresh(t, server, account.RefreshToken)
	if err := sim.RevokeAccess(account.Subject); err != nil {
		t.Fatal(err)
	}
	if enum := enumOf("composer-2.5", got.AccessToken); enum != 2 {
		t.Errorf("revoked: %d", enum)
	}
	_, got = refresh(t, server, got.RefreshToken)
	if enum := enumOf("composer-2.5", got.AccessToken); enum != 0 {
		t.Errorf("after a refresh: %d", enum)
	}
	if err := sim.RevokeRefresh(account.Subject); err != nil {
		t.Fatal(err)
	}
	if status, _ := refresh(t, server, got.RefreshToken); status != http.StatusUnauthorized {
		t.Errorf("dead: %d", status)
	}
}

const (
	loginUUID = "99999999-9999-4999-8999-999999999999"
	verifier  = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func get(t *testing.T, server *httptest.Server, path string) received {
	t.Helper()
	r, err := http.NewRequestWithContext(deadline(t), http.MethodGet, server.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return roundTrip(t, server, r)
}

func post(t *testing.T, server *httptest.Server, path, contentType, body string) received {
	t.Helper()
	r, err := http.NewRequestWithContext(deadline(t), http.MethodPost, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	return roundTrip(t, server, r)
}

func TestLoginInTheBrowser(t *testing.T) {
	sim, server := serving(t, Options{})
	poll := func(verifier string) received {
		return get(t, server, "/auth/poll?uuid="+loginUUID+"&verifier="+verifier)
	}
	if got := poll(verifier); got.status != http.StatusNotFound {
		t.Errorf("before: %d", got.status)
	}
	page := get(t, server, "/loginDeepControl?mode=login&redirectTarget=cli&uuid="+loginUUID+"&challenge="+challengeOf(verifier))
	if page.status != http.StatusOK || !strings.Contains(string(page.body), "<form") {
		t.Fatalf("page: %d %s", page.status, page.body)
	}
	if got := poll(verifier); got.status != http.StatusNotFound {
		t.Errorf("while it is open: %d", got.status)
	}
	form := url.Values{"uuid": {loginUUID}, "challenge": {challengeOf(verifier)}, "account": {""}}.Encode()
	if got := post(t, server, "/loginDeepControl", "application/x-www-form-urlencoded", form); got.status != http.StatusOK {
		t.Fatalf("approved: %d %s", got.status, got.body)
	}
	if got := poll(strings.Repeat("x", 43)); got.status != http.StatusForbidden {
		t.Errorf("another verifier: %d", got.status)
	}
	sim.SetPolls([]int{http.StatusTooManyRequests})
	if got := poll(verifier); got.status != http.StatusTooManyRequests {
		t.Errorf("busy: %d", got.status)
	}
	got := poll(verifier)
	var told tokens
	if got.status != http.StatusOK || json.Unmarshal(got.body, &told) != nil || told.AccessToken == "" || told.AuthID == "" {
		t.Fatalf("success: %d %s", got.status, got.body)
	}
	if status, _ := refresh(t, server, told.RefreshToken); status != http.StatusOK {
		t.Errorf("refresh: %d", status)
	}
	if got := poll(verifier); got.status != http.StatusGone {
		t.Errorf("once more: %d", got.status)
	}
	if sim.Logins().LoginCounts.Logins != 1 {
		t.Errorf("book: %+v", sim.Logins())
	}
	noViolations(t, sim)
}

func TestLoginAsAnAccountThatThereIs(t *testing.T) {
	sim, server := serving(t, Options{})
	account := createAccount(t, sim, AccountSettings{})
	form := func(subject string) string {
		return url.Values{"uuid": {loginUUID}, "challenge": {challengeOf(verifier)}, "account": {subject}}.Encode()
	}
	const kind = "application/x-www-form-urlencoded"
	if got := post(t, server, "/loginDeepControl", kind, form("nobody")); got.status != http.StatusBadRequest {
		t.Errorf("nobody: %d", got.status)
	}
	if got := post(t, server, "/loginDeepControl", kind, form(account.Subject)); got.status != http.StatusOK {
		t.Errorf("somebody: %d", got.status)
	}
	if got := get(t, server, "/auth/poll?uuid="+loginUUID+"&verifier="+verifier); !strings.Contains(string(got.body), account.Subject) {
		t.Errorf("poll: %d", got.status)
	}
}

func TestControlOfAccounts(t *testing.T) {
	sim, server := serving(t, Options{})
	got := post(t, server, "/sim/accounts", jsonType, `{"count":1000,"lifetime_s":60,"plan":"ultra","limit":7,"resets_at":"2026-12-24T10:00:00Z"}`)
	var made struct {
		Accounts []NewAccount `json:"accounts"`
	}
	if got.status != http.StatusOK || json.Unmarshal(got.body, &made) != nil || len(made.Accounts) != 1000 {
		t.Fatalf("made: %d %d", got.status, len(made.Accounts))
	}
	r, err := http.NewRequestWithContext(deadline(t), http.MethodGet, server.URL+"/api/usage?user="+strings.TrimPrefix(made.Accounts[0].Subject, "auth0|"), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", siteCookie+"="+strings.TrimPrefix(made.Accounts[0].Subject, "auth0|")+"%3A%3A"+made.Accounts[0].AccessToken)
	r.Header.Set("Referer", server.URL+"/settings")
	if told := roundTrip(t, server, r); !strings.Contains(string(told.body), `"startOfMonth":"2026-11-24T10:00:00.000Z"`) || !strings.Contains(string(told.body), `"maxRequestUsage":7`) {
		t.Errorf("usage: %s", told.body)
	}
	for path, body := range map[string]string{
		"/sim/accounts/change": `{"lifetime_s":30}`, "/sim/accounts/revoke": `{"access":true}`, "/sim/polls": `{"statuses":[404]}`,
		"/sim/agent": `{"max_runs":3,"off":[27]}`, "/sim/agent/models": `[{"name":"a","display":"A","window":1,"thinking":false,"images":false}]`,
		"/sim/agent/url": `{"url":"http://x"}`,
	} {
		if got := post(t, server, path, jsonType, body); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := post(t, server, "/sim/accounts/change", jsonType, `{"subject":"nobody"}`); got.status != http.StatusBadRequest {
		t.Errorf("nobody: %d", got.status)
	}
	for path, want := range map[string]string{
		"/sim/accounts": `"accounts":1000`, "/sim/agent": `"max_runs":3`, "/sim/agent/runs?model=a": `"open":0`, "/sim/agent/models": `"name":"a"`,
	} {
		if got := get(t, server, path); !strings.Contains(string(got.body), want) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	if sim.Agent().MaxRuns != 3 {
		t.Error("the settings are as before")
	}
	noViolations(t, sim)
}

func TestOAuthRefresh(t *testing.T) {
	sim, server := serving(t, Options{})
	account := createAccount(t, sim, AccountSettings{})
	got := post(t, server, "/oauth/token", jsonType, `{"grant_type":"refresh_token","client_id":"c","refresh_token":"`+account.RefreshToken+`"}`)
	if got.status != http.StatusOK || !strings.Contains(string(got.body), `"access_token"`) || !strings.Contains(string(got.body), `"shouldLogout":false`) {
		t.Errorf("answer: %d %s", got.status, got.body)
	}
	noViolations(t, sim)
}

func TestAccessTokensHaveTheFormOfSessionTokens(t *testing.T) {
	account := createAccount(t, New(Options{}), AccountSettings{LifetimeS: 60})
	claims, err := sessiontoken.Parse(account.AccessToken, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != account.Subject || claims.Type != "session" || claims.ExpiresAt.Sub(claims.IssuedAt) != time.Minute {
		t.Errorf("claims: %+v", claims)
	}
}
