package catalog

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/upstream"
)

// shared is a catalog of an alias with three targets: two of the first priority with weights
// of 3 and 1, and one of the second.
func shared() *rig {
	r := newRig()
	r.Update([]upstream.Config{local, backup, cursorConfig}, []Route{alias("fast",
		RouteTarget{"cursor", "m", 1, 3}, RouteTarget{"local", "m", 1, 1}, RouteTarget{"backup", "m", 2, 5})})
	return r
}

// traffic is who is tried first for so many requests, by upstream; key makes each one's.
func (r *rig) traffic(t *testing.T, n int, key func(i int) string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for i := range n {
		plan, err := r.Resolve(Wish{Model: "fast", Key: key(i)})
		if err != nil {
			t.Fatal(err)
		}
		counts[plan.First.Upstream]++
	}
	return counts
}

func noKey(int) string { return "" }

// A configuration that leaves a route as it was leaves whose turn it is; another route of the name
// begins anew.
func TestTurnsOutliveAConfiguration(t *testing.T) {
	t.Parallel()
	configs := []upstream.Config{local, cursorConfig}
	fair := alias("fast", to("cursor", "m"), to("local", "m"))
	other := alias("fast", to("cursor", "m"), to("local", "other"))
	for _, c := range []struct {
		next Route
		want string
	}{{fair, "local"}, {other, "cursor"}} {
		r := newRig()
		r.Update(configs, []Route{fair})
		first := r.traffic(t, 1, noKey)
		r.Update(configs, []Route{c.next, alias("beside", to("cursor", "m"))})
		if second := r.traffic(t, 1, noKey); first["cursor"] != 1 || second[c.want] != 1 {
			t.Errorf("first %v, then %v, want %s", first, second, c.want)
		}
	}
}

// Traffic is by weight within 2 %, with and without keys; the second priority serves when the
// first can't, and no longer than that.
func TestTrafficIsByWeight(t *testing.T) {
	t.Parallel()
	const n = 10_000
	for kind, key := range map[string]func(int) string{
		"in turns":               noKey,
		"by key":                 func(i int) string { return fmt.Sprintf("%016x", mixed(hashOf(strconv.Itoa(i)))) },
		"by keys that are alike": strconv.Itoa,
	} {
		r := shared()
		for _, phase := range []struct {
			stocked []string
			want    map[string]float64
		}{
			{[]string{"cursor", "local", "backup"}, map[string]float64{"cursor": 0.75, "local": 0.25}},
			{[]string{"local", "backup"}, map[string]float64{"local": 1}},
			{[]string{"backup"}, map[string]float64{"backup": 1}},
			{[]string{"cursor", "local", "backup"}, map[string]float64{"cursor": 0.75, "local": 0.25}},
		} {
			r.SetStocked(phase.stocked)
			got := r.traffic(t, n, key)
			for _, name := range []string{"cursor", "local", "backup"} {
				if share := float64(got[name]) / n; math.Abs(share-phase.want[name]) > 0.02 {
					t.Errorf("%s, with tokens of %v: %s has %.3f, want %.3f", kind, phase.stocked, name, share, phase.want[name])
				}
			}
		}
	}
}

// Over any window of as many requests as the weights add up to each target has its weight.
func TestTurnsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 20), 1, 6).Draw(t, "weights")
		one := tier{targets: make([]RouteTarget, len(weights)), turns: turns{due: make([]int, len(weights))}}
		total := 0
		for i, weight := range weights {
			one.targets[i].Weight = weight
			total += weight
		}
		firsts := make([]int, 0, 3*total)
		for range 3 * total {
			order := indices(len(weights))
			one.turns.take(order, one.targets, false)
			firsts = append(firsts, order[0])
			if slices.Sort(order); !slices.Equal(order, indices(len(weights))) {
				t.Fatalf("the order is %v", order)
			}
		}
		for from := range 2 * total {
			counts := make([]int, len(weights))
			for _, i := range firsts[from : from+total] {
				counts[i]++
			}
			if !slices.Equal(counts, weights) {
				t.Fatalf("from %d on: %v", from, counts)
			}
		}
	})
}

// Whoever could not serve for a while is owed little when it is back: what is due stays
// bounded whoever can serve when, and a look changes nothing.
func TestWhatIsDueIsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 1000), 2, 6).Draw(t, "weights")
		one := tier{targets: make([]RouteTarget, len(weights)), turns: turns{due: make([]int, len(weights))}}
		total := 0
		for i, weight := range weights {
			one.targets[i].Weight = weight
			total += weight
		}
		for range 200 {
			able := rapid.SliceOfNDistinct(rapid.IntRange(0, len(weights)-1), 1, len(weights), rapid.ID).Draw(t, "able")
			before := slices.Clone(one.turns.due)
			looked := slices.Clone(able)
			if one.turns.take(looked, one.targets, true); !slices.Equal(before, one.turns.due) {
				t.Fatal("a look has changed whose turn it is")
			}
			if one.turns.take(able, one.targets, false); !slices.Equal(able, looked) {
				t.Fatalf("looked at %v, took %v", looked, able)
			}
			sum := 0
			for _, due := range one.turns.due {
				if sum += due; due > len(weights)*total || due < -len(weights)*total {
					t.Fatalf("due %v of weights %v", one.turns.due, weights)
				}
			}
			if sum != 0 {
				t.Fatalf("due %v: they add up to %d", one.turns.due, sum)
			}
		}
	})
}

