package notify

import (
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// namesOf are the alerts of an observation, with nothing known of before.
func namesOf(found []Alert) []string {
	names := map[string]bool{}
	for _, each := range found {
		names[each.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func TestFindings(t *testing.T) {
	t.Parallel()
	expiry := func(in time.Duration) *timestamppb.Timestamp { return timestamppb.New(start.Add(in)) }
	for name, test := range map[string]struct {
		seen Observation
		want []string
	}{
		"a pool that is well":         {Observation{Pools: []*tokenstorev1.PoolState{{Ready: 1, Cooling: 3}}}, nil},
		"an empty pool":               {Observation{Pools: []*tokenstorev1.PoolState{{}}}, nil},
		"disabled tokens alone":       {Observation{Pools: []*tokenstorev1.PoolState{{Disabled: 4}}}, nil},
		"all cool":                    {Observation{Pools: []*tokenstorev1.PoolState{{Cooling: 2}}}, []string{PoolDry}},
		"one of five can serve":       {Observation{Pools: []*tokenstorev1.PoolState{{Quarantined: 1, Cooling: 4}}}, []string{PoolShort}},
		"one is probed":               {Observation{Pools: []*tokenstorev1.PoolState{{Probing: 1, Cooling: 3}}}, nil},
		"a parked one":                {Observation{Pools: []*tokenstorev1.PoolState{{Ready: 3, Parked: 1}}}, []string{TokenParked}},
		"one that needs a login":      {Observation{Pools: []*tokenstorev1.PoolState{{Ready: 3, Parked: 1, NeedsLogin: 1}}}, []string{LoginNeeded, TokenParked}},
		"an expired one":              {Observation{Pools: []*tokenstorev1.PoolState{{Ready: 3, Expired: 1}}}, []string{TokenExpired}},
		"one expires today":           {Observation{Pools: []*tokenstorev1.PoolState{{Ready: 3, NextExpiry: expiry(23 * time.Hour)}}}, []string{TokenExpiring}},
		"one expires this week":       {Observation{Pools: []*tokenstorev1.PoolState{{Ready: 3, NextExpiry: expiry(25 * time.Hour)}}}, nil},
		"tokens that fail alike":      {Observation{Pools: []*tokenstorev1.PoolState{{Ready: 3, Causes: []*tokenstorev1.SharedCause{{Class: "auth"}}}}}, []string{GuardOpen}},
		"a store that warns":          {Observation{Warnings: []*tokenstorev1.StoreWarning{{Kind: "evicts", Text: "x"}}}, []string{StoreWarning}},
		"a budget near its end":       {Observation{Replicas: []*tokenstorev1.Replica{{Name: "g", NearBudgets: []*tokenstorev1.NearBudget{{Period: "day", Unit: "usd", Keys: 1}}}}}, []string{BudgetNear}},
		"budgets far from it":         {Observation{Replicas: []*tokenstorev1.Replica{{Name: "g", NearBudgets: []*tokenstorev1.NearBudget{{Period: "day", Unit: "usd"}}}}}, nil},
		"losses of before one looked": {Observation{Replicas: []*tokenstorev1.Replica{{Name: "g", LogDropped: 5, DegradedMs: 9}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.seen.At = start
			if got := namesOf(findings(test.seen, &Memory{})); !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// What gateways count is told while it grows, and for ten minutes after.
func TestCountersThatGrow(t *testing.T) {
	t.Parallel()
	memory := &Memory{}
	at := func(minute int, replicas ...*tokenstorev1.Replica) []Alert {
		return findings(Observation{At: start.Add(time.Duration(minute) * time.Minute), Replicas: replicas}, memory)
	}
	gateway := func(name string, dropped, degraded uint64) *tokenstorev1.Replica {
		return &tokenstorev1.Replica{Name: name, LogDropped: dropped, DegradedMs: degraded}
	}
	at(0, gateway("a", 7, 0))
	if found := at(1, gateway("a", 7, 0)); len(found) != 0 {
		t.Errorf("nothing grew: %v", found)
	}
	found := at(2, gateway("a", 9, 0), gateway("new", 1, 3500))
	if !slices.Equal(namesOf(found), []string{Degraded, LogDropping}) || found[0].Count != 3 || found[1].Count != 3 {
		t.Errorf("three entries and three seconds: %+v", found)
	}
	if found = at(11, gateway("new", 1, 3500)); len(found) != 2 {
		t.Errorf("nine minutes later: %+v", found)
	}
	if found = at(12, gateway("new", 1, 3500)); len(found) != 0 {
		t.Errorf("ten minutes later: %+v", found)
	}
	if found = at(13, gateway("new", 2, 3500)); len(found) != 1 || found[0].Count != 1 {
		t.Errorf("it grows anew: %+v", found)
	}
}

// A pool that shrinks at a pace that leaves nothing in four hours is told of; one that is busy is
// not.
func TestPoolsThatShrink(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tokens func(minute int) uint32
		want   bool
	}{
		"steady":                 {func(int) uint32 { return 20 }, false},
		"up and down":            {func(minute int) uint32 { return 20 + uint32(minute/5)%2 }, false},
		"by one in five minutes": {func(minute int) uint32 { return 20 - uint32(minute/5) }, true},
		"by one in an hour":      {func(minute int) uint32 { return 20 - uint32(minute/60) }, false},
		"growing":                {func(minute int) uint32 { return 2 + uint32(minute/5) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			memory, soon := &Memory{}, false
			for minute := 0; minute <= 60; minute++ {
				found := findings(Observation{At: start.Add(time.Duration(minute) * time.Minute), Pools: []*tokenstorev1.PoolState{pool("u", test.tokens(minute), 0)}}, memory)
				soon = slices.Contains(namesOf(found), PoolDrySoon)
				if soon && minute < 15 {
					t.Fatalf("told after %d minutes", minute)
				}
			}
			if soon != test.want {
				t.Errorf("dry soon: %v", soon)
			}
			if n := len(memory.Usable["u"]); n > int(sampleFor/sampleEvery)+1 {
				t.Errorf("%d samples are kept", n)
			}
		})
	}
}
