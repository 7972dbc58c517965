package reference_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/reference"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The shapes of good answers.
const (
	updateShape = `{message:string report:{accepted:number deleted:number rejected:[{file:string line:number reason:string}] updated:number} ` +
		`status:string token_count:number token_file:string token_list_file:string tokens_count:number}`
	filesShape  = `{status:string token_file:string token_list:string token_list_file:string tokens:string tokens_count:number}`
	configShape = `{data:{check_usage_models:{content:string type:string} enable_all_claude:bool enable_slow_pool:bool enable_stream_check:bool ` +
		`include_stop_stream:bool page_content:{content:string type:string} version:number vision_ability:string} message:string status:string}`
	logsShape = `{logs:[` +
		`{attempts:number dialect:null end_reason:string error:null error_kind:null http_status:number id:string model:string prompt:null prompt_cut:bool ` +
		`replica:string status:string stream:bool timestamp:string timing:{first:null total:null} ` +
		`token_info:{alias:null checksum:null fingerprint:null id:null token:null} upstream:null ` +
		`usage:{cache_read_tokens:null cache_write_tokens:null completion_tokens:number prompt_tokens:number reasoning_tokens:null source:string total_tokens:number}} ` +
		`{attempts:number dialect:string end_reason:string error:string error_kind:string http_status:number id:string model:string prompt:string prompt_cut:bool ` +
		`replica:string status:string stream:bool timestamp:string timing:{first:number total:number} ` +
		`token_info:{alias:string checksum:null fingerprint:string id:string token:string} upstream:string ` +
		`usage:{cache_read_tokens:number cache_write_tokens:number completion_tokens:number prompt_tokens:number reasoning_tokens:number source:string total_tokens:number}}` +
		`] next:string status:string timestamp:string total:number}`
	checksumShape = `{checksum:string}`
	errorShape    = `{error:{code:string message:string param:%s type:string}}`
)

var files = `{"tokens":"a::T1\n","token_list":"T1,sum"}`

