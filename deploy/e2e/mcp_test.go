package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"carousel.internal/deploy/e2e/stack"
)

// agent is a client of /mcp at one gateway.
type agent struct {
	t       *testing.T
	session *sdk.ClientSession
}

// withKey adds a key to each request.
type withKey struct {
	key  string
	next http.RoundTripper
}

func (k withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+k.key)
	return k.next.RoundTrip(r)
}

func newAgent(t *testing.T, gateway *stack.Gateway, key string) agent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	client := stack.Client(t)
	client.Transport = withKey{key, client.Transport}
	transport := &sdk.StreamableClientTransport{Endpoint: gateway.URL + "/mcp", HTTPClient: client}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return agent{t, session}
}

// call calls a tool, reads its answer into a value, and returns all of it as it came.
func (a agent) call(tool string, input map[string]any, into any) (said string, failed bool) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 30*time.Second)
	defer cancel()
	result, err := a.session.CallTool(ctx, &sdk.CallToolParams{Name: tool, Arguments: input})
	if err != nil {
		a.t.Fatalf("%s: %v", tool, err)
	}
	text, is := result.Content[0].(*sdk.TextContent)
	if !is {
		a.t.Fatalf("%s answers %+v", tool, result.Content)
	}
	if into != nil && !result.IsError {
		if err := json.Unmarshal([]byte(text.Text), into); err != nil {
			a.t.Fatalf("%s: %v", tool, err)
		}
	}
	return text.Text, result.IsError
}

// must is call for what has to go well.
func (a agent) must(tool string, input map[string]any, into any) string {
	a.t.Helper()
	said, failed := a.call(tool, input, into)
	if failed {
		a.t.Fatalf("%s: %s", tool, said)
	}
	return said
}

// scopedKey makes a key with scopes, and returns its id and its secret.
func scopedKey(t *testing.T, gateway *stack.Gateway, name string, scopes ...string) (id, secret string) {
	t.Helper()
	var made struct {
		Key    struct{ ID string }
		Secret string
	}
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/keys", map[string]any{"name": name, "scopes": scopes}).JSON(t, &made)
	return made.Key.ID, made.Secret
}

// switched is what disable_accounts and enable_accounts say.
type switched struct {
	DryRun   bool    `json:"dry_run"`
	Count    int     `json:"count"`
	ChangeID *string `json:"change_id"`
	Changes  []struct{ ID, Before, After string }
}

