package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// turn has a conversation ask once, and be answered.
func (p *leasePool) turn(key string) string {
	p.t.Helper()
	taken := p.take(leasing.Wanted{Affinity: key})
	p.end(leasing.Succeeded, taken...)
	return taken[0].TokenID
}

// A conversation stays on its token under every strategy, whatever else the pool serves, at
// every tokenstore of one Redis.
func TestAConversationStaysOnItsToken(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst, token.Sticky} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.rotation.Store(&strategy)
				other := newLeasePool(t, p.client) // another tokenstore
				other.rotation.Store(&strategy)
				p.fill("t", 5)
				mine := p.turn("a conversation")
				for range 20 {
					p.end(leasing.Succeeded, p.take(leasing.Wanted{Count: 3})...)
					if got := other.turn("a conversation"); got != mine {
						t.Fatalf("served by %s, then by %s", mine, got)
					}
				}
			})
		})
	}
}

// What conversations take counts in the share of their tokens: single questions go to the
// others meanwhile, and all have the same in the end.
func TestSinglesMakeUpForConversations(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		tokens := p.fill("t", 5)
		counts := map[string]int{}
		for range 10 {
			counts[p.turn("a conversation")]++
			for range 4 {
				counts[p.pick(1)[0]]++
			}
		}
		if spread(counts, tokens...) > 1 {
			t.Errorf("%v", counts)
		}
	})
}

// A token that can't serve passes its conversations on, and has them back when it is well:
// one that cools, is at its cap, is parked or switched off. Nobody else's conversations move.
func TestAConversationMovesWhileItsTokenCanNotServe(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		away func(p *leasePool, id string)
		back func(p *leasePool, id string)
	}{
		"cools": {
			func(p *leasePool, id string) {
				p.cool(leasing.Taken{LeaseRef: leasing.LeaseRef{TokenID: id, LeaseID: "1-0"}}, "")
			},
			func(p *leasePool, id string) { p.wakeUp(id) },
		},
		"cools for the model": {
			func(p *leasePool, id string) {
				p.set(id, "m:"+someModel, fmt.Sprint(time.Now().Add(10*time.Minute).UnixMilli(), " 1"))
			},
			func(p *leasePool, id string) { p.set(id, "m:"+someModel, fmt.Sprint(ended(), " 1")) },
		},
		"is at its cap": {
			func(p *leasePool, id string) {
				p.set(id, "cap", 1)
				p.must(p.client.ZAdd(p.t.Context(), inflightKey(somewhere, id), redis.Z{Member: "1-1-1", Score: ever}).Err())
			},
			func(p *leasePool, id string) {
				p.must(p.client.ZRem(p.t.Context(), inflightKey(somewhere, id), "1-1-1").Err())
			},
		},
		"is parked": {
			func(p *leasePool, id string) { p.set(id, "phase", token.Parked) },
			func(p *leasePool, id string) {
				keys := []string{tokenKey(somewhere, id), historyKey(somewhere, id), clockKey(somewhere), orderKey(somewhere), coolingKey(somewhere)}
				p.must(releaseScript.run(p.t.Context(), p.client, keys, id, "admin", keepTransitions, poolChannel).Err())
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.fill("t", 5)
				before := map[string]string{}
				for i := range 20 {
					key := fmt.Sprint("conversation ", i)
					before[key] = p.turn(key)
				}
				gone := before["conversation 0"]
				c.away(p, gone)
				for key, was := range before {
					if got := p.turn(key); (got != was) != (was == gone) {
						t.Errorf("%s: %s, it was %s, and %s can't serve", key, got, was, gone)
					}
				}
				c.back(p, gone)
				for key, was := range before {
					if got := p.turn(key); got != was {
						t.Errorf("%s: %s, it was %s before", key, got, was)
					}
				}
			})
		})
	}
}

