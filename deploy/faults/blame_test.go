package faults_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

func skipUnlessAsked(t *testing.T) {
	t.Helper()
	if os.Getenv("FAULTS") == "" {
		t.Skip("takes minutes: run by make faults")
	}
}

// badToken is a way in which one token of ten fails.
type badToken struct {
	scenario string
	// blamed: the token cools. It is seen until its first failure is known to all, and then once in
	// each window of its cooling. Else it is not for the token to be blamed, and it keeps its
	// share.
	blamed bool
}

var badTokens = []badToken{
	{"http-401", true},
	{"http-429-quota", true},
	{"http-429", true},
	{"http-403", false}, // a region
	{"http-500", false},
	{"http-503", false},
	{"reset-first", false},
	{"empty", false},
}

// Ten tokens, three gateways, one token bad in each way in turn: no client sees it.
func TestOneBadTokenAmongTen(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 3})
	tokens := s.AddTokens("openai", "o", 10, 0)
	warmUp := stack.Load{Gateways: s.Gateways, Rate: 100, Model: "gpt-test"}.Start(t)
	untilProven(t, s)
	warmUp.Stop()
	for i, bad := range badTokens {
		t.Run(bad.scenario, func(t *testing.T) {
			token := tokens[i]
			s.Sim.Reset()
			if err := s.Sim.SetRule(upstreamsim.Rule{Token: upstreamsim.Fingerprint(token.Secret), Scenario: bad.scenario}); err != nil {
				t.Fatal(err)
			}
			load := stack.Load{Gateways: s.Gateways, Rate: 250, Model: "gpt-test"}.Start(t)
			<-time.After(5 * time.Second)
			shots := load.Stop()
			failed := 0
			for _, shot := range shots {
				if !shot.OK() {
					failed++
					t.Errorf("status %d, %v, %.300s\n%s", shot.Status, shot.Err, shot.Body, linesWith(s.Gateways[shot.Gateway].Log(), shot.ID))
				}
			}
			seen := s.Sim.Ledger().Tokens[upstreamsim.Fingerprint(token.Secret)].Requests
			t.Logf("%d requests, %d failed; the upstream saw the bad token %d times", len(shots), failed, seen)
			if len(shots) < 500 {
				t.Errorf("only %d requests", len(shots))
			}
			if half := int64(len(shots) / 20); bad.blamed && seen > half { // some ten where all hear of it at once
				t.Errorf("the upstream saw the bad token %d times, half of its share is %d", seen, half)
			}
			if seen == 0 {
				t.Error("the bad token was never tried")
			}
			s.Sim.Reset()
			s.Gateways[0].MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/"+token.ID+"/release", nil)
		})
	}
}

// linesWith answers the lines of a log that are about a request.
func linesWith(log, id string) string {
	var lines []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, strings.TrimPrefix(id, "chatcmpl-")) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// What fails at every token is no token's fault: after ten seconds in which the
// upstream has refused all twenty, none is cooling or parked, and there was one
// alarm.
func TestAllTokensFailAlike(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	for name, scenario := range map[string]string{
		"outdated client": "error-update-required", "broken": "http-500", "connection reset": "reset-first", "connection refused": "",
	} {
		t.Run(name, func(t *testing.T) {
			s := stack.Start(t, stack.Options{Gateways: 3})
			s.AddTokens("cursor", "c", 20, 0)
			warmUp := stack.Load{Gateways: s.Gateways, Rate: 100, Model: "gpt-4o"}.Start(t)
			untilProven(t, s)
			warmUp.Stop()
			s.Sim.Reset()
			if scenario == "" {
				putCursor(s, "http://127.0.0.1:1") // nobody listens there
			} else if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: scenario}); err != nil {
				t.Fatal(err)
			}
			load := stack.Load{Gateways: s.Gateways, Rate: 100, Model: "gpt-4o"}.Start(t)
			<-time.After(10 * time.Second)
			during := s.Sim.Ledger().Total.Requests
			s.Sim.Reset()
			if scenario == "" {
				putCursor(s, s.SimURL)
			}
			over := time.Now()
			s.Eventually("requests are answered again", 10*time.Second, func() bool { return s.Sim.Ledger().Total.Requests > 100 })
			again := time.Since(over)
			shots := load.Stop()
			for _, token := range s.Gateways[0].Tokens(t) {
				if token.State != "ready" {
					t.Errorf("%s is %s", token.Alias, token.State)
				}
			}
			alarms := strings.Count(s.Tokenstore.Log(), "tokens fail alike")
			t.Logf("%d requests of clients; %d reached the upstream in the ten seconds; %d alarms; 100 answered %s after the end", len(shots), during, alarms, again.Round(time.Millisecond))
			if alarms != 1 {
				t.Errorf("%d alarms, want one", alarms)
			}
		})
	}
}

func putCursor(s *stack.Stack, baseURL string) {
	s.PutUpstream("cursor", map[string]any{"driver": "cursor", "base_url": baseURL, "settings": map[string]string{"site_url": s.SimURL, "protocol": "chat"}})
}
