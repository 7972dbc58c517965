package mcp_test

import (
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
	"carousel.internal/gateway/internal/mcp"
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

const aChange = `{"kind":"token","id":"t1","name":"work","deed":"changed","field":"enabled","before":"true","after":"false"}`

// full has an answer to each question of the tests.
func full() *admin {
	return &admin{answers: map[string]string{
		"GET fleet": `{"active_requests":3,"replicas":[{},{}],"warnings":[{"kind":"w","text":"the disk is slow"}],"pools":[` +
			`{"upstream":"cursor","ready":2,"cooling":1,"expiring":1,"causes":[{"class":"auth","model":"m"}]},` +
			`{"upstream":"vendor","cooling":1,"next_back_at":"` + someTime + `"},{"upstream":"other","parked":2}]}`,
		"GET tokens?count=true&limit=20":                                      `{"tokens":[` + anAccount + `],"next":"n","total":7}`,
		"GET tokens?count=true&cursor=n&limit=2&state=cooling&upstream=c%2Fx": `{"tokens":[],"next":"","total":0}`,
		"GET tokens/t1":             anAccount,
		"GET tokens/t1/transitions": `{"transitions":[{"at":"` + someTime + `","kind":"cooling","class":"rate_limit","detail":"` + strings.Repeat("x", 900) + `"}]}`,
		"GET models":                `{"models":[{"model":"m","upstreams":["cursor"],"accounts":3,"able":1,"reasons":[{"reason":"cooling","accounts":2}],"excluded":[]}]}`,
		"GET explain?model=m": `{"model":"m","route":{"name":"r"},"upstream":"cursor","chosen":"t1","fallbacks":[],"targets":[{"upstream":"cursor","model":"m","order":1,"chosen":"t1",` +
			`"candidates":[{"token_id":"t1","excluded_by":null},{"token_id":"t2","excluded_by":"cooling","until":"` + someTime + `"},{"token_id":"t3","excluded_by":"cooling"}]}]}`,
		"GET logs?limit=20":               `{"logs":[` + anEntry + `],"next":""}`,
		"GET logs/chatcmpl-1":             anEntry,
		"GET usage?group=model":           `{"from":"` + someTime + `","to":"` + someTime + `","rows":[{"model":"m","requests":4,"cost_usd":"1.00"}],"total":{"requests":4,"cost_usd":"1.00"}}`,
		"GET quotas":                      `{"pools":[{"upstream":"cursor","left":5,"limit":9,"accounts":[{"token_id":"t1","email":"` + secrets + `","quotas":[{"name":"m","unit":"requests","used":4,"limit":9,"left":5}]}]}]}`,
		"GET activity?limit=20":           `{"activities":[{"entry":{"action":"tokens disabled","actor":"mcp key CI k1 192.0.2.1","request_id":"r1","details":{"names":"work"},"undoable":true}},{"event":{"kind":"parked","token_id":"t1","class":"auth"}}],"next":""}`,
		"GET audit/r1":                    `{"request_id":"r1","changes":[` + aChange + `]}`,
		"GET audit/r2":                    `{"request_id":"r2","changes":[` + aChange + `,{"kind":"setting","id":"s","name":"s","deed":"changed"}]}`,
		"POST audit/r1/undo":              `{"undone":1,"failed":0,"failures":[]}`,
		"POST audit/r2/undo":              `{"undone":2,"failed":0,"failures":[]}`,
		"POST audit/r1/undo?dry_run=true": `{"undone":0,"failed":1,"failures":[{"what":"token t1","reason":"changed since"}]}`,
		`POST tokens/bulk {"action":"disable","dry_run":true,"ids":["t1"]}`:                                 `{"change":null,"count":1,"failed":0,"failures":[],"changes":[` + aChange + `]}`,
		`POST tokens/bulk {"action":"disable","dry_run":false,"ids":["t1"],"until":"2030-01-01T00:00:00Z"}`: `{"change":"r3","count":1,"failed":1,"failures":[{"token_id":"t9","reason":"gone"}],"changes":[` + aChange + `]}`,
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
			`"gateways":2`, `"requests_under_way":3`, `"expiring_within_a_week":1`, `"failing_alike":[{"class":"auth"`, "the disk is slow",
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
		"use":              {"usage", map[string]any{"by": []string{"model"}}, "GET usage?group=model", []string{`"cost_usd":"1.00"`, `"model":"m"`}},
		"what is left":     {"whats_left", nil, "GET quotas", []string{`"left":5`, `"more_accounts":0`}},
		"activity":         {"list_activity", nil, "GET activity?limit=20", []string{`"change_id":"r1"`, `"actor":"mcp key CI k1 192.0.2.1"`, `"what":"parked"`, `"account":"t1"`}},
		"a change":         {"get_change", map[string]any{"change_id": "r1"}, "GET audit/r1", []string{`"before":"true"`, `"after":"false"`}},
		"a rehearsal":      {"disable_accounts", map[string]any{"ids": []string{"t1"}}, `POST tokens/bulk {"action":"disable","dry_run":true,"ids":["t1"]}`, []string{`"dry_run":true`, `"count":1`, `"before":"true"`, `"change_id":null`}},
		"disabled":         {"disable_accounts", map[string]any{"ids": []string{"t1"}, "dry_run": false, "until": "2030-01-01T00:00:00Z"}, `POST tokens/bulk {"action":"disable","dry_run":false,"ids":["t1"],"until":"2030-01-01T00:00:00Z"}`, []string{`"dry_run":false`, `"change_id":"r3"`, `"until":"2030-01-01T00:00:00Z"`, `"what":"t9"`}},
		"enabled":          {"enable_accounts", map[string]any{"ids": []string{"t1"}, "dry_run": false}, `POST tokens/bulk {"action":"enable","dry_run":false,"ids":["t1"]}`, []string{`"count":0`, `"change_id":null`}},
		"an undo":          {"undo_change", map[string]any{"change_id": "r1", "dry_run": false}, "POST audit/r1/undo", []string{`"undone":1`, `"dry_run":false`}},
		"a rehearsed undo": {"undo_change", map[string]any{"change_id": "r1"}, "POST audit/r1/undo?dry_run=true", []string{`"undone":0`, `"dry_run":true`, "changed since", `"after":"false"`}},
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
			if strings.Contains(string(said), secrets) {
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
		"too many rows":            {writer, "list_accounts", map[string]any{"limit": 101}, "limit: 1 to 100 wanted, not 101"},
		"too few rows":             {writer, "list_requests", map[string]any{"limit": -1}, "limit: 1 to 100"},
		"another route":            {writer, "get_account", map[string]any{"id": "export"}, "an account's id wanted"},
		"a path":                   {writer, "get_request", map[string]any{"id": "../tokens/export"}, "id: an id wanted"},
		"an empty id":              {writer, "get_change", map[string]any{"change_id": ""}, "change_id: an id wanted"},
		"a path to undo":           {writer, "undo_change", map[string]any{"change_id": "r1/undo"}, "change_id: an id wanted"},
		"no accounts":              {writer, "disable_accounts", map[string]any{"ids": []string{}}, "ids: 1 to 100 wanted, not 0"},
		"too many accounts":        {writer, "enable_accounts", map[string]any{"ids": many}, "ids: 1 to 100 wanted, not 101"},
		"what is no account":       {writer, "disable_accounts", map[string]any{"ids": []string{"t1", "k/1"}}, "an account's id wanted"},
		"no model":                 {writer, "explain_model", map[string]any{"model": ""}, "the name of a model wanted"},
		"an input of no such name": {writer, "list_accounts", map[string]any{"stat": "cooling"}, "stat"},
		"what the API refuses":     {writer, "get_request", map[string]any{"id": "unknown"}, "nothing is here"},
		"an undo of settings":      {writer, "undo_change", map[string]any{"change_id": "r2", "dry_run": false}, "the change is of more than accounts"},
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
		t.Errorf("%+v, %v; asked %q", result, err, api.last())
	}
}
