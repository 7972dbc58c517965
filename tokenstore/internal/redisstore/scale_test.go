package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/rotation"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// fill adds so many tokens; fields are pairs that differ from the default.
func (p *leasePool) fill(prefix string, n int, fields ...any) []string {
	p.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%04d", prefix, i)
		p.add(ids[i], fields...)
	}
	return ids
}

// The shortage of a large pool is counted, not looked up token by token: it says the
// same.
func TestShortageOfALargePool(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		soon := time.Now().Add(10 * time.Minute).UnixMilli()
		p.fill("a", 40, "enabled", 0)
		p.fill("b", 30, "phase", token.Parked)
		p.fill("c", 20, "expires", never)
		capped := p.fill("d", 100, "cap", 1)
		p.fill("e", 50, "phase", token.Quarantined)
		p.take(leasing.Wanted{Count: 150})
		for _, id := range p.fill("f", 60, "cooling", soon, "phase", "1") {
			p.must(p.client.ZRem(t.Context(), orderKey(somewhere), id).Err())
			p.must(p.client.ZAdd(t.Context(), coolingKey(somewhere), redis.Z{Member: id, Score: float64(soon)}).Err())
		}
		p.fill("g", 3, "m:"+someModel, soon)
		want := leasing.Shortage{
			Total: 303, Disabled: 40, Parked: 30, Expired: 20, Capped: 100, Quarantined: 50, Cooling: 63, Soonest: 10 * time.Minute,
		}
		for range 2 { // as it is found, and as it was set aside
			taken, got := p.ask(leasing.Wanted{})
			got.Soonest = got.Soonest.Round(time.Minute)
			if len(taken) > 0 || got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
		want.Capped, want.Tried = 98, 2
		_, got := p.ask(leasing.Wanted{Exclude: []string{capped[0], capped[7], "unknown"}})
		if got.Soonest = got.Soonest.Round(time.Minute); got != want {
			t.Errorf("two were tried: got  %+v\nwant %+v", got, want)
		}
	})
}

// A denial costs by its own pool, and not much by that, whatever is beside it.
func TestADenialIsCheap(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	p.fill("t", 2000, "cap", 1)
	for range 8 {
		p.take(leasing.Wanted{Count: 250})
	}
	p.ask(leasing.Wanted{}) // sets aside
	before := calls(t, p.client)
	for range 10 {
		if _, shortage := p.ask(leasing.Wanted{}); shortage.Capped != 2000 {
			t.Fatalf("%+v", shortage)
		}
	}
	if made := (calls(t, p.client) - before) / 10; made > 50 {
		t.Errorf("a denial makes %d calls of Redis", made)
	}
}

// Every strategy looks at a few tokens of a large pool, also right after it was chosen.
func TestEveryStrategyIsCheap(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	p.fill("t", 2000)
	for _, strategy := range []string{token.LeastInFlight, token.FillFirst, token.RoundRobin} {
		p.rotation.Store(&strategy)
		lease := func() { p.end(leasing.Succeeded, p.take(leasing.Wanted{})...) }
		before := calls(t, p.client)
		for range 10 {
			lease() // its order is built
		}
		if made := (calls(t, p.client) - before) / 10; made > 2000 {
			t.Errorf("%s: %d calls of Redis a lease while its order is built", strategy, made)
		}
		before = calls(t, p.client)
		for range 50 {
			lease()
		}
		if made := (calls(t, p.client) - before) / 50; made > 60 {
			t.Errorf("%s: a lease makes %d calls of Redis", strategy, made)
		}
	}
	for _, key := range p.client.Keys(t.Context(), "*:rank*").Val() {
		if strings.Contains(key, "load") || strings.Contains(key, "fill") {
			t.Errorf("%s is left of a strategy of before", key)
		}
	}
}

// Least in flight is that also when leases end by themselves, and by a replica that holds
// slots.
func TestLeastInFlightFollowsExpiry(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.rotation.Store(new(token.LeastInFlight))
		p.fill("t", 3)
		leases := p.take(leasing.Wanted{Count: 6})
		expire(p, leases[0])
		if got := p.pick(1)[0]; got != leases[0].TokenID {
			t.Errorf("picked %s, %s has one request less", got, leases[0].TokenID)
		}
	})
}

