package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// unreachable is where the upstreams of the fixture are in the end: nobody listens
// there, whatever runs on the machine of a later test.
const unreachable = "http://127.0.0.1:1"

// leaving is an old pair at work on what it is to leave behind.
type leaving struct {
	t       *testing.T
	s       *stack.Stack
	gateway *stack.Gateway
	facts   takeover
	tokens  map[string]stack.Token // by alias
}

// leaveTakeover has the old release's pair use everything that a store can hold, and
// keeps in testdata/takeover what is then in Redis, beside it, and what the pair says
// of it.
func leaveTakeover(t *testing.T) {
	t.Helper()
	s := stack.Start(t, stack.Options{Lazy: true, Release: stack.Release(t, takenOver), GatewayEnv: []string{"AUTH_TOKEN="}})
	s.StartRedis()
	s.StartTokenstore()
	l := &leaving{t: t, s: s, gateway: s.StartGateway(), tokens: map[string]stack.Token{}}
	l.facts.Release = takenOver
	l.facts.AdminToken = regexp.MustCompile(`admin token: (\S+)`).FindStringSubmatch(l.gateway.WaitLog("admin token", time.Minute))[1]
	l.gateway.Key = l.facts.AdminToken
	s.WaitReady(l.gateway.Ops)

	l.configure()
	l.addTokens()
	l.useTokens()
	l.changeTokens()
	l.putUpstreams(unreachable)
	l.ask()
	l.keep()
}

// admin calls the admin API; it must succeed.
func (l *leaving) admin(method, path string, body any) stack.Answer {
	l.t.Helper()
	answer := l.gateway.Admin(l.t, method, path, body)
	if answer.Status >= http.StatusMultipleChoices {
		l.t.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Body)
	}
	return answer
}

// changedSettings are those that an admin has set. The others are as their defaults,
// which another release may change.
var changedSettings = map[string]any{
	"enable_alias_pinning": true, "max_attempts": 2, "vision_ability": "none", "default_instructions": "Be brief. 简短。",
	"rotation_strategy": "least_in_flight", "log_retention_count": 5000,
}

func (l *leaving) configure() {
	l.t.Helper()
	l.putUpstreams(l.s.SimURL)
	l.admin(http.MethodPatch, "/admin/api/settings", changedSettings)
	l.admin(http.MethodPut, "/admin/api/pages", map[string]any{"path": "/about", "type": "html", "content": "<h1>关于</h1>\r\n<p>ours</p>"})
	l.admin(http.MethodPut, "/admin/api/pages", map[string]any{"path": "/static/shared.js", "type": "text", "content": "// ours\n"})
}

func (l *leaving) putUpstreams(address string) {
	l.t.Helper()
	put := func(name string, upstream map[string]any) {
		l.admin(http.MethodPut, "/admin/api/upstreams/"+name, upstream)
	}
	put("cursor", map[string]any{"driver": "cursor", "base_url": address, "settings": map[string]string{"site_url": address}})
	put("openai", map[string]any{
		"driver": "openai", "base_url": address + "/v1", "models": []string{"gpt-test", "gpt-4o-mini"},
		"settings": map[string]string{
			"failure_rules": `[{"status":"401","class":"auth","cooldown":"1s"}]`,
			"fallbacks":     `{"gpt-4o-mini":["gpt-test"]}`,
		},
	})
	put("fresh", map[string]any{"driver": "openai", "base_url": address + "/v1", "models": []string{"fresh-model"}})
}

// add adds a token to an upstream.
func (l *leaving) add(upstream, alias, secret string, more map[string]any) {
	l.t.Helper()
	body := map[string]any{"token": secret, "upstream": upstream, "alias": alias}
	for name, value := range more {
		body[name] = value
	}
	var token stack.Token
	l.admin(http.MethodPost, "/admin/api/tokens", body).JSON(l.t, &token)
	token.Secret = secret
	l.tokens[alias] = token
}

