package faults_test

import (
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// The tokenstore, which writes the log, is killed fifty times in the middle of its
// work: between two batches, within one, before it could acknowledge one. No entry
// is lost, none is there twice, and the numbers add up.
func TestLogConsumerIsKilledFiftyTimes(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	b.shoot()
	for kill := range 50 {
		// Batches are written every 200 ms: the kills fall into all of their phases.
		b.during(150*time.Millisecond + time.Duration(kill)*7*time.Millisecond)
		b.Tokenstore.Restart()
	}
	back := b.mark("the tokenstore was killed fifty times")
	t.Logf("normal after %s", b.recovered(back).Round(time.Millisecond))
	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLog(b.Gateways[0], shots, nil)
	b.checkLeases(b.Gateways[0])
}
