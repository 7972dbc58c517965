package codex_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/codex"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// What goes wrong is told so that Codex does the right thing about it: within its retries a turn
// ends well, and what is final is final at once.
func TestTrouble(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{}, 6)
	for _, over := range upstreams {
		t.Run("a prompt that is too long/"+over.name, func(t *testing.T) {
			t.Parallel()
			session, _ := s.session(t, over, "error-context-length")
			_, err := session.Turn(judged(t, over), "Hello?")
			failure, ok := errors.AsType[*codex.Failure](err)
			if !ok || failure.Remedy != codex.Final || failure.Code != "context_length_exceeded" || failure.Status != 0 || answered(session) != 1 {
				t.Errorf("%v after %d requests", err, len(session.Sent))
			}
			readWell(t, session)
		})
		t.Run("a stream that is cut/"+over.name, func(t *testing.T) {
			t.Parallel()
			session, model := s.session(t, over, "echo")
			mustRule(t, s, upstreamsim.Rule{Model: model, Scenario: "cut", Times: 2})
			text, err := session.Turn(judged(t, over), "Hello there, 世界.")
			if err != nil || !strings.HasSuffix(text, "Hello there, 世界.") || answered(session) != 3 {
				t.Errorf("%v after %d requests, %v: %q", err, len(session.Sent), session.Failures, text)
			}
			readWell(t, session)
		})
		t.Run("an upstream that fails for a while/"+over.name, func(t *testing.T) {
			t.Parallel()
			session, model := s.session(t, over, "echo")
			mustRule(t, s, upstreamsim.Rule{Model: model, Scenario: "http-500", Times: 7})
			text, err := session.Turn(judged(t, over), "Hello?")
			if err != nil || !strings.HasSuffix(text, "Hello?") || len(session.Sent) > 1+codex.Usual.Request {
				t.Errorf("%v after %d requests, %v: %q", err, len(session.Sent), session.Failures, text)
			}
			t.Logf("%d requests", len(session.Sent))
		})
		t.Run("a request that is wrong/"+over.name, func(t *testing.T) {
			t.Parallel()
			session, _ := s.session(t, over, "http-400")
			_, err := session.Turn(judged(t, over), "Hello?")
			failure, ok := errors.AsType[*codex.Failure](err)
			if !ok || failure.Remedy != codex.Final || failure.Status != http.StatusBadRequest || answered(session) != 1 {
				t.Errorf("%v after %d requests", err, len(session.Sent))
			}
		})
	}
}

func mustRule(t *testing.T, s *stage, rule upstreamsim.Rule) {
	t.Helper()
	if err := s.Sim.SetRule(rule); err != nil {
		t.Fatal(err)
	}
}

// All tokens cool for two seconds: an HTTP 429 would end the turn, so the client is told in a
// stream how long to wait, waits, and goes on.
func TestTrap55AShortageIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{}, 2)
	s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"queue_wait_ms": 100})
	for _, over := range upstreams {
		t.Run(over.name, func(t *testing.T) {
			session, model := s.session(t, over, "echo")
			session.URL = s.Gateways[1].URL + "/v1" // the balancer closes what is idle for as long as is waited here
			mustRule(t, s, upstreamsim.Rule{Model: model, Scenario: "http-429", RetryAfter: 2 * time.Second, Times: 2})
			began := time.Now()
			text, err := session.Turn(judged(t, over), "Hello?")
			took := time.Since(began)
			if err != nil || !strings.HasSuffix(text, "Hello?") || took < time.Second {
				t.Errorf("%v after %s and %d requests, %v: %q", err, took, len(session.Sent), session.Failures, text)
			}
			for _, sent := range session.Sent {
				if sent.Status != http.StatusOK {
					t.Errorf("status %d", sent.Status)
				}
			}
			if len(session.Waits) > 0 && (slices.Min(session.Waits) < 100*time.Millisecond || len(session.Waits) > 3) {
				t.Errorf("it waited %v", session.Waits)
			}
			t.Logf("%d requests, waits %v, %s", len(session.Sent), session.Waits, took)
			readWell(t, session)
		})
	}
}

// A stream that is silent for long is kept alive for Codex, whose timer no comment feeds.
func TestTrap54SilenceIsBridged(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{GatewayEnv: []string{"STREAM_HEARTBEAT=200ms"}}, 2)
	for _, over := range upstreams {
		t.Run(over.name, func(t *testing.T) {
			t.Parallel()
			session, _ := s.session(t, over, "hold")
			session.Retries.Stream = 0
			session.Retries.Idle = 5 * time.Second
			release := time.AfterFunc(12*time.Second, func() { s.Sim.Release() })
			defer release.Stop()
			text, err := session.Turn(judged(t, over), "Hello there, 世界.")
			if err != nil || !strings.HasSuffix(text, "Hello there, 世界.") {
				t.Errorf("%v: %q", err, text)
			}
			readWell(t, session)
		})
	}
}

// A provider that asks for a WebSocket is told once that there is none, and loses no time.
func TestTrap53UpgradesCostOneRequest(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{}, 2)
	const sessions = 20
	waits := map[bool][]time.Duration{}
	for range sessions {
		for _, asks := range []bool{true, false} { // in turns: the machine is as busy for both
			session, _ := s.session(t, translated, "echo")
			session.WebSockets = asks
			began := time.Now()
			for range 2 {
				if _, err := session.Turn(judged(t, translated), "Hello there, 世界."); err != nil {
					t.Fatal(err)
				}
			}
			waits[asks] = append(waits[asks], session.Answers[0].First.Sub(began))
			asked := 0
			for _, sent := range session.Sent {
				if sent.Method == http.MethodGet {
					asked++
					if sent.Status != http.StatusUpgradeRequired {
						t.Errorf("status %d", sent.Status)
					}
				}
			}
			if want := map[bool]int{true: 1, false: 0}[asks]; asked != want || answered(session) != 2+want {
				t.Errorf("%d upgrades in %d requests", asked, len(session.Sent))
			}
		}
	}
	first := func(asks bool) time.Duration {
		slices.Sort(waits[asks])
		return waits[asks][sessions/2]
	}
	t.Logf("the first token comes after %s where a WebSocket is asked for, else after %s", first(true), first(false))
	if costs := first(true) - first(false); costs > time.Second { // who waits for one waits for seconds
		t.Errorf("the attempt costs %s", costs)
	}
}
