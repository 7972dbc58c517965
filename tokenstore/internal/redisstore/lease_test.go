package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

func TestEligibility(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fields []any
		// leases are open already.
		leases int
		wanted leasing.Wanted
		// want is the shortage; nil: it is granted. Explain says excludedBy.
		want       *leasing.Shortage
		excludedBy string
	}{
		"ready":                     {},
		"disabled":                  {fields: []any{"enabled", 0}, want: &leasing.Shortage{Total: 1, Disabled: 1}, excludedBy: "disabled"},
		"expired":                   {fields: []any{"expires", never}, want: &leasing.Shortage{Total: 1, Expired: 1}, excludedBy: "expired"},
		"expires one day":           {fields: []any{"expires", ever}},
		"about to expire":           {fields: []any{"expires", time.Now().Add(token.ExpiryLead - time.Second).UnixMilli()}, want: &leasing.Shortage{Total: 1, Expired: 1}, excludedBy: "expired"},
		"parked":                    {fields: []any{"phase", token.Parked}, want: &leasing.Shortage{Total: 1, Parked: 1}, excludedBy: "parked"},
		"new":                       {fields: []any{"phase", token.Quarantined}},
		"new and in use":            {fields: []any{"phase", token.Quarantined}, leases: 1, want: &leasing.Shortage{Total: 1, Quarantined: 1}, excludedBy: "quarantined"},
		"probed":                    {fields: []any{"phase", "2"}, leases: 1},
		"probed enough":             {fields: []any{"phase", "2"}, leases: 2, want: &leasing.Shortage{Total: 1, Probing: 1}, excludedBy: "probing"},
		"probed, with a lower cap":  {fields: []any{"phase", "4", "cap", 1}, leases: 1, want: &leasing.Shortage{Total: 1, Capped: 1}, excludedBy: "capped"},
		"cooling":                   {fields: []any{"cooling", ever}, want: &leasing.Shortage{Total: 1, Cooling: 1}, excludedBy: "cooling"},
		"cooled":                    {fields: []any{"cooling", never}},
		"cooling for the model":     {fields: []any{"m:" + someModel, time.Now().Add(20 * time.Minute).UnixMilli()}, want: &leasing.Shortage{Total: 1, Cooling: 1}, excludedBy: "cooling_model"},
		"cooled for the model":      {fields: []any{"m:" + someModel, ended()}},
		"cooling for another":       {fields: []any{"m:other", ever}},
		"tried":                     {wanted: leasing.Wanted{Exclude: []string{"x", "a"}}, want: &leasing.Shortage{Total: 1, Tried: 1}},
		"another was tried":         {wanted: leasing.Wanted{Exclude: []string{"x"}}},
		"at its cap":                {fields: []any{"cap", 2}, leases: 2, want: &leasing.Shortage{Total: 1, Capped: 1}, excludedBy: "capped"},
		"under its cap":             {fields: []any{"cap", 2}, leases: 1},
		"no cap":                    {leases: 5},
		"ahead":                     {leases: 5, wanted: leasing.Wanted{Ahead: true}},
		"ahead, of a cap":           {fields: []any{"cap", 2}, wanted: leasing.Wanted{Ahead: true}},
		"uncapped, but it has one":  {fields: []any{"cap", 2}, wanted: leasing.Wanted{Uncapped: true}, want: &leasing.Shortage{Total: 1, Capped: 1}},
		"of another upstream":       {wanted: leasing.Wanted{Upstream: "elsewhere"}, want: &leasing.Shortage{}},
		"moved away":                {fields: []any{"upstream", "elsewhere"}, want: &leasing.Shortage{}},
		"disabled and more":         {fields: []any{"enabled", 0, "expires", never, "cooling", ever}, want: &leasing.Shortage{Total: 1, Disabled: 1}, excludedBy: "disabled"},
		"tried, and cooling":        {fields: []any{"cooling", ever}, wanted: leasing.Wanted{Exclude: []string{"a"}}, want: &leasing.Shortage{Total: 1, Cooling: 1}, excludedBy: "cooling"},
		"weight 0 is like 1":        {fields: []any{"weight", 0}},
		"a field that is no number": {fields: []any{"cap", "many"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.add("a")
				for range c.leases {
					p.take(leasing.Wanted{})
				}
				p.set("a", c.fields...)
				explained, err := p.Explain(t.Context(), somewhere, someModel)
				p.must(err)
				chosen, candidates := explained.Chosen, explained.Candidates
				taken, shortage := p.ask(c.wanted)
				if c.want == nil {
					if len(taken) != 1 || taken[0].TokenID != "a" || taken[0].Version != 7 || chosen != "a" {
						t.Errorf("took %+v, explain chose %q; shortage %+v", taken, chosen, shortage)
					}
					return
				}
				if diff := cmp.Diff(*c.want, shortage, cmpopts.IgnoreFields(leasing.Shortage{}, "Soonest", "SoonestTried")); diff != "" || len(taken) > 0 {
					t.Errorf("took %v; shortage: %s", taken, diff)
				}
				if c.excludedBy != "" && (chosen != "" || len(candidates) != 1 || candidates[0].ExcludedBy != c.excludedBy) {
					t.Errorf("explain: %q of %+v, want it excluded as %s", chosen, candidates, c.excludedBy)
				}
			})
		})
	}
}

