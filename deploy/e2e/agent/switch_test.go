package agent_test

import (
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// The protocol of an upstream is changed while requests run: those that have begun end as they
// began, and none fails.
func TestTheProtocolIsChangedWhileRequestsRun(t *testing.T) {
	s, _ := start(t, stack.Options{Gateways: 2}, 5)
	if err := s.Sim.SetRule(upstreamsim.Rule{ChunkDelay: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	// Both protocols know the name.
	load := stack.Load{Gateways: s.Gateways, Rate: 40, Model: "cursor/gpt-4o", Stream: true}.Start(t)
	runs, chats := int64(0), int64(0)
	for range 3 {
		for _, protocol := range []string{"chat", "agent"} {
			put(s, protocol, nil)
			counted := len(s.Sim.AgentRuns().Runs)
			total := s.Sim.Ledger().Total.Requests
			waitFor(t, s.Sim, "some requests", 10*time.Second, func(l upstreamsim.Ledger) bool { return l.Total.Requests >= total+15 })
			fresh := int64(len(s.Sim.AgentRuns().Runs) - counted)
			runs, chats = runs+fresh, chats+s.Sim.Ledger().Total.Requests-total-fresh
		}
	}
	for _, shot := range load.Stop() {
		if !shot.OK() || !strings.Contains(shot.Body, "[DONE]") {
			t.Errorf("status %d, %v, %.300s", shot.Status, shot.Err, shot.Body)
		}
	}
	if runs < 30 || chats < 30 {
		t.Errorf("%d runs and %d chats", runs, chats)
	}
}
