package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/rotation"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// strategies is a pool in Redis beside what the rules in rotation know of it.
type strategies struct {
	*leasePool
	r          *rapid.T
	candidates []rotation.Candidate
	clock      float64
	open       []leasing.Taken
}

func (s *strategies) draw() {
	s.must(s.client.FlushAll(s.t.Context()).Err())
	s.candidates, s.clock, s.open = nil, 0, nil
	for i := range rapid.IntRange(1, 8).Draw(s.r, "tokens") {
		c := rotation.Candidate{ID: fmt.Sprint("t", i), Weight: rapid.SampledFrom(weights).Draw(s.r, "weight")}
		if days := rapid.IntRange(0, 5).Draw(s.r, "days"); days > 0 {
			c.Expires = time.Now().Add(time.Duration(days) * 24 * time.Hour).UnixMilli()
		}
		s.add(c.ID, s.facts(&c)...)
		s.candidates = append(s.candidates, c)
	}
}

// facts are a candidate's fields: of some the quota begins anew, and some are renewed.
func (s *strategies) facts(c *rotation.Candidate) []any {
	facts := []any{"weight", c.Weight, "expires", c.Expires}
	if c.Expires > 0 && rapid.IntRange(0, 3).Draw(s.r, "renewed") == 0 {
		c.Expires = 0
		facts = append(facts, "renewable", 1)
	}
	if hours := rapid.IntRange(0, 60).Draw(s.r, "hours"); hours > 20 {
		resets := time.Now().Add(time.Duration(hours) * time.Hour).UnixMilli()
		facts = append(facts, "resets", resets)
		if c.Expires == 0 || resets < c.Expires {
			c.Expires = resets
		}
	}
	return facts
}

// Take must take what the rules say.
func (s *strategies) Take(r *rapid.T) {
	wanted := leasing.Wanted{
		Count:    rapid.IntRange(1, 4).Draw(r, "count"),
		Affinity: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(r, "key"),
	}
	explained, err := s.Explain(s.t.Context(), somewhere, someModel)
	s.must(err)
	for i, each := range s.take(wanted) {
		strategy := s.strategy()
		next := s.next(wanted.Affinity)
		if s.candidates[next].ID != each.TokenID {
			r.Fatalf("%s, key %q, pick %d: the script took %s of %+v", strategy, wanted.Affinity, i, each.TokenID, s.candidates)
		}
		if i == 0 && wanted.Affinity == "" && explained.Chosen != each.TokenID {
			r.Fatalf("%s: explain chose %s, the script took %s", strategy, explained.Chosen, each.TokenID)
		}
		picked := &s.candidates[next]
		picked.InFlight++
		picked.Score, s.clock = rotation.Later(*picked, s.clock, wanted.Affinity == "")
		s.open = append(s.open, each)
	}
}

// next is which candidate the rules pick.
func (s *strategies) next(key string) int {
	if key == "" {
		return rotation.Next(s.strategy(), s.candidates)
	}
	return rotation.Affine(key, rotation.Load{Tokens: len(s.candidates), Leases: len(s.open)}, s.candidates)
}

func (s *strategies) End(r *rapid.T) {
	if len(s.open) == 0 {
		r.Skip("nothing is open")
	}
	i := rapid.IntRange(0, len(s.open)-1).Draw(r, "which")
	s.end(leasing.Neutral, s.open[i])
	s.candidates[slices.IndexFunc(s.candidates, func(c rotation.Candidate) bool { return c.ID == s.open[i].TokenID })].InFlight--
	s.open = slices.Delete(s.open, i, i+1)
}

// The script picks by the rules that rotation has in plain words, in any pool, whichever
// the strategy, with a key or without.
func TestTheScriptPicksByTheRules(t *testing.T) {
	t.Parallel()
	pool := newLeasePool(t, testredis.Start(t))
	all := []string{token.RoundRobin, token.LeastInFlight, token.FillFirst, token.Sticky}
	rapid.Check(t, func(r *rapid.T) {
		s := &strategies{leasePool: pool, r: r}
		s.draw()
		s.rotation.Store(new(rapid.SampledFrom(all).Draw(r, "strategy")))
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			if rapid.IntRange(0, 3).Draw(r, "end one") == 0 && len(s.open) > 0 {
				s.End(r)
			} else {
				s.Take(r)
			}
		}
	})
}