// A demand by name has the one token or nothing, and says what is wrong with that
// one; the model test has the rest.
func TestByName(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		for _, id := range []string{"a", "b", "c"} {
			p.add(id)
		}
		p.add("e", "upstream", "elsewhere")
		for alias, id := range map[string]string{"one": "a", "two": "b", "there": "e"} {
			p.must(p.client.HSet(t.Context(), namesKey(somewhere), alias, id).Err())
		}
		if got := tokensOf(p.take(leasing.Wanted{Alias: "two", Count: 3})); !slices.Equal(got, []string{"b", "b", "b"}) {
			t.Errorf("took %v", got)
		}
		if got := tally(p.pick(9)); got["a"] != 4 || got["b"] != 1 || got["c"] != 4 {
			t.Errorf("what was taken by name does not count: %v", got)
		}
		for _, alias := range []string{"nobody", "there"} {
			if taken, shortage := p.ask(leasing.Wanted{Alias: alias}); len(taken) > 0 || shortage != (leasing.Shortage{}) {
				t.Errorf("%s: %v, %+v", alias, taken, shortage)
			}
		}
		p.set("a", "cap", 1)
		p.set("b", "enabled", 0)
		if taken, shortage := p.ask(leasing.Wanted{Alias: "one"}); len(taken) > 0 || shortage != (leasing.Shortage{Total: 1, Capped: 1}) {
			t.Errorf("capped: %v, %+v", taken, shortage)
		}
		if taken, shortage := p.ask(leasing.Wanted{Alias: "two"}); len(taken) > 0 || shortage != (leasing.Shortage{Total: 1, Disabled: 1}) {
			t.Errorf("disabled: %v, %+v", taken, shortage)
		}
	})
}

// A demand by a token's id is one by name: it has that token or nothing, whatever the
// strategy, the key and what it has tried.
func TestByID(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst, token.Sticky} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			eachLeasePool(t, func(t *testing.T, p *leasePool) {
				p.Store.rotation.Store(&strategy)
				for _, id := range []string{"a", "b", "c"} {
					p.add(id)
				}
				p.add("e", "upstream", "elsewhere")
				for range 3 {
					if got := tokensOf(p.take(leasing.Wanted{TokenID: "b", Count: 2, Affinity: "k"})); !slices.Equal(got, []string{"b", "b"}) {
						t.Errorf("took %v", got)
					}
				}
				p.set("a", "cap", 1)
				p.set("c", "enabled", 0)
				for name, c := range map[string]struct {
					wanted leasing.Wanted
					want   leasing.Shortage
				}{
					"nobody's":       {leasing.Wanted{TokenID: "nobody"}, leasing.Shortage{}},
					"another pool's": {leasing.Wanted{TokenID: "e"}, leasing.Shortage{}},
					"disabled":       {leasing.Wanted{TokenID: "c"}, leasing.Shortage{Total: 1, Disabled: 1}},
					"tried":          {leasing.Wanted{TokenID: "b", Exclude: []string{"b"}}, leasing.Shortage{Total: 1, Tried: 1}},
					"ahead, capped":  {leasing.Wanted{TokenID: "a", Ahead: true}, leasing.Shortage{Total: 1, Capped: 1}},
				} {
					if taken, shortage := p.ask(c.wanted); len(taken) > 0 || shortage != c.want {
						t.Errorf("%s: %v, %+v", name, taken, shortage)
					}
				}
			})
		})
	}
}

