package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/token"
)

// atOnce is how many leases of the model the pool lets out now.
func (p *leasePool) atOnce(model string) []leasing.Taken {
	p.t.Helper()
	taken, _ := p.ask(leasing.Wanted{Model: model, Count: 100})
	return taken
}

// When a token has cooled, one request in the whole fleet finds out whether that
// has helped.
func TestOneProbeInTheWholeFleet(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		old := p.take(leasing.Wanted{Count: 3}) // streams that go on while it cools
		p.cool(old[0], "")
		p.wakeUp("a")
		var mu sync.Mutex
		var probes []leasing.Taken
		var replicas sync.WaitGroup
		for range 8 {
			replicas.Go(func() {
				taken, _, err := p.Acquire(t.Context(), leasing.Wanted{Upstream: somewhere, Model: someModel, Count: 5, TTL: callsTTL})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				probes = append(probes, taken...)
			})
		}
		replicas.Wait()
		if len(probes) != 1 {
			t.Fatalf("%d probes", len(probes))
		}
		if _, shortage := p.ask(leasing.Wanted{}); shortage != (leasing.Shortage{Total: 1, Probing: 1}) {
			t.Errorf("%+v", shortage)
		}
		if explained := p.excludedBy("a"); explained != "probing" {
			t.Errorf("explained as %q", explained)
		}
		// Neither the end of an older request nor one that says nothing opens it.
		p.end(leasing.Succeeded, old[1])
		if taken := p.atOnce(someModel); len(taken) > 0 {
			t.Errorf("%d more after an older request succeeded", len(taken))
		}
		p.end(leasing.Neutral, probes[0])
		next := p.atOnce(someModel)
		if len(next) != 1 {
			t.Fatalf("%d probes after one that said nothing", len(next))
		}
		expire(p, next[0])
		if taken := p.atOnce(someModel); len(taken) != 1 {
			t.Errorf("%d probes when the replica of the last one is gone", len(taken))
		}
	})
}

// excludedBy is what excludes the token for someModel.
func (p *leasePool) excludedBy(id string) string {
	p.t.Helper()
	explained, err := p.Explain(p.t.Context(), somewhere, someModel)
	p.must(err)
	i := slices.IndexFunc(explained.Candidates, func(c Candidate) bool { return c.TokenID == id })
	return explained.Candidates[i].ExcludedBy
}

// Success opens a token step by step; its streak ends with the last.
func TestReopening(t *testing.T) {
	t.Parallel()
	cases := map[int][]int{0: {1, 2, 4, 8, 100}, 3: {1, 2, 3}, 1: {1, 1}}
	for capacity, steps := range cases {
		t.Run(fmt.Sprint("cap ", capacity), func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.add("a", "cap", capacity)
				lease := p.take(leasing.Wanted{})[0]
				p.cool(lease, "")
				p.end(leasing.Failed, lease)
				p.wakeUp("a")
				for i, want := range steps {
					last := i == len(steps)-1
					if streak := p.field("a", "streak"); (streak == "0") != last {
						t.Errorf("step %d: streak %s", i, streak)
					}
					taken := p.atOnce(someModel)
					if len(taken) != want || taken[0].Capped == (capacity == 0 && last) {
						t.Fatalf("step %d: %d at once, want %d; %+v", i, len(taken), want, taken[0])
					}
					p.end(leasing.Succeeded, taken[0])
					p.end(leasing.Unused, taken[1:]...)
				}
			})
		})
	}
}

// A probe that fails makes the token cool for longer.
func TestAProbeThatFails(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		p.cool(p.take(leasing.Wanted{})[0], "")
		p.wakeUp("a")
		probe := p.take(leasing.Wanted{})[0]
		settled, err := p.Settle(t.Context(), []leasing.Settlement{{
			LeaseRef: probe.LeaseRef, Effect: leasing.Failed,
			Verdict: &leasing.Verdict{Class: "rate_limit", CoolFor: []time.Duration{time.Second, time.Hour}},
		}})
		p.must(err)
		want := leasing.Settled{Live: true, Upstream: somewhere, Became: leasing.Cooling, CoolFor: time.Hour, Streak: 2}
		if settled[0] != want || p.excludedBy("a") != "cooling" || p.field("a", "streak") != "2" {
			t.Errorf("%+v, excluded by %q", settled[0], p.excludedBy("a"))
		}
	})
}

// A token that was parked is out of the rotation until a person enables it again.
func TestParked(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := create(t, store, draft("cursor", "bad")).GetId()
		wanted := leasing.Wanted{Upstream: "cursor", Model: "m", Count: 1, TTL: time.Minute}
		taken, _, err := store.Acquire(ctx, wanted)
		if err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		parked, err := store.apply(ctx, transition{TokenID: id, Epoch: 1, Class: "auth"})
		if err != nil || !parked {
			t.Fatal(parked, err)
		}
		expect := func(doing, state string) {
			t.Helper()
			got, err := store.Token(ctx, id)
			if err != nil || got.GetState().String() != "TOKEN_STATE_"+state {
				t.Errorf("%s: %v, %v", doing, got.GetState(), err)
			}
			taken, shortage, err := store.Acquire(ctx, wanted)
			if err != nil || len(taken) > 0 == (state == "PARKED") || state == "PARKED" && shortage != (leasing.Shortage{Total: 1, Parked: 1}) {
				t.Errorf("%s: %v, %+v, %v", doing, taken, shortage, err)
			}
		}
		expect("refused again and again", "PARKED")
		if err := store.DeleteToken(ctx, id, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := store.RestoreToken(ctx, id); err != nil {
			t.Fatal(err)
		}
		expect("deleted and restored", "PARKED")
		for _, on := range []bool{false, true} {
			if _, err := store.UpdateToken(ctx, id, token.Fields{Enabled: on}, []string{token.Enabled}, 0); err != nil {
				t.Fatal(err)
			}
		}
		expect("disabled and enabled", "READY")
	})
}

