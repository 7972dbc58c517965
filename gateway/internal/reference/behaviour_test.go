package reference_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// wantAsked compares the store's last request.
func wantAsked(t *testing.T, g *gateway, want proto.Message) {
	t.Helper()
	if len(g.store.asked) == 0 {
		t.Fatalf("the store was not asked, want %v", want)
	}
	if diff := cmp.Diff(want, g.store.asked[len(g.store.asked)-1], protocmp.Transform()); diff != "" {
		t.Errorf("asked (-want +got)\n%s", diff)
	}
}

func wantJSON(t *testing.T, body []byte, want string) {
	t.Helper()
	var got, wanted any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("answer (-want +got)\n%s", diff)
	}
}

func TestTokenFiles(t *testing.T) {
	t.Parallel()
	list := "T1,sum"
	const updated = `{"status":"success","message":%q,"token_file":".token","token_list_file":".token-list","token_count":7,"tokens_count":7,` +
		`"report":{"accepted":2,"updated":3,"deleted":1,"rejected":[{"file":".token","line":3,"reason":"no token"},` +
		`{"file":".token-list","line":9,"reason":"no checksum"}]}}`

	g := newGateway(t, nil)
	w := g.post(t, "/update-tokeninfo", files, "If-Match", `"r1"`)
	wantJSON(t, w.Body.Bytes(), fmt.Sprintf(updated, "Token files have been updated and reloaded"))
	wantAsked(t, g, &tokenstorev1.WriteTokenFilesRequest{Tokens: "a::T1\n", TokenList: &list, ExpectedRevision: "r1"})
	if w.Header().Get("ETag") != `"r2"` {
		t.Errorf("ETag %q", w.Header().Get("ETag"))
	}
	if g.store.left < 10*time.Minute {
		t.Errorf("%v for whole files", g.store.left)
	}
	g.post(t, "/update-tokeninfo", `{"tokens":"x","token_list":null}`, "If-Match", "*")
	wantAsked(t, g, &tokenstorev1.WriteTokenFilesRequest{Tokens: "x"})

	w = g.do(t, "GET", "/update-tokeninfo", "", "Authorization", key)
	wantJSON(t, w.Body.Bytes(), fmt.Sprintf(updated, "Token list has been reloaded"))

	w = g.post(t, "/get-tokeninfo", "")
	wantJSON(t, w.Body.Bytes(), `{"status":"success","token_file":".token","token_list_file":".token-list","tokens":"a::T1\n","tokens_count":1,"token_list":"a::T1,sum\n"}`)
	if w.Header().Get("ETag") != `"r1"` {
		t.Errorf("ETag %q", w.Header().Get("ETag"))
	}
	for _, action := range []string{"token files written", "token files reloaded", "token files read"} {
		if !strings.Contains(g.log.String(), `"action":"`+action+`"`) {
			t.Errorf("%q is not audited", action)
		}
	}
	if regexp.MustCompile(`\DT1`).MatchString(g.log.String()) { // a digit before it is a time's
		t.Error("a token is in the log")
	}
}

func TestGetConfiguration(t *testing.T) {
	t.Parallel()
	g := newGateway(t, nil)
	g.store.pages = []*tokenstorev1.Page{{Path: "/about", Kind: tokenstorev1.PageKind_PAGE_KIND_HTML, Content: "<p>"}}
	w := g.post(t, "/config", `{"action":"get","path":"/about","enable_slow_pool":true,"content":"x","content_type":"text"}`)
	wantJSON(t, w.Body.Bytes(), `{"status":"success","message":"This is the configuration","data":{"page_content":{"type":"html","content":"<p>"},`+
		`"enable_stream_check":true,"include_stop_stream":true,"vision_ability":"url","enable_slow_pool":false,"enable_all_claude":false,`+
		`"check_usage_models":{"type":"list","content":"gpt-4,gpt-4o"},"version":5}}`)
	wantAsked(t, g, &tokenstorev1.GetSettingsRequest{})
	if w.Header().Get("ETag") != `"5"` {
		t.Errorf("ETag %q", w.Header().Get("ETag"))
	}
	w = g.post(t, "/config", `{"action":"get","path":"/logs"}`)
	if !strings.Contains(w.Body.String(), `"page_content":{"type":"default","content":""}`) {
		t.Errorf("built-in page: %s", w.Body)
	}
	if strings.Contains(g.log.String(), `"audit"`) {
		t.Error("a look is audited")
	}
}

