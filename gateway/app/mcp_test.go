package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// mcpRequest is a request to /mcp as a client sends it, with headers of the test's in the place of
// its own.
func mcpRequest(t *testing.T, method, body string, headers map[string]string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://gateway.example/mcp", strings.NewReader(body))
	r.RemoteAddr = newAddress()
	for name, value := range map[string]string{
		"Authorization": "Bearer " + adminKey, "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18",
	} {
		r.Header.Set(name, value)
	}
	for name, value := range headers {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	return r
}

const (
	mcpInitialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}`
	mcpListTools  = `{"jsonrpc":"2.0","id":"two","method":"tools/list"}`
)

// What the Streamable HTTP transport of the protocol says, held against the bytes.
func TestMCPOnTheWire(t *testing.T) {
	t.Parallel()
	g := started(t, map[string]string{"CORS_ORIGINS": "https://tools.example"})
	for name, c := range map[string]struct {
		method, body string
		headers      map[string]string
		status       int
		// says are parts of the body.
		says []string
	}{
		"initialize": {"POST", mcpInitialize, nil, 200, []string{`"jsonrpc":"2.0"`, `"id":1`, `"protocolVersion":"2025-06-18"`, `"serverInfo":{`, `"name":"carousel"`, `"tools":{`, `"instructions":`}},
		"initialize without a version in a header": {"POST", mcpInitialize, map[string]string{"MCP-Protocol-Version": ""}, 200, []string{`"serverInfo"`}},
		"a version to come": {
			"POST", strings.Replace(mcpInitialize, "2025-06-18", "2099-01-01", 1), map[string]string{"MCP-Protocol-Version": ""}, 200, []string{`"protocolVersion":"20`},
		},
		"a notification":            {"POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, nil},
		"tools, without initialize": {"POST", mcpListTools, nil, 200, []string{`"id":"two"`, `"name":"pool_state"`, `"cacheScope":"private"`, `"inputSchema":{`, `"outputSchema":{`, `"readOnlyHint":true`, `"name":"disable_accounts"`}},
		"a session of nobody's":     {"POST", mcpListTools, map[string]string{"Mcp-Session-Id": "unknown"}, 200, []string{`"name":"pool_state"`}},
		"ping":                      {"POST", `{"jsonrpc":"2.0","id":3,"method":"ping"}`, nil, 200, []string{`"id":3`, `"result":{}`}},
		"a tool that there isn't": {
			"POST", `{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"delete_all","arguments":{}}}`, nil, 200, []string{`"error":{`, `"code":-32602`},
		},
		"a tool that fails": { // the tokenstore is away
			"POST", `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"pool_state","arguments":{}}}`, nil, 200, []string{`"isError":true`, "tokenstore"},
		},
		"a version of nobody's":    {"POST", mcpListTools, map[string]string{"MCP-Protocol-Version": "1999-01-01"}, 400, []string{"protocol version"}},
		"nothing that is JSON":     {"POST", `{"jsonrpc":`, nil, 400, []string{"malformed payload"}},
		"an empty body":            {"POST", "", nil, 400, []string{"non-empty"}},
		"another content type":     {"POST", mcpListTools, map[string]string{"Content-Type": "text/plain"}, 415, []string{"application/json"}},
		"a client that takes less": {"POST", mcpListTools, map[string]string{"Accept": "application/json"}, 400, []string{"Accept"}},
		"a large body":             {"POST", `{"jsonrpc":"2.0","id":6,"method":"ping","params":{"x":"` + strings.Repeat("x", 300<<10) + `"}}`, nil, 413, []string{"larger than 256 KiB"}},
		"a batch":                  {"POST", "[" + mcpListTools + "]", map[string]string{"MCP-Protocol-Version": "2025-03-26"}, 400, []string{"no batches"}},
		"a subscription":           {"POST", `{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{}}`, nil, 400, []string{"no streams"}},
		"a stream":                 {"GET", "", nil, 405, []string{"/mcp does not take GET but POST"}},
		"the end of a session":     {"DELETE", "", nil, 405, []string{"/mcp does not take DELETE but POST"}},
		"no key":                   {"POST", mcpListTools, map[string]string{"Authorization": ""}, 401, []string{"no key was sent"}},
		"a wrong key":              {"POST", mcpListTools, map[string]string{"Authorization": "Bearer sk-wrong"}, 401, []string{"the key is wrong"}},
		"a token of the caller's":  {"POST", mcpListTools, map[string]string{"Authorization": "Bearer token,checksum"}, 401, []string{"the key is wrong"}},
		"the page of a stranger":   {"POST", mcpListTools, map[string]string{"Origin": "https://evil.example"}, 403, []string{"pages of this origin"}},
		"a page by a host's name":  {"POST", mcpListTools, map[string]string{"Origin": "http://gateway.example"}, 403, []string{"pages of this origin"}}, // DNS rebinding
		"a page without an origin": {"POST", mcpListTools, map[string]string{"Origin": "null"}, 403, []string{"pages of this origin"}},
		"the page of one we know":  {"POST", mcpListTools, map[string]string{"Origin": "https://tools.example"}, 200, []string{`"name":"pool_state"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			g.handler.ServeHTTP(w, mcpRequest(t, c.method, c.body, c.headers))
			body := w.Body.String()
			if w.Code != c.status {
				t.Fatalf("%d %s", w.Code, body)
			}
			for _, part := range c.says {
				if !strings.Contains(body, part) {
					t.Errorf("%s is not in %s", part, body)
				}
			}
			if w.Header().Get("Mcp-Session-Id") != "" {
				t.Error("there is a session")
			}
			if kind := w.Header().Get("Content-Type"); c.status == http.StatusOK && kind != "application/json" {
				t.Errorf("content type %q", kind)
			}
			if kept := w.Header().Get("Cache-Control"); c.status == http.StatusOK && kept != "no-store" {
				t.Errorf("it may be kept: %q", kept)
			}
			if c.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "POST" {
				t.Errorf("allowed is %q", w.Header().Get("Allow"))
			}
			if c.status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Error("it does not say how to authenticate")
			}
			if c.status == http.StatusOK && !json.Valid(w.Body.Bytes()) {
				t.Errorf("not JSON: %s", body)
			}
		})
	}
}

// Who guesses keys at /mcp is slowed as everywhere else.
func TestGuessesAtMCP(t *testing.T) {
	t.Parallel()
	g := started(t, nil)
	guesser := newAddress()
	guess := func(key string) int {
		r := mcpRequest(t, http.MethodPost, mcpListTools, map[string]string{"Authorization": "Bearer " + key})
		r.RemoteAddr = guesser
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, r)
		return w.Code
	}
	for i := range 8 {
		if got := guess("sk-guess"); got != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, got)
		}
	}
	if got := guess("sk-guess"); got != http.StatusTooManyRequests {
		t.Errorf("one guess too many: %d", got)
	}
	if got := guess(adminKey); got != http.StatusOK {
		t.Errorf("the right key from there: %d", got)
	}
}
