package e2e_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/proto/proxysim"
)

// secretForms are access tokens, refresh tokens and user keys as the simulator makes them,
// whichever account's and however new, and client keys. What a mask leaves of one does not match.
var secretForms = regexp.MustCompile(`eyJ[\w-]{16,}\.eyJ[\w-]{40,}|rt_[0-9a-f]{12,}|crsr_[0-9a-f]{12,}|sk-carousel-[a-z2-7]{16}-[\w-]{20,}`)

// hunt looks for secrets of accounts and of clients in what is written and shown.
type hunt struct {
	*stack.Stack
	t     *testing.T
	proxy *proxysim.Proxy

	mu sync.Mutex
	// known are those that have no form of their own.
	known []string
}

const proxyPassword = "pass-of-the-outgoing-proxy"

// note adds the verifiers of logins: who knows one gets the account.
func (h *hunt) note(r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if verifier := r.URL.Query().Get("verifier"); verifier != "" {
		h.known = append(h.known, verifier)
	}
}

// found are the secrets in a text, cut so that the test's log has none either.
func (h *hunt) found(content []byte) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, match := range secretForms.FindAll(content, -1) {
		all = append(all, string(match[:10])+"…")
	}
	for _, secret := range h.known {
		if strings.Contains(string(content), secret) {
			all = append(all, secret[:6]+"…")
		}
	}
	return all
}

// clean fails the test where there is a secret, or nothing to look at.
func (h *hunt) clean(where string, content []byte) {
	h.t.Helper()
	if len(content) == 0 {
		h.t.Errorf("%s is empty: nothing was checked", where)
	}
	if found := h.found(content); len(found) > 0 {
		h.t.Errorf("%s holds secrets: %.200q", where, found)
	}
}

