package upstreamsim

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/grammar"
)

// How an answer arrives, or does not, over a real connection.
func TestResponsesOnTheWire(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{SlowInterval: time.Millisecond, Heartbeat: time.Millisecond})
	for name, c := range map[string]struct {
		status int
		broken bool // the body does not come to its end
		ends   grammar.End
	}{
		"slow": {200, false, grammar.Complete}, "delay-5": {200, false, grammar.Complete}, "cut": {200, true, grammar.Aborted}, "reset": {200, true, grammar.Aborted},
		"reset-first": {0, true, grammar.Aborted}, "http-503": {503, false, grammar.Aborted}, "http-429": {429, false, grammar.Aborted}, "error-no-route": {404, false, grammar.Aborted},
		"error-context-length": {400, false, grammar.Aborted},
		"usage-limit-reached":  {429, false, grammar.Aborted}, "server-overloaded": {503, false, grammar.Aborted}, "error-context-length-vllm": {400, false, grammar.Aborted}, "big": {200, false, grammar.Complete}, "failed": {200, false, grammar.Failed},
	} {
		got := roundTrip(t, server, askResponses(deadline(t), t, server.URL, "sk-1", `{"model":"sim-`+name+`",`+saysHi+`,`+streaming+`}`))
		if got.status != c.status || (got.err != nil) != c.broken {
			t.Errorf("%s: %d, %v, %.300s", name, got.status, got.err, got.body)
		}
		if got.status != http.StatusOK {
			continue
		}
		stream := grammar.Responses.Stream(grammar.Options{End: c.ends})
		_, _ = stream.Write(got.body) // it never fails
		for _, violation := range stream.End() {
			t.Errorf("%s: %s", name, violation)
		}
	}
	limited := roundTrip(t, server, askResponses(deadline(t), t, server.URL, "sk-1", `{"model":"sim-http-429",`+saysHi+`}`))
	if limited.header.Get("Retry-After") != "2" || limited.header.Get("X-Ratelimit-Remaining-Requests") != "0" || limited.header.Get("X-Ratelimit-Reset-Requests") != "2s" {
		t.Errorf("%v", limited.header)
	}
	account := roundTrip(t, server, askResponses(deadline(t), t, server.URL, "sk-1", `{"model":"sim-usage-limit-reached",`+saysHi+`}`))
	var told struct {
		Error struct {
			Type   string
			Resets int64 `json:"resets_at"`
		}
	}
	if err := json.Unmarshal(account.body, &told); err != nil || told.Error.Type != "usage_limit_reached" || told.Error.Resets < time.Now().Unix() {
		t.Errorf("%v: %s", err, account.body)
	}
	noViolations(t, sim)
}

// The head of a request comes back, with a fingerprint in place of the key.
func TestResponsesEchoHeaders(t *testing.T) {
	t.Parallel()
	request := askResponses(t.Context(), t, "http://sim", "sk-1", `{"model":"sim-echo-headers",`+saysHi+`}`)
	request.Header.Set("X-Codex-Turn-State", "sticky")
	r := record(New(Options{}), request)
	var head RequestHead
	if err := json.Unmarshal([]byte(decodeResponse(t, r).Output[0].Content[0].Text), &head); err != nil {
		t.Fatal(err)
	}
	if head.Header.Get("Authorization") != Fingerprint("sk-1") || r.header.Get("X-Codex-Turn-State") != "sticky" || head.Path != responsesPath {
		t.Errorf("%+v, %v", head, r.header)
	}
}

// What waits goes on when it is released, and what never ends stops with its client.
func TestResponsesThatWait(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{Heartbeat: time.Millisecond})
	for _, name := range []string{"hold", "silence", "silence-headers"} {
		done := make(chan received)
		go func() {
			done <- roundTrip(t, server, askResponses(deadline(t), t, server.URL, "sk-1", `{"model":"sim-`+name+`",`+saysHi+`,`+streaming+`}`))
		}()
		if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Held == 1 }); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sim.Release()
		if got := <-done; len(judged(grammar.Responses, got.body, grammar.Options{End: grammar.Complete})) > 0 {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	for _, name := range []string{"heartbeat-only", "keepalive-only"} {
		ctx, cancel := context.WithCancel(deadline(t))
		response, err := server.Client().Do(askResponses(ctx, t, server.URL, "sk-1", `{"model":"sim-`+name+`",`+saysHi+`,`+streaming+`}`))
		if err != nil {
			t.Fatal(err)
		}
		read := make([]byte, 1<<12)
		if _, err := response.Body.Read(read); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		_ = response.Body.Close()
		if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Models["sim-"+name].Cancelled == 1 }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A rule for a token is one for its answers of every kind.
func TestResponsesFollowRules(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	if err := sim.SetRule(Rule{Organization: "a", Scenario: "failed-rate-limit", Times: 1}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"failed", "completed"} {
		if got := decodeResponse(t, createIn(t, sim, "sk-org-a-1", "gpt-5", saysHi)); got.Status != want {
			t.Errorf("call %d: %+v", i, got)
		}
	}
	refusing := New(Options{Tokens: []string{"sk-1"}})
	if r := createIn(t, refusing, "sk-2", "gpt-5", saysHi); r.status != http.StatusUnauthorized {
		t.Errorf("a token that is not accepted: %d", r.status)
	}
}

// The documentation names every scenario.
func TestResponsesScenariosAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Scenarios(OpenAIResponses) {
		if !regexp.MustCompile(`[\s,]` + regexp.QuoteMeta(name) + `[\s,.]`).Match(text) {
			t.Errorf("doc.go does not name %s", name)
		}
	}
	if strings.Count(string(text), "# The Responses API") != 1 {
		t.Error("there is no part about the Responses API")
	}
}
