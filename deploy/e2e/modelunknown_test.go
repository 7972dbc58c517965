package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/deploy/e2e/stack"
)

// Misspelt names cost a request each, and no token anything: not its state, not its
// turn at models that there are.
func TestMisspeltModelsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "o", 3, 0)
	s.AddTokens("cursor", "c", 3, 0)
	client := s.RedisClient()
	before := redisSize(t, client)
	const misspelt = 100
	for i := range misspelt {
		for _, upstream := range []string{"openai", "cursor"} {
			// The simulators have no such scenario: 404 model_not_found, and enum 5.
			status, header, body := post(t, gateway, stack.AdminToken, chatBody(fmt.Sprintf("%s/sim-misspelt-%d", upstream, i), "Hi", i%2 == 0))
			if status != http.StatusNotFound || !strings.Contains(body, `"code":"model_not_found"`) || !strings.Contains(body, `"param":"model"`) || header.Get("Retry-After") != "" {
				t.Fatalf("%s, request %d: %d %s", upstream, i, status, body)
			}
		}
	}
	if asked := s.Sim.Ledger().Total.Requests; asked != 2*misspelt {
		t.Errorf("the upstreams were asked %d times", asked)
	}
	if after := redisSize(t, client); after >= before+misspelt {
		t.Errorf("the tokens had %d fields, and now %d", before, after)
	}
	for _, model := range []string{"openai/gpt-4o", "cursor/gpt-4o"} {
		for range 3 {
			if status, _, body := post(t, gateway, stack.AdminToken, chatBody(model, "Hi", false)); status != http.StatusOK {
				t.Errorf("%s: %d %s", model, status, body)
			}
		}
	}
	if status, _, body := post(t, gateway, stack.AdminToken, chatBody("openai/"+strings.Repeat("x", 300), "Hi", false)); status != http.StatusNotFound || !strings.Contains(body, "200 bytes") {
		t.Errorf("a long name: %d %s", status, body)
	}
}

// redisSize is how many fields the hashes of tokens have together.
func redisSize(t *testing.T, client *redis.Client) int64 {
	t.Helper()
	var fields int64
	keys := client.Scan(t.Context(), 0, "c1:{pool*", 1000).Iterator()
	for keys.Next(t.Context()) {
		if n, err := client.HLen(t.Context(), keys.Val()).Result(); err == nil { // else it is no hash
			fields += n
		}
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return fields
}
