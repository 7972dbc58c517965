package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// The limit that one key meets is its organisation's: on every replica its other keys are not
// asked in vain, and requests go on by another organisation's. Where all are limited, the
// client is told when the first is back.
func TestKeysOfOneOrganizationRestTogether(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	s.PutUpstream("anthropic", map[string]any{"driver": "anthropic", "base_url": s.SimURL, "models": []string{"claude-test"}})
	keys := map[string][]string{}
	for _, organization := range []string{"a", "b"} {
		for i := range 2 {
			key := fmt.Sprintf("sk-ant-org-%s-%030d", organization, i)
			s.Gateways[0].MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{
				"token": key, "upstream": "anthropic", "alias": fmt.Sprint(organization, i),
			})
			keys[organization] = append(keys[organization], upstreamsim.Fingerprint(key))
		}
	}
	asked := func(organization string) (requests int64) {
		ledger := s.Sim.Ledger()
		for _, key := range keys[organization] {
			requests += ledger.Tokens[key].Requests
		}
		return requests
	}
	chat := func(i int) (int, http.Header, string) {
		return post(t, s.Gateways[i%2], stack.AdminToken, chatBody("anthropic/claude-test", "Hi", i%4 > 1))
	}
	for i := range 4 { // each key tells whose it is
		if status, _, body := chat(i); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	states := func(state string) (tokens []stack.Token) {
		for _, token := range s.Gateways[0].Tokens(t) {
			if token.State == state {
				tokens = append(tokens, token)
			}
		}
		return tokens
	}
	s.Eventually("all keys are known", 10*time.Second, func() bool { return len(states("ready")) == 4 })

	limit := func(organization string, wait time.Duration) {
		if err := s.Sim.SetRule(upstreamsim.Rule{Organization: organization, Scenario: "rate-limit", RetryAfter: wait}); err != nil {
			t.Fatal(err)
		}
	}
	s.Sim.Reset()
	limit("a", 5*time.Minute)
	for i := range 8 {
		if status, header, body := chat(i); status != http.StatusOK || header.Get("Anthropic-Organization-Id") != "" {
			t.Errorf("request %d: %d %s, %v", i, status, body, header)
		}
	}
	if a, b := asked("a"), asked("b"); a != 1 || b != 8 {
		t.Errorf("the limited organisation was asked %d times, the other one %d times", a, b)
	}
	with := 0
	for _, token := range states("ready") { // the limit is one model's
		history := string(s.Gateways[1].MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+token.ID+"/transitions", nil).Body)
		if cools := strings.Contains(history, `"claude-test"`); cools != strings.HasPrefix(token.Alias, "a") {
			t.Errorf("%s: %s", token.Alias, history)
		}
		if strings.Contains(history, "with its group, as token") {
			with++
		}
	}
	if with != 1 {
		t.Errorf("the histories of %d keys tell that they rest with another", with)
	}

	limit("b", time.Minute)
	for i := range 4 {
		status, header, body := chat(i)
		wait, err := strconv.Atoi(header.Get("Retry-After"))
		if status != http.StatusTooManyRequests || err != nil || wait < 1 || wait > 60 {
			t.Errorf("request %d: %d, Retry-After %q, %s", i, status, header.Get("Retry-After"), body)
		}
	}
	if a, b := asked("a"), asked("b"); a != 1 || b != 9 {
		t.Errorf("the limited organisations were asked %d and %d times", a, b)
	}
}
