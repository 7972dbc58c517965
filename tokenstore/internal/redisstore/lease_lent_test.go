package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// Of the slots that it finds free, a demand ahead takes no more than it leaves.
func TestHalfOfTheFreeSlotsAreLentAhead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		caps  []int
		inUse int
		count int
		want  int
	}{
		"as many as are wanted":       {caps: []int{10, 10}, count: 5, want: 5},
		"half of one token's":         {caps: []int{10}, count: 30, want: 5},
		"half of all":                 {caps: []int{1, 1, 1, 1}, count: 30, want: 2},
		"less than half of five":      {caps: []int{2, 3}, count: 30, want: 2},
		"the only one is not":         {caps: []int{1}, count: 1, want: 0},
		"half of what is left":        {caps: []int{4, 4}, inUse: 4, count: 30, want: 2},
		"nor is the last":             {caps: []int{4, 4}, inUse: 7, count: 30, want: 0},
		"beside one without a cap":    {caps: []int{1, 0}, count: 6, want: 0}, // the turn of the one that has one
		"of each in turn, with those": {caps: []int{8, 0}, count: 6, want: 6},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				for i, capacity := range c.caps {
					p.add(fmt.Sprint(i), "cap", capacity)
				}
				if c.inUse > 0 {
					p.take(leasing.Wanted{Count: c.inUse})
				}
				lent, _ := p.ask(leasing.Wanted{Ahead: true, Count: c.count})
				if len(lent) != c.want || slices.ContainsFunc(lent, func(lease leasing.Taken) bool { return lease.Capped }) {
					t.Errorf("lent %+v, want %d that nobody waits for", lent, c.want)
				}
			})
		})
	}
}

// What is lent again and again shrinks, and never is there a demand for which nothing is left.
func TestWhatIsLentShrinksAsTheCapNears(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for _, id := range []string{"a", "b"} {
			p.add(id, "cap", 16)
		}
		var chunks []int
		for range 7 {
			lent, _ := p.ask(leasing.Wanted{Ahead: true, Count: 100})
			chunks = append(chunks, len(lent))
		}
		if want := []int{16, 8, 4, 2, 1, 0, 0}; !slices.Equal(chunks, want) {
			t.Errorf("lent %v, want %v", chunks, want)
		}
		if last := p.take(leasing.Wanted{})[0]; !last.Capped || !last.Slot {
			t.Errorf("the last slot is one that others may need: %+v", last)
		}
	})
}

// A lease that a gateway asks for need not be given back at once where there is room beside it.
func TestWhetherOthersMayNeedASlot(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for _, id := range []string{"a", "b", "c"} {
			p.add(id, "cap", 1)
		}
		for i, want := range []bool{false, false, true} {
			if got := p.take(leasing.Wanted{})[0]; got.Capped != want || !got.Slot {
				t.Errorf("slot %d of three: %+v", i, got)
			}
		}
	})
}

// A denial says whether slots may be back that no request uses, whether it counts or not.
func TestDenialsTellOfWhatIsLent(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "cap", 2)
		denied := func(want bool) {
			t.Helper()
			for _, brief := range []bool{false, true} {
				if taken, shortage := p.ask(leasing.Wanted{Brief: brief}); len(taken) > 0 || shortage.Lent != want {
					t.Errorf("brief: %v; taken %v, %+v", brief, taken, shortage)
				}
			}
		}
		all := p.take(leasing.Wanted{Count: 2})
		denied(false)
		p.end(leasing.Succeeded, all...)
		lent := p.take(leasing.Wanted{Ahead: true})
		p.take(leasing.Wanted{})
		p.stayLent()
		denied(true)
		p.must(p.client.HSet(t.Context(), clockKey(somewhere), "lent", ended()).Err()) // time has passed
		denied(false)
		p.end(leasing.Unused, lent...)
		p.take(leasing.Wanted{})
	})
}