// An agent with a scoped key looks, disables an account through one gateway, and undoes that
// through another; the audit log says who it was.
func TestAnAgentLooksAfterThePool(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	here, there := s.Gateways[0], s.Gateways[1]
	token := s.AddTokens("openai", "looked-after", 2, 0)[0]
	keyID, key := scopedKey(t, here, "night watch", "pool:write")
	one, other := newAgent(t, here, key), newAgent(t, there, key)

	var pool struct {
		Sentence string `json:"sentence"`
		Able     int    `json:"accounts_able"`
	}
	if one.must("pool_state", nil, &pool); pool.Able != 2 || !strings.HasPrefix(pool.Sentence, "2 of 2 accounts can serve.") {
		t.Errorf("the pool: %+v", pool)
	}

	enabled := func() bool {
		var found struct{ Account struct{ Enabled bool } }
		other.must("get_account", map[string]any{"id": token.ID}, &found)
		return found.Account.Enabled
	}
	var said switched
	one.must("disable_accounts", map[string]any{"ids": []string{token.ID}}, &said)
	if !said.DryRun || said.Count != 1 || said.ChangeID != nil || len(said.Changes) != 1 || said.Changes[0].After != "false" || !enabled() {
		t.Fatalf("a dry run: %+v, enabled %t", said, enabled())
	}
	one.must("disable_accounts", map[string]any{"ids": []string{token.ID}, "dry_run": false}, &said)
	if said.DryRun || said.Count != 1 || said.ChangeID == nil || enabled() {
		t.Fatalf("disabled: %+v, enabled %t", said, enabled())
	}

	var listed struct {
		Activity []struct {
			What, Actor string
			ChangeID    *string `json:"change_id"`
		}
	}
	other.must("list_activity", map[string]any{"actor": "mcp", "source": "people"}, &listed)
	if len(listed.Activity) != 1 || listed.Activity[0].What != "tokens disabled" || listed.Activity[0].ChangeID == nil || *listed.Activity[0].ChangeID != *said.ChangeID {
		t.Errorf("the activity: %+v", listed)
	}
	if audit := string(here.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/audit", nil).Body); !strings.Contains(audit, `"actor":"mcp key night watch `+keyID+" 127.0.0.1") {
		t.Errorf("the audit log: %s", audit)
	}

	var undone struct {
		DryRun bool `json:"dry_run"`
		Undone int
	}
	other.must("undo_change", map[string]any{"change_id": *said.ChangeID}, &undone)
	if !undone.DryRun || undone.Undone != 1 || enabled() {
		t.Errorf("a rehearsed undo: %+v, enabled %t", undone, enabled())
	}
	other.must("undo_change", map[string]any{"change_id": *said.ChangeID, "dry_run": false}, &undone)
	if undone.DryRun || undone.Undone != 1 || !enabled() {
		t.Errorf("an undo: %+v, enabled %t", undone, enabled())
	}
	if said, failed := other.call("undo_change", map[string]any{"change_id": *said.ChangeID, "dry_run": false}, &undone); failed || undone.Undone != 0 {
		t.Errorf("a second undo: %s", said)
	}
}

// What a key has no scope for it can't do, and a scope opens nothing but /mcp.
func TestScopesOpenNothingElse(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "scoped", 1, 0)
	_, plain := scopedKey(t, gateway, "plain")
	readerID, reader := scopedKey(t, gateway, "reader", "pool:read")
	_, writer := scopedKey(t, gateway, "writer", "pool:write")

	initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	accept := map[string]string{"Accept": "application/json, text/event-stream"}
	for name, c := range map[string]struct {
		key    string
		status int
	}{"no scope": {plain, 403}, "pool:read": {reader, 200}, "pool:write": {writer, 200}, "the admin": {stack.AdminToken, 200}} {
		if got := send(t, gateway, http.MethodPost, "/mcp", c.key, initialize, accept); got.status != c.status {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	for _, key := range []string{reader, writer} {
		if got := send(t, gateway, http.MethodGet, "/admin/api/tokens", key, "", nil); got.status != http.StatusForbidden {
			t.Errorf("the admin API: %d", got.status)
		}
	}
	watching := newAgent(t, gateway, reader)
	listed, err := watching.session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range listed.Tools {
		if !tool.Annotations.ReadOnlyHint {
			t.Errorf("who may look is offered %s", tool.Name)
		}
	}

	// A change of keys is not for agents to undo: it could bring a scope back.
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/keys/"+readerID, map[string]any{"scopes": []string{}})
	change := lastChange(t, gateway, "key changed")
	said, failed := newAgent(t, gateway, writer).call("undo_change", map[string]any{"change_id": change, "dry_run": false}, nil)
	if !failed || !strings.Contains(said, "more than accounts") {
		t.Errorf("an undo of a key's change: %s", said)
	}
	s.Eventually("a scope that is taken away is gone", 20*time.Second, func() bool {
		return send(t, gateway, http.MethodPost, "/mcp", reader, initialize, accept).status == http.StatusForbidden
	})
	newAgent(t, gateway, stack.AdminToken).must("undo_change", map[string]any{"change_id": change, "dry_run": false}, nil)
	s.Eventually("an admin's undo brings it back", 20*time.Second, func() bool {
		return send(t, gateway, http.MethodPost, "/mcp", reader, initialize, accept).status == http.StatusOK
	})
}

// No tool tells a secret, or what was said in a request.
func TestToolsTellNoSecrets(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"log_prompts": true})
	token := s.AddTokens("openai", "discreet", 1, 0)[0]
	_, key := scopedKey(t, gateway, "discreet", "pool:write")
	const contents = "what nobody else may read"
	if status, _, body := post(t, gateway, key, chatBody("openai/gpt-4o", contents, false)); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	post(t, gateway, key, chatBody("openai/sim-error-2", contents, false))
	exported := string(gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/export?format=token", nil).Body)
	_, secret, _ := strings.Cut(strings.TrimSpace(strings.SplitN(exported, "\n", 2)[0]), "::")
	if len(secret) < 8 {
		t.Fatalf("no secret was found in %q", exported)
	}

	watching := newAgent(t, gateway, key)
	var logged struct{ Requests []struct{ ID string } }
	s.Eventually("the requests are in the log", 20*time.Second, func() bool {
		watching.must("list_requests", nil, &logged)
		return len(logged.Requests) == 2
	})
	if kept := string(gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?prompts=true", nil).Body); !strings.Contains(kept, contents) {
		t.Fatalf("the log does not have the contents, so nobody could tell them: %s", kept)
	}
	var nameless struct{ ID, Token string } // without an alias it goes by its masked secret elsewhere
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{
		"token": "nl7k-secret-of-an-account-without-an-alias-q3zv", "upstream": "openai",
	}).JSON(t, &nameless)
	if nameless.Token != "nl7k…q3zv" {
		t.Fatalf("the masked secret is %q", nameless.Token)
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+nameless.ID, map[string]any{"weight": 2})
	weighed := lastChange(t, gateway, "token changed")
	var changed switched
	answers := watching.must("disable_accounts", map[string]any{"ids": []string{token.ID, nameless.ID}, "dry_run": false}, &changed)
	answers += watching.must("get_change", map[string]any{"change_id": weighed}, nil) + watching.must("get_account", map[string]any{"id": nameless.ID}, nil)
	for tool, input := range map[string]map[string]any{
		"pool_state": nil, "list_accounts": nil, "list_models": nil, "list_requests": nil, "usage": {"by": []string{"key"}}, "whats_left": nil, "list_activity": nil,
		"get_account": {"id": token.ID}, "explain_model": {"model": "gpt-4o"}, "get_change": {"change_id": *changed.ChangeID}, "undo_change": {"change_id": *changed.ChangeID},
		"enable_accounts": {"ids": []string{token.ID, nameless.ID}},
	} {
		answers += watching.must(tool, input, nil)
	}
	for _, each := range logged.Requests {
		answers += watching.must("get_request", map[string]any{"id": each.ID}, nil)
	}
	for what, text := range map[string]string{"the token": secret, "a masked secret": nameless.Token, "the contents": contents, "the key": key, "the admin token": stack.AdminToken} {
		if strings.Contains(answers, text) {
			t.Errorf("%s is told", what)
		}
	}
}
