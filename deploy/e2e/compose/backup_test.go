package compose_test

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/stack"
)

// simulatorURL is where both the containers and this machine reach the composed simulator.
func (c *composed) simulatorURL() string {
	c.t.Helper()
	address := c.docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", c.containers("upstreamsim")[0])
	return "http://" + strings.TrimSpace(address) + ":8090/v1"
}

// unordered leaves the order of exported tokens out: of those that a pair has had before, such as
// simulated ones, it keeps its own.
func unordered(all map[string]any) map[string]any {
	tokens, _ := all["tokens/export?format=json"].([]any)
	slices.SortFunc(tokens, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return all
}

// moves brings what an embedded pair has into the containers, and from there into another embedded
// pair. Each time all exports are equal, and who has a client key of the first chats at once.
func (c *composed) moves() {
	t := c.t
	first, second := stack.StartLocal(t), stack.StartLocal(t)
	first.MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/upstreams/openai",
		map[string]any{"driver": "openai", "base_url": c.simulatorURL(), "models": []string{"gpt-test"}})
	for _, alias := range []string{"moved-1", "moved-2"} {
		first.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens",
			map[string]any{"token": "sk-secret-" + alias, "upstream": "openai", "alias": alias})
	}
	first.MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/routes/fast",
		map[string]any{"match": "quick-*", "targets": []map[string]any{{"upstream": "openai", "model": "gpt-test"}}})
	first.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"max_attempts": 5, "default_instructions": "Be brief."})
	first.MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/pages", map[string]any{"path": "/about", "type": "html", "content": "<p>ours</p>"})
	var key struct{ Secret string }
	first.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/keys", map[string]any{"name": "Anna's laptop"}).JSON(t, &key)

	folder := t.TempDir()
	passphrase := filepath.Join(folder, "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	from := first
	for name, into := range []*stack.Gateway{c.gateway, second} {
		file := filepath.Join(folder, string(rune('a'+name))+".backup.age")
		stack.Command(t, from, "backup", file, "--passphrase-file", passphrase)
		stack.Command(t, into, "restore", file, "--passphrase-file", passphrase, "--yes", "--remove-others")
		holder := into.SDK(option.WithAPIKey(key.Secret), option.WithRequestTimeout(30*time.Second))
		chats := func(model string) bool {
			_, err := holder.Chat.Completions.New(t.Context(), asking(model, "Hello"))
			return err == nil
		}
		// The gateways that did not restore it hear of it within a second.
		stack.Eventually(t, "every gateway of "+into.URL+" chats", time.Minute, func() bool {
			for range 9 {
				if !chats("quick-one") || !chats("gpt-test") {
					return false
				}
			}
			return true
		})
		if diff := stack.Difference(unordered(stack.Exports(t, first)), unordered(stack.Exports(t, into))); diff != "" {
			t.Errorf("%s exports different %s", into.URL, diff)
		}
		from = into
	}
}
