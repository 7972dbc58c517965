package faults_test

import (
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// earlier is the release that a fleet is changed from.
const earlier = "59b5e7e"

// The tokenstore and then one gateway after the other are replaced by this version's,
// under load, as a balancer and an orchestrator do it: no request fails, caps hold, no
// log entry is lost.
func TestRollingChange(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	b := start(t, stack.Options{Release: stack.Release(t, earlier), GatewayEnv: []string{"DRAIN_DELAY=500ms"}})
	tokenstore, gatewayProgram := stack.Binary(t, "tokenstore"), stack.Binary(t, "gateway")
	b.shoot()
	b.during(3 * time.Second)

	b.mark("the tokenstore is replaced")
	b.Tokenstore.Replace(tokenstore)
	b.Eventually("the tokenstore is ready", 20*time.Second, b.TokenstoreReady)
	back := b.mark("the new tokenstore is ready")
	t.Logf("normal after %s", b.recovered(back).Round(time.Millisecond))
	b.during(2 * time.Second)
	for i, gateway := range b.Gateways {
		b.mark("gateway %d is replaced", i+1)
		gateway.Leave()
		gateway.Replace(gatewayProgram)
		b.WaitReady(gateway.Ops)
		gateway.Join()
		b.during(2 * time.Second)
	}
	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLog(b.Gateways[0], shots, nil)
	b.checkLeases(b.Gateways[0])
}

// The gateways are replaced before the tokenstore: for a while this version's gateways
// have the earlier tokenstore.
func TestRollingChangeOfGatewaysFirst(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	b := start(t, stack.Options{Release: stack.Release(t, earlier), GatewayEnv: []string{"DRAIN_DELAY=500ms"}})
	tokenstore, gatewayProgram := stack.Binary(t, "tokenstore"), stack.Binary(t, "gateway")
	b.shoot()
	b.during(2 * time.Second)
	for i, gateway := range b.Gateways {
		b.mark("gateway %d is replaced", i+1)
		gateway.Leave()
		gateway.Replace(gatewayProgram)
		b.WaitReady(gateway.Ops)
		gateway.Join()
		b.during(2 * time.Second)
	}
	b.during(3 * time.Second)
	b.mark("the tokenstore is replaced")
	b.Tokenstore.Replace(tokenstore)
	b.Eventually("the tokenstore is ready", 20*time.Second, b.TokenstoreReady)
	back := b.mark("the new tokenstore is ready")
	t.Logf("normal after %s", b.recovered(back).Round(time.Millisecond))
	b.during(2 * time.Second)
	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLog(b.Gateways[0], shots, nil)
	b.checkLeases(b.Gateways[0])
}