// Every route with what it answers, and every documented error.
func TestRoutes(t *testing.T) {
	t.Parallel()
	const (
		text   = "text/plain;charset=utf-8"
		html   = "text/html;charset=utf-8"
		style  = "text/css;charset=utf-8"
		script = "text/javascript;charset=utf-8"
		asJSON = "application/json"
	)
	long := strings.Repeat("x", 256<<10+1)
	cases := []struct {
		name, method, path, body string
		status                   int
		// contentType of a good answer, and its shape where that is JSON.
		contentType, shape string
		// code and param of a bad one.
		code, param string
	}{
		{"reload", "GET", "/update-tokeninfo", "", 200, asJSON, updateShape, "", ""},
		{"reload, DELETE", "DELETE", "/update-tokeninfo", "", 405, "", "", "method_not_allowed", ""},

		{"write", "POST", "/update-tokeninfo", files, 200, asJSON, updateShape, "", ""},
		{"write, only tokens", "POST", "/update-tokeninfo", `{"tokens":""}`, 200, asJSON, updateShape, "", ""},
		{"write, list null", "POST", "/update-tokeninfo", `{"tokens":"x","token_list":null}`, 200, asJSON, updateShape, "", ""},
		{"write, no tokens", "POST", "/update-tokeninfo", `{"token_list":"x"}`, 400, "", "", "invalid_request", "tokens"},
		{"write, null", "POST", "/update-tokeninfo", `{"tokens":null}`, 400, "", "", "invalid_request", "tokens"},
		{"write, wrong type", "POST", "/update-tokeninfo", `{"tokens":["x"]}`, 400, "", "", "invalid_request", "tokens"},
		{"write, wrong list", "POST", "/update-tokeninfo", `{"tokens":"x","token_list":1}`, 400, "", "", "invalid_request", "token_list"},
		{"write, unknown field", "POST", "/update-tokeninfo", `{"tokens":"x","tokenlist":""}`, 400, "", "", "invalid_request", "tokenlist"},
		{"write, nothing", "POST", "/update-tokeninfo", ``, 400, "", "", "invalid_request", ""},
		{"write, a list", "POST", "/update-tokeninfo", `[]`, 400, "", "", "invalid_request", ""},
		{"write, cut short", "POST", "/update-tokeninfo", `{"tokens":"x`, 400, "", "", "invalid_request", ""},
		{"write, more", "POST", "/update-tokeninfo", `{"tokens":"x"}{}`, 400, "", "", "invalid_request", ""},
		{"write, not UTF-8", "POST", "/update-tokeninfo", "{\"tokens\":\"\xff\"}", 400, "", "", "invalid_request", ""},
		{"write, too large", "POST", "/update-tokeninfo", `{"tokens":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "", "", "request_too_large", ""},

		{"read", "POST", "/get-tokeninfo", "", 200, asJSON, filesShape, "", ""},
		{"read, any body", "POST", "/get-tokeninfo", "}", 200, asJSON, filesShape, "", ""},
		{"read, GET", "GET", "/get-tokeninfo", "", 405, "", "", "method_not_allowed", ""},

		{"get", "POST", "/config", `{"action":"get","path":"/about"}`, 200, asJSON, configShape, "", ""},
		{"get, no path", "POST", "/config", `{"action":"get"}`, 200, asJSON, configShape, "", ""},
		{"get, empty path", "POST", "/config", `{"action":"get","path":""}`, 200, asJSON, configShape, "", ""},
		{"get, unknown path", "POST", "/config", `{"action":"get","path":"/v1/models"}`, 400, "", "", "invalid_request", "path"},
		{"update, a page", "POST", "/config", `{"action":"update","path":"/about","content":"x","content_type":"text"}`, 200, asJSON, configShape, "", ""},
		{"update, a tagged page", "POST", "/config", `{"action":"update","path":"/","content":{"type":"html","content":"x"}}`, 200, asJSON, configShape, "", ""},
		{"update, a flag", "POST", "/config", `{"action":"update","enable_slow_pool":true}`, 200, asJSON, configShape, "", ""},
		{"update, nothing", "POST", "/config", `{"action":"update"}`, 200, asJSON, configShape, "", ""},
		{"update, nulls", "POST", "/config", `{"action":"update","enable_slow_pool":null,"content":null,"version":null}`, 200, asJSON, configShape, "", ""},
		{"reset", "POST", "/config", `{"action":"reset","path":"/about","vision_ability":"none"}`, 200, asJSON, configShape, "", ""},
		{"reset, nothing", "POST", "/config", `{"action":"reset"}`, 200, asJSON, configShape, "", ""},
		{"the original's own example", "POST", "/config", `{"action":"update","path":"","content":"","content_type":"default",` +
			`"enable_stream_check":true,"enable_stream_check":true,"vision_ability":"all","enable_slow_pool":false,"enable_slow_pool":false}`, 200, asJSON, configShape, "", ""},
		{"half a character", "POST", "/config", `{"action":"update","path":"/","content_type":"text","content":"\ud83d"}`, 400, "", "", "invalid_request", ""},
		{"unknown action", "POST", "/config", `{"action":"delete"}`, 400, "", "", "invalid_request", "action"},
		{"no action", "POST", "/config", `{}`, 400, "", "", "invalid_request", "action"},
		{"action, wrong type", "POST", "/config", `{"action":1}`, 400, "", "", "invalid_request", "action"},
		{"update, unknown path", "POST", "/config", `{"action":"update","path":"/nope","content":"x","content_type":"text"}`, 400, "", "", "invalid_request", "path"},
		{"reset, unknown path", "POST", "/config", `{"action":"reset","path":"/nope"}`, 400, "", "", "invalid_request", "path"},
		{"content without path", "POST", "/config", `{"action":"update","content":"x","content_type":"text"}`, 400, "", "", "invalid_request", "path"},
		{"content without type", "POST", "/config", `{"action":"update","path":"/","content":"x"}`, 400, "", "", "invalid_request", "content_type"},
		{"type without content", "POST", "/config", `{"action":"update","path":"/","content_type":"html"}`, 400, "", "", "invalid_request", "content"},
		{"unknown type", "POST", "/config", `{"action":"update","path":"/","content":"x","content_type":"markdown"}`, 400, "", "", "invalid_request", "content_type"},
		{"unknown tag", "POST", "/config", `{"action":"update","path":"/","content":{"type":"js","content":"x"}}`, 400, "", "", "invalid_request", "content.type"},
		{"no tag", "POST", "/config", `{"action":"update","path":"/","content":{"content":"x"}}`, 400, "", "", "invalid_request", "content.type"},
		{"tag without content", "POST", "/config", `{"action":"update","path":"/","content":{"type":"text"}}`, 400, "", "", "invalid_request", "content.content"},
		{"tag, wrong type", "POST", "/config", `{"action":"update","path":"/","content":{"type":"text","content":1}}`, 400, "", "", "invalid_request", "content.content"},
		{"content, wrong type", "POST", "/config", `{"action":"update","path":"/","content":7}`, 400, "", "", "invalid_request", "content"},
		{"content, too long", "POST", "/config", `{"action":"update","path":"/","content_type":"text","content":"` + long + `"}`, 413, "", "", "request_too_large", "content"},
		{"content, not UTF-8", "POST", "/config", "{\"action\":\"update\",\"path\":\"/\",\"content_type\":\"text\",\"content\":\"\xc3\"}", 400, "", "", "invalid_request", ""},
		{"flag, wrong type", "POST", "/config", `{"action":"update","enable_stream_check":"yes"}`, 400, "", "", "invalid_request", "enable_stream_check"},
		{"vision, unknown", "POST", "/config", `{"action":"update","vision_ability":"some"}`, 400, "", "", "invalid_request", "vision_ability"},
		{"vision, wrong type", "POST", "/config", `{"action":"update","vision_ability":true}`, 400, "", "", "invalid_request", "vision_ability"},
		{"usage models, unknown", "POST", "/config", `{"action":"update","check_usage_models":{"type":"some"}}`, 400, "", "", "invalid_request", "check_usage_models.type"},
		{"usage models, wrong type", "POST", "/config", `{"action":"update","check_usage_models":"all"}`, 400, "", "", "invalid_request", "check_usage_models"},
		{"version, wrong type", "POST", "/config", `{"action":"update","version":"5"}`, 400, "", "", "invalid_request", "version"},
		{"version 0", "POST", "/config", `{"action":"update","version":0}`, 400, "", "", "invalid_request", "version"},
		{"unknown setting", "POST", "/config", `{"action":"update","enable_everything":true}`, 400, "", "", "invalid_request", "enable_everything"},
		{"config, nothing", "POST", "/config", ``, 400, "", "", "invalid_request", ""},
		{"config, PUT", "PUT", "/config", `{}`, 405, "", "", "method_not_allowed", ""},

		{"logs", "POST", "/logs", "", 200, asJSON, logsShape, "", ""},
		{"logs, no filter", "POST", "/logs", "{}", 200, asJSON, logsShape, "", ""},
		{"logs, all filters", "POST", "/logs", `{"id":"x","model":"m","status":"failed","alias":"a","stream":true,"error":"e",` +
			`"from":"2025-01-01T00:00:00Z","to":"2025-01-02T00:00:00+08:00","limit":1000,"cursor":"c"}`, 200, asJSON, logsShape, "", ""},
		{"logs, unknown status", "POST", "/logs", `{"status":"pending"}`, 400, "", "", "invalid_request", "status"},
		{"logs, no time", "POST", "/logs", `{"from":"yesterday"}`, 400, "", "", "invalid_request", "from"},
		{"logs, no end", "POST", "/logs", `{"to":"2025"}`, 400, "", "", "invalid_request", "to"},
		{"logs, no entries", "POST", "/logs", `{"limit":0}`, 400, "", "", "invalid_request", "limit"},
		{"logs, too many", "POST", "/logs", `{"limit":1001}`, 400, "", "", "invalid_request", "limit"},
		{"logs, wrong limit", "POST", "/logs", `{"limit":-1}`, 400, "", "", "invalid_request", "limit"},
		{"logs, wrong type", "POST", "/logs", `{"stream":"yes"}`, 400, "", "", "invalid_request", "stream"},
		{"logs, unknown filter", "POST", "/logs", `{"models":"m"}`, 400, "", "", "invalid_request", "models"},
		{"logs, no object", "POST", "/logs", `"all"`, 400, "", "", "invalid_request", ""},

		{"root", "GET", "/", "", 307, "", "", "", ""},
		{"token page", "GET", "/tokeninfo", "", 200, html, "", "", ""},
		{"config page", "GET", "/config", "", 200, html, "", "", ""},
		{"log page", "GET", "/logs", "", 200, html, "", "", ""},
		{"readme", "GET", "/readme", "", 307, "", "", "", ""},
		{"about", "GET", "/about", "", 200, html, "", "", ""},
		{"styles", "GET", "/static/shared-styles.css", "", 200, style, "", "", ""},
		{"script", "GET", "/static/shared.js", "", 200, script, "", "", ""},
		{"other static file", "GET", "/static/other.js", "", 404, "", "", "not_found", ""},
		{"static, POST", "POST", "/static/shared.js", "", 405, "", "", "method_not_allowed", ""},
		{"environment", "GET", "/env-example", "", 200, text, "", "", ""},
		{"about, POST", "POST", "/about", "", 405, "", "", "method_not_allowed", ""},

		{"checksum", "GET", "/checksum", "", 200, asJSON, checksumShape, "", ""},
		{"get-checksum", "GET", "/get-checksum", "", 200, asJSON, checksumShape, "", ""},
		{"get-checksum, repair", "GET", "/get-checksum?checksum=rubbish", "", 200, asJSON, checksumShape, "", ""},
		{"hash", "GET", "/get-hash", "", 200, text, "", "", ""},
		{"timestamp", "GET", "/get-tsheader", "", 200, text, "", "", ""},
		{"timestamp, POST", "POST", "/get-tsheader", "", 405, "", "", "method_not_allowed", ""},
		{"a slash too many", "GET", "/about/", "", 404, "", "", "not_found", ""},
		{"unknown", "GET", "/get-everything", "", 404, "", "", "not_found", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, nil)
			w := g.do(t, c.method, c.path, c.body, "Authorization", key)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if c.code != "" {
				wantError(t, w.Body.Bytes(), c.code, c.param)
				if len(g.store.asked) != 0 {
					t.Errorf("the store was asked %v", g.store.asked)
				}
				return
			}
			if got := w.Header().Get("Content-Type"); got != c.contentType {
				t.Errorf("content type %q, want %q", got, c.contentType)
			}
			if c.shape != "" {
				if got := shapeOf(t, w.Body.Bytes()); got != c.shape {
					t.Errorf("shape\n%s, want\n%s", got, c.shape)
				}
			}
		})
	}
}

func wantError(t *testing.T, body []byte, code, param string) {
	t.Helper()
	paramShape := "null"
	if param != "" {
		paramShape = "string"
	}
	if got, want := shapeOf(t, body), fmt.Sprintf(errorShape, paramShape); got != want {
		t.Fatalf("shape %s, want %s in %s", got, want, body)
	}
	var answer struct {
		Error struct{ Message, Code, Param string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error.Code != code || answer.Error.Param != param || !strings.Contains(answer.Error.Message, param) {
		t.Errorf("code %q, param %q, want %q, %q: %s", answer.Error.Code, answer.Error.Param, code, param, answer.Error.Message)
	}
}

// What only the admin may do is refused before anything of it is looked at, and
// what everyone may is for everyone.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	for route, closed := range map[string]bool{
		"GET /update-tokeninfo": true, "POST /update-tokeninfo": true, "POST /get-tokeninfo": true, "POST /config": true, "POST /logs": true,
		"GET /": false, "GET /tokeninfo": false, "GET /config": false, "GET /logs": false, "GET /about": false, "GET /readme": false,
		"GET /static/shared.js": false, "GET /static/shared-styles.css": false, "GET /env-example": false, "GET /checksum": false,
		"GET /get-checksum": false, "GET /get-hash": false, "GET /get-tsheader": false,
	} {
		method, path, _ := strings.Cut(route, " ")
		for _, shown := range []string{"", "Bearer wrong", "Basic right", "right"} {
			g := newGateway(t, nil)
			w := g.do(t, method, path, "{", "Authorization", shown)
			if !closed {
				if w.Code >= 400 {
					t.Errorf("%s with %q: %d %s", route, shown, w.Code, w.Body)
				}
				continue
			}
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" || len(g.store.asked) != 0 {
				t.Errorf("%s with %q: %d, asked %v", route, shown, w.Code, g.store.asked)
			}
			wantError(t, w.Body.Bytes(), "unauthorized", "")
		}
		if closed {
			w := newGateway(t, nil).do(t, method, path, "", "Authorization", key)
			if w.Code == 401 || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d, cache %q", route, w.Code, w.Header().Get("Cache-Control"))
			}
		}
	}
}

// The session of an admin's page is as good as the token, with its CSRF token.
// A reload, which is a GET, can't be had by a link that the browser follows.
func TestSessions(t *testing.T) {
	t.Parallel()
	g := newGateway(t, nil)
	session, _ := g.gate.Open(time.Now())
	opened := session.Cookie(httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	cookie := opened.Name + "=" + opened.Value
	for _, c := range []struct {
		method, path, csrf string
		status             int
	}{
		{"POST", "/logs", session.CSRF, 200},
		{"POST", "/logs", "", 403},
		{"POST", "/config", "wrong", 403},
		{"GET", "/update-tokeninfo", session.CSRF, 200},
		{"GET", "/update-tokeninfo", "", 403},
	} {
		w := g.do(t, c.method, c.path, "", "Cookie", cookie, "X-CSRF-Token", c.csrf, "Sec-Fetch-Site", "same-origin")
		if w.Code != c.status {
			t.Errorf("%s %s with %q: %d %s", c.method, c.path, c.csrf, w.Code, w.Body)
		}
	}
}

func TestOpenReload(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(d *reference.Deps) { d.OpenReload = true })
	if w := g.do(t, "GET", "/update-tokeninfo", ""); w.Code != 200 {
		t.Errorf("reload: %d %s", w.Code, w.Body)
	}
	if w := g.do(t, "POST", "/update-tokeninfo", files); w.Code != 401 {
		t.Errorf("write: %d", w.Code)
	}
}

// What the store refuses has one meaning on every route.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	for reason, want := range map[tokenstorev1.Reason]struct {
		status int
		code   string
	}{
		tokenstorev1.Reason_REASON_INVALID_ARGUMENT:  {400, "invalid_request"},
		tokenstorev1.Reason_REASON_VERSION_CONFLICT:  {409, "conflict"},
		tokenstorev1.Reason_REASON_STORE_UNAVAILABLE: {503, "store_unavailable"},
		tokenstorev1.Reason_REASON_UNSPECIFIED:       {500, "internal_error"},
	} {
		for route, body := range map[string]string{
			"GET /update-tokeninfo": "", "POST /update-tokeninfo": files, "POST /get-tokeninfo": "", "POST /logs": "",
			"POST /config": `{"action":"update","enable_slow_pool":true,"version":3}`,
		} {
			method, path, _ := strings.Cut(route, " ")
			g := newGateway(t, nil)
			g.store.err = rpcerr.New(reason, "because").GRPCStatus().Err()
			w := g.do(t, method, path, body, "Authorization", key)
			if w.Code != want.status {
				t.Errorf("%s, %v: %d", route, reason, w.Code)
			}
			wantError(t, w.Body.Bytes(), want.code, "")
			if strings.Contains(g.log.String(), `"audit"`) {
				t.Errorf("%s: what failed is audited", route)
			}
		}
	}
}

func TestHeadWhereGetIs(t *testing.T) {
	t.Parallel()
	for path, status := range map[string]int{
		"/": 200, "/tokeninfo": 200, "/config": 200, "/logs": 200, "/readme": 307, "/about": 200, "/env-example": 200,
		"/static/shared.js": 200, "/static/shared-styles.css": 200, "/checksum": 200, "/get-checksum": 200, "/get-hash": 200,
		"/get-tsheader": 200, "/update-tokeninfo": 200, "/get-tokeninfo": 405,
	} {
		if w := newGateway(t, nil).do(t, "HEAD", path, "", "Authorization", key); w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
}
