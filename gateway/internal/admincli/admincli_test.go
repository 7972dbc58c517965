package admincli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	// also are answers beside those that it has, or in their place.
	also map[string]string
	// told are headers of each answer.
	told map[string]string
}

const workToken = `{"id":"t1","upstream":"cursor","alias":"work","tags":["a"],"enabled":true,"state":"cooling","token":"eyJh…cqkg","fingerprint":"f1",
 "checksum":"","cap":4,"weight":1,"in_flight":2,"requests":10,"failures":3,"last_used_at":"2026-11-22T11:57:00Z","last_error":"too many\u001b[31m requests",
 "cooling_until":"2026-11-22T12:00:30Z","expires_at":"2026-12-04T13:00:00Z","created_at":"2026-11-01T12:00:00Z","version":7}`

const logEntry = `{"id":"r1","replica":"g1","started_at":"2026-11-22T11:59:58Z","total_ms":1234.5,"first_byte_ms":200,"model":"gpt-4o","upstream":"cursor",
 "token_id":"t1","token_alias":"work","stream":true,"status":"success","http_status":200,"error":null,"end_reason":"done","attempts":2,
 "attempt_log":[{"started_at":"2026-11-22T11:59:58Z","total_ms":100,"upstream":"cursor","model":"gpt-4o","token_id":"t2","token_alias":"spare","class":"rate_limit",
 "rule":"limit: one model","effect":"model_may_cool","status":200,"code":"ERROR_RATE_LIMITED","param":"model","message":"slow\u001b[31m down",
 "sent_headers":[{"name":"Authorization","value":null}],"received_headers":[{"name":"Retry-After","value":"60"}],
 "consequence":{"kind":"cooling","model":"gpt-4o","until":"2026-11-22T12:05:00Z","ended":null}},
 {"started_at":"2026-11-22T11:59:58Z","total_ms":1,"upstream":"cursor","model":"gpt-4o","token_id":"t3","class":"auth","effect":"token_may_cool",
 "consequence":{"kind":"parked","model":null,"until":null,"ended":"undone"}},
 {"started_at":"2026-11-22T11:59:58Z","total_ms":1,"upstream":"cursor","model":"gpt-4o","token_id":"t4","class":"quota","effect":"token_may_cool",
 "consequence":{"kind":"unknown"}},
 {"started_at":"2026-11-22T11:59:58Z","total_ms":1100,"upstream":"cursor","model":"gpt-4o","token_id":"t1","token_alias":"work","class":null,"rule":null,"effect":"none",
 "status":null,"code":null,"message":null}],"client_headers":[{"name":"User-Agent","value":"curl\u001b[31m/8"}],
 "prompt_tokens":7,"completion_tokens":9,"usage_source":"estimated","cost_usd":"0.50","cost_quality":"estimated","caller":"admin","prompt":"Hello"}`

// cachedEntry is of an upstream that tells of its cache and of thinking.
const cachedEntry = `{"id":"r3","model":"sonnet","dialect":"anthropic","translated":true,"status":"success","http_status":200,"end_reason":"done","attempts":1,"prompt_tokens":1000,
 "completion_tokens":60,"cache_read_tokens":900,"cache_write_tokens":50,"cache_write_hour_tokens":20,"reasoning_tokens":40,"usage_source":"reported",
 "caller":"key","key_id":"k1","key_name":"build\u001b[31m","served_model":"sonnet-2025","cost_usd":"0.0123","cost_quality":"reported"}`

// handPrice and importedPrice are the prices that there are.
const (
	handPrice = `{"match":"m-1","upstream":"vendor","input_per_million":"3.00","output_per_million":"15.50","cache_read_per_million":"0.003625",` +
		`"cache_write_per_million":null,"cache_write_hour_per_million":null,"reasoning_per_million":null,"source":""}`
	importedPrice = `{"match":"m-2","upstream":"","input_per_million":"0.00","output_per_million":null,"cache_read_per_million":null,` +
		`"cache_write_per_million":null,"cache_write_hour_per_million":null,"reasoning_per_million":null,"source":"tsv"}`
	priceList = `{"prices":[` + handPrice + `,` + importedPrice + `],"built_in":[{"match":"gpt-5","input_per_million":"1.25"}],"version":4}`
)

const (
	aDestination = `{"id":"d1","name":"team","kind":"slack","disabled":false,"severity":"warning","alerts":["CarouselPoolDry"],"language":"en","recoveries":true,"masked_url":"https://hooks.example/…","chat":null,"mail":null,"version":1}`
	// someNotifications have one of each.
	someNotifications = `{"destinations":[` + aDestination + `,{"id":"d2","name":"us","kind":"mail","severity":"info","alerts":[],"mail":{"server":"mail.example.com:587","to":["ops@example.com"]}}],` +
		`"alerts":[{"name":"CarouselPoolDry","severity":"critical","labels":{"upstream":"cursor"},"summary":"No token of upstream cursor can serve.","since":"2026-11-22T11:00:00Z","fired_at":"2026-11-22T11:01:00Z","resolved_at":null,"silenced":false,"told":["d1"]}],` +
		`"silences":[{"id":"s1","alert":null,"upstream":"cursor","until":"2026-11-22T14:00:00Z","comment":"we know"}],` +
		`"deliveries":[{"id":"n1","destination_name":"team","at":"2026-11-22T11:01:00Z","attempt":1,"outcome":"failed","detail":"it answered 503","firing":1,"resolved":0,"alerts":["CarouselPoolDry"]}],"alert_names":["CarouselPoolDry"]}`
)

const someUse = `{"from":"2026-11-01T00:00:00Z","to":"2026-11-03T00:00:00Z","rows":[
 {"key":"k1","key_name":"team \u001b[31m","time":"2026-11-01T00:00:00Z","requests":4,"failures":1,"prompt_tokens":100,"completion_tokens":50,"cost_usd":"1.250000000001","unpriced_requests":2},
 {"key":"admin","key_name":"","time":"2026-11-02T00:00:00Z","requests":7,"failures":0,"prompt_tokens":9,"completion_tokens":8,"cost_usd":"0.00","unpriced_requests":0}],
 "total":{"requests":11,"failures":1,"prompt_tokens":109,"completion_tokens":58,"cost_usd":"1.250000000001","unpriced_requests":2}}`