// However often a token is asked for by name, those that want any token get it
// again soon.
func TestNamesDoNotStarveAToken(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		p.add("b")
		p.must(p.client.HSet(t.Context(), namesKey(somewhere), "one", "a").Err())
		for range 20 {
			p.take(leasing.Wanted{Alias: "one", Count: 50})
		}
		if got := tally(p.pick(60)); got["a"] < 20 || got["a"] > 25 {
			t.Errorf("picked %v", got)
		}
	})
}

func TestNoTokensAtAll(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		taken, shortage := p.ask(leasing.Wanted{})
		if len(taken) > 0 || shortage != (leasing.Shortage{}) {
			t.Errorf("%v, %+v", taken, shortage)
		}
	})
}

// A shortage says when the first token is back that this request has not tried,
// and when the first of those that it has.
func TestSoonest(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		now := time.Now()
		for i, id := range []string{"a", "b", "c"} {
			p.add(id, "cooling", now.Add(time.Duration(i+1)*6*time.Minute).UnixMilli())
		}
		p.add("d", "m:"+someModel, now.Add(15*time.Minute).UnixMilli())
		for _, c := range []struct {
			exclude      []string
			other, tried time.Duration
		}{
			{nil, 6 * time.Minute, 0},
			{[]string{"a"}, 12 * time.Minute, 6 * time.Minute},
			{[]string{"b", "a"}, 15 * time.Minute, 6 * time.Minute},
			{[]string{"a", "b", "c", "d"}, 0, 6 * time.Minute},
		} {
			_, shortage := p.ask(leasing.Wanted{Exclude: c.exclude})
			if off := max((shortage.Soonest - c.other).Abs(), (shortage.SoonestTried - c.tried).Abs()); off > 10*time.Second {
				t.Errorf("without %v: %+v, want about %v and %v", c.exclude, shortage, c.other, c.tried)
			}
		}
	})
}

