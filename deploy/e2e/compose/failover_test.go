package compose_test

import (
	"net/http"
	"strings"
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

// failover kills the container of Redis's primary under load, while tokens are added. Sentinels put
// another server in its place. Meanwhile chats are answered, or refused with 503 and nothing worse;
// then they go on, and every token is there whose addition was acknowledged.
func (c *composed) failover() {
	t := c.t
	before := c.primary()
	killed := c.containers(before)[0]
	load := stack.Load{Gateways: []*stack.Gateway{c.gateway}, Rate: 20, Model: "gpt-test"}.Start(t)
	added := stack.StartAdditions(t, []*stack.Gateway{c.gateway}, "http://upstreamsim:8090/v1")
	stack.Eventually(t, "tokens are added", time.Minute, func() bool { return added.Acknowledged() > 2 })
	c.docker("kill", killed)
	stack.Eventually(t, "the sentinels name another primary", 2*time.Minute, func() bool { return c.primary() != before })
	known := added.Acknowledged()
	stack.Eventually(t, "tokens are added again", 2*time.Minute, func() bool { return added.Acknowledged() > known+2 })
	c.docker("start", killed)
	shots := load.Stop()
	added.Stop()
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
	t.Logf("%s took the place of %s; of %d chats %d got 503", c.primary(), before, len(shots), refused)
	if failed := c.chat(30); failed > 0 {
		t.Errorf("afterwards %d of 30 requests failed", failed)
	}
	added.Check(t)
	stack.Eventually(t, "the killed server is a replica of the new primary", 2*time.Minute, func() bool {
		said, err := c.compose(time.Minute, "exec", "-T", before, "sh", "-c", "REDISCLI_AUTH=$(cat /run/redis/password) exec redis-cli role")
		return err == nil && strings.HasPrefix(said, "slave\n"+c.primary()+"\n") && strings.Contains(said, "connected")
	})
}
