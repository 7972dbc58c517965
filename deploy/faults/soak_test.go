package faults_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// fault is something that happens to a running stack, and its end.
type fault struct {
	name       string
	begin, end func(b *bench)
}

// faults are those of the soak: all but the end of a gateway, which ends the
// process that is measured.
var faults = []fault{
	{"the tokenstore is killed", func(b *bench) { b.Tokenstore.Kill() }, func(b *bench) { b.Tokenstore.Start() }},
	{"Redis is killed", func(b *bench) { b.Redis.Kill() }, func(b *bench) { b.Redis.Start() }},
	{"the tokenstore hangs", func(b *bench) { b.Tokenstore.Freeze() }, func(b *bench) { b.Tokenstore.Thaw() }},
	{"Redis hangs", func(b *bench) { b.Redis.Freeze() }, func(b *bench) { b.Redis.Thaw() }},
	{"a gateway is cut off", func(b *bench) { b.Gateways[1].Link.Cut() }, func(b *bench) { b.Gateways[1].Link.Mend() }},
	{"all gateways are cut off", func(b *bench) {
		for _, gateway := range b.Gateways {
			gateway.Link.Cut()
		}
	}, func(b *bench) {
		for _, gateway := range b.Gateways {
			gateway.Link.Mend()
		}
	}},
}

// usage is what a gateway needs.
type usage struct{ heap, goroutines float64 }

// usageOf looks after a collection: what is garbage is not needed.
func usageOf(t *testing.T, gateway *stack.Gateway) usage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+gateway.Ops+"/debug/pprof/heap?gc=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := stack.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return usage{
		heap:       stack.Metric(t, gateway.Ops, "go_memstats_heap_alloc_bytes", ""),
		goroutines: stack.Metric(t, gateway.Ops, "go_goroutines", ""),
	}
}

const (
	// heapSlack is how much more a gateway's heap may be at the end than after the
	// first faults.
	heapSlack = 16 << 20
	// calm is the time between two faults: leases that a lost session was granted have
	// come back then.
	calm = 5 * time.Second
	// goroutineSlack is the same of goroutines: connections of clients come and go.
	goroutineSlack = 60
)

// Random faults at a steady load, for as long as SOAK says: no request fails, caps
// hold, the log adds up, and the gateways need no more at the end than at the
// beginning.
func TestSoak(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("takes as long as SOAK says: run by make soak")
	}
	b := start(t, stack.Options{Links: true, TokenstoreEnv: []string{"LEASE_TTL=3s"}})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	b.shoot()
	ends := time.Now().Add(limit)
	var first []usage
	for round := 0; time.Now().Before(ends); round++ {
		happens := faults[chance.IntN(len(faults))]
		if round < len(faults) { // each once, whatever the dice say
			happens = faults[round]
		}
		lasts := time.Second + time.Duration(chance.IntN(5000))*time.Millisecond
		b.mark("%s for %s", happens.name, lasts)
		happens.begin(b)
		b.during(lasts)
		happens.end(b)
		t.Logf("normal after %s", b.recovered(time.Now()).Round(time.Millisecond))
		b.during(calm)
		if round == 2 { // all that is made once has been
			for _, gateway := range b.Gateways {
				first = append(first, usageOf(t, gateway))
			}
		}
	}
	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLog(b.Gateways[0], shots, nil)
	b.checkLeases(b.Gateways[0])
	for i, before := range first {
		after := usageOf(t, b.Gateways[i])
		t.Logf("gateway %d: heap %.1f MiB, then %.1f MiB; %v goroutines, then %v", i+1,
			before.heap/(1<<20), after.heap/(1<<20), before.goroutines, after.goroutines)
		if after.heap > before.heap+heapSlack || after.goroutines > before.goroutines+goroutineSlack {
			t.Errorf("gateway %d grows", i+1)
		}
	}
}