// A conversation stays where it is while that can serve. Where a target goes only its own
// conversations move, and come back with it; they spread over the others by weight.
func TestConversationsStay(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{local, backup, cursorConfig}, []Route{alias("fast",
		RouteTarget{"cursor", "m", 0, 2}, RouteTarget{"local", "m", 0, 1}, RouteTarget{"backup", "m", 0, 3})})
	const n = 4000
	where := func() []string {
		list := make([]string, n)
		for i := range n {
			plan, err := r.Resolve(Wish{Model: "fast", Key: strconv.Itoa(i)})
			if err != nil {
				t.Fatal(err)
			}
			list[i] = plan.First.Upstream
		}
		return list
	}
	all := []string{"cursor", "local", "backup"}
	r.SetStocked(all)
	before := where()
	if !slices.Equal(before, where()) {
		t.Fatal("conversations move while nothing changes")
	}
	r.SetStocked([]string{"cursor", "local"})
	moved := map[string]int{}
	for i, now := range where() {
		switch {
		case before[i] != "backup" && now != before[i]:
			t.Fatalf("conversation %d has moved from %s to %s", i, before[i], now)
		case before[i] == "backup":
			moved[now]++
		}
	}
	if share := float64(moved["cursor"]) / float64(moved["cursor"]+moved["local"]); math.Abs(share-2.0/3) > 0.04 {
		t.Errorf("the others have moved to %v", moved)
	}
	if r.SetStocked(all); !slices.Equal(before, where()) {
		t.Error("they do not come back")
	}
}

// All gateways agree on where a conversation is, in whatever order they were told of targets.
func TestGatewaysAgreeOnConversations(t *testing.T) {
	t.Parallel()
	targets := []RouteTarget{{"cursor", "m", 0, 2}, {"local", "m", 0, 1}, {"backup", "m", 0, 3}}
	one, other := newRig(), newRig()
	one.Update([]upstream.Config{local, backup, cursorConfig}, []Route{alias("fast", slices.Clone(targets)...)})
	slices.Reverse(targets)
	other.Update([]upstream.Config{cursorConfig, backup, local}, []Route{alias("fast", slices.Clone(targets)...)})
	for i := range 100 {
		wish := Wish{Model: "fast", Key: strconv.Itoa(i)}
		if a, b := places(one.Resolve(wish)), places(other.Resolve(wish)); !slices.Equal(a, b) {
			t.Fatalf("key %d: %v and %v", i, a, b)
		}
	}
}

// Requests that come at the same time take turns as others do.
func TestTurnsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	r := shared()
	var cursor, others atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				plan, err := r.Resolve(Wish{Model: "fast"})
				switch {
				case err != nil:
					t.Error(err)
				case plan.First.Upstream == "cursor":
					cursor.Add(1)
				default:
					others.Add(1)
				}
			}
		})
	}
	all.Wait()
	if cursor.Load() != 3000 || others.Load() != 1000 {
		t.Errorf("%d to %d", cursor.Load(), others.Load())
	}
}

// The next priority has turns of its own, which are taken when it is asked. An unchanged route
// keeps its turns when the configuration changes elsewhere.
func TestTurnsAreOfEachPriority(t *testing.T) {
	t.Parallel()
	r := newRig()
	fast := alias("fast", RouteTarget{"cursor", "m", 0, 1}, RouteTarget{"local", "a", 1, 1}, RouteTarget{"local", "b", 1, 1})
	r.Update([]upstream.Config{local, cursorConfig}, []Route{fast})
	next := func() string {
		plan, err := r.Resolve(Wish{Model: "fast"})
		if err != nil {
			t.Fatal(err)
		}
		target, _ := plan.Next()
		return target.Model
	}
	if _, err := r.Resolve(Wish{Model: "fast"}); err != nil {
		t.Fatal(err)
	}
	got := []string{next(), next()}
	r.Update([]upstream.Config{local, cursorConfig, backup}, []Route{fast, alias("other", to("local", "m"))})
	got = append(got, next())
	changed := alias("fast", fast.Targets...)
	changed.Targets = append(slices.Clone(fast.Targets), RouteTarget{"backup", "m", 2, 1})
	r.Update([]upstream.Config{local, cursorConfig, backup}, []Route{changed})
	got = append(got, next())
	if want := []string{"a", "b", "a", "a"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func indices(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// What a name costs to resolve, by what it leads by.
func BenchmarkResolve(b *testing.B) {
	for _, c := range []struct {
		name   string
		routes []Route
		wish   Wish
	}{
		{"listed", nil, Wish{Model: "gpt-4o"}},
		{"listed, beside routes", []Route{alias("fast", to("local", "m")), family("p", "claude-*", to("local", ""))}, Wish{Model: "gpt-4o"}},
		{"named", nil, Wish{Model: "local/gpt-4o"}},
		{"in turns", []Route{alias("fast", to("local", "m"), to("cursor", "m"))}, Wish{Model: "fast"}},
		{"by key", []Route{alias("fast", to("local", "m"), to("cursor", "m"))}, Wish{Model: "fast", Key: "0123456789abcdef"}},
		{"by pattern", []Route{family("p", "claude-*", to("local", "x/*"))}, Wish{Model: "claude-9"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig()
			r.Update([]upstream.Config{local, backup, cursorConfig}, c.routes)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Resolve(c.wish); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