// A token that can't serve is nobody's choice, whatever the strategy; nor is one at
// its cap.
func TestStrategiesPassOverWhoCanNotServe(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{token.LeastInFlight, token.FillFirst, token.Sticky} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.rotation.Store(&strategy)
				soon := time.Now().Add(time.Hour).UnixMilli()
				p.add("cooling", "cooling", ever, "expires", soon)
				p.add("disabled", "enabled", 0, "expires", soon)
				p.add("capped", "cap", 2, "expires", soon)
				p.add("open")
				got := tally(tokensOf(p.take(leasing.Wanted{Count: 10, Affinity: "somebody"})))
				if got["capped"] > 2 || got["capped"]+got["open"] != 10 {
					t.Errorf("%v", got)
				}
				if strategy == token.FillFirst && got["capped"] != 2 {
					t.Errorf("the one that expires first is not used up: %v", got)
				}
			})
		})
	}
}

// The strategy follows the settings.
func TestRotate(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		if got := store.strategy(); got != token.RoundRobin {
			t.Errorf("before anything is known: %s", got)
		}
		if _, err := update(t.Context(), store, SettingsUpdate{
			Settings: &tokenstorev1.Settings{RotationStrategy: token.FillFirst}, Names: []string{"rotation_strategy"},
		}); err != nil {
			t.Fatal(err)
		}
		if err := store.Rotate(t.Context()); err != nil || store.strategy() != token.FillFirst {
			t.Errorf("%s, %v", store.strategy(), err)
		}
	})
}

// What requests without a key take while sticky is chosen counts afterwards, too.
func TestLeastInFlightAfterSticky(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.rotation.Store(new(token.LeastInFlight))
		p.fill("t", 2)
		p.take(leasing.Wanted{Count: 2})
		p.take(leasing.Wanted{Count: 2})
		p.rotation.Store(new(token.Sticky))
		p.take(leasing.Wanted{Count: 2})
		third := p.take(leasing.Wanted{})[0].TokenID
		p.rotation.Store(new(token.LeastInFlight))
		if got := p.take(leasing.Wanted{})[0].TokenID; got == third {
			t.Errorf("picked %s, the other one has a request less", got)
		}
		if levels := p.client.ZRangeWithScores(t.Context(), "c1:{pool:cursor}:rank:load", 0, -1).Val(); levels[0].Score != 4 || levels[1].Score != 4 {
			t.Errorf("loads: %v, four each are open", levels)
		}
	})
}

// A strategy that is chosen again, after round robin, knows the tokens that have come and
// the leases that have ended meanwhile.
func TestAStrategyThatIsChosenAgain(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{token.LeastInFlight, token.FillFirst, token.Sticky} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, store *Store) {
				p := &leasePool{Store: store, t: t, client: store.client}
				chosen := func(strategy string) { store.rotation.Store(&strategy) }
				chosen(strategy)
				old := trusted(t, store, create(t, store, draft(somewhere, "T1")))
				p.take(leasing.Wanted{Count: 2, Affinity: "k"})
				chosen(token.RoundRobin)
				d := draft(somewhere, jwtUntil(time.Now().Add(time.Hour)))
				d.Cap = 2
				young := trusted(t, store, create(t, store, d))
				p.end(leasing.Succeeded, p.take(leasing.Wanted{Count: 2})...)
				p.ask(leasing.Wanted{Alias: "nobody"})
				chosen(strategy)
				if got := tally(tokensOf(p.take(leasing.Wanted{Count: 20, Affinity: "k"}))); got[young] == 0 || got[old] == 0 {
					t.Errorf("%v of the old %s and the young %s", got, old, young)
				}
			})
		})
	}
}
