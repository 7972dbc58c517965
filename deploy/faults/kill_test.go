package faults_test

import (
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// A gateway, the tokenstore and Redis are killed in turn under load. Only requests
// that the killed gateway had in hand fail; caps hold; every answer is in the log;
// all leases come back.
func TestKillInTurn(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{GatewayEnv: []string{"LOG_SPOOL_DIR=" + t.TempDir()}})
	b.shoot()
	b.during(10 * time.Second)

	killed := b.mark("gateway 1 is killed")
	b.Gateways[0].Kill()
	gone := time.Now()
	b.during(3 * time.Second)
	b.Gateways[0].Start()
	b.during(12 * time.Second)
	b.AwaitReserves("openai") // while requests wait for leases nothing goes into them

	b.mark("the tokenstore is killed")
	b.Tokenstore.Kill()
	b.during(5 * time.Second)
	b.Tokenstore.Start()
	back := b.mark("the tokenstore starts")
	t.Logf("normal after %s", b.recovered(back).Round(time.Millisecond))
	b.during(8 * time.Second)
	b.AwaitReserves("openai")

	b.mark("Redis is killed")
	b.Redis.Kill()
	b.during(5 * time.Second)
	b.Redis.Start()
	b.WaitRedis()
	back = b.mark("Redis is back")
	took := b.recovered(back)
	t.Logf("normal after %s", took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("it took %s after Redis was back, not 5 s at most", took)
	}
	b.during(8 * time.Second)

	shots := b.report()
	b.checkAnswers(shots, func(shot stack.Shot) bool {
		return shot.Gateway == 0 && shot.Began.Before(gone) && shot.Began.Add(shot.Took).After(killed)
	})
	b.checkCaps()
	b.checkLeases(b.Gateways[1])
	b.checkLog(b.Gateways[1], shots, nil)
}
