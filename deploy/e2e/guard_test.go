package e2e_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3/option"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// An outage that hits every token is no token's fault: when it is over, all tokens
// serve as before, there was one alarm, and the upstream was not flooded meanwhile.
func TestAnOutageBlamesNoToken(t *testing.T) {
	t.Parallel()
	for name, scenario := range map[string]string{"broken": "http-500", "refused": "http-401"} {
		t.Run(name, func(t *testing.T) {
			s := stack.Start(t, stack.Options{Gateways: 3})
			s.AddTokens("openai", "o", 20, 0)
			if failed := chats(t, s.Gateways, "gpt-test", 200, 10); failed > 0 {
				t.Fatalf("%d requests failed before the outage", failed)
			}
			s.Sim.Reset()
			if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: scenario}); err != nil {
				t.Fatal(err)
			}
			var served, failed atomic.Int64
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for client := range 12 {
				wg.Go(func() {
					sdk := s.Gateways[client%3].SDK(option.WithRequestTimeout(time.Minute), option.WithMaxRetries(0))
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						if _, err := sdk.Chat.Completions.New(t.Context(), ask("gpt-test", fmt.Sprint("x", i))); err != nil {
							failed.Add(1)
						} else {
							served.Add(1)
						}
					}
				})
			}
			<-time.After(4 * time.Second) // the outage
			during := s.Sim.Ledger().Total.Requests
			s.Sim.Reset()
			over, before := time.Now(), served.Load()
			s.Eventually("requests are served again", 6*time.Second, func() bool { return served.Load() > before+100 })
			t.Logf("%d requests reached the upstream during the outage, %d failed; served again after %v", during, failed.Load(), time.Since(over))
			close(stop)
			wg.Wait()
			for _, token := range s.Gateways[0].Tokens(t) {
				if token.State != "ready" {
					t.Errorf("%s is %s", token.Alias, token.State)
				}
			}
			if alarms := strings.Count(s.Tokenstore.Log(), "tokens fail alike"); alarms != 1 {
				t.Errorf("%d alarms", alarms)
			}
		})
	}
}
