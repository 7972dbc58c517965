package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// primary is the service that the sentinels take for Redis's primary.
func (c *composed) primary() string {
	c.t.Helper()
	said := c.must(time.Minute, "exec", "-T", "sentinel-1", "redis-cli", "-p", "26379", "--raw", "SENTINEL", "get-master-addr-by-name", "carousel")
	name, _, _ := strings.Cut(said, "\n")
	return strings.TrimSpace(name)
}

// additions are tokens that are added one after the other.
type additions struct {
	stop    func()
	mu      sync.Mutex
	aliases []string // of those that were acknowledged
	refused int
}

func (a *additions) acknowledged() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.aliases)
}

// add adds tokens of an upstream that serves nobody, until it is stopped.
func (c *composed) add() *additions {
	t := c.t
	c.gateway.MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/upstreams/added",
		map[string]any{"driver": "openai", "base_url": "http://upstreamsim:8090/v1", "models": []string{"added"}})
	ended, running := make(chan struct{}), sync.WaitGroup{}
	a := &additions{stop: sync.OnceFunc(func() {
		close(ended)
		running.Wait()
	})}
	t.Cleanup(a.stop)
	running.Go(func() {
		ticker := time.NewTicker(300 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			case <-ticker.C:
			}
			alias := fmt.Sprintf("added-%d", i)
			answer := c.gateway.Admin(t, http.MethodPost, "/admin/api/tokens",
				map[string]any{"token": "sk-secret-" + alias + "-of-the-failover", "upstream": "added", "alias": alias})
			a.mu.Lock()
			if answer.Status == http.StatusCreated {
				a.aliases = append(a.aliases, alias)
			} else {
				a.refused++
			}
			a.mu.Unlock()
		}
	})
	return a
}

// failover kills the container of Redis's primary under load, while tokens are added. Sentinels put
// another server in its place. Meanwhile chats are answered, or refused with 503 and nothing worse;
// then they go on, and every token is there whose addition was acknowledged.
func (c *composed) failover() {
	t := c.t
	before := c.primary()
	killed := c.containers(before)[0]
	load := stack.Load{Gateways: []*stack.Gateway{c.gateway}, Rate: 20, Model: "gpt-test"}.Start(t)
	added := c.add()
	stack.Eventually(t, "tokens are added", time.Minute, func() bool { return len(added.acknowledged()) > 2 })
	c.docker("kill", killed)
	stack.Eventually(t, "the sentinels name another primary", 2*time.Minute, func() bool { return c.primary() != before })
	known := len(added.acknowledged())
	stack.Eventually(t, "tokens are added again", 2*time.Minute, func() bool { return len(added.acknowledged()) > known+2 })
	c.docker("start", killed)
	shots := load.Stop()
	added.stop()
	refused := 0
	for _, shot := range shots {
		switch {
		case shot.OK():
		case shot.Err == nil && shot.Status == http.StatusServiceUnavailable:
			refused++
		default:
			t.Errorf("%s after %s: %d %v %.200s", shot.Began.Format("15:04:05.000"), shot.Took.Round(time.Millisecond), shot.Status, shot.Err, shot.Body)
		}
	}
	t.Logf("%s took the place of %s; of %d chats %d got 503; %d tokens were acknowledged, %d refused",
		c.primary(), before, len(shots), refused, len(added.acknowledged()), added.refused)
	if failed := c.chat(30); failed > 0 {
		t.Errorf("afterwards %d of 30 requests failed", failed)
	}
	there := map[string]bool{}
	for _, token := range c.gateway.Tokens(t) {
		there[token.Alias] = true
	}
	for _, alias := range added.acknowledged() {
		if !there[alias] {
			t.Errorf("%s was acknowledged, and is not there", alias)
		}
	}
	stack.Eventually(t, "the killed server is a replica of the new primary", 2*time.Minute, func() bool {
		said, err := c.compose(time.Minute, "exec", "-T", before, "sh", "-c", "REDISCLI_AUTH=$(cat /run/redis/password) exec redis-cli role")
		return err == nil && strings.HasPrefix(said, "slave\n"+c.primary()+"\n") && strings.Contains(said, "connected")
	})
}
