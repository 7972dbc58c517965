package mcp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/mcp"
	"carousel.internal/gateway/internal/reqbody"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// secrets are in the admin API's answers where a careless tool would tell them on.
const secrets = "crsr_stocked-secret"

// admin plays the admin API: it answers from a table, and remembers what it was asked.
type admin struct {
	mu      sync.Mutex
	answers map[string]string
	asked   []string
}

func (a *admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	question := strings.TrimSpace(r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/admin/api/") + " " + string(body))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, question)
	w.Header().Set("Content-Type", "application/json")
	answer, known := a.answers[question]
	if !known {
		w.WriteHeader(http.StatusBadRequest)
		answer = `{"kind":"not_found","message":"nothing is here"}`
		if model := r.URL.Query().Get("model"); model != "" {
			answer = `{"kind":"not_found","message":"nothing ` + model + `"}`
		}
	}
	_, _ = io.WriteString(w, answer)
}

func (a *admin) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) == 0 {
		return ""
	}
	return a.asked[len(a.asked)-1]
}

const someTime = "2026-01-31T12:00:00Z"

const anAccount = `{"id":"t1","upstream":"cursor","alias":"work","tags":["a"],"enabled":true,"state":"cooling","token":"` + secrets + `","fingerprint":"` + secrets +
	`","checksum":"` + secrets + `","proxy":"http://` + secrets + `@proxy","cap":2,"weight":1,"in_flight":1,"requests":9,"failures":3,"last_error":"429","kind":"login","cooling_until":"` + someTime + `"}`

const anEntry = `{"id":"chatcmpl-1","started_at":"` + someTime + `","status":"failure","http_status":429,"error":"limited","model":"m","upstream":"cursor","token_id":"t1",` +
	`"token":"` + secrets + `","prompt":"` + secrets + `","client_headers":[{"name":"X","value":"` + secrets + `"}],"key_id":"k1","attempts":1,` +
	`"attempt_log":[{"upstream":"cursor","token_id":"t1","token":"` + secrets + `","class":"rate_limit","status":429,"message":"slow down","sent_headers":[{"name":"X","value":"` + secrets + `"}],` +
	`"consequence":{"kind":"cooling","until":"` + someTime + `"}}]}`

// masked is what an account without an alias is called elsewhere.
const masked = "crsr…9xyz"

const aMaskedChange = `{"kind":"token","id":"t7","name":"` + masked + `","deed":"changed","field":"enabled","before":"true","after":"false"}`

const aChange = `{"kind":"token","id":"t1","name":"work","deed":"changed","field":"enabled","before":"true","after":"false"}`

