package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// listed are the models that a gateway lists.
func listed(t *testing.T, gateway *stack.Gateway) []string {
	t.Helper()
	client := gateway.SDK()
	page, err := client.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, model := range page.Data {
		ids = append(ids, model.ID)
	}
	return ids
}

// An upstream without tokens wins no model that another one serves, at every gateway
// within a second or so of a change, and while the tokenstore is away.
func TestAnEmptyUpstreamWinsNothing(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	s.PutUpstream("vendor", map[string]any{"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"gpt-4o", "own-model"}})
	if models := listed(t, s.Gateways[0]); len(models) != 0 {
		t.Errorf("without a token %q are listed", models)
	}
	tokens := s.AddTokens("vendor", "v", 2, 0)
	if models := listed(t, s.Gateways[0]); !slices.Equal(models, []string{"gpt-4o", "own-model"}) { // where it was added: at once
		t.Errorf("with a token of vendor %q are listed", models)
	}
	other := s.Gateways[1]
	s.Eventually("the other gateway knows", 2*time.Second, func() bool { return len(listed(t, other)) == 2 })
	answers := func(when string, want int) {
		t.Helper()
		for _, gateway := range s.Gateways {
			if status, _, body := post(t, gateway, stack.AdminToken, chatBody("gpt-4o", "Hi", false)); status != want {
				t.Errorf("%s: %d %s", when, status, body)
			}
		}
	}
	answers("at first", http.StatusOK)
	client := other.SDK()
	if _, err := client.Models.Get(t.Context(), "claude-3.5-sonnet"); err == nil {
		t.Error("a model that nobody can serve is retrieved")
	}

	s.AwaitReserves("vendor")
	s.Tokenstore.Kill()
	answers("while the tokenstore is away", http.StatusOK)
	if models := listed(t, other); len(models) != 2 {
		t.Errorf("while the tokenstore is away %q are listed", models)
	}
	s.Tokenstore.Start()
	for _, gateway := range s.Gateways {
		s.Eventually("the tokenstore is back", 10*time.Second, func() bool {
			status, said := stack.Readyz(t.Context(), gateway.Ops)
			return status == http.StatusOK && !strings.Contains(said, "degraded")
		})
	}

	for _, token := range tokens {
		s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+token.ID, map[string]any{"enabled": false})
	}
	s.Eventually("nobody can serve it", 2*time.Second, func() bool { return len(listed(t, s.Gateways[0]))+len(listed(t, other)) == 0 })
	answers("without tokens", http.StatusServiceUnavailable)
}