// What an acquire drops from the order is only what an edit brings back.
func TestTheOrderForgetsTheDead(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a", "enabled", 0)
		p.add("b", "expires", never)
		p.add("c")
		p.add("d", "cooling", ever)
		p.must(p.client.ZAdd(t.Context(), orderKey(somewhere), redis.Z{Member: "a deleted one"}).Err())
		p.take(leasing.Wanted{})
		order, err := p.client.ZRange(t.Context(), orderKey(somewhere), 0, -1).Result()
		p.must(err)
		if want := []string{"d", "c"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

// Explain writes nothing, and chooses what the next acquire picks.
func TestExplain(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("disabled", "enabled", 0)
		p.add("expired", "expires", never)
		p.add("full", "cap", 1)
		p.take(leasing.Wanted{Exclude: []string{"disabled", "expired"}})
		p.add("b")
		p.add("a")
		p.pick(3)
		p.cool(p.take(leasing.Wanted{Exclude: []string{"a"}})[0], "")
		p.wakeUp("b") // due, but nobody has looked yet
		p.cool(p.take(leasing.Wanted{Exclude: []string{"b"}})[0], "other")

		for range 6 {
			before := p.dump()
			explained, err := p.Explain(t.Context(), somewhere, someModel)
			p.must(err)
			chosen, candidates, asOf := explained.Chosen, explained.Candidates, explained.AsOf
			if diff := cmp.Diff(before, p.dump()); diff != "" {
				t.Fatalf("explain changed something: %s", diff)
			}
			if len(candidates) != 5 || time.Since(asOf).Abs() > time.Minute {
				t.Fatalf("%d candidates as of %v", len(candidates), asOf)
			}
			if got := p.take(leasing.Wanted{})[0].TokenID; got != chosen {
				t.Fatalf("explain chose %q, acquire %q", chosen, got)
			}
		}
		p.set("b", "cooling", ever)
		explained, err := p.Explain(t.Context(), somewhere, "other")
		p.must(err)
		got := map[string]string{}
		for _, c := range explained.Candidates {
			got[c.TokenID] = c.ExcludedBy
			if cools := c.ExcludedBy == "cooling" || c.ExcludedBy == "cooling_model"; cools == c.Until.IsZero() {
				t.Errorf("%s: %s until %v", c.TokenID, c.ExcludedBy, c.Until)
			}
		}
		want := map[string]string{"disabled": "disabled", "expired": "expired", "full": "capped", "a": "cooling_model", "b": "cooling"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A Redis that has lost its scripts in a restart gets them again.
func TestScriptsComeBack(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		flush := func() { p.must(p.client.ScriptFlush(t.Context()).Err()) }
		flush()
		taken := p.take(leasing.Wanted{Count: 2})
		flush()
		lost, err := p.Renew(t.Context(), []leasing.LeaseRef{taken[0].LeaseRef}, time.Minute)
		if err != nil || len(lost) > 0 {
			t.Fatal(lost, err)
		}
		flush()
		if !p.end(leasing.Succeeded, taken[0])[0].Live {
			t.Error("not settled")
		}
		flush()
		if !p.cool(taken[1], "") {
			t.Error("does not cool")
		}
	})
}

// In a large pool of which little is usable, an acquire looks at little.
func TestAcquireStaysCheap(t *testing.T) {
	t.Parallel()
	p := newLeasePool(t, testredis.Start(t))
	soon := time.Now().Add(20 * time.Minute).UnixMilli()
	for i := range 1000 {
		id := fmt.Sprintf("t%04d", i)
		switch {
		case i%100 == 99:
			p.add(id)
		case i%3 == 0:
			p.add(id, "enabled", 0)
		case i%3 == 1:
			p.add(id, "cap", 1)
			p.must(p.client.ZAdd(t.Context(), inflightKey(somewhere, id), redis.Z{Member: "1-1", Score: ever}).Err())
		default:
			p.add(id, "cooling", soon)
			p.must(p.client.ZRem(t.Context(), orderKey(somewhere), id).Err())
			p.must(p.client.ZAdd(t.Context(), coolingKey(somewhere), redis.Z{Member: id, Score: float64(soon)}).Err())
		}
	}
	p.pick(10) // a round: sets aside what it steps over
	before := calls(t, p.client)
	p.pick(20)
	if made := calls(t, p.client) - before; made > 20*40 {
		t.Errorf("an acquire makes %d calls of Redis", made/20)
	}
	// What was set aside is not forgotten: the end of its lease brings it back.
	settled, err := p.Settle(t.Context(), []leasing.Settlement{{LeaseRef: leasing.LeaseRef{TokenID: "t0001", LeaseID: "1-1"}, Effect: leasing.Succeeded}})
	if err != nil || !settled[0].Live {
		t.Fatal(settled, err)
	}
	if !slices.Contains(p.pick(11), "t0001") {
		t.Error("a token that has room again does not come back")
	}
	// And so does its expiry.
	p.must(p.client.ZAdd(t.Context(), inflightKey(somewhere, "t0004"), redis.Z{Member: "1-1", Score: never}).Err())
	p.wakeUp("t0004")
	if !slices.Contains(p.pick(12), "t0004") {
		t.Error("a token whose lease expired does not come back")
	}
}

// calls counts the commands that the server has carried out, also in scripts.
func calls(t *testing.T, client redis.UniversalClient) int {
	t.Helper()
	total := 0
	for _, stat := range serverInfo(t, client, "commandstats") {
		var made int
		if _, err := fmt.Sscanf(stat, "calls=%d", &made); err != nil {
			t.Fatal(stat, err)
		}
		total += made
	}
	return total
}

// serverInfo returns a section of what the server tells of itself, by field.
func serverInfo(t testing.TB, client redis.UniversalClient, section string) map[string]string {
	t.Helper()
	text, err := client.Info(t.Context(), section).Result()
	if err != nil {
		t.Fatal(err)
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			info[name] = value
		}
	}
	return info
}