func secretOf(alias string) string { return fmt.Sprintf("sk-takeover-%s-of-the-fixture", alias) }

func (l *leaving) addTokens() {
	l.t.Helper()
	cursor := upstreamsim.DemoTokens().Cursor
	l.admin(http.MethodPost, "/update-tokeninfo", map[string]any{
		"tokens":     "# two of a file\nfile-a::" + cursor[0] + "\n" + cursor[1] + "\n",
		"token_list": cursor[0] + ",paaotc3J" + strings.Repeat("0a", 32) + "/" + strings.Repeat("0b", 32) + "\n",
	})
	l.add("cursor", "work", cursor[2], map[string]any{"tags": []string{"team", "paid"}})
	l.add("cursor", "expired", expiring(time.Now().Add(2*time.Second)), nil)
	for alias, more := range map[string]map[string]any{
		"plain": nil, "capped": {"cap": 3}, "weighted": {"weight": 5}, "工作 50%": {"tags": []string{"标签", "b"}, "cap": 2, "weight": 2},
		"disabled": nil, "cooling": nil, "parked": nil, "one-model": nil, "deleted": {"cap": 7, "tags": []string{"gone"}}, "released": nil,
	} {
		l.add("openai", alias, secretOf(strings.ReplaceAll(alias, "工作 50%", "unicode")), more)
	}
	l.add("fresh", "untried", secretOf("untried"), nil)
}

// expiring is a session token that is valid until then.
func expiring(at time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":"auth0|user_01JH0000000000000000000EXP","time":"1735689600","exp":%d,"iss":"https://authentication.cursor.sh",`+
		`"scope":"openid profile email offline_access","aud":"https://cursor.com","type":"session"}`, at.Unix())
	return encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims)) + "." + encode(bytes.Repeat([]byte{1}, 32))
}

// chatAs sends a chat that the token with that alias is to serve.
func (l *leaving) chatAs(alias, model string, stream bool) int {
	l.t.Helper()
	header := strings.NewReplacer("工作 50%", "%E5%B7%A5%E4%BD%9C%2050%25").Replace(alias)
	status, _, _ := postAs(l.t, l.gateway, l.facts.AdminToken, header, chatBody(model, "the prompt of "+alias, stream))
	return status
}

// state waits until a token has a state, and does something about it meanwhile.
func (l *leaving) state(alias, want string, meanwhile func()) {
	l.t.Helper()
	l.s.Eventually(alias+" is "+want, time.Minute, func() bool {
		if meanwhile != nil {
			meanwhile()
		}
		var token stack.Token
		l.admin(http.MethodGet, "/admin/api/tokens/"+l.tokens[alias].ID, nil).JSON(l.t, &token)
		return token.State == want
	})
}

func (l *leaving) useTokens() {
	l.t.Helper()
	l.s.Eventually("the settings hold", 10*time.Second, func() bool { return l.chatAs("plain", "gpt-test", false) == http.StatusOK })
	serving := map[string]string{}
	for _, alias := range []string{"plain", "capped", "weighted", "工作 50%", "disabled", "deleted", "one-model", "released"} {
		for i := range 3 {
			if status := l.chatAs(alias, "gpt-test", i == 1); status != http.StatusOK {
				l.t.Fatalf("%s: %d", alias, status)
			}
		}
		serving[alias] = upstreamsim.Fingerprint(l.tokens[alias].Secret)
	}
	for _, alias := range []string{"disabled", "deleted"} {
		delete(serving, alias)
	}
	delete(serving, "工作 50%")
	serving["%E5%B7%A5%E4%BD%9C%2050%25"] = upstreamsim.Fingerprint(l.tokens["工作 50%"].Secret)
	l.facts.Serving = serving
	l.remember()
	l.chatAs("work", "gpt-4o", true)
	l.admin(http.MethodGet, "/admin/api/tokens/"+l.tokens["work"].ID+"/account?refresh=true", nil)
	for alias, rule := range map[string]upstreamsim.Rule{
		"cooling": {Scenario: "http-429", RetryAfter: 25 * time.Minute}, "released": {Scenario: "http-429", RetryAfter: 20 * time.Minute},
		"parked": {Scenario: "http-401"}, "one-model": {Scenario: "http-404", Model: "gpt-4o-mini"},
	} {
		rule.Token = upstreamsim.Fingerprint(l.tokens[alias].Secret)
		l.rule(rule)
	}
	l.state("cooling", "cooling", func() { l.chatAs("cooling", "gpt-test", false) })
	l.state("released", "cooling", func() { l.chatAs("released", "gpt-test", false) })
	l.state("parked", "parked", func() { l.chatAs("parked", "gpt-test", false) })
	l.chatAs("one-model", "openai/gpt-4o-mini", false)
	l.state("expired", "expired", nil)
}

