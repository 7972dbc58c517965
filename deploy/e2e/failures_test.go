package e2e_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// keyed sends a body with an idempotency key.
func keyed(t *testing.T, gateway *stack.Gateway, key, body string) (int, http.Header, string) {
	t.Helper()
	return keyedBy(t, gateway, stack.AdminToken, key, body)
}

// keyedBy is keyed with another API key than the stack's.
func keyedBy(t *testing.T, gateway *stack.Gateway, apiKey, key, body string) (int, http.Header, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, nil, ""
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Idempotency-Key", key)
	response, err := stack.Client(t).Do(request)
	if err != nil {
		t.Error(err)
		return 0, nil, ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// A repeated key gets the first answer, also while that one is on its way, whichever
// gateway it reaches.
func TestARepeatedKeyIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	s.AddTokens("openai", "o", 2, 0)
	body := chatBody("openai/sim-slow", "Hello there", true)
	answers := make([]string, 6)
	var asking sync.WaitGroup
	for i := range answers {
		asking.Go(func() {
			status, _, text := keyed(t, s.Gateways[i%2], "one", body)
			if status != http.StatusOK || !strings.Contains(text, "[DONE]") {
				t.Errorf("%d %s", status, text)
			}
			answers[i] = text
		})
	}
	asking.Wait()
	_, header, later := keyed(t, s.Gateways[1], "one", body)
	for _, text := range answers {
		if text != later {
			t.Errorf("one got\n%s\nanother\n%s", text, later)
		}
	}
	if header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("headers %v", header)
	}
	if asked := s.Sim.Ledger().Total.Requests; asked != 1 {
		t.Errorf("the upstream was asked %d times", asked)
	}
	if status, _, text := keyed(t, s.Gateways[0], "one", chatBody("openai/sim-slow", "Something else", true)); status != http.StatusConflict {
		t.Errorf("the key with another request: %d %s", status, text)
	}
}

// A model that fails is answered by its fallback, and the client and the log are told.
func TestAFallbackAnswers(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "o", 2, 0)
	s.PutUpstream("openai", map[string]any{
		"driver": "openai", "base_url": s.SimURL + "/v1", "models": []string{"gpt-test", "sim-http-503"},
		"settings": map[string]string{"fallbacks": `{"sim-http-503":["gpt-test"]}`},
	})
	s.Eventually("the fallback answers", 5*time.Second, func() bool {
		status, header, _ := post(t, gateway, stack.AdminToken, chatBody("sim-http-503", "Hi", false))
		return status == http.StatusOK && header.Get("X-Carousel-Fallback-Model") == "gpt-test"
	})
	s.Eventually("the log tells of it", 5*time.Second, func() bool {
		var log struct {
			Logs []struct {
				Model         string  `json:"model"`
				FallbackModel *string `json:"fallback_model"`
			} `json:"logs"`
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?limit=1&status=success", nil).JSON(t, &log)
		return len(log.Logs) == 1 && log.Logs[0].Model == "sim-http-503" && log.Logs[0].FallbackModel != nil && *log.Logs[0].FallbackModel == "gpt-test"
	})
}

// What is the upstream's or the client version's fault touches no token, whatever dress
// it comes in; an admin's rule may say otherwise.
func TestNoTokenIsBlamedForWhatIsNotItsFault(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("cursor", "c", 5, 0)
	// While all tokens fail alike, nobody waits for the end of it.
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"queue_wait_ms": 50})
	for _, scenario := range []string{"error-update-required", "http-500", "reset-first", "empty", "error-36", "error-43"} {
		if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: scenario}); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if status, _, text := post(t, gateway, stack.AdminToken, chatBody("gpt-4o", "Hi", false)); status == http.StatusOK {
				t.Errorf("%s: %s", scenario, text)
			}
		}
		for _, token := range gateway.Tokens(t) {
			if token.State == "cooling" || token.State == "parked" || token.State == "probing" {
				t.Errorf("%s: %s is %s", scenario, token.Alias, token.State)
			}
		}
	}
	s.PutUpstream("cursor", map[string]any{
		"driver": "cursor", "base_url": s.SimURL,
		"settings": map[string]string{"protocol": "chat", "failure_rules": `[{"status":"5xx","class":"quota","cooldown":"5m"}]`},
	})
	if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: "http-500"}); err != nil {
		t.Fatal(err)
	}
	s.Eventually("the rule lets tokens cool", 15*time.Second, func() bool {
		post(t, gateway, stack.AdminToken, chatBody("gpt-4o", "Hi", false))
		for _, token := range gateway.Tokens(t) {
			if token.State == "cooling" {
				return true
			}
		}
		return false
	})
}