// stayLent has what is noted as lent stay so for the rest of the test, however slow that is.
func (p *leasePool) stayLent(ids ...string) {
	p.t.Helper()
	keys := []string{clockKey(somewhere)}
	for _, id := range ids {
		keys = append(keys, tokenKey(somewhere, id))
	}
	for _, key := range keys {
		if noted, err := p.client.HExists(p.t.Context(), key, "lent").Result(); err != nil || !noted {
			p.t.Fatalf("%s: nothing is noted as lent: %v", key, err)
		}
		p.must(p.client.HSet(p.t.Context(), key, "lent", time.Now().Add(time.Hour).UnixMilli()).Err())
	}
}

// Who asks for one token is told of slots of that one, not of what others have lent.
func TestADenialOfOneTokenTellsOfItsOwnSlots(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("full", "cap", 1)
		p.take(leasing.Wanted{TokenID: "full"})
		p.add("lent", "cap", 2)
		p.take(leasing.Wanted{Ahead: true, Count: 5})
		p.take(leasing.Wanted{TokenID: "lent"})
		p.stayLent("lent")
		for _, id := range []string{"full", "lent"} {
			for _, brief := range []bool{false, true} {
				taken, shortage := p.ask(leasing.Wanted{TokenID: id, Brief: brief})
				if want := id == "lent"; len(taken) > 0 || shortage.Lent != want {
					t.Errorf("%s, brief: %v; taken %v, %+v", id, brief, taken, shortage)
				}
			}
		}
	})
}

// What is lent ahead of a strategy that counts requests is told of, too.
func TestDenialsTellOfWhatIsLentUnderEveryStrategy(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.rotation.Store(&strategy)
				p.add("a", "cap", 2)
				lent := p.take(leasing.Wanted{Ahead: true, Count: 5})
				p.take(leasing.Wanted{})
				p.stayLent()
				if taken, shortage := p.ask(leasing.Wanted{}); len(lent) != 1 || len(taken) > 0 || !shortage.Lent {
					t.Errorf("lent %v, then taken %v, %+v", lent, taken, shortage)
				}
			})
		})
	}
}

// A slot lives for as long as one that is in use, also where it was lent ahead: it must not be
// free while the gateway that has it can't renew it.
func TestSlotsLiveAsLongAsOthers(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("capped", "cap", 10)
		p.add("uncapped")
		taken := p.take(leasing.Wanted{Ahead: true, Count: 2, TTL: time.Second, SlotTTL: time.Hour})
		for _, lease := range taken {
			expiry, err := p.client.ZScore(t.Context(), inflightKey(somewhere, lease.TokenID), lease.LeaseID).Result()
			p.must(err)
			if long := time.Until(time.UnixMilli(int64(expiry))) > time.Minute; long != lease.Slot {
				t.Errorf("%+v lives until %v", lease, time.UnixMilli(int64(expiry)))
			}
		}
	})
}

// Caps do not change whose turn it is where there is room: what several gateways take ahead, use
// and give back comes to the same tokens as without, and each has its share but for what lies
// unused.
func TestLendingIsAsFairAsWithoutCaps(t *testing.T) {
	t.Parallel()
	pools := []*leasePool{newLeasePool(t, testredis.Start(t)), newLeasePool(t, testredis.Start(t))}
	rapid.Check(t, func(r *rapid.T) {
		const tokens, gateways = 10, 3
		for i, p := range pools {
			p.must(p.client.FlushAll(t.Context()).Err())
			for n := range tokens {
				p.add(fmt.Sprint("t", n), "cap", i*1000)
			}
		}
		var stocks [2][gateways][]leasing.Taken
		var used [2][]string
		for range rapid.IntRange(10, 60).Draw(r, "steps") {
			gateway, count, some := rapid.IntRange(0, gateways-1).Draw(r, "gateway"), rapid.IntRange(1, 20).Draw(r, "count"), rapid.IntRange(0, 20).Draw(r, "some")
			effect := rapid.SampledFrom([]leasing.Effect{leasing.Succeeded, leasing.Succeeded, leasing.Unused}).Draw(r, "effect")
			ahead := rapid.Bool().Draw(r, "ahead")
			for i, p := range pools {
				stock := append(stocks[i][gateway], p.take(leasing.Wanted{Ahead: ahead, Count: count})...)
				done := stock[:min(some, len(stock))]
				stocks[i][gateway] = slices.Clone(stock[len(done):])
				if p.end(effect, done...); effect == leasing.Succeeded {
					used[i] = append(used[i], tokensOf(done)...)
				}
			}
		}
		if !slices.Equal(used[0], used[1]) {
			r.Fatalf("without caps %v, with caps %v", used[0], used[1])
		}
	})
}

