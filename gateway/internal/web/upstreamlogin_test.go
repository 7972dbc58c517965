package web_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What a login's page offers, by its state.
func TestLoginAtAnUpstream(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state  tokenstorev1.LoginState
		token  string
		says   string
		offers string // ids of what can be done
		leads  string
	}{
		"pending":    {tokenstorev1.LoginState_LOGIN_STATE_PENDING, "", "Waiting for you", "login-link login-cancel", "https://site.example/login?uuid=u1"},
		"done":       {tokenstorev1.LoginState_LOGIN_STATE_DONE, "t2", "its token is in the pool", "login-token", "/admin/tokens/t2"},
		"failed":     {tokenstorev1.LoginState_LOGIN_STATE_FAILED, "", "Failed " + hostile, "", "/admin/tokens"},
		"expired":    {tokenstorev1.LoginState_LOGIN_STATE_EXPIRED, "", "Expired", "", "/admin/tokens"},
		"of a token": {tokenstorev1.LoginState_LOGIN_STATE_CANCELLED, "t2", "Cancelled", "", "/admin/tokens/t2"},
		"unheard of": {tokenstorev1.LoginState(99), "", "over", "", "/admin/tokens"},
	} {
		shown := proto.CloneOf(login)
		shown.State, shown.TokenId = c.state, c.token
		s := &store{answers: []proto.Message{&tokenstorev1.GetLoginResponse{Login: shown}}}
		page := parse(t, newSite(t, s).get(t, "/admin/logins/l1").Body)
		part := page.byID("login")
		if attribute(part, "data-id") != "l1" || attribute(part, "data-token") != c.token || attribute(part, "data-live") == "" || !strings.Contains(text(part), c.says) {
			t.Errorf("%s: %v %s", name, part.Attr, text(part))
		}
		var offered []string
		for _, id := range []string{"login-link", "login-cancel", "login-token"} {
			if page.byID(id) != nil {
				offered = append(offered, id)
			}
		}
		if got := strings.Join(offered, " "); got != c.offers {
			t.Errorf("%s: offers %q", name, got)
		}
		links := page.all(func(n *html.Node) bool {
			return n.Data == "a" && strings.Contains(attribute(n, "class"), "primary") && attribute(n, "href") == c.leads
		})
		if len(links) != 1 {
			t.Errorf("%s: %d links to %s", name, len(links), c.leads)
		}
	}
}

// A login that nobody knows is the asker's mistake, and the access log says so.
func TestALoginThatNobodyKnows(t *testing.T) {
	t.Parallel()
	s := &store{err: rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "there is no login l2")}
	w := newSite(t, s).get(t, "/admin/logins/l2")
	if w.Code != 404 || !strings.Contains(w.Body.String(), "There is no login l2.") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if line := s.access.String(); !strings.Contains(line, "error_kind=not_found") || strings.Contains(line, "level=ERROR") {
		t.Error(line)
	}
}

// A link that is none is not followed.
func TestALinkThatIsCode(t *testing.T) {
	t.Parallel()
	shown := proto.CloneOf(login)
	shown.Url = "javascript:alert(1)"
	s := &store{answers: []proto.Message{&tokenstorev1.GetLoginResponse{Login: shown}}}
	page := parse(t, newSite(t, s).get(t, "/admin/logins/l1").Body)
	if href := attribute(page.byID("login-link"), "href"); strings.Contains(href, "javascript") {
		t.Errorf("href %q", href)
	}
}

// The page of tokens offers a login where an upstream has one.
func TestLoginsAreOffered(t *testing.T) {
	t.Parallel()
	named := func(names ...string) *tokenstorev1.ListUpstreamsResponse {
		answer := &tokenstorev1.ListUpstreamsResponse{}
		for _, name := range names {
			answer.Upstreams = append(answer.Upstreams, &tokenstorev1.Upstream{Name: name})
		}
		return answer
	}
	for want, upstreams := range map[string]*tokenstorev1.ListUpstreamsResponse{
		"Log in to Cursor": named("vendor", "cursor"),
		"":                 named("vendor"),
	} {
		s := empty()
		s.answers = append([]proto.Message{upstreams}, s.answers...)
		page := parse(t, newSite(t, s).get(t, "/admin/tokens").Body)
		if got := text(page.byID("open-login")); got != want || (page.byID("login-dialog") != nil) != (want != "") {
			t.Errorf("offered %q, want %q", got, want)
		}
		options := page.all(func(n *html.Node) bool { return n.Data == "option" && attribute(n.Parent, "id") == "login-upstream" })
		if want != "" && (len(options) != 1 || text(options[0]) != "cursor") {
			t.Errorf("%d upstreams to log in to", len(options))
		}
	}
}

// What a token's page tells of its credential, and offers.
func TestCredentialOfAToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token                   *tokenstorev1.Token
		kind                    string
		refresh, needs, loginIn bool
	}{
		"a login that is over": {&tokenstorev1.Token{Upstream: "cursor", Kind: tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN, NeedsLogin: true}, "Login with a refresh token", true, true, true},
		"a user's key":         {&tokenstorev1.Token{Upstream: "cursor", Kind: tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY}, "User key", true, false, false},
		"a key that is over":   {&tokenstorev1.Token{Upstream: "vendor", Kind: tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY, NeedsLogin: true}, "User key", true, true, false},
		"a session":            {&tokenstorev1.Token{Upstream: "cursor", Kind: tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION}, "Session token", false, false, false},
		"of an older store":    {&tokenstorev1.Token{Upstream: "cursor"}, "", false, false, false},
	} {
		s := empty()
		s.answers = append([]proto.Message{&tokenstorev1.GetTokenResponse{Token: c.token}}, s.answers...)
		page := parse(t, newSite(t, s).get(t, "/admin/tokens/t").Body)
		again := page.all(func(n *html.Node) bool { return n.Data == "button" && text(n) == "Log in again" })
		if (page.byID("refresh-token") != nil) != c.refresh || (page.byID("needs-login") != nil) != c.needs || (len(again) == 1) != c.loginIn {
			t.Errorf("%s: refresh %v, banner %v, login %v", name, page.byID("refresh-token") != nil, page.byID("needs-login") != nil, len(again))
		}
		if facts := text(page.byID("token-facts")); c.kind != "" && !strings.Contains(facts, c.kind) || strings.Contains(facts, "Next refresh") != c.refresh {
			t.Errorf("%s: %s", name, facts)
		}
	}
}

// A proxy is shown without its password, and can be put as it is shown.
func TestProxyOfAToken(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, full()).get(t, "/admin/tokens/t2").Body)
	if got := attribute(page.byID("edit-proxy"), "value"); got != hostile {
		t.Errorf("value %q", got)
	}
	upstreams := parse(t, newSite(t, full()).get(t, "/admin/upstreams").Body)
	for _, id := range []string{"u-protocol", "u-proxy"} {
		field := upstreams.byID(id)
		if !upstreams.isSetting(field) {
			t.Errorf("%s is no setting", id)
		}
	}
	var protocols []string
	for _, n := range upstreams.all(func(n *html.Node) bool { return n.Data == "option" && attribute(n.Parent, "id") == "u-protocol" }) {
		protocols = append(protocols, attribute(n, "value"))
	}
	if strings.Join(protocols, ",") != ",agent,chat" {
		t.Errorf("protocols %q", protocols)
	}
}

func (d document) isSetting(n *html.Node) bool {
	if n == nil {
		return false
	}
	for _, a := range n.Attr {
		if a.Key == "data-setting" {
			return true
		}
	}
	return false
}
