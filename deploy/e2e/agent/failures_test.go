package agent_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// attempt is one of a request's attempts as the request log has it.
type attempt struct {
	TokenID string  `json:"token_id"`
	Class   *string `json:"class"`
	Rule    *string `json:"rule"`
	Message *string `json:"message"`
}

// logged are the attempts of the latest request for a model.
func logged(t *testing.T, gateway *stack.Gateway, model string) (attempts []attempt) {
	t.Helper()
	var id string
	stack.Eventually(t, "the request is in the log", 5*time.Second, func() bool {
		var log struct {
			Logs []struct{ ID, Model string }
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?limit=1000", nil).JSON(t, &log)
		for _, entry := range log.Logs {
			if entry.Model == model {
				id = entry.ID
				return true
			}
		}
		return false
	})
	var entry struct {
		Attempts []attempt `json:"attempt_log"`
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs/"+id, nil).JSON(t, &entry)
	return entry.Attempts
}

// What goes wrong before an answer has begun is in its class in the log, and another token
// answers; the client sees nothing of it.
func TestFailuresAreRetriedInTheirClass(t *testing.T) {
	s, _ := start(t, stack.Options{}, 10)
	put(s, "agent", map[string]string{"first_byte_timeout": "4s", "idle_timeout": "4s"})
	for scenario, class := range map[string]string{
		"silence-headers":            "upstream",
		"silence":                    "upstream",
		"heartbeat-only":             "upstream",
		"reset-first":                "transport",
		"empty":                      "truncated",
		"empty-turn":                 "truncated",
		"bad-proto":                  "truncated",
		"error-64":                   "region",
		"error-50":                   "rate_limit",
		"error-code-unavailable":     "transport",
		"http-503":                   "transport",
		"error-retryable":            "upstream",
		"http-429":                   "rate_limit",
		"error-code-unauthenticated": "auth",
	} {
		t.Run(scenario, func(t *testing.T) {
			const text = "Hello there, 世界."
			model := "composer-2.5-" + scenario + "-sim-echo"
			if err := s.Sim.SetRule(upstreamsim.Rule{Model: model, Scenario: scenario, Times: 1}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*stack.Slack)
			defer cancel()
			got, _, err := newChatAgent(t, s.Gateways[0], "cursor/"+model, text).ask(ctx)
			if err != nil || got != text {
				t.Errorf("%v, %q", err, got)
			}
			attempts := logged(t, s.Gateways[0], "cursor/"+model)
			if len(attempts) != 2 || attempts[0].Class == nil || *attempts[0].Class != class || attempts[1].Class != nil || attempts[0].TokenID == attempts[1].TokenID {
				t.Errorf("attempts: %s", encoded(t, attempts))
			}
		})
	}
}

// What the upstream has not begun with, or refuses for what it does not say, is asked once more
// with the same token: the pool hears of nothing.
func TestRunsGoOutAgain(t *testing.T) {
	s, _ := start(t, stack.Options{}, 2)
	for _, scenario := range []string{"goaway-first", "error-no-details"} {
		t.Run(scenario, func(t *testing.T) {
			model := "composer-2.5-" + scenario + "-sim-echo"
			if err := s.Sim.SetRule(upstreamsim.Rule{Model: model, Scenario: scenario, Times: 1}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*stack.Slack)
			defer cancel()
			if got, _, err := newChatAgent(t, s.Gateways[0], "cursor/"+model, "Hi.").ask(ctx); err != nil || got != "Hi." {
				t.Errorf("%v, %q", err, got)
			}
			if attempts := logged(t, s.Gateways[0], "cursor/"+model); len(attempts) != 1 || attempts[0].Class != nil {
				t.Errorf("attempts: %s", encoded(t, attempts))
			}
			if asked := s.Sim.Ledger().Models[model].Requests; asked != 2 {
				t.Errorf("the upstream was asked %d times", asked)
			}
		})
	}
}

// What breaks an answer that is on its way is told to the client in its stream, is in its class
// in the log, and is not asked again.
func TestFailuresInAnAnswerAreTold(t *testing.T) {
	s, _ := start(t, stack.Options{}, 10)
	put(s, "agent", map[string]string{"idle_timeout": "4s"})
	for scenario, class := range map[string]string{
		"text-without-end": "upstream",
		"hold":             "upstream",
		"goaway":           "transport",
		"reset":            "transport",
		"cut":              "truncated or transport",
		"eof-no-trailer":   "truncated",
		"eof-mid-frame":    "truncated",
		"error-after-text": "rate_limit",
	} {
		t.Run(scenario, func(t *testing.T) {
			model := "composer-2.5-sim-" + scenario
			ctx, cancel := context.WithTimeout(t.Context(), 2*stack.Slack)
			defer cancel()
			if got, _, err := chatWithoutTools(t, s.Gateways[0], "cursor/"+model, "Hello there.").ask(ctx); err == nil {
				t.Errorf("it has ended well: %q", got)
			}
			attempts := logged(t, s.Gateways[0], "cursor/"+model)
			if len(attempts) != 1 || attempts[0].Class == nil || !slices.Contains(strings.Split(class, " or "), *attempts[0].Class) {
				t.Errorf("attempts: %s", encoded(t, attempts))
			}
			if asked := s.Sim.Ledger().Models[model].Requests; asked != 1 {
				t.Errorf("the upstream was asked %d times", asked)
			}
		})
	}
}

// A connection that breaks ends every answer that has begun on it, and none of another upstream:
// each has connections of its own.
func TestUpstreamsShareNoConnections(t *testing.T) {
	s, _ := start(t, stack.Options{}, 4)
	settings := map[string]string{"protocol": "agent", "site_url": s.SimURL}
	s.PutUpstream("other", map[string]any{"driver": "cursor", "base_url": s.SimURL, "settings": settings})
	s.AddTokens("other", "o", 4, 0)
	for upstream, breaks := range map[string]bool{"cursor": true, "other": false} {
		t.Run(upstream, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*stack.Slack)
			defer cancel()
			held := heldAnswer(ctx, t, s, "composer-2.5-beside-"+upstream+"-sim-hold")
			if got, _, err := chatWithoutTools(t, s.Gateways[0], upstream+"/composer-2.5-sim-cut", "Hello there.").ask(ctx); err == nil {
				t.Errorf("the answer that was cut has ended well: %q", got)
			}
			if !breaks {
				s.Sim.Release()
			}
			got := <-held
			if breaks && got.err == nil || !breaks && (got.err != nil || got.text != "Hello there.") {
				t.Errorf("beside it: %v, %q", got.err, got.text)
			}
			waitFor(t, s.Sim, "nothing is held", 10*time.Second, func(l upstreamsim.Ledger) bool { return l.Held == 0 })
		})
	}
}