func TestUpdateConfiguration(t *testing.T) {
	t.Parallel()
	page := func(path string, kind tokenstorev1.PageKind, content string) *tokenstorev1.UpdateSettingsRequest {
		return &tokenstorev1.UpdateSettingsRequest{Pages: []*tokenstorev1.Page{{Path: path, Kind: kind, Content: content}}}
	}
	changed := func(settings *tokenstorev1.Settings, names ...string) *tokenstorev1.UpdateSettingsRequest {
		return &tokenstorev1.UpdateSettingsRequest{Settings: settings, UpdateMask: &fieldmaskpb.FieldMask{Paths: names}}
	}
	versioned := changed(&tokenstorev1.Settings{EnableSlowPool: true}, "enable_slow_pool")
	versioned.ExpectedVersion = 4
	all := changed(&tokenstorev1.Settings{
		EnableStreamCheck: true, EnableSlowPool: true, VisionAbility: "base64", CheckUsageModelsType: "all",
	}, "enable_stream_check", "include_stop_stream", "enable_slow_pool", "enable_all_claude", "vision_ability", "check_usage_models_type", "check_usage_models")
	all.Pages = []*tokenstorev1.Page{{Path: "/logs", Kind: tokenstorev1.PageKind_PAGE_KIND_TEXT, Content: "closed"}}
	for name, c := range map[string]struct {
		members, ifMatch string
		want             *tokenstorev1.UpdateSettingsRequest
	}{
		"text":               {`"path":"/","content":"hello","content_type":"text"`, "", page("/", tokenstorev1.PageKind_PAGE_KIND_TEXT, "hello")},
		"empty html":         {`"path":"/static/shared.js","content":"","content_type":"html"`, "", page("/static/shared.js", tokenstorev1.PageKind_PAGE_KIND_HTML, "")},
		"tagged":             {`"path":"/about","content":{"type":"html","content":"<p>ß"}`, "", page("/about", tokenstorev1.PageKind_PAGE_KIND_HTML, "<p>ß")},
		"default":            {`"path":"/about","content_type":"default"`, "", page("/about", tokenstorev1.PageKind_PAGE_KIND_DEFAULT, "")},
		"default, tagged":    {`"path":"/about","content":{"type":"default"}`, "", page("/about", tokenstorev1.PageKind_PAGE_KIND_DEFAULT, "")},
		"default, with text": {`"path":"/about","content":"x","content_type":"default"`, "", page("/about", tokenstorev1.PageKind_PAGE_KIND_DEFAULT, "")},
		"off":                {`"enable_stream_check":false`, "", changed(&tokenstorev1.Settings{}, "enable_stream_check")},
		"path, no content":   {`"path":"/about","enable_all_claude":true`, "", changed(&tokenstorev1.Settings{EnableAllClaude: true}, "enable_all_claude")},
		"version":            {`"enable_slow_pool":true,"version":4`, "", versioned},
		"If-Match":           {`"enable_slow_pool":true`, `"4"`, versioned},
		"both":               {`"enable_slow_pool":true,"version":4`, "4", versioned},
		"no check":           {`"enable_slow_pool":true`, "*", changed(&tokenstorev1.Settings{EnableSlowPool: true}, "enable_slow_pool")},
		"list": {
			`"check_usage_models":{"type":"list","content":"gpt-4"}`, "",
			changed(&tokenstorev1.Settings{CheckUsageModelsType: "list", CheckUsageModels: "gpt-4"}, "check_usage_models_type", "check_usage_models"),
		},
		"list of nothing": {
			`"check_usage_models":{"type":"list","content":" , "}`, "",
			changed(&tokenstorev1.Settings{CheckUsageModelsType: "none"}, "check_usage_models_type", "check_usage_models"),
		},
		"everything": {`"path":"/logs","content":"closed","content_type":"text","enable_stream_check":true,"include_stop_stream":false,` +
			`"vision_ability":"base64-only","enable_slow_pool":true,"enable_all_claude":false,"check_usage_models":{"type":"all"}`, "", all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, nil)
			w := g.post(t, "/config", `{"action":"update",`+c.members+`}`, "If-Match", c.ifMatch)
			if w.Code != 200 || !strings.Contains(w.Body.String(), `"message":"Configuration has been updated"`) {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			want := proto.CloneOf(c.want)
			want.Actor = "api 192.0.2.1"
			if want.Settings == nil {
				want.Settings = &tokenstorev1.Settings{}
			}
			if want.UpdateMask == nil {
				want.UpdateMask = &fieldmaskpb.FieldMask{}
			}
			wantAsked(t, g, want)
			if !strings.Contains(g.log.String(), `"action":"configuration: update"`) {
				t.Error("not audited")
			}
		})
	}
}

func TestVisionAbilities(t *testing.T) {
	t.Parallel()
	for spelling, want := range map[string]string{
		"none": "none", "disabled": "none", "base64": "base64", "base64-only": "base64", "all": "all", "base64-http": "all", "url": "all", "ALL": "all",
	} {
		g := newGateway(t, nil)
		g.post(t, "/config", fmt.Sprintf(`{"action":"update","vision_ability":%q}`, spelling))
		asked, _ := g.store.asked[0].(*tokenstorev1.UpdateSettingsRequest)
		if asked.GetSettings().GetVisionAbility() != want {
			t.Errorf("%s: %v", spelling, asked)
		}
	}
}