// full has an answer to each question of the tests.
func full() *admin {
	return &admin{answers: map[string]string{
		"GET fleet": `{"active_requests":3,"replicas":[{},{}],"warnings":[{"kind":"w","text":"the disk is slow` + strings.Repeat("w", 900) + `"}],"pools":[` +
			`{"upstream":"cursor","ready":2,"cooling":1,"expiring":1,"causes":[{"class":"auth","model":"m"}]},` +
			`{"upstream":"vendor","cooling":1,"next_back_at":"` + someTime + `"},{"upstream":"other","parked":2}]}`,
		"GET tokens?count=true&limit=20":                                      `{"tokens":[` + anAccount + `],"next":"n","total":7}`,
		"GET tokens?count=true&cursor=n&limit=2&state=cooling&upstream=c%2Fx": `{"tokens":[],"next":"","total":0}`,
		"GET tokens/t1":             anAccount,
		"GET tokens/t1/transitions": `{"transitions":[{"at":"` + someTime + `","kind":"cooling","class":"rate_limit","detail":"` + strings.Repeat("x", 900) + `"}]}`,
		"GET models":                `{"models":[{"model":"m","upstreams":["cursor"],"accounts":3,"able":1,"reasons":[{"reason":"cooling","accounts":2}],"excluded":[]}]}`,
		"GET explain?model=m": `{"model":"m","route":{"name":"r"},"upstream":"cursor","chosen":"t1","fallbacks":[],"targets":[{"upstream":"cursor","model":"m","order":1,"chosen":"t1",` +
			`"candidates":[{"token_id":"t1","excluded_by":null},{"token_id":"t2","excluded_by":"cooling","until":"` + someTime + `"},{"token_id":"t3","excluded_by":"cooling"}]}]}`,
		"GET logs?limit=20":     `{"logs":[` + anEntry + `],"next":""}`,
		"GET logs/chatcmpl-1":   anEntry,
		"GET usage?group=model": `{"from":"` + someTime + `","to":"` + someTime + `","rows":[{"model":"m","requests":4,"cost_usd":"1.00"}],"total":{"requests":4,"cost_usd":"1.00"}}`,
		"GET quotas":            `{"pools":[{"upstream":"cursor","left":5,"limit":9,"accounts":[{"token_id":"t1","email":"` + secrets + `","quotas":[{"name":"m","unit":"requests","used":4,"limit":9,"left":5}]}]}]}`,
		"GET activity?limit=20": `{"activities":[{"entry":{"action":"tokens disabled","actor":"mcp key CI k1 192.0.2.1","request_id":"r1","details":{"names":"work"},"undoable":true}},{"entry":{"action":"tokens disabled","details":{"names":"work, ` + masked + `"}}},{"entry":{"action":"tokens deleted","details":{"names":"a, b, c, d, e, …"}}},` +
			`{"entry":{"action":"token changed","details":{"name":"` + masked + `","token_id":"t7"}}},{"entry":{"action":"key changed","details":{"name":"so…on"}}},{"event":{"kind":"parked","token_id":"t1","class":"auth"}}],"next":""}`,
		"GET audit/r1":                    `{"request_id":"r1","changes":[` + aChange + `,` + aMaskedChange + `]}`,
		"GET audit/r2":                    `{"request_id":"r2","changes":[` + aChange + `,{"kind":"setting","id":"s","name":"s","deed":"changed","before":"\"no\"","after":"\"yes\""}]}`,
		"POST audit/r1/undo":              `{"undone":1,"failed":0,"failures":[]}`,
		"POST audit/r2/undo":              `{"undone":2,"failed":0,"failures":[]}`,
		"POST audit/r1/undo?dry_run=true": `{"undone":0,"failed":1,"failures":[{"what":"token t1","reason":"changed since"}]}`,
		`POST tokens/bulk {"action":"disable","dry_run":true,"ids":["t1"]}`:                                 `{"change":null,"count":1,"failed":0,"failures":[],"changes":[` + aChange + `,` + aMaskedChange + `]}`,
		`POST tokens/bulk {"action":"disable","dry_run":false,"ids":["t1"],"until":"2030-01-01T00:00:00Z"}`: `{"change":"r3","count":1,"failed":1,"failures":[{"token_id":"t9","reason":"gone"}],"changes":[` + aChange + `]}`,
		`POST tokens/bulk {"action":"disable","dry_run":false,"ids":["t2"],"until":"2030-01-01T00:00:00Z"}`: `{"change":"r3","count":0,"failed":0,"failures":[],"changes":[]}`,
		`POST tokens/bulk {"action":"enable","dry_run":false,"ids":["t1"]}`:                                 `{"change":"r4","count":0,"failed":0,"failures":[],"changes":[]}`,
	}}
}

var (
	theAdmin = caller.Caller{Kind: caller.Admin}
	writer   = caller.Caller{Kind: caller.Client, Key: &caller.Key{ID: "k1", Name: "CI", Scopes: []caller.Scope{caller.PoolWrite}}}
	looker   = caller.Caller{Kind: caller.Client, Key: &caller.Key{ID: "k2", Name: "eyes", Scopes: []caller.Scope{caller.PoolRead}}}
)

