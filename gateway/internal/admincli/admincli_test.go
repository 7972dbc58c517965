package admincli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/admincli"
)

const key = "sk-carousel-of-the-test"

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// api answers as the admin API does, and remembers what it was asked.
type api struct {
	*httptest.Server
	asked []string
}

const workToken = `{"id":"t1","upstream":"cursor","alias":"work","tags":["a"],"enabled":true,"state":"cooling","token":"eyJh…cqkg","fingerprint":"f1",
 "checksum":"","cap":4,"weight":1,"in_flight":2,"requests":10,"failures":3,"last_used_at":"2026-11-22T11:57:00Z","last_error":"too many\u001b[31m requests",
 "cooling_until":"2026-11-22T12:00:30Z","expires_at":"2026-12-04T13:00:00Z","created_at":"2026-11-01T12:00:00Z","version":7}`

const logEntry = `{"id":"r1","replica":"g1","started_at":"2026-11-22T11:59:58Z","total_ms":1234.5,"first_byte_ms":200,"model":"gpt-4o","upstream":"cursor",
 "token_id":"t1","token_alias":"work","stream":true,"status":"success","http_status":200,"error":null,"end_reason":"done","attempts":2,
 "attempt_log":[{"started_at":"2026-11-22T11:59:58Z","total_ms":100,"upstream":"cursor","model":"gpt-4o","token_id":"t2","token_alias":"spare","class":"rate_limit",
 "rule":"limit: one model","effect":"model_may_cool","status":200,"code":"ERROR_RATE_LIMITED","param":"model","message":"slow\u001b[31m down"},
 {"started_at":"2026-11-22T11:59:58Z","total_ms":1100,"upstream":"cursor","model":"gpt-4o","token_id":"t1","token_alias":"work","class":null,"rule":null,"effect":"none",
 "status":null,"code":null,"message":null}],
 "prompt_tokens":7,"completion_tokens":9,"usage_source":"estimated","prompt":"Hello"}`

// cachedEntry is of an upstream that tells of its cache and of thinking.
const cachedEntry = `{"id":"r3","model":"sonnet","dialect":"anthropic","translated":true,"status":"success","http_status":200,"end_reason":"done","attempts":1,"prompt_tokens":1000,
 "completion_tokens":60,"cache_read_tokens":900,"cache_write_tokens":50,"cache_write_hour_tokens":20,"reasoning_tokens":40,"usage_source":"reported"}`