// No token rests for longer than it was to, also when Redis's clock was hours ahead when
// that began and has been put right since.
func TestAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	if longestRest != rotation.MaxCooling {
		t.Errorf("%v is not what rotation has: %v", longestRest, rotation.MaxCooling)
	}
	now := time.Now()
	client, setTime := testredis.MiniAt(t, now.Add(3*time.Hour))
	p := newLeasePool(t, client)
	p.add("a")
	p.add("b", "cap", 1)
	taken := p.take(leasing.Wanted{})
	changed, err := p.apply(t.Context(), transition{
		TokenID: "a", Epoch: taken[0].Epoch(), Class: "rate_limit", CoolFor: 3 * time.Second,
	})
	if p.must(err); !changed {
		t.Fatal("it does not cool")
	}
	p.take(leasing.Wanted{}) // of b, and its gateway dies
	setTime(now)
	_, shortage := p.ask(leasing.Wanted{})
	if shortage.Soonest <= 0 || shortage.Soonest > 3*time.Second {
		t.Errorf("it is to rest for %v more: %+v", shortage.Soonest, shortage)
	}
	if till := p.field("a", "cooling"); till != fmt.Sprint(now.Add(3*time.Second).UnixMilli()) {
		t.Errorf("it cools until %s", till)
	}
	setTime(now.Add(4 * time.Second))
	if got := p.pick(1)[0]; got != "a" {
		t.Errorf("picked %s", got)
	}
	setTime(now.Add(2 * time.Minute)) // longer than b's lease
	if got := tally(p.pick(2)); got["b"] != 1 {
		t.Errorf("the lease of b lasts on: %v", got)
	}
}

// The mark of a model on a token is of a time that is bounded, too.
func TestMarksOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "m:"+someModel, fmt.Sprint(time.Now().Add(3*time.Hour).UnixMilli(), " 1"))
		if taken := p.atOnce(someModel); len(taken) != 1 {
			t.Errorf("%d leases: it is to be probed", len(taken))
		}
	})
}

// Whatever models callers name, a token has few marks, and old ones go.
func TestMarksAreBounded(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		mark := func(model string) {
			epoch := fields{"epoch": p.field("a", "epoch")}.count("epoch")
			_, err := p.apply(t.Context(), transition{TokenID: "a", Epoch: epoch, Class: "model_not_allowed", CoolFor: time.Minute, Model: model})
			p.must(err)
		}
		marks := func() (n int) {
			for name := range p.client.HGetAll(t.Context(), tokenKey(somewhere, "a")).Val() {
				if strings.HasPrefix(name, "m:") {
					n++
				}
			}
			return n
		}
		p.set("a", "m:long ago", fmt.Sprint(time.Now().Add(-2*time.Hour).UnixMilli(), " 1"))
		mark("first")
		if p.field("a", "m:long ago") != "" {
			t.Error("a mark of long ago stays")
		}
		for i := range 200 {
			mark(fmt.Sprint("model ", i))
		}
		if n := marks(); n != 32 || p.field("a", "m:model 199") == "" {
			t.Errorf("%d marks", n)
		}
		mark(strings.Repeat("x", 5000))
		if p.field("a", "m:"+strings.Repeat("x", 5000)) != "" {
			t.Error("a name of any length is kept")
		}
		// What data of before may have: an admin's word clears it all.
		for i := range 9000 {
			p.must(p.client.HSet(t.Context(), tokenKey(somewhere, "a"), fmt.Sprint("m:old ", i), "1 1").Err())
		}
		keys := []string{tokenKey(somewhere, "a"), historyKey(somewhere, "a"), clockKey(somewhere), orderKey(somewhere), coolingKey(somewhere)}
		p.must(releaseScript.run(t.Context(), p.client, keys, "a", "admin", keepTransitions, poolChannel).Err())
		if n := marks(); n != 0 {
			t.Errorf("%d marks after a release", n)
		}
	})
}

// Nor is a token shown as resting for longer.
func TestAShownRestIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	shown, err := readStored("t1", now.UnixMilli(), 0, []any{"rec", "{}", "enabled", "1", "cooling", fmt.Sprint(now.Add(3 * time.Hour).UnixMilli())})
	if err != nil {
		t.Fatal(err)
	}
	if left := shown.cooling.Sub(now); left <= 0 || left > longestRest {
		t.Errorf("it rests for %v", left)
	}
}