func TestResetConfiguration(t *testing.T) {
	t.Parallel()
	g := newGateway(t, nil)
	w := g.post(t, "/config", `{"action":"reset","path":"/about","enable_slow_pool":true,"check_usage_models":{"type":"none"},"version":5}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"message":"Configuration has been reset"`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantAsked(t, g, &tokenstorev1.ResetSettingsRequest{
		ResetMask:       &fieldmaskpb.FieldMask{Paths: []string{"enable_slow_pool", "check_usage_models_type", "check_usage_models"}},
		ExpectedVersion: 5, PagePaths: []string{"/about"}, Actor: "api 192.0.2.1",
	})
}

func TestVersionsThatContradict(t *testing.T) {
	t.Parallel()
	for _, ifMatch := range []string{"4", "nonsense", "0"} {
		g := newGateway(t, nil)
		w := g.post(t, "/config", `{"action":"update","enable_slow_pool":true,"version":5}`, "If-Match", ifMatch)
		if w.Code != 400 || len(g.store.asked) != 0 {
			t.Errorf("%s: %d %s", ifMatch, w.Code, w.Body)
		}
	}
}

// Who changed what is told with the client's address, whatever a header says that
// everybody can write.
func TestActor(t *testing.T) {
	t.Parallel()
	for forwarded, want := range map[string]string{
		"":                          "api 192.0.2.1",
		"198.51.100.7":              "api 192.0.2.1",
		"made up, 2001:db8::1":      "api 192.0.2.1",
		"198.51.100.7, \"\n<script": "api 192.0.2.1",
	} {
		g := newGateway(t, nil)
		g.post(t, "/config", `{"action":"update","enable_slow_pool":true}`, "X-Forwarded-For", forwarded)
		asked, _ := g.store.asked[0].(*tokenstorev1.UpdateSettingsRequest)
		if asked.GetActor() != want {
			t.Errorf("%q: %q, want %q", forwarded, asked.GetActor(), want)
		}
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	g := newGateway(t, nil)
	w := g.post(t, "/logs", `{"model":"m","status":"failed","alias":"a","stream":false,"error":"e","from":"2025-01-02T12:00:00Z","to":"2025-01-02T21:00:00+08:00","limit":7,"cursor":"c1"}`)
	stream := false
	wantAsked(t, g, &tokenstorev1.QueryRequest{
		Model: "m", Status: "failure", TokenAlias: "a", Stream: &stream, Error: "e", Limit: 7, Cursor: "c1",
		From: timestamppb.New(started.Truncate(time.Second)), To: timestamppb.New(started.Truncate(time.Second).Add(time.Hour)),
	})
	var got struct {
		Total     int
		Status    string
		Next      string
		Timestamp time.Time
		Logs      []json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Total != 40 || got.Status != "success" || got.Next != "c2" || time.Since(got.Timestamp).Abs() > time.Minute || len(got.Logs) != 2 {
		t.Fatalf("got %s", w.Body)
	}
	wantJSON(t, got.Logs[0], `{"id":"id1","timestamp":"2025-01-02T12:00:00.123456789Z","model":"gpt-4",`+
		`"token_info":{"token":null,"checksum":null,"alias":null,"id":null,"fingerprint":null},"prompt":null,"prompt_cut":false,"stream":false,`+
		`"status":"success","error":null,"error_kind":null,"http_status":200,"end_reason":"done","timing":{"total":null,"first":null},`+
		`"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"cache_read_tokens":null,"cache_write_tokens":null,"reasoning_tokens":null,"source":"unknown"},`+
		`"attempts":1,"upstream":null,"replica":"g1","dialect":null}`)
	wantJSON(t, got.Logs[1], `{"id":"id2","timestamp":"2025-01-02T12:00:01.123456789Z","model":"gpt-4o",`+
		`"token_info":{"token":"eyJ…qg","checksum":null,"alias":"a","id":"t1","fingerprint":"f1"},"prompt":"Hi","prompt_cut":true,"stream":true,`+
		`"status":"failed","error":"error not logged in","error_kind":"upstream_auth","http_status":502,"end_reason":"upstream_error",`+
		`"timing":{"total":1.235,"first":0.2},"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"cache_read_tokens":2,"cache_write_tokens":1,"reasoning_tokens":0,"source":"reported"},`+
		`"attempts":2,"upstream":"cursor","replica":"g1","dialect":"openai"}`)
}

// What an admin puts in place of a page is served there, and nowhere else.
func TestReplacedPages(t *testing.T) {
	t.Parallel()
	const content = "<h1>Grüße</h1>"
	for path, asHTML := range map[string]string{
		"/": "text/html;charset=utf-8", "/logs": "text/html;charset=utf-8", "/config": "text/html;charset=utf-8", "/tokeninfo": "text/html;charset=utf-8",
		"/about": "text/html;charset=utf-8", "/readme": "text/html;charset=utf-8",
		"/static/shared-styles.css": "text/css;charset=utf-8", "/static/shared.js": "text/javascript;charset=utf-8",
	} {
		asText := "text/plain;charset=utf-8"
		if strings.HasPrefix(path, "/static/") {
			asText = asHTML
		}
		for kind, want := range map[tokenstorev1.PageKind]string{
			tokenstorev1.PageKind_PAGE_KIND_HTML: asHTML, tokenstorev1.PageKind_PAGE_KIND_TEXT: asText,
		} {
			g := newGateway(t, nil)
			g.store.pages = []*tokenstorev1.Page{{Path: "/other", Kind: kind, Content: "other"}, {Path: path, Kind: kind, Content: content}}
			w := g.do(t, "GET", path, "")
			if w.Code != 200 || w.Body.String() != content || w.Header().Get("Content-Type") != want {
				t.Errorf("%s: %d %q %s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			if w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: headers %v", path, w.Header())
			}
		}
	}
}

func TestBuiltInPages(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/tokeninfo", "/config", "/logs"} {
		if w := newGateway(t, nil).do(t, "GET", path, ""); w.Code != 200 || w.Body.String() != "built-in "+path {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for path, want := range map[string]string{
		"/": "/health", "/readme": "/about",
	} {
		w := newGateway(t, nil).do(t, "GET", path, "")
		if w.Code != 307 || w.Header().Get("Location") != want || w.Body.Len() != 0 {
			t.Errorf("%s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
	for path, want := range map[string]string{
		"/about": `<h1 id="carousel">`, "/env-example": "\n#AUTH_TOKEN=\n", "/static/shared.js": "function makeAuthenticatedRequest(", "/static/shared-styles.css": ".container",
	} {
		if w := newGateway(t, nil).do(t, "GET", path, ""); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s has no %q", path, want)
		}
	}
	if policy := newGateway(t, nil).do(t, "GET", "/about", "").Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	g := newGateway(t, nil)
	get := func(path string) string {
		t.Helper()
		w := g.do(t, "GET", path, "")
		if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %q", path, w.Code, w.Header().Get("Cache-Control"))
		}
		var made struct{ Checksum string }
		if json.Unmarshal(w.Body.Bytes(), &made) != nil {
			return w.Body.String()
		}
		return made.Checksum
	}
	device, mac := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	for _, path := range []string{"/checksum", "/get-checksum"} {
		whole := regexp.MustCompile(`^[A-Za-z0-9_-]{8}[0-9a-f]{64}/[0-9a-f]{64}$`)
		if one, other := get(path), get(path); one == other || !whole.MatchString(one) || !whole.MatchString(other) {
			t.Errorf("%s: %s and %s", path, one, other)
		}
		for _, query := range []string{"checksum", "bad_checksum"} {
			if got := get(path + "?" + query + "=paaotc3J" + device + "/" + mac); !strings.HasSuffix(got, device+"/"+mac) || strings.HasPrefix(got, "paaotc3J") {
				t.Errorf("repaired: %s", got)
			}
			if got := get(path + "?" + query + "=paaotc3J" + device); !whole.MatchString(got) || got[8:72] != device {
				t.Errorf("completed: %s", got)
			}
			if got := get(path + "?" + query + "=%00rubbish"); !whole.MatchString(got) {
				t.Errorf("made anew: %s", got)
			}
		}
	}
	if got := get("/get-hash"); !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(got) || got == get("/get-hash") {
		t.Errorf("hash %q", got)
	}
	if got := get("/get-tsheader"); !regexp.MustCompile(`^[A-Za-z0-9_-]{8}$`).MatchString(got) {
		t.Errorf("timestamp %q", got)
	}
}

// The routes of this package are listed among the others, which are httpapi's.
func TestHealthListsTheRoutes(t *testing.T) {
	t.Parallel()
	var got struct{ Endpoints []string }
	if err := json.Unmarshal(newGateway(t, nil).do(t, "GET", "/health", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	got.Endpoints = slices.DeleteFunc(got.Endpoints, func(path string) bool {
		return path == "/health" || path == "/api/hello" || strings.HasPrefix(path, "/v1/")
	})
	want := []string{
		"/", "/about", "/checksum", "/config", "/env-example", "/get-checksum", "/get-hash", "/get-tokeninfo", "/get-tsheader", "/logs",
		"/readme", "/static/shared-styles.css", "/static/shared.js", "/tokeninfo", "/update-tokeninfo",
	}
	if !slices.Equal(got.Endpoints, want) {
		t.Errorf("endpoints %v", got.Endpoints)
	}
}
