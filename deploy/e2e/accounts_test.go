package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// accountToken is a token of an account, as the admin API shows it.
type accountToken struct {
	ID            string
	Kind, State   string
	NeedsLogin    bool       `json:"needs_login"`
	RefreshError  *string    `json:"refresh_error"`
	RefreshedAt   *time.Time `json:"refreshed_at"`
	NextRefreshAt *time.Time `json:"next_refresh_at"`
	ExpiresAt     *time.Time `json:"expires_at"`
}

// pool is an upstream with one account.
type pool struct {
	*stack.Stack
	t       *testing.T
	name    string
	account upstreamsim.NewAccount
	id      string
}

// newPool makes an upstream, an account, and a token of what credential chooses of it.
func newPool(t *testing.T, s *stack.Stack, name string, credential func(upstreamsim.NewAccount) map[string]string) *pool {
	t.Helper()
	account := newAccounts(t, s, 1)[0]
	s.PutUpstream(name, map[string]any{
		"driver": "cursor", "base_url": s.SimURL, "settings": map[string]string{"protocol": "agent", "site_url": s.SimURL},
	})
	p := &pool{Stack: s, t: t, name: name, account: account}
	body := credential(account)
	body["upstream"], body["alias"] = name, "of-"+name
	var token accountToken
	s.Gateways[0].MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", body).JSON(t, &token)
	p.id = token.ID
	return p
}

// newAccounts are accounts that log in, of which nobody knows yet.
func newAccounts(t *testing.T, s *stack.Stack, n int) []upstreamsim.NewAccount {
	t.Helper()
	made, err := s.Sim.CreateAccounts(n, upstreamsim.AccountSettings{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func aSession(a upstreamsim.NewAccount) map[string]string {
	return map[string]string{"token": a.AccessToken}
}

func aUserKey(a upstreamsim.NewAccount) map[string]string {
	return map[string]string{"token": a.UserAPIKey}
}

func aLogin(a upstreamsim.NewAccount) map[string]string {
	return map[string]string{"token": a.AccessToken, "refresh_token": a.RefreshToken}
}

func (p *pool) token() (token accountToken) {
	p.t.Helper()
	p.Gateways[1].MustAdmin(p.t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+p.id, nil).JSON(p.t, &token)
	return token
}

// ask sends so many requests at once, by turns to each gateway, streamed and whole, and
// answers how many failed.
func (p *pool) ask(n int) (failed int) {
	p.t.Helper()
	var mu sync.Mutex
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() {
			body := chatBody(p.name+"/composer-2.5", fmt.Sprint("Question ", i), i%4 < 2)
			got, err := trySend(p.t.Context(), p.t, p.Gateways[i%2], http.MethodPost, "/v1/chat/completions", stack.AdminToken, body, nil)
			if err == nil && got.status == http.StatusOK && !strings.Contains(string(got.body), `"error"`) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			failed++
			p.t.Logf("%s: %d %v %.300s", p.name, got.status, err, got.body)
		})
	}
	asking.Wait()
	return failed
}

// serves checks that requests are answered, and that this account has answered them.
func (p *pool) serves(n int) {
	p.t.Helper()
	before := p.runs()
	if failed := p.ask(n); failed > 0 {
		p.t.Errorf("%s: %d of %d requests failed", p.name, failed, n)
	}
	if did := p.runs() - before; did < n {
		p.t.Errorf("%s: the account has answered %d of %d", p.name, did, n)
	}
}

// runs counts those of the account.
func (p *pool) runs() (n int) {
	for _, run := range p.Sim.AgentRuns().Runs {
		if run.Subject == p.account.Subject {
			n++
		}
	}
	return n
}

// restart kills both gateways and the tokenstore, and starts them again.
func restart(s *stack.Stack) {
	for _, process := range []*stack.Process{s.Gateways[0].Process, s.Tokenstore, s.Gateways[1].Process} {
		process.Restart()
	}
	for _, gateway := range s.Gateways {
		s.WaitReady(gateway.Ops)
	}
}

// Each kind of credential serves, also after everything was killed and started again.
func TestKindsOfAccounts(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	kinds := map[string]struct {
		credential func(upstreamsim.NewAccount) map[string]string
		renewed    bool
	}{
		"session":  {aSession, false},
		"user_key": {aUserKey, true},
		"login":    {aLogin, true},
	}
	pools := map[string]*pool{}
	for kind, c := range kinds {
		p := newPool(t, s, "of-"+strings.ReplaceAll(kind, "_", "-"), c.credential)
		pools[kind] = p
		p.serves(6)
		if token := p.token(); token.Kind != kind || (token.NextRefreshAt != nil) != c.renewed || token.NeedsLogin || token.ExpiresAt == nil {
			t.Errorf("%s: %+v", kind, token)
		}
	}
	if exchanged := s.Sim.Ledger().Lookups["/auth/exchange_user_api_key"]; exchanged == 0 {
		t.Error("no user's key was exchanged")
	}
	restart(s)
	for kind, p := range pools {
		p.serves(6)
		if kinds[kind].renewed {
			s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/"+p.id+"/refresh", nil)
			p.serves(2)
		}
	}
	noComplaints(t, s)
}

// noComplaints fails the test where a request broke a rule of the upstream.
func noComplaints(t *testing.T, s *stack.Stack) {
	t.Helper()
	for _, violation := range s.Sim.Ledger().Violations {
		t.Errorf("%s: the upstream complains: %q", violation.Model, violation.Problems)
	}
}

// An access token that the upstream suddenly refuses is renewed once, however many requests
// had it, and no client sees it.
func TestARefusedAccessTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	for name, credential := range map[string]func(upstreamsim.NewAccount) map[string]string{"login": aLogin, "user-key": aUserKey} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, s, name, credential)
			p.serves(2)
			before := s.Sim.Logins().Refreshes
			if err := s.Sim.RevokeAccess(p.account.Subject); err != nil {
				t.Fatal(err)
			}
			p.serves(12)
			if renewed := s.Sim.Logins().Refreshes - before; renewed != 1 {
				t.Errorf("it was renewed %d times", renewed)
			}
			if token := p.token(); token.State != "ready" || token.NeedsLogin || token.RefreshedAt == nil {
				t.Errorf("the token is %+v", token)
			}
		})
	}
	if doubles := s.Sim.Logins().DoubleRefreshes; doubles > 0 {
		t.Errorf("%d refresh tokens were used twice", doubles)
	}
	noComplaints(t, s)
}