// No access token, refresh token, user key, client key, verifier of a login or password of a proxy
// is in any log, answer, page, metric, nor in Redis's memory or files or the gateways' spools,
// whether things go well or not.
func TestNoSecretOfAccountsLeaks(t *testing.T) {
	t.Parallel()
	proxy, err := proxysim.Start(proxysim.Options{User: "me", Password: proxyPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	h := &hunt{t: t, proxy: proxy, known: []string{
		proxyPassword, base64.StdEncoding.EncodeToString([]byte("me:" + proxyPassword)), stack.AdminToken, stack.TokenstoreSecret,
	}}
	spools := t.TempDir()
	h.Stack = stack.Start(t, stack.Options{
		Gateways: 2, GatewayEnv: []string{"LOG_LEVEL=debug", "LOG_SPOOL_DIR=" + spools}, TokenstoreEnv: []string{"LOG_LEVEL=debug"}, Seen: h.note,
	})
	h.keys()
	h.live()
	h.exported()
	h.answers()
	h.pages()
	h.metrics()
	h.redis()
	h.spooled(spools)
	h.logs(spools)
}

// keyChange sends a change of a client key that answers with a secret, and returns that and the
// key's id.
func (h *hunt) keyChange(status int, path string, body any) (id, secret string) {
	h.t.Helper()
	answer := h.Gateways[0].MustAdmin(h.t, status, http.MethodPost, path, body)
	var made struct {
		Key    struct{ ID string }
		Secret string
	}
	if answer.JSON(h.t, &made); len(h.found(answer.Body)) != 1 {
		h.t.Errorf("a client key's secret would not be found")
	}
	return made.Key.ID, made.Secret
}

// keys does what client keys go through, well and badly.
func (h *hunt) keys() {
	h.t.Helper()
	here, there := h.Gateways[0], h.Gateways[1]
	h.AddTokens("openai", "for-keys", 1, 0)
	// use sends all that a holder does with a secret.
	use := func(secret string) {
		h.t.Helper()
		for i, gateway := range h.Gateways {
			for _, model := range []string{"gpt-test", "gpt-4o", "sim-error-2"} {
				_, _, body := post(h.t, gateway, secret, chatBody(model, "hello", i == 0))
				h.clean("an answer to a client key", []byte(body))
			}
			for _, path := range []string{"/v1/key", "/v1/models", "/admin/api/tokens"} {
				h.clean(path, send(h.t, gateway, http.MethodGet, path, secret, "", nil).body)
			}
			h.clean("an answer to an x-api-key", send(h.t, gateway, http.MethodPost, "/v1/messages", "", `{"model":"gpt-test"}`, map[string]string{"X-Api-Key": secret}).body)
			form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
			h.clean("/key", send(h.t, gateway, http.MethodPost, "/key", "", url.Values{"key": {secret}}.Encode(), form).body)
		}
	}
	id, first := h.keyChange(http.StatusCreated, "/admin/api/keys", map[string]any{
		"name": "a client", "models": []string{"gpt-*"}, "limits": map[string]any{"requests_per_minute": 4}, "networks": []string{"127.0.0.0/8"},
	})
	use(first)
	use(first[:len(first)-1] + "A")
	_, second := h.keyChange(http.StatusOK, "/admin/api/keys/"+id+"/rotate", nil)
	use(first)
	use(second)
	at := "/admin/api/keys/" + id
	for _, change := range []map[string]any{{"networks": []string{"192.0.2.0/24"}}, {"networks": []string{}, "disabled": true}} {
		h.clean("a change", here.MustAdmin(h.t, http.StatusOK, http.MethodPatch, at, change).Body)
		use(second)
	}
	h.clean("a refusal", there.Admin(h.t, http.MethodPatch, at, map[string]any{"name": second + "\x00"}).Body)
	here.MustAdmin(h.t, http.StatusNoContent, http.MethodDelete, at, nil)
	use(second)
	h.clean("a restored key", here.MustAdmin(h.t, http.StatusOK, http.MethodPost, at+"/restore", nil).Body)
}

// live does what accounts go through, well and badly.
func (h *hunt) live() {
	h.t.Helper()
	here, there := h.Gateways[0], h.Gateways[1]
	for name, settings := range map[string]map[string]string{"cursor": {"protocol": "agent"}, "whole": {"protocol": "agent", "proxy": h.proxy.URL()}} {
		settings["site_url"] = h.SimURL
		h.PutUpstream(name, map[string]any{"driver": "cursor", "base_url": h.SimURL, "settings": settings})
	}
	here.MustAdmin(h.t, http.StatusOK, http.MethodPut, "/admin/api/routes/fast", map[string]any{"targets": []map[string]any{{"upstream": "cursor"}}})
	made := newAccounts(h.t, h.Stack, 6)
	ids := make([]string, 0, len(made))
	for i, body := range []map[string]string{
		{"token": made[0].AccessToken, "refresh_token": made[0].RefreshToken, "proxy": h.proxy.URL()},
		{"token": made[1].AccessToken, "refresh_token": made[1].RefreshToken},
		{"token": made[2].UserAPIKey},
		{"token": made[3].AccessToken},
		{"token": made[4].AccessToken, "refresh_token": made[4].RefreshToken, "upstream": "whole"},
	} {
		if body["upstream"] == "" {
			body["upstream"] = "cursor"
		}
		body["alias"] = fmt.Sprint("account-", i)
		var token stack.Token
		here.MustAdmin(h.t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", body).JSON(h.t, &token)
		ids = append(ids, token.ID)
	}
	var begun loginOf
	here.MustAdmin(h.t, http.StatusCreated, http.MethodPost, "/admin/api/logins", map[string]string{"upstream": "cursor", "proxy": h.proxy.URL()}).JSON(h.t, &begun)
	h.Sim.SetPolls([]int{http.StatusInternalServerError})
	approve(h.t, begun.URL)
	loginDone(h.t, there, begun.ID, 20*time.Second)
	here.MustAdmin(h.t, http.StatusCreated, http.MethodPost, "/admin/api/logins", map[string]string{"upstream": "whole"}) // stays open
	use := func() {
		for _, model := range []string{"cursor/composer-2.5", "whole/composer-2.5", "cursor/sim-error-2", "cursor/sim-reset"} {
			for i := range 6 {
				post(h.t, h.Gateways[i%2], stack.AdminToken, chatBody(model, "hello", i%4 < 2))
			}
		}
	}
	h.Gateways[0].MustAdmin(h.t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"queue_wait_ms": 50})
	use()
	for _, id := range ids {
		there.Admin(h.t, http.MethodPost, "/admin/api/tokens/"+id+"/refresh", nil)
		there.Admin(h.t, http.MethodGet, "/admin/api/tokens/"+id+"/account", nil)
	}
	// Refused, with the secrets in the request.
	bad := h.proxy.URLFor("me", proxyPassword+"-and-more")
	for _, body := range []map[string]string{
		{"upstream": "cursor", "token": made[3].AccessToken},
		{"upstream": "cursor", "token": made[5].AccessToken, "refresh_token": made[5].RefreshToken, "proxy": bad},
		{"upstream": "nowhere", "token": made[5].UserAPIKey},
		{"upstream": "cursor", "token": "Bearer " + made[5].UserAPIKey + " x", "proxy": "ftp://me:" + proxyPassword + "@127.0.0.1"},
	} {
		answer := here.Admin(h.t, http.MethodPost, "/admin/api/tokens", body)
		if answer.Status < 400 {
			h.t.Errorf("%d for a token that can't be saved: %s", answer.Status, answer.Body)
		}
		h.clean("a refusal", answer.Body)
	}
	post(h.t, here, made[5].UserAPIKey, chatBody("cursor/composer-2.5", "hello", false))
	post(h.t, here, made[5].AccessToken, chatBody("cursor/composer-2.5", "hello", false))

	// The upstream fails, forgets access tokens, and then the accounts; the proxy dies.
	if err := h.Sim.ChangeAccounts("", upstreamsim.AccountSettings{Status: http.StatusInternalServerError, Times: 1}); err != nil {
		h.t.Fatal(err)
	}
	if err := h.Sim.RevokeAccess(""); err != nil {
		h.t.Fatal(err)
	}
	use()
	h.proxy.Close()
	use()
	there.Admin(h.t, http.MethodPatch, "/admin/api/tokens/"+ids[1], map[string]any{"proxy": h.proxy.URL()})
	if err := h.Sim.RevokeRefresh(""); err != nil {
		h.t.Fatal(err)
	}
	for _, id := range ids[1:3] {
		answer := there.Admin(h.t, http.MethodPost, "/admin/api/tokens/"+id+"/refresh", nil)
		h.clean("a refresh that is refused", answer.Body)
	}
	use()
	// Entries wait in the spools.
	h.Tokenstore.Kill()
	use()
}

// exported shows that secrets would be found: the export has all kinds of them.
func (h *hunt) exported() {
	h.t.Helper()
	h.Tokenstore.Start()
	h.Eventually("the gateways have the tokenstore again", 30*time.Second, func() bool {
		return h.Gateways[0].Admin(h.t, http.MethodGet, "/admin/api/tokens", nil).Status == http.StatusOK &&
			h.Gateways[1].Admin(h.t, http.MethodGet, "/admin/api/tokens", nil).Status == http.StatusOK
	})
	body := h.Gateways[0].MustAdmin(h.t, http.StatusOK, http.MethodGet, "/admin/api/tokens/export?format=json", nil).Body
	found := strings.Join(h.found(body), " ")
	for _, beginning := range []string{"eyJ", "rt_", "crsr_", proxyPassword[:6]} {
		if !strings.Contains(found, beginning) {
			h.t.Errorf("nothing like %s was found in the export", beginning)
		}
	}
}

// answers are those of every route of the admin API that tells something, but the export.
func (h *hunt) answers() {
	h.t.Helper()
	gateway := h.Gateways[1]
	paths := []string{
		"/admin/api/tokens?limit=1000", "/admin/api/quotas", "/admin/api/logins", "/admin/api/upstreams", "/admin/api/settings",
		"/admin/api/settings/changes", "/admin/api/pages", "/admin/api/logs?limit=1000", "/admin/api/stats", "/admin/api/fleet",
		"/admin/api/explain?model=cursor/composer-2.5", "/admin/api/audit?limit=1000", "/health", "/v1/models",
		"/admin/api/usage?group=key", "/admin/api/usage?group=token", "/admin/api/usage?group=key&format=csv", "/admin/api/prices", "/admin/api/keys",
	}
	for _, token := range gateway.Tokens(h.t) {
		at := "/admin/api/tokens/" + token.ID
		paths = append(paths, at, at+"/transitions")
		if token.Upstream != "openai" { // which has no accounts
			paths = append(paths, at+"/account")
		}
	}
	paths = append(paths, each(h, gateway, "/admin/api/logs?limit=100", "logs", "/admin/api/logs/")...)
	paths = append(paths, each(h, gateway, "/admin/api/logins", "logins", "/admin/api/logins/")...)
	paths = append(paths, each(h, gateway, "/admin/api/keys", "keys", "/admin/api/keys/")...)
	for _, path := range paths {
		var answer stack.Answer
		h.Eventually(path+" is answered", 20*time.Second, func() bool { // the tokenstore was killed a moment ago
			answer = gateway.Admin(h.t, http.MethodGet, path, nil)
			h.clean(path, answer.Body)
			return answer.Status == http.StatusOK
		})
	}
}

// each are the paths of what a list has.
func each(h *hunt, gateway *stack.Gateway, list, member, prefix string) []string {
	h.t.Helper()
	var page map[string]any
	gateway.MustAdmin(h.t, http.StatusOK, http.MethodGet, list, nil).JSON(h.t, &page)
	entries, _ := page[member].([]any)
	var paths []string
	for _, entry := range entries {
		object, _ := entry.(map[string]any)
		paths = append(paths, prefix+fmt.Sprint(object["id"]))
	}
	if len(paths) == 0 {
		h.t.Errorf("%s is empty", list)
	}
	return paths
}

// pages are those that an admin sees.
func (h *hunt) pages() {
	h.t.Helper()
	gateway := h.Gateways[0]
	session := loginCookie(h.t, gateway)
	var paths []string
	for _, page := range everyPage {
		if !strings.Contains(page.path, "{") {
			paths = append(paths, page.path)
		}
	}
	paths = append(paths, each(h, gateway, "/admin/api/logs?limit=100", "logs", "/admin/logs/")...)
	paths = append(paths, each(h, gateway, "/admin/api/logins", "logins", "/admin/logins/")...)
	paths = append(paths, each(h, gateway, "/admin/api/tokens", "tokens", "/admin/tokens/")...)
	paths = append(paths, each(h, gateway, "/admin/api/keys", "keys", "/admin/keys/")...)
	paths = append(paths, "/admin/keys", "/admin/keys?state=deleted", "/admin/usage?by=key")
	for _, path := range paths {
		got := send(h.t, gateway, http.MethodGet, path, "", "", map[string]string{"Cookie": session})
		leads := strings.HasPrefix(path, "/admin/logins/") && got.status == http.StatusSeeOther
		if got.status != http.StatusOK && !leads {
			h.t.Errorf("%s: %d", path, got.status)
		}
		if !leads {
			h.clean(path, got.body)
		}
	}
}

func (h *hunt) metrics() {
	h.t.Helper()
	for _, addr := range []string{h.Gateways[0].Ops, h.Gateways[1].Ops, h.TokenstoreOps()} {
		for _, path := range []string{"/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline"} {
			response, err := stack.Client(h.t).Get("http://" + addr + path)
			if err != nil {
				h.t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err = errors.Join(err, response.Body.Close()); err != nil {
				h.t.Error(err)
			}
			h.clean(addr+path, body)
		}
	}
}

// redis is all that it has: its memory, key by key, and its files.
func (h *hunt) redis() {
	h.t.Helper()
	client := h.RedisClient()
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	if err := client.ConfigSet(ctx, "rdbcompression", "no").Err(); err != nil { // texts stay readable
		h.t.Fatal(err)
	}
	if err := client.Save(ctx).Err(); err != nil {
		h.t.Fatal(err)
	}
	keys := 0
	for scan := client.Scan(ctx, 0, "*", 1000).Iterator(); scan.Next(ctx); keys++ {
		dump, err := client.Dump(ctx, scan.Val()).Result()
		if err != nil {
			continue // it has ended
		}
		h.clean("the key "+scan.Val(), []byte(scan.Val()+dump))
	}
	if files := h.files(filepath.Join(h.Folder, "redis")); files < 2 || keys < 20 {
		h.t.Errorf("%d files of Redis and %d keys were read", files, keys)
	}
}

// files reads all files in a folder, and answers how many have something in them.
func (h *hunt) files(folder string) (read int) {
	h.t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if len(content) > 0 {
			h.clean(path, content)
			read++
		}
		return err
	})
	if err != nil {
		h.t.Error(err)
	}
	return read
}

// spooled looks at entries that wait for the tokenstore.
func (h *hunt) spooled(folder string) {
	h.t.Helper()
	h.Tokenstore.Kill()
	for i := range 20 {
		post(h.t, h.Gateways[i%2], stack.AdminToken, chatBody("cursor/composer-2.5", "hello", false))
	}
	h.Eventually("entries wait in the spools", 20*time.Second, func() bool { return h.files(folder) > 0 })
}

// logs are those of all processes, after their end.
func (h *hunt) logs(spools string) {
	h.t.Helper()
	for _, gateway := range h.Gateways {
		gateway.Stop()
	}
	h.Tokenstore.Stop()
	h.files(spools)
	for name, log := range map[string]string{
		"gateway 1's log": h.Gateways[0].Log(), "gateway 2's log": h.Gateways[1].Log(), "the tokenstore's log": h.Tokenstore.Log(), "Redis's log": h.Redis.Log(),
	} {
		h.clean(name, []byte(log))
	}
}