// A pool in which no token may serve the model is looked through once, a part at a time: a
// demand costs in proportion to it, and no call keeps Redis from others for long.
func TestADenialOfAModelLooksThroughThePoolOnce(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	soon := time.Now().Add(10 * time.Minute).UnixMilli()
	p.fill("t", 4000, "m:dear", fmt.Sprint(soon, " 1"))
	// Each token is read once, the orders of the others than round robin need one more look.
	most := map[string]int{token.RoundRobin: 4800, token.LeastInFlight: 9000, token.FillFirst: 9000}
	for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst} {
		p.rotation.Store(&strategy)
		for n := range 10 {
			p.take(leasing.Wanted{Model: "cheap", Affinity: fmt.Sprint("user ", n)}) // its order is built, and the ring
		}
		for _, key := range []string{"", "user"} {
			before := calls(t, p.client)
			if _, shortage := p.ask(leasing.Wanted{Model: "dear", Affinity: key}); shortage.Cooling != 4000 || shortage.Total != 4000 {
				t.Errorf("%s, key %q: %+v", strategy, key, shortage)
			}
			made, bound := calls(t, p.client)-before, most[strategy]
			if key != "" { // 250 are looked at along the ring before
				bound += 800
			}
			if made > bound {
				t.Errorf("%s, key %q: a denial makes %d calls of Redis", strategy, key, made)
			}
		}
	}
	// The last one that may, is found wherever it is.
	p.add("last")
	for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst} {
		p.rotation.Store(&strategy)
		for n := range 10 {
			p.take(leasing.Wanted{Model: "cheap", Affinity: fmt.Sprint("user ", n)})
		}
		for n := range 5 {
			if got := p.take(leasing.Wanted{Model: "dear", Affinity: fmt.Sprint("user ", n)}); got[0].TokenID != "last" {
				t.Errorf("%s: %v", strategy, got)
			}
		}
	}
}

// Tokens that are back all at once come into the order a part at a time.
func TestManyAreBackAtOnce(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	for _, id := range p.fill("t", 2000, "cooling", never, "m:dear", "1 1") {
		p.must(p.client.ZRem(t.Context(), orderKey(somewhere), id).Err())
		p.must(p.client.ZAdd(t.Context(), coolingKey(somewhere), redis.Z{Member: id, Score: never}).Err())
	}
	p.add("blocked", "cooling", ever)
	before := calls(t, p.client)
	p.take(leasing.Wanted{})
	if made := calls(t, p.client) - before; made > 2000 {
		t.Errorf("an acquire makes %d calls of Redis", made)
	}
	if got := tally(p.pick(1999)); len(got) != 1999 {
		t.Errorf("%d of them are picked in turn", len(got))
	}
	// Those that are back are found also behind some that can't serve.
	soon := fmt.Sprint(time.Now().Add(10*time.Minute).UnixMilli(), " 1")
	ids := p.client.ZRange(t.Context(), poolIDsKey(somewhere), 0, -1).Val()
	for i, id := range ids[:2000] {
		if i != 1999 {
			p.must(p.client.HSet(t.Context(), tokenKey(somewhere, id), "m:dear", soon).Err())
		}
		p.must(p.client.ZRem(t.Context(), orderKey(somewhere), id).Err())
		p.must(p.client.ZAdd(t.Context(), coolingKey(somewhere), redis.Z{Member: id, Score: never}).Err())
	}
	if got := p.take(leasing.Wanted{Model: "dear"}); got[0].TokenID != ids[1999] {
		t.Errorf("%v", got)
	}
}

// Whatever models callers name, few causes are known, the newest.
func TestCausesAreBounded(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		ids := p.fill("t", 3)
		fail := func(model string) {
			for i, id := range ids {
				_, err := p.judge(t.Context(), leasing.LeaseRef{TokenID: id, LeaseID: "1-0"}, leasing.Verdict{
					Class: "upstream", Shareable: true, Evidence: leasing.Evidence{RequestID: fmt.Sprint(model, i), AskedModel: model},
				})
				p.must(err)
			}
		}
		for n := range 100 {
			fail(fmt.Sprint("model ", n))
		}
		fail(strings.Repeat("x", 5000))
		causes := p.client.HGetAll(t.Context(), causesKey(somewhere)).Val()
		if len(causes) != 64 || causes["upstream model 99"] == "" {
			t.Errorf("%d causes are known", len(causes))
		}
	})
}
