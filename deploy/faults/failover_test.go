package faults_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// The primary is killed that has the pool, and comes back as a replica. Sentinels or
// the Cluster's own nodes put its replica in its place: no request fails, and no write
// is lost that was acknowledged, because each waits for a replica.
func TestSentinelFailover(t *testing.T) {
	skipUnlessAsked(t)
	throughFailover(t, stack.StartSentinels(t))
}

func TestClusterFailover(t *testing.T) {
	skipUnlessAsked(t)
	throughFailover(t, stack.StartCluster(t))
}

func throughFailover(t *testing.T, redis *stack.RedisSet) {
	t.Helper()
	b := start(t, stack.Options{RedisURL: redis.URL, TokenstoreEnv: []string{"REDIS_WAIT_REPLICAS=1"}})
	b.shoot()
	writes := b.write()
	b.during(2 * time.Second)

	const key = "c1:{pool:openai}:order"
	primary := redis.PrimaryOf(t.Context(), key)
	b.mark("the primary of the pool is killed")
	primary.Kill()
	killed := time.Now()
	b.Eventually("another server has the pool", 20*time.Second, func() bool {
		now := redis.PrimaryOf(t.Context(), key)
		return now != nil && now != primary
	})
	t.Logf("another server has the pool after %s", time.Since(killed).Round(time.Millisecond))
	b.during(3 * time.Second)
	before := writes.acknowledged()
	primary.Start()
	back := b.mark("the killed server is back")
	b.Eventually("writes are acknowledged again", 20*time.Second, func() bool { return writes.acknowledged() > before+2 })
	t.Logf("normal after %s", b.recovered(back).Round(time.Millisecond))
	b.during(2 * time.Second)

	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLog(b.Gateways[0], shots, nil)
	b.checkLeases(b.Gateways[0])
	writes.check(b)
}

// writes are tokens that are added all the time.
type writes struct {
	stop    func()
	mu      sync.Mutex
	aliases []string // of those that were acknowledged
	refused int
}

// write adds a token three times a second until the test's end.
func (b *bench) write() *writes {
	b.t.Helper()
	b.PutUpstream("written", map[string]any{"driver": "openai", "base_url": b.SimURL + "/v1", "models": []string{"written"}})
	var running sync.WaitGroup
	ended := make(chan struct{})
	w := &writes{}
	w.stop = sync.OnceFunc(func() {
		close(ended)
		running.Wait()
	})
	b.t.Cleanup(w.stop)
	running.Go(func() {
		ticker := time.NewTicker(300 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			case <-ticker.C:
			}
			alias := fmt.Sprintf("written-%d", i)
			answer := b.Gateways[i%len(b.Gateways)].Admin(b.t, http.MethodPost, "/admin/api/tokens", map[string]any{
				"token": "sk-secret-" + alias + "-of-the-failover", "upstream": "written", "alias": alias,
			})
			w.mu.Lock()
			if answer.Status == http.StatusCreated {
				w.aliases = append(w.aliases, alias)
			} else {
				w.refused++
			}
			w.mu.Unlock()
		}
	})
	return w
}

func (w *writes) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.aliases)
}

// check fails the test for each write that was acknowledged and is not there.
func (w *writes) check(b *bench) {
	b.t.Helper()
	w.stop()
	there := map[string]bool{}
	for _, token := range b.Gateways[0].Tokens(b.t) {
		there[token.Alias] = true
	}
	lost := 0
	for _, alias := range w.aliases {
		if !there[alias] {
			lost++
		}
	}
	b.t.Logf("%d writes were acknowledged, %d refused, %d lost", len(w.aliases), w.refused, lost)
	if lost > 0 || len(w.aliases) == 0 {
		b.t.Errorf("%d of %d acknowledged writes are lost", lost, len(w.aliases))
	}
}
