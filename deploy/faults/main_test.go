// Package faults breaks real processes on purpose: gateways, the tokenstore and
// Redis are killed, frozen and cut off under load, and what clients, upstreams and
// the log see of it is counted. It takes minutes: "make faults" runs it, "make
// test" does not.
package faults_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

func TestMain(m *testing.M) { stack.Main(m) }

// capacity is the cap of each token of the bench.
const capacity = 4

// bench is a stack under load: three gateways, twelve tokens with a cap of four, an
// upstream that takes 20 ms, 200 requests a second.
type bench struct {
	*stack.Stack
	t      *testing.T
	tokens []stack.Token
	load   *stack.Running
}

func start(t *testing.T, options stack.Options) *bench {
	t.Helper()
	if os.Getenv("FAULTS") == "" {
		t.Skip("takes minutes: run by make faults")
	}
	options.Gateways = 3
	options.TokenstoreEnv = append([]string{"LEASE_TTL=10s", "LOG_RETENTION_COUNT=1000000"}, options.TokenstoreEnv...)
	b := &bench{Stack: stack.Start(t, options), t: t}
	b.tokens = b.AddTokens("openai", "o", 12, capacity)
	warmUp := stack.Load{Gateways: b.Gateways, Rate: 100, Model: "gpt-test"}.Start(t)
	untilProven(t, b.Stack)
	warmUp.Stop()
	b.Sim.Reset()
	if err := b.Sim.SetRule(upstreamsim.Rule{Delay: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	return b
}

// untilProven waits until no token is new any more.
func untilProven(t *testing.T, s *stack.Stack) {
	t.Helper()
	s.Eventually("all tokens are ready", 10*time.Second, func() bool {
		return !slices.ContainsFunc(s.Gateways[0].Tokens(t), func(token stack.Token) bool { return token.State != "ready" })
	})
}

// shoot begins the load, after all gateways have their reserve.
func (b *bench) shoot() {
	b.t.Helper()
	b.AwaitReserves("openai")
	b.load = stack.Load{Gateways: b.Gateways, Rate: 200, Model: "gpt-test"}.Start(b.t)
}

// during lets the load go on for a while.
func (b *bench) during(d time.Duration) { <-time.After(d) }

// mark notes when something was done to the stack.
func (b *bench) mark(format string, args ...any) time.Time {
	now := time.Now()
	b.t.Logf("%s %s", now.Format("15:04:05.000"), fmt.Sprintf(format, args...))
	return now
}

// report ends the load and answers its requests.
func (b *bench) report() []stack.Shot {
	b.t.Helper()
	shots := b.load.Stop()
	failed, slowest := 0, time.Duration(0)
	for _, shot := range shots {
		if !shot.OK() {
			failed++
		}
		slowest = max(slowest, shot.Took)
	}
	b.t.Logf("%d requests, %d failed, the slowest took %s", len(shots), failed, slowest.Round(time.Millisecond))
	if len(shots) == 0 {
		b.t.Fatal("there was no load")
	}
	return shots
}

// checkCaps looks at what the upstream saw of each token.
func (b *bench) checkCaps() {
	b.t.Helper()
	ledger := b.Sim.Ledger()
	for _, token := range b.tokens {
		if peak := ledger.Tokens[upstreamsim.Fingerprint(token.Secret)].MaxInFlight; peak > capacity {
			b.t.Errorf("%s had %d requests at once, its cap is %d", token.Alias, peak, capacity)
		}
	}
}

// checkLeases waits until nothing is leased any more.
func (b *bench) checkLeases(via *stack.Gateway) {
	b.t.Helper()
	b.Eventually("all leases are returned", 30*time.Second, func() bool {
		for _, token := range via.Tokens(b.t) {
			if token.InFlight > 0 {
				return false
			}
		}
		return true
	})
}

// checkLog holds the log against the answers that clients got: each is in it once.
// lost tells whether an answer's entry may be missing.
func (b *bench) checkLog(via *stack.Gateway, shots []stack.Shot, lost func(stack.Shot) bool) {
	b.t.Helper()
	b.Eventually("no entry waits", 30*time.Second, func() bool {
		pending := 0.0
		for _, gateway := range b.Gateways {
			pending += stack.Metric(b.t, gateway.Ops, "carousel_gateway_log_pending", "")
		}
		return pending == 0
	})
	ids := via.LogIDs(b.t)
	missing, twice := 0, 0
	for _, shot := range shots {
		if shot.ID != "" && ids[shot.ID] == 0 && (lost == nil || !lost(shot)) {
			missing++
		}
	}
	for _, n := range ids {
		if n > 1 {
			twice++
		}
	}
	b.t.Logf("%d entries in the log", len(ids))
	if missing > 0 || twice > 0 {
		b.t.Errorf("of %d answers %d are missing in the log; %d entries are in it more than once", len(shots), missing, twice)
	}
	for i, gateway := range b.Gateways {
		count := func(state string) float64 {
			return stack.Metric(b.t, gateway.Ops, "carousel_gateway_log_entries_total", `state="`+state+`"`)
		}
		accepted, stored, dropped := count("accepted"), count("stored"), count("dropped")
		if accepted != stored+dropped || dropped > 0 {
			b.t.Errorf("gateway %d: %v accepted, %v stored, %v dropped, none pending", i+1, accepted, stored, dropped)
		}
	}
}

// checkAnswers fails the test for each request that failed, but those that may.
func (b *bench) checkAnswers(shots []stack.Shot, may func(stack.Shot) bool) {
	b.t.Helper()
	allowed, shown := 0, 0
	for _, shot := range shots {
		switch {
		case shot.OK():
		case may != nil && may(shot):
			allowed++
		case shown < 10:
			shown++
			b.t.Errorf("%s gateway %d, after %s: status %d, %v, %.300s", shot.Began.Format("15:04:05.000"), shot.Gateway+1,
				shot.Took.Round(time.Millisecond), shot.Status, shot.Err, shot.Body)
		default:
			b.t.Fail()
		}
	}
	b.t.Logf("%d requests failed that had to", allowed)
}

// recovered waits until every gateway leases from the store again, and answers how
// long that took.
func (b *bench) recovered(since time.Time) time.Duration {
	b.t.Helper()
	b.Eventually("all gateways are out of degraded service", 20*time.Second, func() bool {
		for _, gateway := range b.Gateways {
			if status, body := stack.Readyz(b.t.Context(), gateway.Ops); status != 200 || body != "{\"status\":\"ok\"}\n" {
				return false
			}
		}
		return true
	})
	return time.Since(since)
}
