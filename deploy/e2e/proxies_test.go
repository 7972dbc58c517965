package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/proto/proxysim"
)

// visit is a request that the simulator has seen.
type visit struct{ path, owner, remote string }

// visits are those of a test, oldest first.
type visits struct {
	mu  sync.Mutex
	all []visit
}

func (v *visits) note(r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, visit{r.URL.Path, ownerOf(r), r.RemoteAddr})
}

// ownerOf is whose request it is: the account's subject, the uuid of a login, or else the
// secret itself.
func ownerOf(r *http.Request) string {
	if uuid := r.URL.Query().Get("uuid"); uuid != "" {
		return uuid
	}
	secret := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if cookie, err := r.Cookie("WorkosCursorSessionToken"); err == nil {
		_, secret, _ = strings.Cut(cookie.Value, "%3A%3A")
	}
	if parts := strings.Split(secret, "."); len(parts) == 3 {
		var claims struct{ Sub string }
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil && json.Unmarshal(payload, &claims) == nil {
			return claims.Sub
		}
	}
	return secret
}

// of are the paths of an owner's requests, once each, and how many came through the proxy
// and how many did not.
func (v *visits) of(proxy *proxysim.Proxy, owners ...string) (paths []string, through, past int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, visit := range v.all {
		if !slices.Contains(owners, visit.owner) {
			continue
		}
		if !slices.Contains(paths, visit.path) {
			paths = append(paths, visit.path)
		}
		if proxy.Reached(visit.remote) {
			through++
		} else {
			past++
		}
	}
	return paths, through, past
}

// exchanges are the refreshes through the proxy and past it, whoever's.
func (v *visits) exchanges(proxy *proxysim.Proxy) (through, past int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, visit := range v.all {
		switch {
		case visit.path != exchangePath:
		case proxy.Reached(visit.remote):
			through++
		default:
			past++
		}
	}
	return through, past
}

// way is a pool of two tokens, of which one has a proxy.
type way struct {
	upstream, model  string
	proxied, direct  stack.Token
	owners, ofDirect []string
	// paths are some of those that must have been asked with each.
	paths []string
}

const (
	runPath      = "/agent.v1.AgentService/Run"
	exchangePath = "/auth/exchange_user_api_key"
)

// All that is done with a token, or for an upstream, which has a proxy passes it, and nothing
// else does: over HTTP/1.1 and HTTP/2, through each kind of proxy.
func TestProxies(t *testing.T) {
	t.Parallel()
	proxies := map[proxysim.Kind]*proxysim.Proxy{}
	var trusted []byte
	for _, kind := range proxysim.Kinds() {
		proxy, err := proxysim.Start(proxysim.Options{Kind: kind, User: "me", Password: "right-" + string(kind)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		proxies[kind] = proxy
		trusted = append(trusted, proxy.CertificatePEM()...)
	}
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authorities, trusted, 0o600); err != nil {
		t.Fatal(err)
	}
	seen := new(visits)
	s := stack.Start(t, stack.Options{Gateways: 2, GatewayEnv: []string{"SSL_CERT_FILE=" + authorities}, Seen: seen.note})
	for _, kind := range proxysim.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			p := &detour{t: t, Stack: s, seen: seen, kind: kind, proxy: proxies[kind]}
			ways := []way{p.agentWay(), p.chatWay(), p.openAIWay()}
			for _, way := range ways {
				p.passes(way)
			}
			whole := "whole-" + string(kind)
			p.put(whole, map[string]string{"protocol": "agent", "proxy": p.proxy.URL()})
			p.loggedIn(whole, "")
			p.loggedIn(ways[0].upstream, p.proxy.URL())
			p.checked()
			p.dies(ways[0], ways[2])
		})
	}
}

// detour is a test of one proxy.
type detour struct {
	*stack.Stack
	t     *testing.T
	seen  *visits
	kind  proxysim.Kind
	proxy *proxysim.Proxy
}