// Whatever gateways do with slots, no token has more than its cap; and once those that are wanted
// have been given back, whoever asks gets one as long as requests leave room.
func TestLentSlotsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	pool := newLeasePool(t, testredis.Start(t))
	rapid.Check(t, func(r *rapid.T) {
		pool.must(pool.client.FlushAll(pool.t.Context()).Err())
		caps, total := map[string]int{}, 0
		for n := range rapid.IntRange(1, 6).Draw(r, "tokens") {
			id := fmt.Sprint("t", n)
			caps[id] = rapid.IntRange(1, 5).Draw(r, "cap")
			total += caps[id]
			pool.add(id, "cap", caps[id])
		}
		const gateways = 3
		var unused, used [gateways][]leasing.Taken
		anyGateway := func(r *rapid.T) int { return rapid.IntRange(0, gateways-1).Draw(r, "gateway") }
		inUse := func() (n int) {
			for _, each := range used {
				n += len(each)
			}
			return n
		}
		ask := func(r *rapid.T, wanted leasing.Wanted) []leasing.Taken {
			taken, _ := pool.ask(wanted)
			for _, lease := range taken {
				if !lease.Slot {
					r.Fatalf("%+v is no slot", lease)
				}
			}
			return taken
		}
		r.Repeat(map[string]func(*rapid.T){
			"": func(r *rapid.T) {
				for id, most := range caps {
					open := pool.client.ZCount(pool.t.Context(), inflightKey(somewhere, id), "2", "+inf").Val()
					if int(open) > most {
						r.Fatalf("%d leases of %s, its cap is %d", open, id, most)
					}
				}
			},
			"take ahead": func(r *rapid.T) {
				of := anyGateway(r)
				unused[of] = append(unused[of], ask(r, leasing.Wanted{Ahead: true, Count: rapid.IntRange(1, 20).Draw(r, "count")})...)
			},
			"use": func(r *rapid.T) {
				if of := anyGateway(r); len(unused[of]) > 0 {
					used[of], unused[of] = append(used[of], unused[of][0]), unused[of][1:]
				} else {
					used[of] = append(used[of], ask(r, leasing.Wanted{})...)
				}
			},
			"end": func(r *rapid.T) {
				if of := anyGateway(r); len(used[of]) > 0 {
					pool.end(rapid.SampledFrom([]leasing.Effect{leasing.Succeeded, leasing.Neutral}).Draw(r, "effect"), used[of][0])
					used[of] = used[of][1:]
				}
			},
			"renew": func(r *rapid.T) {
				of := anyGateway(r)
				var refs []leasing.LeaseRef
				for _, lease := range used[of] {
					refs = append(refs, lease.LeaseRef)
				}
				lost, err := pool.Renew(pool.t.Context(), refs, time.Minute)
				pool.must(err)
				if len(lost) > 0 {
					r.Fatalf("lost %v", lost)
				}
			},
			"a gateway dies": func(r *rapid.T) {
				of := anyGateway(r)
				for _, lease := range slices.Concat(unused[of], used[of]) { // they end by themselves
					expire(pool, lease)
				}
				unused[of], used[of] = nil, nil
			},
			"slots are wanted": func(r *rapid.T) {
				for of := range unused {
					pool.end(leasing.Unused, unused[of]...)
					unused[of] = nil
				}
				if ahead := ask(r, leasing.Wanted{Ahead: true, Uncapped: true, Count: 5}); len(ahead) > 0 {
					r.Fatalf("lent although others wait: %v", ahead)
				}
				taken := ask(r, leasing.Wanted{})
				if (len(taken) > 0) != (inUse() < total) {
					r.Fatalf("got %v with %d of %d in use", taken, inUse(), total)
				}
				pool.end(leasing.Unused, taken...)
			},
		})
	})
}