// Of a conversation that asks for much at a time a token takes its bound, and the next
// around the ring the rest.
func TestAConversationsLoadIsBounded(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.fill("t", 5)
		taken := tokensOf(p.take(leasing.Wanted{Affinity: "sub-agents", Count: 20}))
		if got := tally(taken); got[taken[0]] != 9 || len(got) != 3 { // 20 of 5: ceil(1.25 × 4) + 4
			t.Errorf("%v", got)
		}
	})
}

// Slots of a token that a replica holds in reserve are no load.
func TestSlotsInReserveAreNoLoad(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.fill("t", 3)
		mine := p.turn("a conversation")
		p.set(mine, "cap", 40)
		p.holder("r1").beat()
		if held := p.field(mine, "held"); held != "20" {
			t.Fatalf("%s slots are held", held)
		}
		for range 4 {
			if got := p.take(leasing.Wanted{Affinity: "a conversation"})[0].TokenID; got != mine {
				t.Errorf("served by %s, not by %s", got, mine)
			}
		}
	})
}

// The ring is built of the tokens of before there was one, a part by each demand with a key;
// until then such a demand is served all the same.
func TestTheRingIsBuiltOnTheWay(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	ids := p.fill("t", 1200)
	for i := range 3 {
		p.turn(fmt.Sprint("conversation ", i))
		on := int(p.client.ZCard(t.Context(), ringKey(somewhere)).Val())
		if want := min(500*(i+1), len(ids)); on != want {
			t.Errorf("%d tokens are on the ring after %d demands, want %d", on, i+1, want)
		}
	}
	if built := p.client.HGet(t.Context(), clockKey(somewhere), "ring").Val(); built != "whole" {
		t.Errorf("the ring is built up to %q", built)
	}
}

// A tokenstore of before there was a ring may run again, and put a token into the order alone:
// the next one that starts finds it.
func TestTheRingIsRenewed(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		id := create(t, store, draft("openai", "T1"))
		ring := ringKey("openai")
		turn := func(store *Store) {
			t.Helper()
			if _, _, err := store.Acquire(ctx, leasing.Wanted{Upstream: "openai", Model: "m", Count: 1, TTL: time.Minute, Affinity: "k"}); err != nil {
				t.Fatal(err)
			}
		}
		turn(store)
		if err := store.client.Del(ctx, ring).Err(); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int64{0, 1} { // one that goes on; one that starts
			if err := store.Prepare(ctx); err != nil {
				t.Fatal(err)
			}
			turn(store)
			if n := store.client.ZCard(ctx, ring).Val(); n != want {
				t.Errorf("%d tokens are on the ring with %s, want %d", n, id, want)
			}
			store = newStore(t, store.client)
		}
	})
}

// A demand with a key costs little in a large pool, also where most of it can't serve: those
// that have left the order are dropped from the ring when they are met.
func TestAffinityIsCheapInALargePool(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	ids := p.fill("t", 3000)
	cost := func(turns int) int {
		before := calls(t, p.client)
		for n := range turns {
			p.turn(fmt.Sprint("conversation ", n))
		}
		return (calls(t, p.client) - before) / turns
	}
	if made := cost(10); made > 1200 {
		t.Errorf("%d calls of Redis a turn while the ring is built", made)
	}
	if made := cost(50); made > 70 {
		t.Errorf("a turn makes %d calls of Redis", made)
	}
	out := slices.Repeat([]any{nil}, 2700)
	for i, id := range ids[:2700] {
		out[i] = id
	}
	p.must(p.client.ZRem(t.Context(), orderKey(somewhere), out...).Err())
	cost(50)
	if made := cost(50); made > 100 {
		t.Errorf("a turn makes %d calls of Redis where nine of ten tokens are away", made)
	}
	if single := func() int {
		before := calls(t, p.client)
		p.pick(50)
		return (calls(t, p.client) - before) / 50
	}(); single > 25 {
		t.Errorf("a single question makes %d calls of Redis", single)
	}
}
