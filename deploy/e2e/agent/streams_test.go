package agent_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

// Runs share connections: of fifty at a time none has a character of another.
func TestParallelRunsDoNotMix(t *testing.T) {
	s, _ := start(t, stack.Options{}, 10)
	if err := s.Sim.SetRule(upstreamsim.Rule{ChunkDelay: 2 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	var asking sync.WaitGroup
	for i := range 50 {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			text := strings.Repeat(fmt.Sprintf("Nr. %d: 世界 👩‍👩‍👧 e\u0301 ", i), 40)
			got, calls, err := chatWithoutTools(t, s.Gateways[0], "cursor/composer-2.5", text).ask(ctx)
			if err != nil || got != text || len(calls) > 0 {
				t.Errorf("%d: %v, %q", i, err, got)
			}
		})
	}
	asking.Wait()
	remotes := map[string]bool{}
	for _, run := range s.Sim.AgentRuns().Runs {
		remotes[run.Remote] = true
	}
	if most := s.Sim.Ledger().Total.MaxInFlight; most < 10 || len(remotes) >= 50 {
		t.Errorf("at most %d runs at a time, over %d connections", most, len(remotes))
	}
}

// chatWithoutTools is an agent that only speaks.
func chatWithoutTools(t testing.TB, gateway *stack.Gateway, model, text string) *chatAgent {
	t.Helper()
	a := newChatAgent(t, gateway, model, text)
	a.params.Tools = nil
	return a
}

// A client that goes has its run reset within a second, whether its answer has begun or not.
func TestClientsThatGoResetTheirRun(t *testing.T) {
	s, _ := start(t, stack.Options{}, 4)
	for _, scenario := range []string{"hold", "silence", "silence-headers", "text-without-end"} {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/streamed %t", scenario, stream), func(t *testing.T) {
				t.Parallel()
				model := fmt.Sprintf("composer-2.5-%t-sim-%s", stream, scenario)
				ctx, leave := context.WithCancel(stack.Allow(t.Context(), "the client goes", grammar.Options{End: grammar.Aborted}))
				defer leave()
				a := chatWithoutTools(t, s.Gateways[0], "cursor/"+model, "Stay.")
				var asking sync.WaitGroup
				defer asking.Wait()
				asking.Go(func() {
					var err error
					if stream {
						_, _, err = a.ask(ctx)
					} else {
						a.params.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
						_, err = a.sdk.Chat.Completions.New(ctx, a.params)
					}
					if err == nil {
						t.Error("what was left has ended well")
					}
				})
				waitFor(t, s.Sim, "the run has begun", 10*time.Second, func(l upstreamsim.Ledger) bool { return l.Models[model].InFlight == 1 })
				leave()
				waitFor(t, s.Sim, "the run is reset", time.Second, func(l upstreamsim.Ledger) bool { return l.Models[model].Cancelled == 1 })
				stack.Eventually(t, "it is over", time.Second, func() bool {
					runs := runsOf(s.Sim, model)
					return len(runs) == 1 && runs[0].End == upstreamsim.EndLeft
				})
			})
		}
	}
}
