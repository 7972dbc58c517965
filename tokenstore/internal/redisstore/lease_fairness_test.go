package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"carousel.internal/tokenstore/internal/leasing"
)

func TestRoundRobinIsExact(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for _, id := range []string{"b", "c", "a"} {
			p.add(id)
		}
		if got := strings.Join(p.pick(7), ""); got != "abcabca" {
			t.Errorf("picked %s", got)
		}
		if got := strings.Join(tokensOf(p.take(leasing.Wanted{Count: 5})), ""); got != "bcabc" {
			t.Errorf("then %s in one batch", got)
		}
	})
}

// Equal tokens differ by one at most after any number of picks, in batches of
// any size.
func TestEqualTokensGetEqualShares(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		tokens := []string{"a", "b", "c", "d", "e", "f", "g"}
		for _, id := range tokens {
			p.add(id)
		}
		counts := map[string]int{}
		for i := range 60 {
			for _, id := range tokensOf(p.take(leasing.Wanted{Count: 1 + i*i%23, Ahead: i%3 == 0})) {
				counts[id]++
			}
			if spread(counts, tokens...) > 1 {
				t.Fatalf("after %d batches: %v", i+1, counts)
			}
		}
	})
}

// A token with a cap of which nothing can be lent has its share beside others that are taken ahead:
// its turn stays its own until somebody asks who can have it.
func TestLeasesTakenAheadLeaveATokenWithACapItsTurn(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		p.add("b", "cap", 1)
		p.add("c")
		counts := map[string]int{}
		for range 30 {
			ahead, _ := p.ask(leasing.Wanted{Count: 5, Ahead: true})
			for _, id := range tokensOf(ahead) {
				counts[id]++
			}
			if len(ahead) > 0 {
				continue
			}
			taken := p.take(leasing.Wanted{Count: 1})
			counts[taken[0].TokenID]++
			p.end(leasing.Succeeded, taken...)
		}
		if spread(counts, "a", "b", "c") > 1 {
			t.Errorf("%v", counts)
		}
		busy := p.take(leasing.Wanted{TokenID: "b"})
		if ahead, _ := p.ask(leasing.Wanted{Count: 5, Ahead: true}); len(busy) != 1 || len(ahead) != 5 {
			t.Errorf("%d leases ahead while the one with a cap has no room", len(ahead))
		}
	})
}

func TestConcurrentClientsShareFairly(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		tokens := []string{"a", "b", "c", "d", "e"}
		for _, id := range tokens {
			p.add(id)
		}
		picked := make([][]string, 8)
		var clients sync.WaitGroup
		for i := range picked {
			clients.Go(func() {
				for n := range 20 {
					taken, _, err := p.Acquire(t.Context(), leasing.Wanted{Upstream: somewhere, Count: 1 + n%4, TTL: callsTTL})
					if err != nil {
						t.Error(err)
						return
					}
					picked[i] = append(picked[i], tokensOf(taken)...)
				}
			})
		}
		clients.Wait()
		if counts := tally(slices.Concat(picked...)); spread(counts, tokens...) > 1 {
			t.Errorf("%v", counts)
		}
	})
}

func TestWeightsAreShares(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for weight := 1; weight <= 5; weight++ {
			p.add(fmt.Sprint(weight), "weight", weight)
		}
		counts := map[string]int{}
		for round := 1; round <= 20; round++ {
			for _, id := range tokensOf(p.take(leasing.Wanted{Count: 1 + 2 + 3 + 4 + 5})) {
				counts[id]++
			}
			for weight := 1; weight <= 5; weight++ {
				if off := counts[fmt.Sprint(weight)] - round*weight; off < -1 || off > 1 {
					t.Fatalf("after %d rounds: %v", round, counts)
				}
			}
		}
	})
}

// Who joins, or comes back, neither catches up on what it missed nor waits for
// the others: from then on it has an equal share.
func TestComingBack(t *testing.T) {
	t.Parallel()
	// away makes z miss 300 picks and come back.
	cases := map[string]func(p *leasePool){
		"joins": func(p *leasePool) {
			p.pick(300)
			p.add("z")
		},
		"cooled": func(p *leasePool) {
			p.add("z")
			lease := p.take(leasing.Wanted{Exclude: []string{"a", "b", "c"}})[0]
			if !p.cool(lease, "") {
				p.t.Fatal("does not cool")
			}
			if counts := tally(p.pick(300)); counts["z"] != 0 {
				p.t.Fatalf("picked while cooling: %v", counts)
			}
			p.wakeUp("z")
		},
		"cooled after long service": func(p *leasePool) {
			p.add("z")
			leases := p.take(leasing.Wanted{Exclude: []string{"a", "b", "c"}, Count: 200})
			p.cool(leases[0], "")
			p.pick(300)
			p.wakeUp("z")
		},
	}
	for name, away := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				for _, id := range []string{"a", "b", "c"} {
					p.add(id)
				}
				away(p)
				counts := map[string]int{}
				for i := range 40 {
					taken := p.take(leasing.Wanted{})
					counts[taken[0].TokenID]++
					p.end(leasing.Succeeded, taken...)
					if spread(counts, "a", "b", "c", "z") > 2 {
						t.Fatalf("after %d picks: %v", i+1, counts)
					}
				}
				if counts["z"] < 9 || counts["z"] > 11 {
					t.Errorf("%v", counts)
				}
			})
		})
	}
}

// A token that could not be picked for a while, and stayed in the order, catches
// up a little and no more.
func TestALaggardsBurstIsBounded(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for _, id := range []string{"a", "b", "c"} {
			p.add(id)
		}
		for range 100 {
			p.take(leasing.Wanted{Count: 3, Exclude: []string{"a"}})
		}
		counts := tally(p.pick(100))
		if extra := counts["a"] - 33; extra < 0 || extra > 16 {
			t.Errorf("%v", counts)
		}
		if counts := tally(p.pick(99)); spread(counts) > 1 {
			t.Errorf("still: %v", counts)
		}
	})
}

// An unused lease is as if it had never been taken: its token is next.
func TestUnusedLeasesGoBackToTheHead(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		tokens := []string{"a", "b", "c", "d", "e"}
		for i, id := range tokens {
			p.add(id, "weight", 1+i%2)
		}
		used := map[string]int{}
		for i := range 30 {
			batch := p.take(leasing.Wanted{Count: 4 + i%5, Ahead: true})
			for _, id := range tokensOf(batch[:2]) {
				used[id]++
			}
			p.end(leasing.Unused, batch[2:]...)
		}
		p.take(leasing.Wanted{Count: 1})
		for i, id := range tokens {
			if fair := 60 * (1 + i%2) / 7; used[id] < fair-1 || used[id] > fair+2 {
				t.Errorf("%s was used %d times, its share is %d", id, used[id], fair)
			}
		}
		if requests := p.field("a", "requests"); requests != "" {
			t.Errorf("unused leases were counted as %s requests", requests)
		}
	})
}
