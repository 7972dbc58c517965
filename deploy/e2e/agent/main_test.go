package agent_test

import (
	"context"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

func TestMain(m *testing.M) { stack.Main(m) }

// start starts a stack whose upstream `cursor` speaks the agent protocol, with some tokens. At the
// test's end no run may have broken a check of the upstream, and none may be open.
func start(t *testing.T, options stack.Options, tokens int) (*stack.Stack, []stack.Token) {
	t.Helper()
	s := stack.Start(t, options)
	put(s, "agent", nil)
	t.Cleanup(func() {
		noRunIsOpen(t, s.Sim)
		for _, violation := range s.Sim.Ledger().Violations {
			t.Errorf("%s: the upstream says %q", violation.Model, violation.Problems)
		}
	})
	return s, s.AddTokens("cursor", "c", tokens, 0)
}

// put configures the upstream with a protocol, and more settings.
func put(s *stack.Stack, protocol string, more map[string]string) {
	settings := map[string]string{"protocol": protocol, "site_url": s.SimURL}
	maps.Copy(settings, more)
	s.PutUpstream("cursor", map[string]any{"driver": "cursor", "base_url": s.SimURL, "settings": settings})
}

// noRunIsOpen waits until every run has ended.
func noRunIsOpen(t *testing.T, sim *upstreamsim.Simulator) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stack.Slack)
	defer cancel()
	if _, err := sim.Await(ctx, func(upstreamsim.Ledger) bool { return sim.AgentRuns().Open == 0 }); err != nil {
		t.Errorf("%d runs are open", sim.AgentRuns().Open)
	}
}

// runsOf are the runs of a model, oldest first.
func runsOf(sim *upstreamsim.Simulator, model string) (runs []upstreamsim.AgentRun) {
	for _, run := range sim.AgentRuns().Runs {
		if run.Model == model {
			runs = append(runs, run)
		}
	}
	return runs
}

// waitFor waits until the ledger fulfils a condition.
func waitFor(t *testing.T, sim *upstreamsim.Simulator, what string, limit time.Duration, condition func(upstreamsim.Ledger) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit+stack.Slack)
	defer cancel()
	if _, err := sim.Await(ctx, condition); err != nil {
		t.Fatalf("not within %s: %s", limit+stack.Slack, what)
	}
}

// encoded is a value as JSON.
func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