// connected is a client of a server that takes all its requests for those of one caller.
func connected(t *testing.T, api http.Handler, from caller.Caller) *sdk.ClientSession {
	t.Helper()
	server := mcp.New(api, "test", slog.New(slog.DiscardHandler))
	port := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "r3")
		if r.Method != http.MethodPost { // as the gateway's router has it
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if err := server.Serve(w, r, from); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(port.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, &sdk.StreamableClientTransport{Endpoint: port.URL, HTTPClient: port.Client()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func TestToolsByScope(t *testing.T) {
	t.Parallel()
	looking := []string{
		"explain_model", "get_account", "get_change", "get_request", "list_accounts", "list_activity", "list_models", "list_requests", "pool_state", "usage", "whats_left",
	}
	changing := []string{"disable_accounts", "enable_accounts", "undo_change"}
	for name, c := range map[string]struct {
		from caller.Caller
		want int
	}{"admin": {theAdmin, 14}, "pool:write": {writer, 14}, "pool:read": {looker, 11}} {
		session := connected(t, full(), c.from)
		listed, err := session.ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]*sdk.Tool{}
		for _, tool := range listed.Tools {
			found[tool.Name] = tool
			if tool.Description == "" || tool.InputSchema == nil || tool.OutputSchema == nil || tool.Annotations == nil {
				t.Errorf("%s: %s lacks a description, a schema or hints", name, tool.Name)
			}
		}
		for _, tool := range looking {
			if found[tool] == nil || !found[tool].Annotations.ReadOnlyHint {
				t.Errorf("%s: %s is not there, or not said to be one that only looks", name, tool)
			}
		}
		for _, tool := range changing {
			if there := found[tool] != nil; there != (c.want == 14) || there && found[tool].Annotations.ReadOnlyHint {
				t.Errorf("%s: %s is there: %t", name, tool, there)
			}
		}
		if len(listed.Tools) != c.want {
			t.Errorf("%s: %d tools", name, len(listed.Tools))
		}
		if !strings.Contains(session.InitializeResult().Instructions, "dry_run") {
			t.Errorf("%s: the instructions don't tell of dry runs", name)
		}
	}
}

func TestAnswersOfTools(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tool  string
		input map[string]any
		// asked is the last question to the admin API, says are parts of the answer.
		asked string
		says  []string
	}{
		"the pool": {"pool_state", nil, "GET fleet", []string{
			`"sentence":"2 of 6 accounts can serve. vendor has none; the first is back at 2026-01-31T12:00:00Z. other has none, and none comes back by itself."`,
			`"gateways":2`, `"requests_under_way":3`, `"expiring_within_a_week":1`, `"failing_alike":[{"class":"auth"`, `"text":"the disk is slow` + strings.Repeat("w", 500-len("the disk is slow")) + `…"`,
		}},
		"accounts": {"list_accounts", nil, "GET tokens?count=true&limit=20", []string{`"id":"t1"`, `"state":"cooling"`, `"next":"n"`, `"total":7`}},
		"some accounts": {
			"list_accounts",
			map[string]any{"upstream": "c/x", "state": "cooling", "limit": 2, "cursor": "n"},
			"GET tokens?count=true&cursor=n&limit=2&state=cooling&upstream=c%2Fx",
			[]string{`"accounts":[]`},
		},
		"an account": {"get_account", map[string]any{"id": "t1"}, "GET tokens/t1/transitions", []string{`"alias":"work"`, `"class":"rate_limit"`, `"more_events":0`}},
		"models":     {"list_models", nil, "GET models", []string{`"able":1`, `"reason":"cooling"`}},
		"why": {"explain_model", map[string]any{"model": "m"}, "GET explain?model=m", []string{
			`"route":"r"`, `"accounts":3`, `"able":1`, `"kept_out":{"cooling":2}`, `"back_at":"2026-01-31T12:00:00Z"`,
		}},
		"requests": {"list_requests", nil, "GET logs?limit=20", []string{`"id":"chatcmpl-1"`, `"account":"t1"`, `"key":"k1"`, `"error":"limited"`}},
		"a request": {"get_request", map[string]any{"id": "chatcmpl-1"}, "GET logs/chatcmpl-1", []string{
			`"timeline":[{`, `"account":"t1"`, `"class":"rate_limit"`, `"message":"slow down"`, `"kind":"cooling"`,
		}},
		"use":                  {"usage", map[string]any{"by": []string{"model"}}, "GET usage?group=model", []string{`"cost_usd":"1.00"`, `"model":"m"`}},
		"what is left":         {"whats_left", nil, "GET quotas", []string{`"left":5`, `"more_accounts":0`}},
		"activity":             {"list_activity", nil, "GET activity?limit=20", []string{`"change_id":"r1"`, `"actor":"mcp key CI k1 192.0.2.1"`, `"what":"parked"`, `"account":"t1"`, `"names":"work"`, `"names":"a, b, c, d, e, …"`, `"token_id":"t7"`, "so…on"}},
		"a change":             {"get_change", map[string]any{"change_id": "r1"}, "GET audit/r1", []string{`"before":"true"`, `"after":"false"`, `"name":"work"`, `"name":"t7"`}},
		"a change of settings": {"get_change", map[string]any{"change_id": "r2"}, "GET audit/r2", []string{`"after":null,"before":null,"deed":"changed","field":"","id":"s","kind":"setting"`}},
		"a rehearsal":          {"disable_accounts", map[string]any{"ids": []string{"t1"}}, `POST tokens/bulk {"action":"disable","dry_run":true,"ids":["t1"]}`, []string{`"dry_run":true`, `"count":1`, `"before":"true"`, `"change_id":null`, `"name":"t7"`, `"until":null`}},
		"disabled before":      {"disable_accounts", map[string]any{"ids": []string{"t2"}, "dry_run": false, "until": "2030-01-01T00:00:00Z"}, `POST tokens/bulk {"action":"disable","dry_run":false,"ids":["t2"],"until":"2030-01-01T00:00:00Z"}`, []string{`"count":0`, `"until":null`}},
		"disabled":             {"disable_accounts", map[string]any{"ids": []string{"t1"}, "dry_run": false, "until": "2030-01-01T00:00:00Z"}, `POST tokens/bulk {"action":"disable","dry_run":false,"ids":["t1"],"until":"2030-01-01T00:00:00Z"}`, []string{`"dry_run":false`, `"change_id":"r3"`, `"until":"2030-01-01T00:00:00Z"`, `"what":"t9"`}},
		"enabled":              {"enable_accounts", map[string]any{"ids": []string{"t1"}, "dry_run": false}, `POST tokens/bulk {"action":"enable","dry_run":false,"ids":["t1"]}`, []string{`"count":0`, `"change_id":null`}},
		"an undo":              {"undo_change", map[string]any{"change_id": "r1", "dry_run": false}, "POST audit/r1/undo", []string{`"undone":1`, `"dry_run":false`}},
		"a rehearsed undo":     {"undo_change", map[string]any{"change_id": "r1"}, "POST audit/r1/undo?dry_run=true", []string{`"undone":0`, `"dry_run":true`, "changed since", `"after":"false"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := full()
			session := connected(t, api, writer)
			result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: c.tool, Arguments: c.input})
			if err != nil {
				t.Fatal(err)
			}
			said, _ := json.Marshal(result)
			structured, _ := json.Marshal(result.StructuredContent)
			if result.IsError {
				t.Fatalf("%s", said)
			}
			if api.last() != c.asked {
				t.Errorf("asked %q, want %q", api.last(), c.asked)
			}
			for _, part := range c.says {
				if !strings.Contains(compact(t, result), part) {
					t.Errorf("%s is not in %s", part, structured)
				}
			}
			if strings.Contains(string(said), secrets) || strings.Contains(string(said), masked) {
				t.Errorf("a secret is told: %s", said)
			}
		})
	}
}

// compact is the text of a result, as the server wrote it.
func compact(t *testing.T, result *sdk.CallToolResult) string {
	t.Helper()
	text, is := result.Content[0].(*sdk.TextContent)
	if !is || len(result.Content) != 1 {
		t.Fatalf("not one text: %+v", result.Content)
	}
	return text.Text
}

func TestWhatToolsRefuse(t *testing.T) {
	t.Parallel()
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint("t", i)
	}
	for name, c := range map[string]struct {
		from  caller.Caller
		tool  string
		input map[string]any
		says  string
	}{
		"too many rows":                  {writer, "list_accounts", map[string]any{"limit": 101}, "limit: 1 to 100 wanted, not 101"},
		"too few rows":                   {writer, "list_requests", map[string]any{"limit": -1}, "limit: 1 to 100"},
		"another route":                  {writer, "get_account", map[string]any{"id": "export"}, "an account's id wanted"},
		"a path":                         {writer, "get_request", map[string]any{"id": "../tokens/export"}, "id: an id wanted"},
		"an empty id":                    {writer, "get_change", map[string]any{"change_id": ""}, "change_id: an id wanted"},
		"a path to undo":                 {writer, "undo_change", map[string]any{"change_id": "r1/undo"}, "change_id: an id wanted"},
		"no accounts":                    {writer, "disable_accounts", map[string]any{"ids": []string{}}, "ids: 1 to 100 wanted, not 0"},
		"too many accounts":              {writer, "enable_accounts", map[string]any{"ids": many}, "ids: 1 to 100 wanted, not 101"},
		"what is no account":             {writer, "disable_accounts", map[string]any{"ids": []string{"t1", "k/1"}}, "an account's id wanted"},
		"no model":                       {writer, "explain_model", map[string]any{"model": ""}, "the name of a model wanted"},
		"an input of no such name":       {writer, "list_accounts", map[string]any{"stat": "cooling"}, "stat"},
		"what the API refuses":           {writer, "get_request", map[string]any{"id": "unknown"}, "nothing is here"},
		"what the API refuses at length": {writer, "explain_model", map[string]any{"model": strings.Repeat("m", 900)}, "nothing " + strings.Repeat("m", 492) + "…"},
		"an undo of settings":            {writer, "undo_change", map[string]any{"change_id": "r2", "dry_run": false}, "the change is of more than accounts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := full()
			result, err := connected(t, api, c.from).CallTool(t.Context(), &sdk.CallToolParams{Name: c.tool, Arguments: c.input})
			if err != nil {
				t.Fatal(err)
			}
			if !result.IsError || !strings.Contains(compact(t, result), c.says) {
				t.Errorf("error %t: %s", result.IsError, compact(t, result))
			}
			if strings.HasPrefix(api.last(), "POST") {
				t.Errorf("the admin API was asked: %s", api.last())
			}
		})
	}
}

// Who may only look has no tool that writes, whatever the client says.
func TestALookerCantWrite(t *testing.T) {
	t.Parallel()
	api := full()
	session := connected(t, api, looker)
	for _, tool := range []string{"disable_accounts", "enable_accounts", "undo_change"} {
		result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: map[string]any{"ids": []string{"t1"}, "change_id": "r1", "dry_run": true}})
		if err == nil && !result.IsError {
			t.Errorf("%s answers %s", tool, compact(t, result))
		}
	}
	if api.last() != "" {
		t.Errorf("the admin API was asked: %s", api.last())
	}
}

func TestTheAdminUndoesAll(t *testing.T) {
	t.Parallel()
	api := full()
	result, err := connected(t, api, theAdmin).CallTool(t.Context(), &sdk.CallToolParams{Name: "undo_change", Arguments: map[string]any{"change_id": "r2", "dry_run": false}})
	if err != nil || result.IsError || api.last() != "POST audit/r2/undo" {
		t.Fatalf("%+v, %v; asked %q", result, err, api.last())
	}
	if said := compact(t, result); !strings.Contains(said, `"before":"\"no\""`) {
		t.Errorf("the admin is not told what the settings were: %s", said)
	}
}

// requestOf is a request as clients send it.
func requestOf(t *testing.T, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", strings.NewReader(body))
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-03-26"} {
		r.Header.Set(name, value)
	}
	return r
}

// served asks a server one thing by HTTP.
func served(t *testing.T, server *mcp.Server, from caller.Caller, body string) (*httptest.ResponseRecorder, error) {
	t.Helper()
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "r3")
	return w, server.Serve(w, requestOf(t, body), from)
}

const callOfPool = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pool_state","arguments":{}}}`

func TestOneRequestAtATime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, says string }{
		"one":            {callOfPool, ""},
		"a batch":        {"[" + callOfPool + "]", "no batches"},
		"a spaced batch": {" \r\n\t[" + callOfPool + "," + callOfPool + "]", "no batches"},
		"a stream":       {`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{}}`, "no streams"},
		"too much":       {`{"x":"` + strings.Repeat("x", 300<<10) + `"}`, "larger than 256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := full()
			w, err := served(t, mcp.New(api, "test", slog.New(slog.DiscardHandler)), writer, c.body)
			if c.says == "" {
				if err != nil || w.Code != http.StatusOK || api.last() != "GET fleet" || w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%v; %d %v %s", err, w.Code, w.Header(), w.Body)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.says) || api.last() != "" || w.Body.Len() > 0 {
				t.Errorf("%v; %d %s; asked %q", err, w.Code, w.Body, api.last())
			}
		})
	}
}

// A body is unpacked as anywhere, which no question to the admin API is then.
func TestAPackedBody(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	_, _ = io.WriteString(packer, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"enable_accounts","arguments":{"ids":["t1"],"dry_run":false}}}`)
	_ = packer.Close()
	coding := "none"
	server := mcp.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		coding = r.Header.Get("Content-Encoding")
	}), "test", slog.New(slog.DiscardHandler))
	r := requestOf(t, packed.String())
	r.Header.Set("Content-Encoding", "gzip")
	if err := server.Serve(httptest.NewRecorder(), r, writer); err != nil || coding != "" {
		t.Errorf("%v; asked with the coding %q", err, coding)
	}
}

// A body counts among those that the gateway has in hand.
func TestABodyNeedsRoom(t *testing.T) {
	t.Parallel()
	api := full()
	r := requestOf(t, callOfPool)
	w, release := reqbody.Watch(httptest.NewRecorder(), r, time.Minute, reqbody.NewBudget(int64(len(callOfPool))))
	defer release()
	err := mcp.New(api, "test", slog.New(slog.DiscardHandler)).Serve(w, r, writer)
	if failure := chat.AsError(err); failure == nil || failure.Kind != chat.PayloadTooLarge || api.last() != "" {
		t.Errorf("%v; asked %q", err, api.last())
	}
}

// One key leaves turns to others.
func TestTurnsOfOneKey(t *testing.T) {
	t.Parallel()
	begun, end := make(chan bool), make(chan bool)
	api := full()
	server := mcp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-end
		api.ServeHTTP(w, r)
	}), "test", slog.New(slog.DiscardHandler))
	var calls sync.WaitGroup
	ask := func(from caller.Caller) {
		calls.Go(func() {
			if w, err := served(t, server, from, callOfPool); err != nil || w.Code != http.StatusOK {
				t.Errorf("%v; %d %s", err, w.Code, w.Body)
			}
		})
		<-begun
	}
	for range 4 {
		ask(writer)
	}
	if _, err := served(t, server, writer, callOfPool); err == nil || !strings.Contains(err.Error(), "too many requests") {
		t.Errorf("a fifth request of one key: %v", err)
	}
	for range 4 {
		ask(looker)
		ask(theAdmin)
	}
	for i := range 4 {
		ask(caller.Caller{Kind: caller.Client, Key: &caller.Key{ID: fmt.Sprint("other", i), Scopes: []caller.Scope{caller.PoolRead}}})
	}
	if _, err := served(t, server, caller.Caller{Kind: caller.Client, Key: &caller.Key{ID: "late"}}, callOfPool); err == nil {
		t.Error("a seventeenth request is served")
	}
	close(end)
	calls.Wait()
	go func() { <-begun }()
	if _, err := served(t, server, writer, callOfPool); err != nil {
		t.Errorf("once all have ended: %v", err)
	}
}

// A key that has called as many tools as it may make requests a minute is refused the next, and
// what calls no tool is not.
func TestCallsAMinute(t *testing.T) {
	t.Parallel()
	server := mcp.New(full(), "test", slog.New(slog.DiscardHandler))
	limited := caller.Caller{Kind: caller.Client, Key: &caller.Key{
		ID: "limited", Scopes: []caller.Scope{caller.PoolRead}, Limits: []caller.Limit{{Unit: caller.Requests, Period: caller.Minute, Amount: 2}},
	}}
	const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for _, body := range []string{list, callOfPool, callOfPool, list} {
		if w, err := served(t, server, limited, body); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %v; %d %s", body, err, w.Code, w.Body)
		}
	}
	_, err := served(t, server, limited, callOfPool)
	if failure := chat.AsError(err); failure == nil || failure.Kind != chat.KeyLimited || failure.RetryAfter <= 0 || failure.RetryAfter > time.Minute {
		t.Errorf("one call too many: %v", err)
	}
	if _, err := served(t, server, writer, callOfPool); err != nil {
		t.Errorf("another key: %v", err)
	}
}

// A fault in a tool fails that call, and leaves its trace in the log.
func TestAToolThatPanics(t *testing.T) {
	t.Parallel()
	log := &bytes.Buffer{}
	server := mcp.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault") }), "test", slog.New(slog.NewTextHandler(log, nil)))
	w, err := served(t, server, writer, callOfPool)
	if err != nil || !strings.Contains(w.Body.String(), `"isError":true`) || !strings.Contains(w.Body.String(), "internal error") || strings.Contains(w.Body.String(), "a fault") {
		t.Errorf("%v; %s", err, w.Body)
	}
	for _, part := range []string{"a fault", "request_id=r3", "tool=pool_state", "mcp_test.go"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%q is not in the log: %s", part, log)
		}
	}
}

// Who hangs up ends what only looks; a change is finished, so that it is audited.
func TestAChangeIsFinished(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tool  string
		input map[string]any
		ends  bool
	}{
		"a look":   {"pool_state", nil, true},
		"a change": {"enable_accounts", map[string]any{"ids": []string{"t1"}, "dry_run": false}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			ended := make(chan bool, 1)
			session := connected(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				hangUp()
				wait := 10 * time.Second
				if !c.ends {
					wait = 200 * time.Millisecond
				}
				select {
				case <-r.Context().Done():
					ended <- true
				case <-time.After(wait):
					ended <- false
				}
			}), writer)
			_, _ = session.CallTool(ctx, &sdk.CallToolParams{Name: c.tool, Arguments: c.input})
			if got := <-ended; got != c.ends {
				t.Errorf("it ended early: %t", got)
			}
		})
	}
}