const someCandidates = `"candidates":[{"token_id":"t1","alias":"work","excluded_by":"cooling","until":"2026-11-22T12:00:30Z","score":1},{"token_id":"t2","alias":"","excluded_by":null,"until":null,"score":2}]`

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	routes := map[string]string{
		"GET /tokens/t1":                       workToken,
		"GET /tokens?limit=1000":               `{"tokens":[` + workToken + `],"next":"c2"}`,
		"GET /tokens?cursor=c2&limit=1000":     `{"tokens":[` + strings.ReplaceAll(workToken, "t1", "t2") + `],"next":""}`,
		"GET /tokens?limit=1000&q=work":        `{"tokens":[` + workToken + `],"next":""}`,
		"GET /tokens?limit=1000&q=twice":       `{"tokens":[{"id":"a","alias":"twice"},{"id":"b","alias":"twice"}],"next":""}`,
		"GET /tokens?limit=1000&q=wor":         `{"tokens":[` + workToken + `],"next":""}`,
		"POST /tokens":                         workToken,
		"PATCH /tokens/t1":                     workToken,
		"DELETE /tokens/t1":                    "",
		"POST /tokens/t1/restore":              workToken,
		"POST /tokens/t1/refresh":              workToken,
		"POST /tokens?check=false":             workToken,
		"POST /logins":                         aLogin("pending", "null", "null"),
		"GET /quotas?upstream=cursor":          someQuotas,
		"POST /tokens/import":                  `{"accepted":2,"updated":1,"rejected":[{"line":3,"reason":"it is no token"}],"upstreams":1}`,
		"GET /tokens/export?format=token-list": "T,sum\n",
		"GET /upstreams":                       `{"upstreams":[{"name":"cursor","driver":"cursor","base_url":"https://u","models":[],"settings":{},"version":1}],"next":""}`,
		"PUT /upstreams/vllm":                  `{"name":"vllm"}`,
		"DELETE /upstreams/vllm":               "",
		"GET /settings":                        `{"log_prompts":true,"max_attempts":3,"vision_ability":"base64"}`,
		"PATCH /settings":                      `{"log_prompts":false,"max_attempts":4,"vision_ability":"all"}`,
		"POST /settings/reset":                 `{"log_prompts":true,"max_attempts":3,"vision_ability":"base64"}`,
		"GET /logs?limit=2&status=success":     `{"logs":[` + logEntry + `],"next":"","newest":"9-0"}`,
		"GET /logs/r1":                         logEntry,
		"GET /logs?limit=50&model=sonnet":      `{"logs":[` + cachedEntry + `],"next":"","newest":"9-0"}`,
		"GET /logs/r3":                         cachedEntry,
		"GET /explain?model=gpt-4o":            `{"model":"gpt-4o","route":null,"targets":[{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":1,"order":1,"share":1,"excluded":null,"chosen":"t2",` + someCandidates + `}],"upstream":"cursor","chosen":"t2",` + someCandidates + `,"as_of":"2026-11-22T12:00:00Z"}`,
		"GET /explain?dialect=responses&model=fast": `{"model":"fast","route":{"name":"quick","match":"fa*","parameters":{"reasoning_effort":"low","temperature":{"default":0.2}}},"targets":[` +
			`{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":3,"order":1,"share":0.75,"excluded":null,"chosen":"t2",` + someCandidates + `},` +
			`{"upstream":"vllm","model":"","priority":0,"weight":1,"order":2,"share":0.25,"excluded":null,"chosen":null,"candidates":[]},` +
			`{"upstream":"spare","model":"m","priority":1,"weight":1,"order":3,"share":1,"excluded":null,"chosen":null,"cause":"upstream","cause_until":"2026-11-22T12:01:00Z","candidates":[]},` +
			`{"upstream":"gone","model":"m","priority":2,"weight":1,"order":4,"share":0,"excluded":"there is no such upstream","chosen":null,"candidates":[]}],"fallbacks":["spare","gpt-4o-mini"]}`,
		"GET /routes":          `{"routes":[{"name":"quick","match":"fast","targets":[{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":3},{"upstream":"vllm","model":"","priority":1,"weight":1}],"parameters":{"reasoning_effort":"low","temperature":{"default":0.2}},"version":1}]}`,
		"PUT /routes/quick":    `{"name":"quick","warnings":["there is no upstream \"gone\""]}`,
		"DELETE /routes/quick": "",
	}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked := r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/admin/api")
		a.asked = append(a.asked, strings.TrimSpace(asked+" "+string(body)))
		answer, known := routes[asked]
		switch {
		case r.Header.Get("Authorization") != "Bearer "+key:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"message":"the key is wrong","type":"x","param":null,"code":"unauthorized"}}`)
		case !known:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"message":"there is no such token","type":"x","param":null,"code":"not_found"}}`)
		default:
			_, _ = io.WriteString(w, answer)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

type result struct {
	code           int
	stdout, stderr string
}

func (a *api) run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return run(t, map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, stdin, args...)
}

func run(t *testing.T, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := admincli.Run(t.Context(), args, admincli.Environment{
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return env[name] }, Now: func() time.Time { return now },
	})
	return result{code, stdout.String(), stderr.String()}
}

func TestCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".token-list")
	if err := os.WriteFile(file, []byte("T,sum"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args  string
		stdin string
		// asked is the last request, shows what the output has.
		asked string
		shows []string
	}{
		{args: "tokens list", asked: "GET /tokens?cursor=c2&limit=1000", shows: []string{"ALIAS", "t1", "t2", "work", "cooling, for 30s", "2/4", "3m ago", "in 12d", "too many\ufffd[31m requests"}},
		{args: "tokens show t1", asked: "GET /tokens/t1", shows: []string{"alias", "work", "eyJh…cqkg"}},
		{args: "tokens show work", asked: "GET /tokens/t1", shows: []string{"work"}},
		{args: "tokens add --alias work --cap 4 --tags a,b", stdin: "secret\n", asked: `POST /tokens {"alias":"work","cap":4,"enabled":true,"tags":["a","b"],"token":"secret","upstream":""}`, shows: []string{"t1"}},
		{args: "tokens edit work --weight 2 --tags=", asked: `PATCH /tokens/t1 {"tags":[],"weight":2}`, shows: []string{"t1"}},
		{args: "tokens enable work", asked: `PATCH /tokens/t1 {"enabled":true}`, shows: []string{"t1 enabled"}},
		{args: "tokens disable t1", asked: `PATCH /tokens/t1 {"enabled":false}`, shows: []string{"t1 disabled"}},
		{args: "tokens delete work", asked: "DELETE /tokens/t1", shows: []string{"t1 deleted", "restore"}},
		{args: "tokens restore t1", asked: "POST /tokens/t1/restore", shows: []string{"t1 restored"}},
		{args: "tokens refresh work", asked: "POST /tokens/t1/refresh", shows: []string{"t1 has another access token"}},
		{args: "tokens add --proxy http://p:1 --untried", stdin: "secret", asked: `POST /tokens?check=false {"enabled":true,"proxy":"http://p:1","token":"secret","upstream":""}`, shows: []string{"t1"}},
		{args: "tokens add --with-refresh-token", stdin: "access \n refresh\n", asked: `POST /tokens {"enabled":true,"refresh_token":"refresh","token":"access","upstream":""}`, shows: []string{"t1"}},
		{args: "tokens edit work --proxy=", asked: `PATCH /tokens/t1 {"proxy":""}`, shows: []string{"t1"}},
		{args: "login --no-wait --alias work", asked: `POST /logins {"alias":"work","upstream":""}`, shows: []string{"https://site.example/login?uuid=u1", "in 15m", "pending"}},
		{args: "login --no-wait --token work", asked: `POST /logins {"alias":"","token_id":"t1","upstream":""}`, shows: []string{"l1"}},
		{args: "quotas --upstream cursor", asked: "GET /quotas?upstream=cursor", shows: []string{
			"premium 138/150 requests, standard 3 used requests  ", "in 5h", "no answer", "cursor: dry in 2h at 85 requests an hour; 170 of 200 left; 1 accounts unknown", "vendor: no account has told its limit",
		}},
		{args: "tokens import " + file, asked: `POST /tokens/import {"content":"T,sum","format":"token-list","upstream":""}`, shows: []string{"2 accepted, 1 updated, 1 rejected", "1 upstreams are", "line 3: it is no token"}},
		{args: "tokens import - --format json", stdin: "[]", asked: `POST /tokens/import {"content":"[]","format":"json","upstream":""}`, shows: []string{"2 accepted"}},
		{args: "tokens export", asked: "GET /tokens/export?format=token-list", shows: []string{"T,sum\n"}},
		{args: "upstreams list", asked: "GET /upstreams", shows: []string{"cursor", "https://u"}},
		{args: "upstreams put vllm --driver openai --base-url http://v --models a,b --set k=v", asked: `PUT /upstreams/vllm {"base_url":"http://v","driver":"openai","models":["a","b"],"settings":{"k":"v"}}`, shows: []string{`"vllm" is stored`}},
		{args: "upstreams delete vllm", asked: "DELETE /upstreams/vllm", shows: []string{`"vllm" is deleted`}},
		{args: "routes list", asked: "GET /routes", shows: []string{"quick", "fast", "cursor/gpt-4o", "vllm, as it is named", "reasoning_effort=low, temperature=0.2 by default"}},
		{
			args:  "routes put quick --match fast --target cursor/gpt-4o --target vllm/org/model,1,3 --target spare,2 --set reasoning_effort=low --default temperature=0.2",
			asked: `PUT /routes/quick {"match":"fast","parameters":{"reasoning_effort":"low","temperature":{"default":0.2}},"targets":[{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":1},{"upstream":"vllm","model":"org/model","priority":1,"weight":3},{"upstream":"spare","model":"","priority":2,"weight":1}]}`,
			shows: []string{`"quick" is stored`, `note: there is no upstream "gone"`},
		},
		{args: "routes delete quick", asked: "DELETE /routes/quick", shows: []string{`"quick" is deleted`}},
		{args: "settings list", asked: "GET /settings", shows: []string{"max_attempts", "3", "base64"}},
		{args: "settings set log_prompts=false max_attempts=4 vision_ability=all", asked: `PATCH /settings {"log_prompts":false,"max_attempts":4,"vision_ability":"all"}`, shows: []string{"false", "4", "all"}},
		{args: "settings reset max_attempts", asked: `POST /settings/reset {"names":["max_attempts"]}`, shows: []string{"max_attempts"}},
		{args: "logs list --status success --limit 2", asked: "GET /logs?limit=2&status=success", shows: []string{"gpt-4o", "200 success", "1.235s", "~7+9", "2s ago"}},
		{args: "logs list --model sonnet", asked: "GET /logs?limit=50&model=sonnet", shows: []string{"1000+60 (900 cached)"}},
		{args: "logs show r3", asked: "GET /logs/r3", shows: []string{
			"anthropic, translated for the upstream", "1000 + 60 tokens, reported", "900 from cache, 50 written to cache, 20 of them for an hour", "40 for thinking",
		}},
		{args: "logs show r1", asked: "GET /logs/r1", shows: []string{"r1", "estimated", "spare", "limit: one model", "model_may_cool", "200 ERROR_RATE_LIMITED (model) slow", "success", "\nHello\n"}},
		{args: "explain gpt-4o", asked: "GET /explain?model=gpt-4o", shows: []string{"gpt-4o goes by no route.", "cooling for 30s", "is chosen next"}},
		{args: "explain fast --dialect responses", asked: "GET /explain?dialect=responses&model=fast", shows: []string{
			"fast goes by the route quick, which is for fa*, with reasoning_effort=low, temperature=0.2 by default.",
			"1. cursor/gpt-4o, priority 0, weight 3, 75 % of what its priority gets: can serve now", "cooling for 30s", "is chosen next",
			"2. vllm, as it is named, priority 0, weight 1, 25 % of what its priority gets: has no tokens",
			"3. spare/m, priority 1, weight 1, 100 % of what its priority gets: all tokens fail alike, upstream for 1m",
			"4. gone/m, priority 2, weight 1: can't serve: there is no such upstream", "When none of them can serve: spare, gpt-4o-mini.",
		}},
	} {
		t.Run(test.args, func(t *testing.T) {
			a := newAPI(t)
			got := a.run(t, test.stdin, strings.Fields(test.args)...)
			if got.code != 0 || got.stderr != "" {
				t.Fatalf("code %d, stderr %q", got.code, got.stderr)
			}
			if last := a.asked[len(a.asked)-1]; last != test.asked {
				t.Errorf("asked\n%s, want\n%s", last, test.asked)
			}
			for _, text := range test.shows {
				if !strings.Contains(got.stdout, text) {
					t.Errorf("%q is not in the output:\n%s", text, got.stdout)
				}
			}
			if strings.Contains(got.stdout, "\x1b") {
				t.Error("an escape character reaches the terminal")
			}
		})
	}
}