// add makes a token of an upstream.
func (p *detour) add(upstream, alias string, more map[string]string) stack.Token {
	p.t.Helper()
	body := map[string]string{"upstream": upstream, "alias": alias + "-" + upstream}
	for name, value := range more {
		body[name] = value
	}
	var token stack.Token
	p.Gateways[0].MustAdmin(p.t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", body).JSON(p.t, &token)
	return token
}

func (p *detour) put(name string, settings map[string]string) {
	p.t.Helper()
	settings["site_url"] = p.SimURL
	p.PutUpstream(name, map[string]any{"driver": "cursor", "base_url": p.SimURL, "settings": settings})
}

// agentWay are two logins of an upstream over HTTP/2.
func (p *detour) agentWay() way {
	p.t.Helper()
	name := "agent-" + string(p.kind)
	p.put(name, map[string]string{"protocol": "agent"})
	made := newAccounts(p.t, p.Stack, 2)
	w := way{upstream: name, model: name + "/composer-2.5", paths: []string{runPath, exchangePath, "/api/usage", "/aiserver.v1.AiService/GetUserInfo"}}
	w.proxied = p.add(name, "proxied", map[string]string{"token": made[0].AccessToken, "refresh_token": made[0].RefreshToken, "proxy": p.proxy.URL()})
	w.direct = p.add(name, "direct", map[string]string{"token": made[1].AccessToken, "refresh_token": made[1].RefreshToken})
	w.owners = []string{made[0].Subject, made[0].RefreshToken}
	w.ofDirect = []string{made[1].Subject, made[1].RefreshToken}
	return w
}

// chatWay are two session tokens of an upstream over HTTP/1.1.
func (p *detour) chatWay() way {
	p.t.Helper()
	name := "chat-" + string(p.kind)
	p.put(name, map[string]string{"protocol": "chat"})
	made := newAccounts(p.t, p.Stack, 2)
	w := way{upstream: name, model: name + "/gpt-4o", paths: []string{"/aiserver.v1.AiService/StreamChat", "/api/usage"}}
	w.proxied = p.add(name, "proxied", map[string]string{"token": made[0].AccessToken, "proxy": p.proxy.URL()})
	w.direct = p.add(name, "direct", map[string]string{"token": made[1].AccessToken})
	w.owners, w.ofDirect = []string{made[0].Subject}, []string{made[1].Subject}
	return w
}

func (p *detour) openAIWay() way {
	p.t.Helper()
	name := "openai-" + string(p.kind)
	p.PutUpstream(name, map[string]any{"driver": "openai", "base_url": p.SimURL + "/v1", "models": []string{"gpt-test"}})
	through, past := "sk-through-a-proxy-of-"+string(p.kind), "sk-past-the-proxy-of-"+string(p.kind)
	return way{
		upstream: name, model: name + "/gpt-test", paths: []string{"/v1/chat/completions"},
		proxied: p.add(name, "proxied", map[string]string{"token": through, "proxy": p.proxy.URL()}),
		direct:  p.add(name, "direct", map[string]string{"token": past}),
		owners:  []string{through}, ofDirect: []string{past},
	}
}

// chat has so many requests answered, streamed or not.
func (p *detour) chat(model string, n int) {
	p.t.Helper()
	for i := range n {
		status, _, body := post(p.t, p.Gateways[i%2], stack.AdminToken, chatBody(model, fmt.Sprint("Question ", i), i%4 < 2))
		if status != http.StatusOK || strings.Contains(body, `"error"`) {
			p.t.Errorf("%s: %d %s", model, status, body)
		}
	}
}

// passes has both tokens of a pool used for everything, and looks which way that went.
func (p *detour) passes(w way) {
	p.t.Helper()
	p.chat(w.model, 12)
	for _, token := range []stack.Token{w.proxied, w.direct} {
		at := "/admin/api/tokens/" + token.ID
		if slices.Contains(w.paths, "/api/usage") {
			p.Gateways[1].MustAdmin(p.t, http.StatusOK, http.MethodGet, at+"/account", nil)
		}
		if slices.Contains(w.paths, exchangePath) {
			p.Gateways[1].MustAdmin(p.t, http.StatusOK, http.MethodPost, at+"/refresh", nil)
		}
	}
	paths, through, past := p.seen.of(p.proxy, w.owners...)
	p.t.Logf("%s: %d requests through the proxy, for %q", w.upstream, through, paths)
	if through == 0 || past > 0 {
		p.t.Errorf("of the token with a proxy %d requests came through it, and %d past it", through, past)
	}
	direct, through, past := p.seen.of(p.proxy, w.ofDirect...)
	if through > 0 || past == 0 {
		p.t.Errorf("of the token without a proxy %d requests came through it, and %d past it", through, past)
	}
	for _, path := range w.paths {
		if !slices.Contains(paths, path) || !slices.Contains(direct, path) {
			p.t.Errorf("%s was not asked with both tokens: %q and %q", path, paths, direct)
		}
	}
}

// loggedIn has somebody log in through the proxy, which is the upstream's own or named with
// the login, and uses the account.
func (p *detour) loggedIn(upstream, proxy string) {
	p.t.Helper()
	account := newAccounts(p.t, p.Stack, 1)[0]
	var begun loginOf
	p.Gateways[0].MustAdmin(p.t, http.StatusCreated, http.MethodPost, "/admin/api/logins", map[string]string{"upstream": upstream, "proxy": proxy}).JSON(p.t, &begun)
	uuid := approveAs(p.t, begun.URL, account.Subject)
	now := loginDone(p.t, p.Gateways[1], begun.ID, 20*time.Second)
	p.chat(upstream+"/composer-2.5", 8)
	before, pastBefore := p.seen.exchanges(p.proxy)
	p.Gateways[1].MustAdmin(p.t, http.StatusOK, http.MethodPost, "/admin/api/tokens/"+*now.TokenID+"/refresh", nil)
	if through, past := p.seen.exchanges(p.proxy); through != before+1 || past != pastBefore {
		p.t.Errorf("of the refresh %d requests came through the proxy and %d past it", through-before, past-pastBefore)
	}
	p.Gateways[1].MustAdmin(p.t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+*now.TokenID+"/account", nil)

	paths, through, past := p.seen.of(p.proxy, uuid)
	if !slices.Contains(paths, "/auth/poll") || through == 0 || past != 1 { // the browser's page
		p.t.Errorf("of the login %d requests came through the proxy and %d past it, for %q", through, past, paths)
	}
	paths, through, past = p.seen.of(p.proxy, account.Subject)
	if !slices.Contains(paths, runPath) || !slices.Contains(paths, "/api/usage") || through == 0 || past > 0 {
		p.t.Errorf("of the account %d requests came through the proxy and %d past it, for %q", through, past, paths)
	}
}

// checked saves proxies with a wrong password, and one that is not there.
func (p *detour) checked() {
	p.t.Helper()
	const wrong = "wrong-password-of-a-proxy"
	bad := p.proxy.URLFor("me", wrong)
	for path, c := range map[string]struct {
		method string
		body   map[string]any
	}{
		"/admin/api/tokens": {http.MethodPost, map[string]any{"upstream": "openai", "token": "sk-a-token-that-is-not-saved", "proxy": bad}},
		"/admin/api/logins": {http.MethodPost, map[string]any{"upstream": "cursor", "proxy": bad}},
		"/admin/api/upstreams/bad-" + string(p.kind): {http.MethodPut, map[string]any{
			"driver": "cursor", "base_url": p.SimURL, "settings": map[string]string{"proxy": bad},
		}},
	} {
		answer := p.Gateways[0].Admin(p.t, c.method, path, c.body)
		text := string(answer.Body)
		if answer.Status != http.StatusBadRequest || !strings.Contains(text, `"param":"proxy"`) || strings.Contains(text, wrong) {
			p.t.Errorf("%s: %d %s", path, answer.Status, text)
		}
	}
}

// attemptsOf are the classes of a token's attempts, with how many there were.
func (p *detour) attemptsOf(id string) map[string]int {
	p.t.Helper()
	var page struct {
		Logs []struct {
			Attempts []struct {
				Token *string `json:"token_id"`
				Class *string
			} `json:"attempt_log"`
		}
	}
	p.Gateways[0].MustAdmin(p.t, http.StatusOK, http.MethodGet, "/admin/api/logs?limit=1000", nil).JSON(p.t, &page)
	classes := map[string]int{}
	for _, entry := range page.Logs {
		for _, attempt := range entry.Attempts {
			switch {
			case attempt.Token == nil || *attempt.Token != id:
			case attempt.Class == nil:
				classes[""]++
			default:
				classes[*attempt.Class]++
			}
		}
	}
	return classes
}

// dies ends the proxy and starts it again: no request fails, since the other token has
// another way, and the token behind the proxy is as it was.
func (p *detour) dies(ways ...way) {
	p.t.Helper()
	p.proxy.Close()
	for _, w := range ways {
		p.chat(w.model, 12)
	}
	for _, w := range ways {
		p.Eventually("the log has attempts whose proxy was dead", 10*time.Second, func() bool { return p.attemptsOf(w.proxied.ID)["proxy"] > 0 })
		for class := range p.attemptsOf(w.proxied.ID) {
			if class != "" && class != "proxy" {
				p.t.Errorf("%s: an attempt ended as %q", w.upstream, class)
			}
		}
		var now stack.Token
		p.Gateways[0].MustAdmin(p.t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+w.proxied.ID, nil).JSON(p.t, &now)
		if now.State != "cooling" && now.State != "probing" && now.State != "ready" {
			p.t.Errorf("%s: the token is %s", w.upstream, now.State)
		}
	}
	if err := p.proxy.Reopen(); err != nil {
		p.t.Fatal(err)
	}
	for _, w := range ways {
		_, before, _ := p.seen.of(p.proxy, w.owners...)
		p.Eventually("the token is used again", 30*time.Second, func() bool {
			p.chat(w.model, 2)
			_, through, past := p.seen.of(p.proxy, w.owners...)
			if past > 0 {
				p.t.Fatalf("%s: %d requests came past the proxy", w.upstream, past)
			}
			return through > before
		})
	}
}