const ciKey = `{"id":"k1","name":"CI","tags":["team"],"state":"active","expires_at":"2026-12-04T13:00:00Z","models":["gpt-*"],"networks":[],
 "limits":{"requests_per_minute":60},"budgets":[{"unit":"usd","amount":"10.00","period":"month"}],"masked_secret":"sk-carousel-k1-…cret","created_at":"2026-11-01T12:00:00Z",
 "updated_at":"2026-11-02T12:00:00Z","old_secret_until":"2026-11-22T13:00:00Z","version":7,"left":[
 {"limit":"requests_per_minute","unit":"requests","period":"minute","amount":"60","used":"10","reserved":"1","left":"49","renews_at":"2026-11-22T12:00:50Z"},
 {"limit":"budget","unit":"usd","period":"month","amount":"10.00","used":"5.80","reserved":"0.00","left":"4.20","renews_at":"2026-12-01T00:00:00Z"}]}`

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
		"PUT /upstreams/vllm":                  `{"name":"vllm","check":{"state":"reachable","models":2,"detail":null}}`,
		"DELETE /upstreams/vllm":               "",
		"GET /settings":                        `{"log_prompts":true,"max_attempts":3,"vision_ability":"base64"}`,
		"PATCH /settings":                      `{"log_prompts":false,"max_attempts":4,"vision_ability":"all"}`,
		"POST /settings/reset":                 `{"log_prompts":true,"max_attempts":3,"vision_ability":"base64"}`,
		"GET /logs?limit=2&status=success":     `{"logs":[` + logEntry + `],"next":"","newest":"9-0"}`,
		"GET /logs/r1":                         logEntry,
		"GET /logs?format=csv&model=gpt-4o":    "id,model\r\nr1,gpt-4o\r\n",
		"GET /logs?format=jsonl":               `{"id":"r1"}` + "\n",
		"GET /logs?limit=50&model=sonnet":      `{"logs":[` + cachedEntry + `],"next":"","newest":"9-0"}`,
		"GET /logs/r3":                         cachedEntry,
		"GET /logs?error_kind=rate_limited&limit=50&min_total=10s&retried=true": `{"logs":[],"next":"","newest":"9-0"}`,
		"GET /logs?key_id=k1&limit=50":                                          `{"logs":[],"next":"","newest":"9-0"}`,
		"GET /explain?model=gpt-4o":                                             `{"model":"gpt-4o","route":null,"targets":[{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":1,"order":1,"share":1,"excluded":null,"chosen":"t2",` + someCandidates + `}],"upstream":"cursor","chosen":"t2",` + someCandidates + `,"as_of":"2026-11-22T12:00:00Z"}`,
		"GET /explain?key=k1&model=m":                                           `{"model":"m","key":{"id":"k1"},"route":null,"targets":[{"upstream":"vllm","model":"m","order":1,"share":1,"weight":1,"excluded":"the key has expired","chosen":null,"candidates":[]}],"fallbacks":[]}`,
		"GET /models": `{"models":[{"model":"gpt-4o","route":null,"upstreams":["cursor"],"accounts":4,"able":0,"estimated":true,"reasons":[{"reason":"cooling","class":null,"accounts":3,"back_at":"2026-11-22T12:00:30Z"},` +
			`{"reason":"cause","class":"upstream","accounts":1,"back_at":null}],"excluded":[{"upstream":"gone","why":"there is no such upstream"}],"back_at":"2026-11-22T12:00:30Z"}],"complete":false}`,
		"GET /models?q=gpt&unserved=true": `{"models":[],"complete":true}`,
		"GET /explain?dialect=responses&model=fast": `{"model":"fast","route":{"name":"quick","match":"fa*","parameters":{"reasoning_effort":"low","temperature":{"default":0.2}}},"targets":[` +
			`{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":3,"order":1,"share":0.75,"excluded":null,"chosen":"t2",` + someCandidates + `},` +
			`{"upstream":"vllm","model":"","priority":0,"weight":1,"order":2,"share":0.25,"excluded":null,"chosen":null,"candidates":[]},` +
			`{"upstream":"spare","model":"m","priority":1,"weight":1,"order":3,"share":1,"excluded":null,"chosen":null,"cause":"upstream","cause_until":"2026-11-22T12:01:00Z","candidates":[]},` +
			`{"upstream":"gone","model":"m","priority":2,"weight":1,"order":4,"share":0,"excluded":"there is no such upstream","chosen":null,"candidates":[]}],"fallbacks":["spare","gpt-4o-mini"]}`,
		"GET /routes":          `{"routes":[{"name":"quick","match":"fast","targets":[{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":3},{"upstream":"vllm","model":"","priority":1,"weight":1}],"parameters":{"reasoning_effort":"low","temperature":{"default":0.2}},"version":1}]}`,
		"PUT /routes/quick":    `{"name":"quick","warnings":["there is no upstream \"gone\""]}`,
		"DELETE /routes/quick": "",
		"GET /prices":          priceList,
		"PUT /prices":          priceList,
		"POST /prices/import?format=tsv": `{"dry_run":false,"added":3,"changed":2,"unchanged":1,"removed":4,"kept":5,"rounded":["fine"],"tiered":["long"],"skipped_count":7,` +
			`"skipped":[{"name":"line 9","reason":"it names no model"}],"version":5}`,
		"POST /prices/import?dry_run=true&format=litellm":                                      `{"dry_run":true,"added":3,"rounded":[],"skipped_count":0,"skipped":[],"version":4}`,
		"GET /usage?from=2026-11-01T00%3A00%3A00Z&group=key%2Cday&to=2026-11-03T00%3A00%3A00Z": someUse,
		"GET /usage?format=csv&group=model&model=gpt-5":                                        "model,requests\r\ngpt-5,4\r\n",
		"GET /usage?group=token&token=t1":                                                      `{"from":"2026-10-23T00:00:00Z","to":"2026-11-22T12:00:00Z","rows":[{"token":"t1","token_alias":"work","requests":1,"cost_usd":"0.00"}],"total":{"requests":1,"cost_usd":"0.00"}}`,
		"GET /keys/k1":                                                                         ciKey,
		"GET /keys?limit=500":                                                                  `{"keys":[` + ciKey + `],"next":"c2","total":2}`,
		"GET /keys?cursor=c2&limit=500":                                                        `{"keys":[` + strings.ReplaceAll(ciKey, "k1", "k2") + `],"next":"","total":2}`,
		"GET /keys?limit=500&q=CI":                                                             `{"keys":[` + ciKey + `,{"id":"k3","name":"CI 2"}],"next":"","total":2}`,
		"GET /keys?limit=500&q=twins":                                                          `{"keys":[{"id":"a","name":"twins"},{"id":"b","name":"twins"}],"next":"","total":2}`,
		"GET /keys?limit=500&q=C":                                                              `{"keys":[` + ciKey + `],"next":"","total":1}`,
		"GET /keys?limit=500&q=x&state=disabled&tag=t":                                         `{"keys":[],"next":"","total":0}`,
		"POST /keys":            `{"key":` + ciKey + `,"secret":"sk-carousel-k1-once"}`,
		"PATCH /keys/k1":        ciKey,
		"POST /keys/k1/rotate":  `{"key":` + ciKey + `,"secret":"sk-carousel-k1-once"}`,
		"DELETE /keys/k1":       "",
		"POST /keys/k1/restore": ciKey,

		"POST /tokens/t1/release":    workToken,
		"GET /tokens/t1/transitions": `{"transitions":[{"at":"2026-11-22T11:00:00Z","kind":"parked","class":"auth","model":null,"until":null,"request_id":"r9","detail":"no\u001b[31m such session","replica":"g1","by":null}]}`,
		"GET /tokens/t1/account?refresh=true": `{"email":"me@example.org","name":"","membership":"pro","subscription_status":"active","trial_days_left":3,"quotas":[{"name":"premium","requests":12,"max_requests":150,"tokens":7,"max_tokens":null}],
			"quota_resets_at":"2026-11-22T17:00:00Z","as_of":"2026-11-22T11:59:00Z","error":null}`,
		"POST /transitions/undo": `{"count":3,"token_count":2,"tokens":[{"token_id":"t1","name":"work","upstream":"cursor","since":"2026-11-22T11:00:00Z","whole":true,"models":0,"transitions":2},{"token_id":"t2","name":"bo","upstream":"cursor","since":"2026-11-22T11:00:00Z","whole":false,"models":2,"transitions":1}]}`,
		"GET /logins":            `{"logins":[` + aLogin("failed", "null", `"another account"`) + `]}`,
		"GET /logins/l1":         aLogin("pending", "null", "null"),
		"DELETE /logins/l1":      aLogin("cancelled", "null", "null"),
		"GET /routes/quick":      `{"name":"quick","match":"fast","targets":[{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":3}],"parameters":{},"version":1}`,
		"GET /settings/changes":  `{"changes":[{"name":"max_attempts","at":"2026-11-22T11:00:00Z","actor":"api 10.0.0.1","previous":"5","previous_default":false}]}`,
		"GET /stats?from=2026-11-21T12%3A00%3A00Z&step=1h": `{"buckets":[{"start":"2026-11-22T11:00:00Z","requests":60,"failures":2,"prompt_tokens":100,"completion_tokens":50,"cache_read_tokens":40,
			"total_p50_ms":1200,"total_p95_ms":3400,"first_byte_p50_ms":150,"first_byte_p95_ms":null}]}`,
		"POST /alarms/acknowledge":                 "",
		"GET /notifications":                       someNotifications,
		"POST /notifications/destinations":         aDestination,
		"PATCH /notifications/destinations/d1":     aDestination,
		"DELETE /notifications/destinations/d1":    "",
		"POST /notifications/destinations/d1/test": `{"id":"n1","destination_name":"team","outcome":"delivered","detail":null}`,
		"POST /notifications/destinations/d2/test": `{"id":"n1","destination_name":"mail","outcome":"given_up","detail":"it answered 404:"}`,
		"POST /notifications/silences":             `{"id":"s1","alert":"CarouselPoolDry","upstream":null,"until":"2026-11-22T14:00:00Z","comment":""}`,
		"DELETE /notifications/silences/s1":        "",
		"GET /fleet": `{"total_requests":1000,"active_requests":2,"replicas":[{"name":"g1","version":"1.2.3","started_at":"2026-11-22T11:00:00Z","requests":600,"active":2,"log":{"pending":5,"dropped":1}}],
			"pools":[{"upstream":"cursor","ready":3,"parked":1,"causes":[{"class":"upstream","model":"","since":"2026-11-22T11:58:00Z"}]}],"warnings":[{"kind":"memory","text":"Redis is nearly full"}]}`,
		"GET /audit?limit=50": `{"entries":[{"at":"2026-11-22T11:00:00Z","action":"token deleted","actor":"api","remote_ip":"10.0.0.1","request_id":"q1","details":{"token_id":"t1","alias":"work"},"undoable":true}],"next":""}`,
		"GET /audit/q1":       `{"request_id":"q1","at":"2026-11-22T11:00:00Z","changes":[{"kind":"setting","id":"max_attempts","name":"max_attempts","deed":"changed","field":"","before":"3","after":"5"},{"kind":"token","id":"t1","name":"work","deed":"deleted","field":"","before":null,"after":null}]}`,
		"GET /activity?account=work&limit=50&source=both": `{"activities":[{"entry":null,"event":{"at":"2026-11-22T11:00:00Z","kind":"cooling","token_id":"t1","token_name":"work","upstream":"cursor","class":"rate_limit","model":null,"until":"2026-11-22T12:05:00Z","request_id":"r1","by":null}},` +
			`{"entry":{"at":"2026-11-22T11:00:00Z","action":"tokens disabled","actor":"api","remote_ip":"10.0.0.1","request_id":"q3","details":{"count":"2"},"undoable":true},"event":null}],"next":"1-0.cursor"}`,
		"POST /audit/q1/undo":         `{"undone":1,"failed":0,"failures":[]}`,
		"POST /audit/q2/undo":         `{"undone":1,"failed":1,"failures":[{"what":"setting max_attempts","reason":"it has been changed since"}]}`,
		"GET /pages":                  `{"pages":[{"path":"/about","type":"text","content":"Hello\n"}],"version":3}`,
		"PUT /pages":                  `{"path":"/about","type":"html","content":"<p>"}`,
		"DELETE /pages?path=%2Fabout": "",

		"GET /tokens?limit=1000&state=parked": `{"tokens":[` + workToken + `,{"id":"t2"}],"next":""}`,
		"GET /tokens?limit=1000&tag=none":     `{"tokens":[],"next":""}`,
		`POST /tokens/test`: `{"requests":2,"estimated_usd":"0.01","at_most_usd":"0.2","unpriced_requests":1,"upstreams":[{"upstream":"cursor","model":null,"requests":1,"estimated_usd":null,"at_most_usd":null},{"upstream":"openai","model":"gpt-4o","requests":1,"estimated_usd":"0.01","at_most_usd":"0.2"}],` +
			`"results":[{"token_id":"t1","upstream":"openai","model":"gpt-4o","works":true,"class":null,"message":null,"advice":null,"request_id":"r1","total_ms":312,"prompt_tokens":1,"completion_tokens":2,"cost_usd":"0.01","cost_quality":"reported"},` +
			`{"token_id":"t2","upstream":"cursor","model":null,"works":false,"class":"rests","message":"it is disabled","advice":"Enable it.","request_id":null,"total_ms":null,"prompt_tokens":0,"completion_tokens":0,"cost_usd":null,"cost_quality":null}]}`,
		`POST /tokens/bulk`:             `{"change":"q7","count":1,"failed":1,"failures":[{"token_id":"t2","reason":"it is gone"}]}`,
		"POST /get-tokeninfo":           `{"status":"success","tokens":"work::eyJ\n","tokens_count":1,"token_list":"eyJ,sum\n"}`,
		"GET /update-tokeninfo":         `{"token_count":5,"report":{"accepted":1,"updated":2,"deleted":0,"rejected":[]}}`,
		"POST /update-tokeninfo":        `{"token_count":5,"report":{"accepted":1,"updated":2,"deleted":3,"rejected":[{"file":".token","line":4,"reason":"it is no token"}]}}`,
		"POST /v1/chat/completions":     `{"choices":[{"message":{"content":"Hi\u001b[31m!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`,
		"POST /own/v1/chat/completions": `{"choices":[{"message":{"content":"Own."}}]}`,
	}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked := r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/admin/api")
		a.asked = append(a.asked, strings.TrimSpace(asked+" "+string(body)))
		if version := r.Header.Get("If-Match"); version != "" {
			a.asked[len(a.asked)-1] += " if it is " + version
		}
		for name, value := range a.told {
			w.Header().Set(name, value)
		}
		answer, known := routes[asked]
		if other, there := a.also[asked]; there {
			answer, known = other, true
		}
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
	return runIn(t, "", env, stdin, args...)
}