func TestJSONIsWhatTheAPIAnswers(t *testing.T) {
	for args, member := range map[string]string{
		"tokens list --json": "tokens", "--json tokens list": "", "tokens show t1 --json": "fingerprint", "settings list --json": "max_attempts",
		"logs list --json --status success --limit 2": "logs", "explain gpt-4o --json": "candidates", "upstreams list --json": "upstreams",
		"tokens enable t1 --json": "fingerprint",
	} {
		t.Run(args, func(t *testing.T) {
			got := newAPI(t).run(t, "", strings.Fields(args)...)
			if member == "" {
				if got.code != 2 {
					t.Errorf("code %d: flags come after the command", got.code)
				}
				return
			}
			var object map[string]any
			if err := json.Unmarshal([]byte(got.stdout), &object); err != nil {
				t.Fatalf("%v: %s%s", err, got.stdout, got.stderr)
			}
			if _, there := object[member]; !there {
				t.Errorf("%s has no %q", got.stdout, member)
			}
		})
	}
}

func TestWrongCommandLines(t *testing.T) {
	for args, says := range map[string]string{
		"":                                 "usage: gateway admin COMMAND",
		"help":                             "tokens list",
		"tokens":                           `there is no command "tokens"`,
		"tokens lost":                      `there is no command "tokens lost"`,
		"tokens show":                      "wrong number of arguments",
		"tokens show a b":                  "wrong number of arguments",
		"tokens list --cap":                "flag provided but not defined",
		"upstreams put vllm --set without": "KEY=VALUE",
		"routes put x --target /m":         "UPSTREAM/MODEL",
		"routes put x --target u/m,first":  "UPSTREAM/MODEL",
		"routes put x --target u/m,1,2,3":  "UPSTREAM/MODEL",
		"routes put x --default top_p":     "KEY=VALUE",
	} {
		t.Run(args, func(t *testing.T) {
			a := newAPI(t)
			got := a.run(t, "", strings.Fields(args)...)
			if got.code != 2 || !strings.Contains(got.stderr, says) || got.stdout != "" {
				t.Errorf("code %d, stderr %q, want 2 and %q", got.code, got.stderr, says)
			}
			if len(a.asked) > 0 {
				t.Errorf("asked %q", a.asked)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("  \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAPI(t)
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		says string
	}{
		"no key":            {map[string]string{"CAROUSEL_URL": a.URL}, []string{"tokens", "list"}, "CAROUSEL_KEY"},
		"empty key file":    {map[string]string{"CAROUSEL_URL": a.URL}, []string{"tokens", "list", "--key-file", keyFile}, "no key"},
		"no key file":       {map[string]string{"CAROUSEL_URL": a.URL}, []string{"tokens", "list", "--key-file", keyFile + "x"}, "the key's file"},
		"wrong key":         {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": "other"}, []string{"tokens", "list"}, "the key is wrong (401)"},
		"wrong address":     {map[string]string{"CAROUSEL_URL": "here", "CAROUSEL_KEY": key}, []string{"tokens", "list"}, "the gateway's address"},
		"nobody there":      {map[string]string{"CAROUSEL_URL": "http://127.0.0.1:1", "CAROUSEL_KEY": key}, []string{"tokens", "list"}, "does not answer"},
		"unknown token":     {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"tokens", "show", "wor"}, `no token has the id or the alias "wor"`},
		"ambiguous alias":   {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"tokens", "disable", "twice"}, "a, b"},
		"no such request":   {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"logs", "show", "r2"}, "(404)"},
		"no value":          {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"settings", "set", "log_prompts"}, "NAME=VALUE"},
		"a password":        {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"tokens", "edit", "work", "--proxy", "http://u:pw@p"}, "CAROUSEL_PROXY_PASSWORD"},
		"no proxy":          {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"login", "--proxy", "http://u:p w@%"}, "a URL such as"},
		"no refresh":        {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"tokens", "add", "--with-refresh-token"}, "two lines wanted"},
		"no file to import": {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"tokens", "import", keyFile + "x"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, test.env, "", test.args...)
			if got.code != 1 || !strings.Contains(got.stderr, test.says) {
				t.Errorf("code %d, stderr %q, want 1 and %q", got.code, got.stderr, test.says)
			}
			if strings.Contains(got.stdout+got.stderr, key) {
				t.Error("the key is in the output")
			}
		})
	}
}

