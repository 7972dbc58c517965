package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// loggedHeaders are headers of an entry as the admin API shows them: null where only the name is
// kept.
type loggedHeaders []struct {
	Name  string
	Value *string
}

func (h loggedHeaders) says(name, value string) bool {
	for _, each := range h {
		if each.Name == name {
			return each.Value != nil && *each.Value == value
		}
	}
	return false
}

// hides tells whether the name is there, without a value.
func (h loggedHeaders) hides(name string) bool {
	for _, each := range h {
		if each.Name == name {
			return each.Value == nil
		}
	}
	return false
}

// The log has the headers of both sides of a request that failed, and none of their secrets; of one
// that succeeded it has none.
func TestHeadersOfARequestThatFailed(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	token := s.AddTokens("openai", "team", 1, 0)[0]
	type entry struct {
		Client   loggedHeaders `json:"client_headers"`
		Attempts []struct {
			Sent     loggedHeaders `json:"sent_headers"`
			Received loggedHeaders `json:"received_headers"`
		} `json:"attempt_log"`
	}
	ask := func() (found entry, text string) {
		answer := send(t, gateway, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody("gpt-test", "Hello", false),
			map[string]string{"User-Agent": "test/1", "Cookie": "session=of-the-client", "X-Mine": "of-the-client"})
		s.Eventually("the request is logged", time.Minute, func() bool {
			logged := gateway.Admin(t, http.MethodGet, "/admin/api/logs/"+answer.header.Get("X-Request-Id"), nil)
			if logged.Status == http.StatusOK {
				logged.JSON(t, &found)
				text = string(logged.Body)
			}
			return logged.Status == http.StatusOK
		})
		return found, text
	}

	fine, _ := ask()
	if len(fine.Client)+len(fine.Attempts[0].Sent)+len(fine.Attempts[0].Received) > 0 {
		t.Errorf("a request that succeeded: %+v", fine)
	}
	if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: "http-429", RetryAfter: 10 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	failed, text := ask()
	if !failed.Client.says("User-Agent", "test/1") || !failed.Client.hides("Authorization") || !failed.Client.hides("Cookie") || !failed.Client.hides("X-Mine") {
		t.Errorf("the client's: %s", text)
	}
	attempt := failed.Attempts[0]
	if !attempt.Sent.says("Content-Type", "application/json") || !attempt.Sent.hides("Authorization") || !attempt.Received.says("Retry-After", "600") {
		t.Errorf("the upstream's: %s", text)
	}
	for _, secret := range []string{stack.AdminToken, token.Secret, "of-the-client"} {
		if strings.Contains(text, secret) {
			t.Errorf("%.6s… is in the log: %s", secret, text)
		}
	}
}