// runIn is run for a person whose configuration is in a folder; empty: it is in none.
func runIn(t *testing.T, folder string, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := admincli.Run(t.Context(), append([]string{"admin"}, args...), admincli.Environment{
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return env[name] }, Now: func() time.Time { return now }, ConfigFolder: at(folder),
	})
	return result{code, stdout.String(), stderr.String()}
}

// at is where a person's configuration is.
func at(folder string) func() (string, error) {
	return func() (string, error) {
		if folder == "" {
			return "", errors.New("there is no home")
		}
		return folder, nil
	}
}

// The commands ask what they are meant to, and show what people want of the answers. Together they
// reach every route of the admin API.
func TestCommands(t *testing.T) {
	var requests []string
	file := filepath.Join(t.TempDir(), ".token-list")
	if err := os.WriteFile(file, []byte("T,sum"), 0o600); err != nil {
		t.Fatal(err)
	}
	prices := filepath.Join(t.TempDir(), "prices.tsv")
	if err := os.WriteFile(prices, []byte("model\tinput\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args  string
		stdin string
		// asked is the last request, shows what the output has, rejects what stderr has of lines
		// that were not taken.
		asked   string
		shows   []string
		rejects string
	}{
		{args: "tokens list", asked: "GET /tokens?cursor=c2&limit=1000", shows: []string{"ALIAS", "t1", "t2", "work", "cooling, for 30s", "2/4", "3m ago", "in 12d", "too many\ufffd[31m requests"}},
		{args: "tokens show t1", asked: "GET /tokens/t1", shows: []string{"alias", "work", "eyJh…cqkg"}},
		{args: "tokens show work", asked: "GET /tokens/t1", shows: []string{"work"}},
		{args: "tokens add --alias work --cap 4 --tags a,b", stdin: "secret\n", asked: `POST /tokens {"alias":"work","cap":4,"enabled":true,"tags":["a","b"],"token":"secret","upstream":""}`, shows: []string{"t1"}},
		{args: "tokens edit work --weight 2 --tags=", asked: `PATCH /tokens/t1 {"tags":[],"weight":2}`, shows: []string{"t1"}},
		{args: "tokens enable work", asked: `PATCH /tokens/t1 {"enabled":true}`, shows: []string{"t1 enabled"}},
		{args: "tokens disable t1", asked: `PATCH /tokens/t1 {"enabled":false}`, shows: []string{"t1 disabled"}},
		{args: "tokens disable t1 --for 90m", asked: `PATCH /tokens/t1 {"disabled_until":"2026-11-22T13:30:00Z","enabled":false}`, shows: []string{"t1 disabled"}},
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
		{args: "tokens import " + file, asked: `POST /tokens/import {"content":"T,sum","format":"token-list","upstream":""}`, shows: []string{"2 accepted, 1 updated, 1 rejected", "1 upstreams are", "line 3: it is no token"}, rejects: "1 of the lines was rejected\n"},
		{args: "tokens import - --format json", stdin: "[]", asked: `POST /tokens/import {"content":"[]","format":"json","upstream":""}`, shows: []string{"2 accepted"}, rejects: "1 of the lines was rejected\n"},
		{args: "tokens export", asked: "GET /tokens/export?format=token-list", shows: []string{"T,sum\n"}},
		{args: "upstreams list", asked: "GET /upstreams", shows: []string{"cursor", "https://u"}},
		{args: "upstreams put vllm --driver openai --base-url http://v --models a,b --set k=v", asked: `PUT /upstreams/vllm {"base_url":"http://v","driver":"openai","models":["a","b"],"settings":{"k":"v"}}`, shows: []string{`"vllm" is stored`, "check: reachable, with 2 models"}},
		{args: "upstreams delete vllm", asked: "DELETE /upstreams/vllm", shows: []string{`"vllm" is deleted`}},
		{args: "routes list", asked: "GET /routes", shows: []string{"quick", "fast", "cursor/gpt-4o", "vllm, as it is named", "reasoning_effort=low, temperature=0.2 by default"}},
		{
			args:  "routes put quick --match fast --target cursor/gpt-4o --target vllm/org/model,1,3 --target spare,2 --set reasoning_effort=low --default temperature=0.2",
			asked: `PUT /routes/quick {"match":"fast","parameters":{"reasoning_effort":"low","temperature":{"default":0.2}},"targets":[{"upstream":"cursor","model":"gpt-4o","priority":0,"weight":1},{"upstream":"vllm","model":"org/model","priority":1,"weight":3},{"upstream":"spare","model":"","priority":2,"weight":1}]}`,
			shows: []string{`"quick" is stored`, `note: there is no upstream "gone"`},
		},
		{args: "routes delete quick", asked: "DELETE /routes/quick", shows: []string{`"quick" is deleted`}},
		{args: "prices list", asked: "GET /prices", shows: []string{"FOR AN HOUR", "m-1", "vendor", "3.00", "15.50", "0.003625", "m-2", "tsv"}},
		{args: "prices list --built-in", asked: "GET /prices", shows: []string{"gpt-5", "1.25"}},
		{
			args: "prices set m-3 --input 1 --output 2.5 --cache-read 0 --cache-write 1.25 --cache-write-hour 2 --reasoning 3", shows: []string{`"m-3" is set`},
			asked: `PUT /prices {"prices":[` + handPrice + `,` + importedPrice + `,{"match":"m-3","upstream":"","input_per_million":"1","output_per_million":"2.5","cache_read_per_million":"0",` +
				`"cache_write_per_million":"1.25","cache_write_hour_per_million":"2","reasoning_per_million":"3","source":""}]} if it is "4"`,
		},
		{
			args: "prices set m-2 --input 1", shows: []string{`"m-2" is set`}, // it is no import's any more
			asked: `PUT /prices {"prices":[` + handPrice + `,` + strings.NewReplacer(`"0.00"`, `"1"`, `"tsv"`, `""`).Replace(importedPrice) + `]} if it is "4"`,
		},
		{args: "prices remove m-1 --upstream vendor", asked: `PUT /prices {"prices":[` + importedPrice + `]} if it is "4"`, shows: []string{`"m-1" is removed`}},
		{args: "prices import " + prices, asked: "POST /prices/import?format=tsv model\tinput", shows: []string{
			"3 added, 2 changed, 1 unchanged, 4 removed, 5 set by hand and kept, 7 rows skipped", "for a million tokens: fine", "for long prompts, which is not counted: long", "line 9: it names no model", "and 6 more",
		}, rejects: "7 of the rows were rejected\n"},
		{args: "prices import - --format litellm --dry-run", stdin: "{}", asked: "POST /prices/import?dry_run=true&format=litellm {}", shows: []string{"nothing has changed", "3 added"}},
		{args: "keys list", asked: "GET /keys?cursor=c2&limit=500", shows: []string{"k1", "k2", "CI", "active", "gpt-*", "in 12d", "49 of 60 requests a minute, 4.20 of 10.00 usd a month"}},
		{args: "keys list --search x --tag t --state disabled", asked: "GET /keys?limit=500&q=x&state=disabled&tag=t", shows: []string{"NAME"}},
		{args: "keys show CI", asked: "GET /keys/k1", shows: []string{"sk-carousel-k1-…cret", "team", "networks         all", "old secret ends  in 1h", "4.20 of 10.00 usd a month, renewed in 8d"}},
		{
			args: "keys create --name CI --tag a --tag b --model gpt-* --network 10.0.0.0/8 --scope pool:read --expires 30d --rpm 60 --tpm 1000 --parallel 4 --budget usd:10/month@Europe/Berlin --budget tokens:5/total",
			asked: `POST /keys {"budgets":[{"unit":"usd","amount":"10","period":"month","time_zone":"Europe/Berlin"},{"unit":"tokens","amount":"5","period":"total"}],` +
				`"expires_at":"2026-12-22T12:00:00Z","limits":{"parallel":4,"requests_per_minute":60,"tokens_per_minute":1000},"models":["gpt-*"],"name":"CI","networks":["10.0.0.0/8"],"scopes":["pool:read"],"tags":["a","b"]}`,
			shows: []string{"Nobody can show it again", "\n\nsk-carousel-k1-once\n"},
		},
		{args: "keys edit CI --name x --expires never --rpm 0 --tag= --budget=", asked: `PATCH /keys/k1 {"budgets":[],"expires_at":null,"limits":{"requests_per_minute":null},"name":"x","tags":[]}`, shows: []string{"k1"}},
		{args: "keys edit k1 --expires 2026-12-31", asked: `PATCH /keys/k1 {"expires_at":"2027-01-01T00:00:00Z"}`, shows: []string{"k1"}},
		{args: "keys edit k1 --expires 2026-12-31T10:00:00+01:00", asked: `PATCH /keys/k1 {"expires_at":"2026-12-31T10:00:00+01:00"}`, shows: []string{"k1"}},
		{args: "keys rotate CI", asked: `POST /keys/k1/rotate {}`, shows: []string{"sk-carousel-k1-once\n"}},
		{args: "keys rotate k1 --keep-old 1d", asked: `POST /keys/k1/rotate {"keep_old_for":"24h0m0s"}`, shows: []string{"sk-carousel-k1-once\n"}},
		{args: "keys disable CI", asked: `PATCH /keys/k1 {"disabled":true}`, shows: []string{"k1 disabled"}},
		{args: "keys enable k1", asked: `PATCH /keys/k1 {"disabled":false}`, shows: []string{"k1 enabled"}},
		{args: "keys delete CI", asked: "DELETE /keys/k1", shows: []string{"k1 deleted", "restore"}},
		{args: "keys restore k1", asked: "POST /keys/k1/restore", shows: []string{"k1 restored"}},
		{args: "settings list", asked: "GET /settings", shows: []string{"max_attempts", "3", "base64"}},
		{args: "settings set log_prompts=false max_attempts=4 vision_ability=all", asked: `PATCH /settings {"log_prompts":false,"max_attempts":4,"vision_ability":"all"}`, shows: []string{"false", "4", "all"}},
		{args: "settings reset max_attempts", asked: `POST /settings/reset {"names":["max_attempts"]}`, shows: []string{"max_attempts"}},
		{args: "logs list --status success --limit 2", asked: "GET /logs?limit=2&status=success", shows: []string{"gpt-4o", "200 success", "1.235s", "~7+9", "~0.50", "admin", "2s ago"}},
		{args: "logs list --model sonnet", asked: "GET /logs?limit=50&model=sonnet", shows: []string{"1000+60 (900 cached)", "build\ufffd[31m", " 0.0123 "}},
		{args: "logs list --kind rate_limited --retried true --min-total 10s", asked: "GET /logs?error_kind=rate_limited&limit=50&min_total=10s&retried=true"},
		{args: "logs list --key k1", asked: "GET /logs?key_id=k1&limit=50", shows: []string{"CALLER", "COST"}},
		{args: "usage --by key,day --from 2026-11-01 --to 2026-11-03", asked: "GET /usage?from=2026-11-01T00%3A00%3A00Z&group=key%2Cday&to=2026-11-03T00%3A00%3A00Z", shows: []string{
			"KEY", "DAY", "team \ufffd[31m (k1)  2026-11-01  4", "1.250000000001  2\n", "admin", "all", "11 ", "from 2026-11-01T00:00:00Z to 2026-11-03T00:00:00Z",
		}},
		{args: "logs export --model gpt-4o", asked: "GET /logs?format=csv&model=gpt-4o", shows: []string{"id,model\r\nr1,gpt-4o\r\n"}},
		{args: "logs export --format jsonl", asked: "GET /logs?format=jsonl", shows: []string{`{"id":"r1"}` + "\n"}},
		{args: "usage --by model --model gpt-5 --csv", asked: "GET /usage?format=csv&group=model&model=gpt-5", shows: []string{"model,requests\r\ngpt-5,4\r\n"}},
		{args: "usage --by token --token t1", asked: "GET /usage?group=token&token=t1", shows: []string{"TOKEN", "work (t1)"}},
		{args: "logs show r3", asked: "GET /logs/r3", shows: []string{
			"anthropic, translated for the upstream", "1000 + 60 tokens, reported", "900 from cache, 50 written to cache, 20 of them for an hour", "40 for thinking", "k1 build\ufffd", "sonnet-2025", "0.0123",
		}},
		{args: "logs show r1", asked: "GET /logs/r1", shows: []string{"r1", "attempt 1    Authorization  (not kept)", "answer to 1  Retry-After    60", "curl\ufffd[31m/8", "estimated", "spare", "limit: one model", "cooling for gpt-4o until in 5m", "parked (undone)", "token_may_cool", "200 ERROR_RATE_LIMITED (model) slow", "success", "\nHello\n"}},
		{args: "models", asked: "GET /models", shows: []string{"gpt-4o", "~0", "3 cooling, 1 fail alike: upstream, gone: there is no such upstream", "in 30s", "of an earlier version"}},
		{args: "models --search gpt --unserved", asked: "GET /models?q=gpt&unserved=true", shows: []string{"MODEL"}},
		{args: "notifications list", asked: "GET /notifications", shows: []string{"d1", "team", "slack", "https://hooks.example/…", "warning", "enabled", "ops@example.com by mail.example.com:587", "CarouselPoolDry"}},
		{args: "notifications alerts", asked: "GET /notifications", shows: []string{"CarouselPoolDry", "cursor", "critical", "fires", "1h ago", "No token"}},
		{args: "notifications deliveries", asked: "GET /notifications", shows: []string{"team", "failed", "it answered 503", "CarouselPoolDry"}},
		{args: "notifications silences", asked: "GET /notifications", shows: []string{"s1", "any", "cursor", "in 2h", "we know"}},
		{args: "notifications add slack team --webhook-file - --severity warning", stdin: "https://hooks.example/secret\n", asked: `POST /notifications/destinations {"kind":"slack","name":"team","severity":"warning","url":"https://hooks.example/secret"}`, shows: []string{"team is told from now on"}},
		{args: "notifications add mail us --server m:25 --to a@b.example --to c@d.example --alert CarouselPoolDry --recoveries=false", asked: `POST /notifications/destinations {"alerts":["CarouselPoolDry"],"kind":"mail","mail":{"server":"m:25","to":["a@b.example","c@d.example"]},"name":"us","recoveries":false}`, shows: []string{"test d1"}},
		{args: "notifications set d1 --disabled --secret-file -", asked: `PATCH /notifications/destinations/d1 {"disabled":true,"secret":""}`, shows: []string{"team is changed"}},
		{args: "notifications delete d1", asked: "DELETE /notifications/destinations/d1", shows: []string{"d1 deleted"}},
		{args: "notifications test d1", asked: "POST /notifications/destinations/d1/test", shows: []string{"team: delivered"}},
		{args: "notifications test d2", asked: "POST /notifications/destinations/d2/test", shows: []string{"mail: given_up"}, rejects: "mail was not told: it answered 404:\n"},
		{args: "notifications silence --for 2h --alert CarouselPoolDry", asked: `POST /notifications/silences {"alert":"CarouselPoolDry","comment":"","until":"2026-11-22T14:00:00Z","upstream":""}`, shows: []string{"s1 silences until"}},
		{args: "notifications unsilence s1", asked: "DELETE /notifications/silences/s1", shows: []string{"s1 ended"}},
		{args: "acknowledge cursor upstream gpt-4o", asked: `POST /alarms/acknowledge {"class":"upstream","model":"gpt-4o","upstream":"cursor"}`, shows: []string{"acknowledged: upstream of cursor"}},
		{args: "explain gpt-4o", asked: "GET /explain?model=gpt-4o", shows: []string{"gpt-4o goes by no route.", "cooling for 30s", "is chosen next"}},
		{args: "explain m --key k1", asked: "GET /explain?key=k1&model=m", shows: []string{"the key has expired"}},
		{args: "explain fast --dialect responses", asked: "GET /explain?dialect=responses&model=fast", shows: []string{
			"fast goes by the route quick, which is for fa*, with reasoning_effort=low, temperature=0.2 by default.",
			"1. cursor/gpt-4o, priority 0, weight 3, 75 % of what its priority gets: can serve now", "cooling for 30s", "is chosen next",
			"2. vllm, as it is named, priority 0, weight 1, 25 % of what its priority gets: has no tokens",
			"3. spare/m, priority 1, weight 1, 100 % of what its priority gets: all tokens fail alike, upstream for 1m",
			"4. gone/m, priority 2, weight 1: can't serve: there is no such upstream", "When none of them can serve: spare, gpt-4o-mini.",
		}},
		{args: "tokens release work", asked: "POST /tokens/t1/release", shows: []string{"t1 released"}},
		{args: "tokens history work", asked: "GET /tokens/t1/transitions", shows: []string{"1h ago", "parked", "auth", "r9", "no\ufffd[31m such session"}},
		{args: "tokens account work --refresh", asked: "GET /tokens/t1/account?refresh=true", shows: []string{"me@example.org", "pro", "3 days left", "12 of 150 requests, 7 tokens", "in 5h"}},
		{args: "tokens undo --class auth --from 2h --upstream cursor", asked: `POST /transitions/undo {"class":"auth","from":"2026-11-22T10:00:00Z","upstream":"cursor"}`, shows: []string{"3 transitions are undone"}},
		{args: "tokens undo --class auth --from 2026-11-22 --to 30m", asked: `POST /transitions/undo {"class":"auth","from":"2026-11-22T00:00:00Z","to":"2026-11-22T11:30:00Z"}`, shows: []string{"3 transitions are undone"}},
		{
			args: "tokens undo --class auth --from 2h --dry-run", asked: `POST /transitions/undo {"class":"auth","dry_run":true,"from":"2026-11-22T10:00:00Z"}`,
			shows: []string{"1h ago", "as a whole", "for 2 models", "3 transitions of 2 tokens would be undone; nothing has changed"},
		},
		{args: "tokens undo --class auth --from 2h --token work", asked: `POST /transitions/undo {"class":"auth","from":"2026-11-22T10:00:00Z","token_id":"t1"}`, shows: []string{"3 transitions are undone"}},
		{args: "logins list", asked: "GET /logins", shows: []string{"l1", "cursor", "work", "failed", "another account"}},
		{args: "logins show l1", asked: "GET /logins/l1", shows: []string{"https://site.example/login?uuid=u1", "pending"}},
		{args: "logins cancel l1", asked: "DELETE /logins/l1", shows: []string{"l1 cancelled"}},
		{args: "routes show quick", asked: "GET /routes/quick", shows: []string{"fast", "cursor/gpt-4o"}},
		{args: "settings changes", asked: "GET /settings/changes", shows: []string{"max_attempts", "1h ago", "api 10.0.0.1", "5"}},
		{args: "stats --from 1d --step 1h", asked: "GET /stats?from=2026-11-21T12%3A00%3A00Z&step=1h", shows: []string{"FIRST BYTE P50", "60 ", "1.2s", "3.4s", "150ms"}},
		{args: "fleet", asked: "GET /fleet", shows: []string{"g1", "1.2.3", "1000 requests in all, 2 under way", "3 ready, 1 parked", "upstream of all models, since 2m ago", "warning: Redis is nearly full"}},
		{args: "audit list", asked: "GET /audit?limit=50", shows: []string{"1h ago", "token deleted", "10.0.0.1", "q1", "can be undone", "alias=work token_id=t1"}},
		{args: "audit show q1", asked: "GET /audit/q1", shows: []string{"max_attempts", "changed", "3", "5", "work", "deleted"}},
		{
			args: "audit activity --source both --account work", asked: "GET /activity?account=work&limit=50&source=both",
			shows: []string{"cooling", "work upstream=cursor class=rate_limit until=in 5m", "r1", "tokens disabled", "count=2", "can be undone", "--cursor 1-0.cursor"},
		},
		{args: "audit undo q1", asked: "POST /audit/q1/undo", shows: []string{"1 undone, 0 not"}},
		{args: "audit undo q2", asked: "POST /audit/q2/undo", shows: []string{"1 undone, 1 not", "setting max_attempts: it has been changed since"}, rejects: "1 of 2 could not be undone\n"},
		{args: "tokens delete --state parked", asked: `POST /tokens/bulk {"action":"delete","ids":["t1","t2"]}`, shows: []string{"delete: 1 changed, 1 failed", "t2: it is gone", "audit undo q7"}, rejects: "1 of 2 tokens are as they were\n"},
		{
			args: "tokens test --state parked", asked: `POST /tokens/test {"ids":["t1","t2"],"model":""}`,
			shows:   []string{"cursor, no model is known yet: 1 requests, cost not known", "openai, gpt-4o: 1 requests, about 0.01 USD, at most 0.2 USD", "t1 works: gpt-4o, 312 ms, 0.01 USD", "t2 fails (rests): it is disabled. Enable it.", "1 work, 1 don't"},
			rejects: "1 of 2 tokens don't work\n",
		},
		{args: "tokens test --state parked --model m --dry-run", asked: `POST /tokens/test {"dry_run":true,"ids":["t1","t2"],"model":"m"}`, shows: []string{"about 0.01 USD"}},
		{args: "tokens release --state parked", asked: `POST /tokens/bulk {"action":"release","ids":["t1","t2"]}`, shows: []string{"release: 1 changed, 1 failed"}, rejects: "1 of 2 tokens are as they were\n"},
		{
			args: "tokens edit-many --state parked --add-tags night --cap 4", asked: `POST /tokens/bulk {"action":"edit","edit":{"add_tags":["night"],"cap":4},"ids":["t1","t2"]}`,
			shows: []string{"edit: 1 changed, 1 failed", "audit undo q7"}, rejects: "1 of 2 tokens are as they were\n",
		},
		{args: "tokens edit-many work --tags= --weight 2", asked: `POST /tokens/bulk {"action":"edit","edit":{"tags":[],"weight":2},"ids":["t1"]}`, shows: []string{"edit: 1 changed"}, rejects: "1 of 2 tokens are as they were\n"},
		{args: "tokens enable --tag none", asked: "GET /tokens?limit=1000&tag=none", shows: []string{"no token is such"}},
		{args: "files show", asked: "POST /get-tokeninfo", shows: []string{"work::eyJ\n"}},
		{args: "files show --list", asked: "POST /get-tokeninfo", shows: []string{"eyJ,sum\n"}},
		{args: "files reload", asked: "GET /update-tokeninfo", shows: []string{"1 accepted, 2 updated, 0 deleted, 0 rejected"}},
		{args: "files write -", stdin: "eyJ", asked: `POST /update-tokeninfo {"tokens":"eyJ"}`, shows: []string{"3 deleted, 1 rejected", ".token, line 4: it is no token"}, rejects: "1 of the lines was rejected\n"},
		{args: "files write - " + file, stdin: "eyJ", asked: `POST /update-tokeninfo {"token_list":"T,sum","tokens":"eyJ"}`, shows: []string{"3 deleted"}, rejects: "1 of the lines was rejected\n"},
		{args: "upstreams show cursor", asked: "GET /upstreams", shows: []string{"https://u", "as the upstream lists them"}},
		{args: "pages list", asked: "GET /pages", shows: []string{"/about", "text", "6"}},
		{args: "pages show /about", asked: "GET /pages", shows: []string{"Hello\n"}},
		{args: "pages set /about - --type html", stdin: "Hello", asked: `PUT /pages {"path":"/about","type":"html","content":"Hello"}`, shows: []string{"/about is served as html"}},
		{args: "pages reset /about", asked: "DELETE /pages?path=%2Fabout", shows: []string{"/about is the built-in page"}},
	}
	ran := 0
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			a := newAPI(t)
			got := a.run(t, test.stdin, strings.Fields(test.args)...)
			code := 0
			if test.rejects != "" {
				code = 1
			}
			if got.code != code || got.stderr != test.rejects {
				t.Fatalf("code %d, stderr %q", got.code, got.stderr)
			}
			ran, requests = ran+1, append(requests, a.asked...)
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
	sealing, passphrase := backups(t, aPlan)
	sealing.run(t, "", "backup", "-", "--passphrase-file", passphrase)
	sealing.run(t, "sealed", "restore", "-", "--passphrase-file", passphrase)
	sealing.run(t, "model_list: []", "move-in", "-")
	sealing.run(t, "", "move-out", "--format", "litellm")
	requests = append(requests, sealing.asked...)
	if missing := unreached(requests); ran == len(tests) && len(missing) > 0 {
		t.Errorf("no command asks for %q", missing)
	}
}

func TestJSONIsWhatTheAPIAnswers(t *testing.T) {
	for args, member := range map[string]string{
		"tokens list --json": "tokens", "--json tokens list": "tokens", "-o json tokens list": "tokens", "tokens show t1 --json": "fingerprint", "settings list --json": "max_attempts",
		"logs list --json --status success --limit 2": "logs", "explain gpt-4o --json": "candidates", "upstreams list --json": "upstreams",
		"tokens enable t1 --json": "fingerprint", "keys list --json": "keys", "keys show k1 --json": "left", "keys create --name n --json": "secret",
	} {
		t.Run(args, func(t *testing.T) {
			got := newAPI(t).run(t, "", strings.Fields(args)...)
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
		"":                                    `"carousel admin" needs a command: `,
		"tokens":                              `"carousel admin tokens" needs a command: account, add`,
		"tokens lost":                         `there is no command "tokens lost"`,
		"tokens lits --state ready":           `there is no command "tokens lits"; did you mean "list"?`,
		"token list":                          `there is no command "token"; did you mean "tokens"?`,
		"help tokns":                          `there is no command "tokns"; did you mean "tokens"?`,
		"tokens show":                         "wrong number of arguments: 1 wanted, not 0",
		"tokens show a b":                     "wrong number of arguments: 1 wanted, not 2",
		"backup a b":                          "wrong number of arguments: 0 to 1 wanted, not 2",
		"tokens refresh":                      "wrong number of arguments: 1 or more wanted, not 0",
		"tokens delete":                       "name tokens, or choose them by",
		"tokens delete t1 --tag a":            "name tokens or choose them by flags, not both",
		"tokens edit-many work":               "say what is to change: --tags",
		"connect codx":                        `did you mean "codex"?`,
		"tokens list --zap":                   "there is no flag --zap\nusage: carousel admin tokens list [flags]",
		"tokens list -json":                   `there is no flag -json; did you mean "--json"?`,
		"tokens list -z":                      "there is no flag -z",
		"tokens list --serch x":               `there is no flag --serch; did you mean "--search"?`,
		"tokens list --tag":                   "--tag: a value is missing",
		"tokens list --state redy":            `--state: one of cooling, disabled, expired, parked, probing, quarantined, ready wanted, not "redy"; did you mean "ready"?`,
		"tokens list -o jsn":                  `--output: one of table, json, yaml, csv wanted, not "jsn"; did you mean "json"?`,
		"tokens list --json=maybe":            `--json: true or false wanted, not "maybe"`,
		"usage --by key,dayy":                 `--by: some of key, token, model, upstream, day, hour wanted, not "dayy"; did you mean "day"?`,
		"usage --from soon":                   `--from: how long ago wanted, such as 1h or 7d`,
		"tokens undo --class auth":            "a class and a time are missing",
		"keys create --rpm 1":                 "a name for the key is missing: --name NAME",
		"keys edit k1 --expires soon":         "--expires: a length of time such as 30d",
		"keys rotate k1 --keep-old 0d":        "--keep-old: a length",
		"settings set log_prompts":            `NAME=VALUE wanted, not "log_prompts"`,
		"tokens edit work --proxy h://u:pw@p": "CAROUSEL_PROXY_PASSWORD",
		"login --proxy http://u:p%w@":         "--proxy: a URL such as",
		"prices import prices.json":           "--format litellm, models.dev or tsv",
		"upstreams put vllm --set without":    "KEY=VALUE",
		"routes put x --target /m":            "UPSTREAM/MODEL",
		"routes put x --target u/m,first":     "UPSTREAM/MODEL",
		"routes put x --target u/m,1,2,3":     "UPSTREAM/MODEL",
		"routes put x --default top_p":        "KEY=VALUE",
		"keys create --budget usd:10":         "usd:10/month@Europe/Berlin",
		"keys edit k1 --rpm -1":               `--rpm: a whole number wanted, not "-1"`,
		"keys edit":                           "wrong number of arguments",
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
		"unknown key":       {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"keys", "show", "C"}, `no key has the id or the name "C"`},
		"ambiguous name":    {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"keys", "delete", "k1", "twins"}, "a, b"},
		"no such request":   {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"logs", "show", "r2"}, "(404)"},
		"no refresh":        {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"tokens", "add", "--with-refresh-token"}, "two lines wanted"},
		"a built-in page":   {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"pages", "show", "/logs"}, `nothing is served at "/logs"`},
		"no such upstream":  {map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key}, []string{"upstreams", "show", "cursr"}, `there is no upstream "cursr"; did you mean "cursor"?`},
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
	code := admincli.Run(ctx, []string{"admin", "logs", "tail", "--alias", "work"}, admincli.Environment{
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

// What can't be done is said before anything is asked that changes something.
func TestPricesThatCanNotBeChanged(t *testing.T) {
	for args, says := range map[string]string{
		"prices remove m-1":   `no price of "m-1" is set or imported`,
		"prices import x.tsv": "no such file",
	} {
		a := newAPI(t)
		got := a.run(t, "", strings.Fields(args)...)
		if got.code != 1 || !strings.Contains(got.stderr, says) {
			t.Errorf("%s: code %d, stderr %q", args, got.code, got.stderr)
		}
		if len(a.asked) > 0 && a.asked[len(a.asked)-1] != "GET /prices" {
			t.Errorf("%s: asked %q", args, a.asked)
		}
	}
}
