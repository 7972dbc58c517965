package faults_test

import (
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// The primary is killed that has the pool, and comes back as a replica. Sentinels or
// the Cluster's own nodes put its replica in its place: no request fails, and no write
// is lost that was acknowledged, because each waits for a replica.
func TestSentinelFailover(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	throughFailover(t, stack.StartSentinels(t))
}

func TestClusterFailover(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	throughFailover(t, stack.StartCluster(t))
}

func throughFailover(t *testing.T, redis *stack.RedisSet) {
	t.Helper()
	b := start(t, stack.Options{RedisURL: redis.URL, TokenstoreEnv: []string{"REDIS_WAIT_REPLICAS=1"}})
	b.shoot()
	added := stack.StartAdditions(t, b.Gateways, b.SimURL+"/v1")
	b.during(2 * time.Second)
	b.AwaitReservesIn(redis.Client, "openai") // additions may have kept it from being renewed

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
	before := added.Acknowledged()
	primary.Start()
	back := b.mark("the killed server is back")
	b.Eventually("additions are acknowledged again", 20*time.Second, func() bool { return added.Acknowledged() > before+2 })
	t.Logf("normal after %s", b.recovered(back).Round(time.Millisecond))
	b.during(2 * time.Second)

	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLog(b.Gateways[0], shots, nil)
	b.checkLeases(b.Gateways[0])
	added.Check(t)
}