// remember has an answer that is kept under an idempotency key.
func (l *leaving) remember() {
	l.t.Helper()
	l.facts.Key = "remembered-by-the-old-pair"
	l.facts.Repeated.Body = chatBody("gpt-test", "remember this", true)
	status, _, body := keyedBy(l.t, l.gateway, l.facts.AdminToken, l.facts.Key, l.facts.Repeated.Body)
	if status != http.StatusOK {
		l.t.Fatalf("%d %s", status, body)
	}
	l.facts.Repeated.Answer = answerOf([]byte(body))
}

func (l *leaving) rule(rule upstreamsim.Rule) {
	l.t.Helper()
	if err := l.s.Sim.SetRule(rule); err != nil {
		l.t.Fatal(err)
	}
}

// answerOf makes JSON of an answer that is none.
func answerOf(body []byte) json.RawMessage {
	if json.Valid(body) {
		return body
	}
	text, _ := json.Marshal(string(body)) // a text can be encoded
	return text
}

func (l *leaving) changeTokens() {
	l.t.Helper()
	l.admin(http.MethodPatch, "/admin/api/tokens/"+l.tokens["disabled"].ID, map[string]any{"enabled": false})
	l.admin(http.MethodPost, "/admin/api/tokens/"+l.tokens["released"].ID+"/release", nil)
	var trashed map[string]any
	l.admin(http.MethodGet, "/admin/api/tokens/"+l.tokens["deleted"].ID, nil).JSON(l.t, &trashed)
	delete(trashed, "version") // a restoration is an edit
	l.facts.Trashed, _ = json.Marshal(trashed)
	l.admin(http.MethodDelete, "/admin/api/tokens/"+l.tokens["deleted"].ID, nil)
}