// told is what a client got.
type told struct {
	text string
	err  error
}

// heldAnswer asks the upstream cursor for an answer that stops after its first piece until it
// is released, and waits for that; what comes of it is sent once.
func heldAnswer(ctx context.Context, t *testing.T, s *stack.Stack, model string) <-chan told {
	t.Helper()
	asks, answer := chatWithoutTools(t, s.Gateways[0], "cursor/"+model, "Hello there."), make(chan told, 1)
	go func() { // ends with the context, if not before
		text, _, err := asks.ask(ctx)
		answer <- told{text, err}
	}()
	waitFor(t, s.Sim, "an answer is held", 10*time.Second, func(l upstreamsim.Ledger) bool { return l.Held == 1 })
	return answer
}

// Of ten tokens one is bad, in each way in turn: no request fails. A connection that goes away is
// no token's: TestRunsGoOutAgain has that.
func TestABadTokenAmongTen(t *testing.T) {
	s, tokens := start(t, stack.Options{Gateways: 2}, 10)
	for i, scenario := range []string{"error-code-unauthenticated", "error-41", "error-64", "reset-first", "empty-turn", "error-retryable"} {
		t.Run(scenario, func(t *testing.T) {
			bad := upstreamsim.Fingerprint(tokens[i].Secret)
			before := s.Sim.Ledger().Tokens[bad].Requests
			if err := s.Sim.SetRule(upstreamsim.Rule{Token: bad, Scenario: scenario}); err != nil {
				t.Fatal(err)
			}
			load := stack.Load{Gateways: s.Gateways, Rate: 60, Model: "cursor/composer-2.5", Stream: true}.Start(t)
			waitFor(t, s.Sim, "the bad token is tried", 10*time.Second, func(l upstreamsim.Ledger) bool { return l.Tokens[bad].Requests > before })
			stack.Eventually(t, "many requests", 10*time.Second, func() bool { return len(load.Shots()) > 60 })
			for _, shot := range load.Stop() {
				if !shot.OK() {
					t.Errorf("status %d, %v, %.300s", shot.Status, shot.Err, shot.Body)
				}
			}
			s.Sim.ClearRules()
		})
	}
}
