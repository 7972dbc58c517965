package pairs_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/pairs"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

// nativeBody has what a decoder would lose: the order of keys, numbers that are no float64,
// escapes, spaces, fields that nobody knows beside the beta that brings them.
const nativeBody = `{"max_tokens" : 64, "model":"%s","messages":[ {"content":[{"text":"Gr\u00fc\u00dfe \ud83d\ude00 / \/","type":"text"}],"role":"user"}],` +
	`"stream":%t,"system":"Be brief.","tools":[{"name":"look","input_schema":{"z":1e400,"type":"object","a":12345678901234567890123,"properties":{}}}],` +
	`"invented_field":{"b":1,"a":[]}}`

// native: a client of Messages and an upstream of Anthropic's API get each other's bytes.
func (w *world) native(t *testing.T) {
	t.Parallel()
	header := http.Header{
		"X-Api-Key": {stack.AdminToken}, "Anthropic-Version": {"2023-06-01"},
		"Anthropic-Beta": {"invented-field-2026-11-01,another-2026-01-01", "third-2026-02-02"}, "X-Claude-Code-Session-Id": {"s-1"},
	}
	for _, scenario := range []string{"echo", "reasoning", "tool-call", "redacted-thinking", "server-tool", "refusal", "cached", "finish-pause"} {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/streamed %t", scenario, stream), func(t *testing.T) {
				t.Parallel()
				model := w.name("", scenario)
				body := fmt.Sprintf(nativeBody, "anthropic/"+model, stream)
				ctx := stack.Allow(t.Context(), "the answer is the vendor's", grammar.Options{Native: true})
				got := w.send(ctx, t, http.MethodPost, "/v1/messages?beta=true&x=1", body, header)
				arrived := w.tap.got(model)
				if len(arrived) != 1 {
					t.Fatalf("%d requests arrived: %d %s", len(arrived), got.status, got.body)
				}
				if want := fmt.Sprintf(nativeBody, model, stream); string(arrived[0].body) != want {
					t.Errorf("arrived: %s\nwant:    %s", arrived[0].body, want)
				}
				if arrived[0].query != "beta=true&x=1" || strings.Join(arrived[0].header["Anthropic-Beta"], "|") != strings.Join(header["Anthropic-Beta"], "|") {
					t.Errorf("arrived with %q and %q", arrived[0].query, arrived[0].header["Anthropic-Beta"])
				}
				given := strings.Replace(w.tap.answerOf(arrived[0]), `"model":"`+model+upstreamsim.ModelSuffix+`"`, `"model":"anthropic/`+model+`"`, 1)
				if withoutComments(got.body) != withoutComments(given) {
					t.Errorf("answered: %s\ngiven:    %s", got.body, given)
				}
			})
		}
	}
}

// withoutComments leaves out what only keeps connections alive.
func withoutComments(stream string) string {
	var kept []string
	for _, frame := range strings.Split(stream, "\n\n") {
		if !strings.HasPrefix(frame, ":") && !strings.Contains(frame, "event: ping") {
			kept = append(kept, frame)
		}
	}
	return strings.Join(kept, "\n\n")
}

// rotation: one of ten keys is bad in one of the ways in which keys and services are bad, and
// no request fails of it.
func (w *world) rotation(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{
		"http-401", "http-402", "http-403", "organization-disabled", "credit-exhausted", "spend-limit", "rate-limit", "rate-limit-reset", "rate-limit-bare",
		"overloaded", "http-500", "http-503", "http-503-html", "error-first", "error-429", "reset-first",
	} {
		upstream := "ten-" + scenario
		w.PutUpstream(upstream, map[string]any{"driver": "anthropic", "base_url": w.tap.url, "models": []string{"m"}})
		bad := w.AddTokens(upstream, upstream, 10, 0)[4]
		if err := w.Sim.SetRule(upstreamsim.Rule{Token: upstreamsim.Fingerprint(bad.Secret), Scenario: scenario}); err != nil {
			t.Fatal(err)
		}
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			for i := range 20 {
				model := w.name("", "echo")
				got := w.field(t, pairs.MessagesAnthropic, upstream, model, fmt.Sprintf(`{"stream":%t}`, i%2 == 0))
				if got.status != http.StatusOK || !strings.Contains(got.body, "end_turn") || strings.Contains(got.body, "event: error") {
					t.Errorf("request %d: %d %s", i, got.status, got.body)
				}
			}
			if w.Sim.Ledger().Tokens[upstreamsim.Fingerprint(bad.Secret)].Requests == 0 {
				t.Error("the bad key was never asked")
			}
		})
	}
}