// ask asks the questions that the new pair will be asked.
func (l *leaving) ask() {
	l.t.Helper()
	l.s.Eventually("the log is stored", 20*time.Second, func() bool {
		return stack.Metric(l.t, l.gateway.Ops, "carousel_gateway_log_pending", "") == 0
	})
	hour := time.Now().UTC().Truncate(time.Hour)
	span := func(back time.Duration) string { // more than two days are counted by the hour
		return "?from=" + hour.Add(-back).Format(time.RFC3339) + "&to=" + hour.Add(time.Hour).Format(time.RFC3339)
	}
	questions := []asked{
		{Method: http.MethodGet, Path: "/admin/api/audit?limit=1000"}, // first: some of the others are in it
		{Method: http.MethodPost, Path: "/get-tokeninfo"},
		{Method: http.MethodGet, Path: "/admin/api/tokens?limit=1000"},
		{Method: http.MethodGet, Path: "/admin/api/tokens/export?format=json"},
		{Method: http.MethodGet, Path: "/admin/api/tokens/" + l.tokens["work"].ID + "/account"},
		{Method: http.MethodGet, Path: "/admin/api/upstreams"},
		{Method: http.MethodGet, Path: "/admin/api/settings"},
		{Method: http.MethodGet, Path: "/admin/api/settings/changes"},
		{Method: http.MethodGet, Path: "/admin/api/pages"},
		{Method: http.MethodGet, Path: "/about"},
		{Method: http.MethodGet, Path: "/static/shared.js"},
		{Method: http.MethodGet, Path: "/admin/api/logs?limit=1000"},
		{Method: http.MethodGet, Path: "/admin/api/stats" + span(60*time.Hour) + "&step=1h"},
		{Method: http.MethodGet, Path: "/admin/api/stats" + span(time.Hour) + "&step=5m"},
	}
	for _, alias := range []string{"cooling", "parked", "released", "one-model"} {
		questions = append(questions, asked{Method: http.MethodGet, Path: "/admin/api/tokens/" + l.tokens[alias].ID + "/transitions"})
	}
	const prompts = 12
	for _, id := range slices.Sorted(maps.Keys(l.gateway.LogIDs(l.t)))[:prompts] {
		questions = append(questions, asked{Method: http.MethodGet, Path: "/admin/api/logs/" + id})
	}
	for _, question := range questions {
		got := send(l.t, l.gateway, question.Method, question.Path, l.facts.AdminToken, question.Body, nil)
		if got.status != http.StatusOK {
			l.t.Fatalf("%s: %d %s", question.Path, got.status, got.body)
		}
		question.Answer = answerOf(got.body)
		switch {
		case question.Path == "/admin/api/settings":
			question.Answer, _ = json.Marshal(changedSettings) // they can be encoded
		case strings.HasSuffix(question.Path, "/account"): // asked for anew by whoever asks after a while
			var account map[string]any
			decode(l.t, got.body, &account)
			delete(account, "as_of")
			delete(account, "error")
			question.Answer, _ = json.Marshal(account) // it was JSON
		}
		l.facts.Asked = append(l.facts.Asked, question)
	}
}

// keep stops the pair and writes the fixture.
func (l *leaving) keep() {
	l.t.Helper()
	l.gateway.Stop()
	l.s.Tokenstore.Stop()
	client := l.s.RedisClient()
	defer func() { _ = client.Close() }()
	now, err := client.Time(l.t.Context()).Result()
	if err != nil {
		l.t.Fatal(err)
	}
	l.facts.Made = now.UnixMilli()
	// A rewritten append-only file has the least commands that make what is there.
	if err := client.ConfigSet(l.t.Context(), "aof-use-rdb-preamble", "no").Err(); err != nil {
		l.t.Fatal(err)
	}
	if err := client.BgRewriteAOF(l.t.Context()).Err(); err != nil {
		l.t.Fatal(err)
	}
	var base []string
	l.s.Eventually("the file is rewritten", time.Minute, func() bool {
		base, _ = filepath.Glob(filepath.Join(l.s.Folder, "redis/appendonlydir/*.base.aof"))
		return len(base) == 1
	})
	l.s.Eventually("it is complete", time.Minute, func() bool {
		return strings.Contains(client.Info(l.t.Context(), "persistence").Val(), "aof_rewrite_in_progress:0")
	})
	dump := l.read(base[0])
	var packed bytes.Buffer
	writer, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // a valid level
	_, _ = writer.Write(dump)
	_ = writer.Close()
	l.write(takeoverDump, packed.Bytes())
	for _, name := range takeoverFiles {
		l.write(filepath.Join(takeoverFolder, name), l.read(filepath.Join(l.s.Folder, hidden(name))))
	}
	var facts bytes.Buffer
	encoder := json.NewEncoder(&facts)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l.facts); err != nil {
		l.t.Fatal(err)
	}
	l.write(takeoverFacts, facts.Bytes())
}

func (l *leaving) read(path string) []byte {
	l.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	return content
}

func (l *leaving) write(path string, content []byte) {
	l.t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		l.t.Fatal(err)
	}
}