// A new token has one request at a time until one has succeeded; one that goes on
// for long is no reason to wait.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "phase", token.Quarantined)
		p.add("b", "phase", token.Quarantined)
		first := p.atOnce(someModel)
		if got := strings.Join(tokensOf(first), ""); got != "ab" {
			t.Fatalf("at once: %s", got)
		}
		_, shortage := p.ask(leasing.Wanted{})
		if shortage.Quarantined != 2 || shortage.Soonest <= 50*time.Minute || shortage.Soonest > time.Hour {
			t.Errorf("%+v", shortage)
		}
		p.end(leasing.Unused, first[0])
		if got := strings.Join(tokensOf(p.atOnce(someModel)), ""); got != "a" {
			t.Errorf("when a's was not used: %s", got)
		}
		p.end(leasing.Succeeded, first[1])
		if got := tally(tokensOf(p.atOnce(someModel))); got["b"] != 100 {
			t.Errorf("when b has succeeded: %v", got)
		}
		p.patience = 0
		if got := tally(tokensOf(p.atOnce(someModel))); got["a"] < 40 {
			t.Errorf("when a's request goes on for long: %v", got)
		}
		if p.field("a", "phase") != token.Quarantined || p.field("b", "phase") != "" {
			t.Error("only a success ends the quarantine")
		}
	})
}

// Leases are taken ahead also of tokens that are new or probed, but no more than they
// let out: under load nobody else would ask for them.
func TestAheadOfTokensThatAreNotOpen(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("new", "phase", token.Quarantined)
		p.add("open")
		p.add("probed", "phase", "2")
		got := tally(tokensOf(p.take(leasing.Wanted{Count: 30, Ahead: true})))
		if got["new"] != 1 || got["probed"] != 2 || got["open"] != 27 {
			t.Errorf("%v", got)
		}
	})
}

// For a model, too, one request finds out, while other models go on.
func TestProbingAModel(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		p.cool(p.take(leasing.Wanted{})[0], someModel)
		over := func() { p.set("a", "m:"+someModel, fmt.Sprint(ended(), " 1")) }
		over()
		probe := p.atOnce(someModel)
		if len(probe) != 1 || p.excludedBy("a") != "probing_model" {
			t.Fatalf("%d at once, then excluded by %q", len(probe), p.excludedBy("a"))
		}
		if others := p.atOnce("other"); len(others) != 100 {
			t.Errorf("%d of another model", len(others))
		}
		// It goes on: others stay out.
		if lost, err := p.Renew(t.Context(), []leasing.LeaseRef{probe[0].LeaseRef}, 20*time.Minute); err != nil || len(lost) > 0 {
			t.Fatal(lost, err)
		}
		if _, shortage := p.ask(leasing.Wanted{}); shortage != (leasing.Shortage{Total: 1, Probing: 1}) {
			t.Errorf("%+v", shortage)
		}
		p.end(leasing.Failed, probe[0])
		probe = p.atOnce(someModel)
		if len(probe) != 1 {
			t.Fatalf("%d probes after one that failed for another reason", len(probe))
		}
		settled, err := p.Settle(t.Context(), []leasing.Settlement{{
			LeaseRef: probe[0].LeaseRef, Effect: leasing.Failed, Model: someModel,
			Verdict: &leasing.Verdict{Class: "rate_limit", Model: someModel, CoolFor: []time.Duration{time.Second, time.Hour}},
		}})
		p.must(err)
		if settled[0].Became != leasing.Cooling || settled[0].Streak != 2 || settled[0].CoolFor != time.Hour || p.field("a", "streak") != "" {
			t.Errorf("a probe that fails for the model again: %+v", settled[0])
		}
		over()
		probe = p.atOnce(someModel)
		p.end(leasing.Succeeded, probe[0])
		if taken := p.atOnce(someModel); len(taken) != 100 || p.field("a", "m:"+someModel) != "" {
			t.Errorf("%d at once after a success", len(taken))
		}
	})
}

// Many tokens without room are set aside, and are back when they have it.
func TestQuarantinedOnesAreSetAside(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		const many = "abcdefghijklmnopqrst"
		for _, id := range strings.Split(many, "") {
			p.add(id, "phase", token.Quarantined)
		}
		leases := p.take(leasing.Wanted{Count: 100})
		p.ask(leasing.Wanted{})
		if aside := p.client.ZCard(t.Context(), coolingKey(somewhere)).Val(); int(aside) != len(many) || len(leases) != len(many) {
			t.Fatalf("%d leases, %d set aside", len(leases), aside)
		}
		p.end(leasing.Succeeded, leases[3])
		p.end(leasing.Unused, leases[5])
		if got := tally(tokensOf(p.take(leasing.Wanted{Count: 5}))); got["f"] != 1 || got["d"] != 4 {
			t.Errorf("picked %v", got)
		}
		p.wakeUp("k")
		p.patience = 0
		if got := p.pick(3); !slices.Contains(got, "k") {
			t.Errorf("picked %v after k's time", got)
		}
	})
}
