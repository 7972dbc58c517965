package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// The strategy of rotation is switched while requests run, for all replicas.
func TestStrategiesAreSwitchedWhileRunning(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	tokens := s.AddTokens("openai", "o", 4, 0)
	if failed := chats(t, s.Gateways, "gpt-test", 40, 4); failed > 0 {
		t.Fatalf("%d requests failed", failed)
	}
	// used is how many tokens serve requests of one user, over both replicas.
	used := func() int {
		t.Helper()
		s.Sim.Reset()
		for i := range 12 {
			params := ask("gpt-test", fmt.Sprint("x", i))
			params.User = openai.String("anna")
			sdk := s.Gateways[i%2].SDK()
			if _, err := sdk.Chat.Completions.New(t.Context(), params); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, token := range tokens {
			if s.Sim.Ledger().Tokens[upstreamsim.Fingerprint(token.Secret)].Requests > 0 {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		strategy string
		tokens   int
	}{{"round_robin", 4}, {"sticky", 1}, {"least_in_flight", 4}, {"fill_first", 1}, {"round_robin", 4}} {
		s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"rotation_strategy": c.strategy})
		s.Eventually(c.strategy+" is in use", 5*time.Second, func() bool { return used() == c.tokens })
	}
	s.Gateways[0].MustAdmin(t, http.StatusBadRequest, http.MethodPatch, "/admin/api/settings", map[string]any{"rotation_strategy": "random"})
}