// The tail prints what it begins with, then what each later question brings, oldest first, until
// it is interrupted, which is no failure.
func TestTailFollowsTheLog(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		if len(asked) == 2 {
			_, _ = io.WriteString(w, `{"logs":[`+strings.ReplaceAll(logEntry, "gpt-4o", "third")+`],"next":"","newest":"3-0"}`)
			return
		}
		if len(asked) > 2 {
			interrupt()
		}
		_, _ = io.WriteString(w, `{"logs":[`+strings.ReplaceAll(logEntry, "gpt-4o", "second")+`,`+strings.ReplaceAll(logEntry, "gpt-4o", "first")+`],"next":"","newest":"2-0"}`)
	}))
	defer server.Close()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"CAROUSEL_URL": server.URL, "CAROUSEL_KEY": key}
	code := admincli.Run(ctx, []string{"logs", "tail", "--alias", "work"}, admincli.Environment{
		Stdout: &stdout, Stderr: &stderr, Getenv: func(name string) string { return env[name] },
	})
	if code != 0 {
		t.Fatalf("code %d: %s", code, stderr.String())
	}
	out := stdout.String()
	if first, second, third := strings.Index(out, "first"), strings.Index(out, "second"), strings.Index(out, "third"); first < 0 || second < first || third < second {
		t.Errorf("out of order:\n%s", out)
	}
	if want := []string{"alias=work&limit=10", "after=2-0&alias=work&limit=1000", "after=3-0&alias=work&limit=1000"}; len(asked) < 3 || asked[0] != want[0] || asked[1] != want[1] || asked[2] != want[2] {
		t.Errorf("asked %q, want %q", asked, want)
	}
}
