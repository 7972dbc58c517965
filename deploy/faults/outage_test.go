package faults_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

const outage = 30 * time.Second

// hangs is the longest that a request may take that meets the beginning of an
// outage: it is noticed within a second and a half. back is how long after an outage all is normal.
// Both are thrice what is promised, for a machine that has more to do.
const hangs, back = 12 * time.Second, 15 * time.Second

// Redis hangs. Requests go on, the admin API says within its deadline what is
// wrong, and all is normal within five seconds after.
func TestFrozenRedis(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	throughOutage(t, b, outage, b.Redis.Freeze, b.Redis.Thaw)
}

// Nothing passes between the gateways and the tokenstore.
func TestNetworkIsCut(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{Links: true})
	throughOutage(t, b, outage, func() {
		for _, gateway := range b.Gateways {
			gateway.Link.Cut()
		}
	}, func() {
		for _, gateway := range b.Gateways {
			gateway.Link.Mend()
		}
	})
}

// One gateway of three is cut off: it goes on with what it holds in reserve, which
// nobody else gets, and so caps hold.
func TestOneGatewayIsCutOff(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{Links: true})
	throughOutage(t, b, outage/2, b.Gateways[0].Link.Cut, b.Gateways[0].Link.Mend)
}

func throughOutage(t *testing.T, b *bench, lasts time.Duration, begin, end func()) {
	t.Helper()
	b.AddTokens("cursor", "c", len(b.Gateways), 0)
	b.shoot()
	streams := b.openStreams()
	b.during(3 * time.Second)
	b.AwaitReserves("openai")
	b.mark("the outage begins")
	begin()
	b.during(lasts / 2)
	if status, body := stack.Readyz(t.Context(), b.Gateways[0].Ops); status != http.StatusOK {
		t.Errorf("not ready in degraded service: %d %s", status, body)
	}
	b.checkAdminAnswers()
	b.during(lasts / 2)
	end()
	took := b.recovered(b.mark("the outage ends"))
	t.Logf("normal after %s", took.Round(time.Millisecond))
	if took > back {
		t.Errorf("it took %s, not %s at most", took, back)
	}
	b.during(3 * time.Second)
	b.Sim.Release()
	for range b.Gateways {
		if shot := <-streams; !shot.OK() || !strings.HasSuffix(shot.Body, "data: [DONE]\n\n") {
			t.Errorf("a stream that was open all the time: %+v", shot)
		}
	}
	shots := b.report()
	b.checkAnswers(shots, nil)
	for _, shot := range shots {
		if shot.Took > hangs {
			t.Errorf("a request took %s", shot.Took)
		}
	}
	b.checkCaps()
	b.checkLeases(b.Gateways[0])
	b.checkLog(b.Gateways[0], shots, nil)
}

// openStreams opens a stream through each gateway that goes on until the simulator
// releases it, and answers where it is told how they ended.
func (b *bench) openStreams() <-chan stack.Shot {
	b.t.Helper()
	ended := make(chan stack.Shot, len(b.Gateways))
	before := b.Sim.Ledger().Held
	for _, gateway := range b.Gateways {
		go func() { // ends with the stream
			load := stack.Load{Gateways: []*stack.Gateway{gateway}, Model: "cursor/sim-hold", Stream: true, Timeout: 2 * outage}
			ended <- load.One(b.t)
		}()
	}
	b.Eventually("the streams are open", 10*time.Second, func() bool { return b.Sim.Ledger().Held == before+int64(len(b.Gateways)) })
	return ended
}

// checkAdminAnswers asks a gateway that is without the store: the answer is clear
// and comes in time.
func (b *bench) checkAdminAnswers() {
	b.t.Helper()
	for path, want := range map[string]int{"/admin/api/tokens": http.StatusServiceUnavailable, "/health": http.StatusOK} {
		began := time.Now()
		answer := b.Gateways[0].Admin(b.t, http.MethodGet, path, nil)
		if took := time.Since(began); answer.Status != want || took > 20*time.Second {
			b.t.Errorf("%s: %d after %s: %s", path, answer.Status, took, answer.Body)
		}
	}
}
