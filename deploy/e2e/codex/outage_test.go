package codex_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/codex"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/gateway/grammar"
)

// behind takes what the balancer answers by itself for the broken connection that it is about:
// a gateway has died under the request. Its words are of no client's API.
type behind struct{ http.RoundTripper }

func (b behind) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusBadGateway && response.Header.Get("X-Request-Id") == "" {
		_ = response.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return response, err
}

// Sessions go on through ten rounds while a gateway is killed: what breaks is sent again, within
// the retries that Codex has, to another gateway, and no tool runs twice.
func TestSessionsOutliveAGateway(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{}, 6)
	if err := s.Sim.SetRule(upstreamsim.Rule{ChunkDelay: 5 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	const rounds = 10
	var script10 [][]upstreamsim.Move
	for range rounds {
		script10 = append(script10, []upstreamsim.Move{{Think: "Go on with it, and on."}, {Say: "Next I look around."}, shell("ls"), shell("cat", "main.go")})
	}
	script10 = append(script10, []upstreamsim.Move{{Think: "It is done."}, {Say: "Done."}})
	var playing sync.WaitGroup
	var sessions []*codex.Session
	for i := range 12 {
		over := upstreams[i%len(upstreams)]
		session, _ := s.session(t, over, "scripted")
		session.HTTP = &http.Client{Transport: stack.Judged(t, behind{http.DefaultTransport})}
		sessions = append(sessions, session)
		playing.Go(func() {
			ctx := stack.Allow(judged(t, over), "the gateway may die", grammar.Options{Native: over.native, End: grammar.Aborted})
			if text, err := session.Turn(ctx, script(script10...)); err != nil || text != "Done." {
				t.Errorf("%s: %v: %q, %v", over.name, err, text, session.Failures)
			}
		})
	}
	waitForRequests(t, s, 40)
	s.Gateways[1].Kill()
	playing.Wait()
	again := 0
	for _, session := range sessions {
		again += len(session.Sent) - rounds - 1
		calls := 0
		for _, answer := range session.Answers {
			if answer.ID != "" {
				calls += len(answer.Calls())
			}
		}
		if calls != 2*rounds {
			t.Errorf("%s: %d calls", session.Model, calls)
		}
	}
	t.Logf("%d requests were sent again", again)
}

// waitForRequests waits until the upstreams have got so many.
func waitForRequests(t *testing.T, s *stage, n int64) {
	t.Helper()
	stack.Eventually(t, "the sessions are in their rounds", 30*time.Second, func() bool { return s.Sim.Ledger().Total.Requests >= n })
}
