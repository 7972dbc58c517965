package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// A gateway that is killed gives back what it held when its leases expire.
func TestKilledGatewaysLeasesReturn(t *testing.T) {
	t.Parallel()
	const life = 10 * time.Second // a gateway that the machine keeps from its work for so long loses its leases
	s := stack.Start(t, stack.Options{Gateways: 2, TokenstoreEnv: []string{"LEASE_TTL=" + life.String()}})
	s.AddTokens("openai", "o", 4, 5)
	doomed, other := s.Gateways[0], s.Gateways[1]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, _, _, _ = readStream(ctx, doomed.SDK(), ask("openai/sim-hold", fmt.Sprint("stream ", i))) // dies with its gateway
		})
	}
	s.Eventually("20 streams are open", 20*time.Second, func() bool { return s.Sim.Ledger().Total.InFlight == 20 })
	inFlight := func() (sum int) {
		for _, token := range other.Tokens(t) {
			sum += token.InFlight
		}
		return sum
	}
	if got := inFlight(); got != 20 {
		t.Errorf("%d leases in flight, want 20", got)
	}
	// Longer than a lease lives: open streams renew theirs.
	<-time.After(life + 2*time.Second)
	if got := inFlight(); got != 20 {
		t.Errorf("%d leases in flight after their first expiry, want 20: they were not renewed", got)
	}
	doomed.Kill()
	killed := time.Now()
	s.Eventually("all leases are free", life+4*time.Second, func() bool { return inFlight() == 0 })
	t.Logf("free %s after the kill; they live %s", time.Since(killed).Round(10*time.Millisecond), life)
	cancel()
	wg.Wait()
	if failed := chats(t, []*stack.Gateway{other}, "gpt-test", 20, 20); failed > 0 {
		t.Errorf("%d requests failed afterwards", failed)
	}
}

// What was acknowledged is there after Redis is killed and started again.
func TestKilledRedisLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "o", 20, 0)
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"default_instructions": "Stay."})
	if failed := chats(t, s.Gateways, "gpt-test", 200, 8); failed > 0 {
		t.Fatalf("%d requests failed", failed)
	}
	s.Eventually("200 log entries are stored", 20*time.Second, func() bool { return logTotal(t, gateway) == 200 })
	// The last write before the kill is one that was acknowledged this moment.
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+tokens[7].ID, map[string]any{"alias": "renamed"})
	s.Redis.Kill()
	s.Redis.Start()
	s.WaitRedis()
	s.Eventually("the tokenstore is ready again", 20*time.Second, s.TokenstoreReady)
	s.Eventually("the gateway is ready again", 20*time.Second, func() bool {
		status, _ := stack.Readyz(t.Context(), gateway.Ops)
		return status == http.StatusOK
	})
	found := gateway.Tokens(t)
	if len(found) != len(tokens) {
		t.Errorf("%d tokens, want %d", len(found), len(tokens))
	}
	for i, token := range found {
		want := fmt.Sprintf("o-%d", i+1)
		if token.ID == tokens[7].ID {
			want = "renamed"
		}
		if token.Alias != want {
			t.Errorf("token %d has alias %q, want %q", i, token.Alias, want)
		}
	}
	if body := gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/settings", nil).Body; !bytes.Contains(body, []byte(`"Stay."`)) {
		t.Errorf("the setting is gone: %s", body)
	}
	if got := logTotal(t, gateway); got != 200 {
		t.Errorf("%d log entries, want 200", got)
	}
	if failed := chats(t, s.Gateways, "gpt-test", 50, 8); failed > 0 {
		t.Errorf("%d requests failed afterwards", failed)
	}
}

func logTotal(t *testing.T, gateway *stack.Gateway) int {
	t.Helper()
	total, cursor := 0, ""
	for {
		var page struct {
			Logs []map[string]any `json:"logs"`
			Next *string          `json:"next"`
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?limit=1000&cursor="+cursor, nil).JSON(t, &page)
		total += len(page.Logs)
		if page.Next == nil || *page.Next == "" {
			return total
		}
		cursor = *page.Next
	}
}

// No secret is in any log, nor in Redis's memory or files.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2, GatewayEnv: []string{"LOG_LEVEL=debug"}, TokenstoreEnv: []string{"LOG_LEVEL=debug"}})
	tokens := s.AddTokens("openai", "o", 3, 0)
	tokens = append(tokens, s.AddTokens("cursor", "c", 3, 0)...)
	jwt := upstreamsim.DemoTokens().Cursor[0]
	s.Gateways[0].MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{"token": jwt, "upstream": "cursor", "alias": "jwt"})
	// Where all tokens fail alike, nobody waits for the end of it.
	s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"queue_wait_ms": 50})
	for _, model := range []string{"gpt-test", "gpt-4o", "openai/sim-http-401", "cursor/sim-error-2", "openai/sim-reset", "cursor/sim-error-after-text"} {
		for range 4 {
			post(t, s.Gateways[0], stack.AdminToken, chatBody(model, "hello", true))
			post(t, s.Gateways[1], stack.AdminToken, chatBody(model, "hello", false))
		}
	}
	// Refused, with the secrets in the request.
	s.Gateways[0].Admin(t, http.MethodPost, "/admin/api/tokens", map[string]any{"token": tokens[0].Secret, "upstream": "openai"})
	s.Gateways[0].Admin(t, http.MethodPost, "/admin/api/tokens/import", map[string]any{"content": "a::b::" + tokens[1].Secret, "format": "token", "upstream": "openai"})
	post(t, s.Gateways[0], tokens[2].Secret, chatBody("gpt-test", "hello", false))
	for _, path := range []string{"/admin/api/tokens", "/admin/api/logs", "/admin/api/upstreams", "/admin/api/settings", "/admin/api/explain?model=gpt-4o", "/health"} {
		body := s.Gateways[0].Admin(t, http.MethodGet, path, nil).Body
		checkNoSecret(t, path, body, tokens, jwt)
	}
	client := s.RedisClient()
	defer func() { _ = client.Close() }()
	if err := client.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, gateway := range s.Gateways {
		gateway.Stop()
	}
	s.Tokenstore.Stop()
	s.Redis.Stop()
	for name, log := range map[string]string{
		"gateway 1's log": s.Gateways[0].Log(), "gateway 2's log": s.Gateways[1].Log(), "the tokenstore's log": s.Tokenstore.Log(), "Redis's log": s.Redis.Log(),
	} {
		if len(log) == 0 {
			t.Errorf("%s is empty: nothing was checked", name)
		}
		checkNoSecret(t, name, []byte(log), tokens, jwt)
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(s.Folder, "redis"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		checkNoSecret(t, path, content, tokens, jwt)
		return err
	})
	if err != nil || files < 2 {
		t.Errorf("%d files of Redis were read: %v", files, err)
	}
}

func checkNoSecret(t *testing.T, where string, content []byte, tokens []stack.Token, more ...string) {
	t.Helper()
	secrets := append([]string{stack.AdminToken, stack.TokenstoreSecret}, more...)
	for _, token := range tokens {
		// Without the last characters, which a mask may show.
		secrets = append(secrets, token.Secret[:len(token.Secret)-4])
	}
	for _, secret := range secrets {
		if strings.Contains(string(content), secret) {
			t.Errorf("%s holds a secret (%s…)", where, secret[:9])
		}
	}
}
