package codex_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

// A session goes on over upstreams of all kinds, as one after the other loses its tokens, and
// over the first again: each gets the whole conversation, and nothing that only another one could
// have sealed.
func TestASessionMovesAcrossUpstreams(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{}, 2)
	// An upstream that is not known to be the vendor's own is given what others have thought, in
	// words; where it refuses that, it is asked again without.
	s.forgiven = "Items are not persisted"
	var targets []any
	for i, over := range upstreams {
		targets = append(targets, map[string]any{"upstream": over.name, "model": over.model + "scripted", "priority": i})
	}
	s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/routes/worker", map[string]any{"targets": targets})
	for _, gateway := range s.Gateways {
		stack.Eventually(t, "every gateway knows the route", 20*time.Second, func() bool {
			return gateway.Admin(t, http.MethodGet, "/admin/api/explain?model=worker", nil).Status == http.StatusOK
		})
	}
	session, _ := s.session(t, native, "scripted")
	session.Model = "worker"
	ctx := stack.Allow(t.Context(), "the first upstream's answers are its own", grammar.Options{Native: true})
	for turn := range len(upstreams) + 1 {
		over := upstreams[turn%len(upstreams)]
		for _, token := range s.Gateways[0].Tokens(t) {
			if other := token.Upstream != over.name; token.Enabled == other {
				s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+token.ID, map[string]any{"enabled": !other})
			}
		}
		before := s.Sim.Ledger().Models[over.model+"scripted"].Completed
		text, err := session.Turn(ctx, script(
			[]upstreamsim.Move{{Think: "I look around."}, shell("cat", "main.go"), search("mcp__notes")},
			[]upstreamsim.Move{{Think: "It is red."}, {Say: "Done: " + upstreamsim.ResultsMark}},
		))
		if err != nil || !strings.Contains(text, `println("red")`) || !strings.Contains(text, "nothing of colour") {
			t.Fatalf("%s: %v: %q, %v", over.name, err, text, session.Failures)
		}
		if by := s.Sim.Ledger().Models[over.model+"scripted"].Completed - before; by != 2 {
			t.Errorf("%s has answered %d requests of its turn", over.name, by)
		}
	}
	readWell(t, session)
	for _, over := range upstreams {
		for _, body := range s.got(over.model + "scripted") {
			if strings.Contains(body, "carousel:") {
				t.Errorf("%s gets a seal of the gateway's own: %s", over.name, body)
			}
		}
	}
}