// An account whose refresh token is refused needs a login, which the token says with the
// reason. Somebody logs in again, while everything is killed and started again, and the same
// token serves.
func TestALostAccountIsBackByLoggingInAgain(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	p := newPool(t, s, "cursor", aLogin)
	p.serves(2)
	for _, revoke := range []func(string) error{s.Sim.RevokeRefresh, s.Sim.RevokeAccess} {
		if err := revoke(p.account.Subject); err != nil {
			t.Fatal(err)
		}
	}
	if failed := p.ask(1); failed != 1 {
		t.Error("it serves all the same")
	}
	s.Eventually("the token needs a login", 10*time.Second, func() bool { return p.token().NeedsLogin })
	lost := p.token()
	if lost.State != "parked" || lost.RefreshError == nil || *lost.RefreshError == "" || lost.NextRefreshAt != nil {
		t.Errorf("the token is %+v", lost)
	}
	history := s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+p.id+"/transitions", nil).Body
	if lost.RefreshError != nil && !strings.Contains(string(history), *lost.RefreshError) {
		t.Errorf("its history has no evidence: %s", history)
	}
	if answer := s.Gateways[1].Admin(t, http.MethodPost, "/admin/api/tokens/"+p.id+"/refresh", nil); answer.Status != http.StatusConflict || !strings.Contains(string(answer.Body), "log in again") {
		t.Errorf("a refresh by hand: %d %s", answer.Status, answer.Body)
	}

	restart(s)
	if token := p.token(); !token.NeedsLogin || token.State != "parked" {
		t.Errorf("after a restart the token is %+v", token)
	}
	var begun loginOf
	s.Gateways[0].MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/logins", map[string]string{"upstream": "cursor", "token_id": p.id}).JSON(t, &begun)
	restart(s)
	approveAs(t, begun.URL, p.account.Subject)
	now := loginDone(t, s.Gateways[1], begun.ID, 30*time.Second)
	if now.TokenID == nil || *now.TokenID != p.id {
		t.Errorf("the login has made %v", now.TokenID)
	}
	if token := p.token(); token.NeedsLogin || token.State == "parked" || token.RefreshError != nil || token.Kind != "login" {
		t.Errorf("afterwards the token is %+v", token)
	}
	p.serves(4)
	s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/"+p.id+"/refresh", nil)
	p.serves(2)
	noComplaints(t, s)
}

// What was exported earlier has refresh tokens that were used since: it brings none of them
// back, nor makes another token of the same account.
func TestAnOldExportOfALoginIsHarmless(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	p := newPool(t, s, "cursor", aLogin)
	gateway := s.Gateways[0]
	export := gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/export?format=json", nil).Body
	<-time.After(1100 * time.Millisecond) // ends of access tokens are in seconds
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/"+p.id+"/refresh", nil)

	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/import", map[string]string{"content": string(export), "format": "json"})
	again := aLogin(p.account)
	again["upstream"] = "cursor"
	var known accountToken
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", again).JSON(t, &known)
	if known.ID != p.id {
		t.Errorf("the same account once more is token %s", known.ID)
	}
	if tokens := gateway.Tokens(t); len(tokens) != 1 {
		t.Errorf("there are %d tokens", len(tokens))
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/"+p.id+"/refresh", nil)
	p.serves(2)
	if book := s.Sim.Logins(); book.DoubleRefreshes > 0 || book.Lost > 0 {
		t.Errorf("%d refresh tokens were used twice, %d accounts are lost", book.DoubleRefreshes, book.Lost)
	}
}
