package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
)

const (
	somewhere = "cursor" // the upstream of tests
	someModel = "gpt-4"
	// never and ever are times, in ms, that no test reaches.
	never = 1
	ever  = 1 << 43
)

// leasePool is a pool of tokens that a test writes as it likes.
type leasePool struct {
	*Store
	t      testing.TB
	client redis.UniversalClient
}

func newLeasePool(t testing.TB, client redis.UniversalClient) *leasePool {
	t.Helper()
	store := New(client, Options{Barrier: BarrierFunc(nil), Logger: slog.New(slog.DiscardHandler)})
	calmly(store)
	return &leasePool{Store: store, t: t, client: client}
}

func eachLeasePool(t *testing.T, test func(*testing.T, *leasePool)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) { test(t, newLeasePool(t, client)) })
}

func (p *leasePool) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// add puts an enabled token into the order at the clock, as the script create
// does. fields are pairs that differ from the default.
func (p *leasePool) add(id string, fields ...any) {
	p.t.Helper()
	ctx := p.t.Context()
	before := p.client.ZCard(ctx, poolIDsKey(somewhere)).Val()
	p.set(id, append([]any{"upstream", somewhere, "enabled", 1, "cap", 0, "weight", 1, "expires", 0, "epoch", 1, "ver", 7}, fields...)...)
	p.must(p.client.ZAdd(ctx, poolIDsKey(somewhere), redis.Z{Member: id, Score: float64(before + 1)}).Err())
	p.homes.put(id, somewhere)
	p.toOrder(id)
}

func (p *leasePool) toOrder(id string) {
	p.t.Helper()
	ctx := p.t.Context()
	clock, err := p.client.HGet(ctx, clockKey(somewhere), "at").Float64()
	if err != nil && err != redis.Nil { //nolint:errorlint // never wrapped
		p.t.Fatal(err)
	}
	p.must(p.client.ZAdd(ctx, orderKey(somewhere), redis.Z{Member: id, Score: clock}).Err())
}

func (p *leasePool) set(id string, fields ...any) {
	p.t.Helper()
	if len(fields) > 0 {
		p.must(p.client.HSet(p.t.Context(), tokenKey(somewhere, id), fields...).Err())
		p.must(standScript.run(p.t.Context(), p.client, []string{poolIDsKey(somewhere)}, id).Err())
	}
}

func (p *leasePool) field(id, name string) string {
	p.t.Helper()
	value, err := p.client.HGet(p.t.Context(), tokenKey(somewhere, id), name).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // never wrapped
		p.t.Fatal(err)
	}
	return value
}

// open are the leases of a token that Redis has, expired ones included.
func (p *leasePool) open(id string) int {
	p.t.Helper()
	open, err := p.client.ZCard(p.t.Context(), inflightKey(somewhere, id)).Result()
	p.must(err)
	return int(open)
}

// wakeUp ends a token's cooling, or its being set aside, as time would.
func (p *leasePool) wakeUp(id string) {
	p.t.Helper()
	if p.field(id, "cooling") != "" {
		p.set(id, "cooling", never)
	}
	p.must(p.client.ZAddXX(p.t.Context(), coolingKey(somewhere), redis.Z{Member: id, Score: never}).Err())
}

func (p *leasePool) ask(wanted leasing.Wanted) ([]leasing.Taken, leasing.Shortage) {
	p.t.Helper()
	if wanted.Upstream == "" {
		wanted.Upstream = somewhere
	}
	if wanted.TTL == 0 {
		wanted.TTL = time.Minute
	}
	if wanted.Count == 0 {
		wanted.Count = 1
	}
	if wanted.Model == "" {
		wanted.Model = someModel
	}
	taken, shortage, err := p.Acquire(p.t.Context(), wanted)
	p.must(err)
	return taken, shortage
}

// pick takes n leases one at a time and answers the ids of their tokens.
func (p *leasePool) pick(n int) []string {
	p.t.Helper()
	picked := make([]string, 0, n)
	for range n {
		picked = append(picked, tokensOf(p.take(leasing.Wanted{}))...)
	}
	return picked
}

// take is ask for those who know that there is something.
func (p *leasePool) take(wanted leasing.Wanted) []leasing.Taken {
	p.t.Helper()
	taken, shortage := p.ask(wanted)
	if len(taken) == 0 {
		p.t.Fatalf("denied: %+v", shortage)
	}
	return taken
}

func (p *leasePool) end(effect leasing.Effect, taken ...leasing.Taken) []leasing.Settled {
	p.t.Helper()
	settlements := make([]leasing.Settlement, len(taken))
	for i, lease := range taken {
		settlements[i] = leasing.Settlement{LeaseRef: lease.LeaseRef, Effect: effect, Error: "evidence"}
	}
	settled, err := p.Settle(p.t.Context(), settlements)
	p.must(err)
	return settled
}

func (p *leasePool) cool(taken leasing.Taken, model string) bool {
	p.t.Helper()
	changed, err := p.apply(p.t.Context(), transition{
		TokenID: taken.TokenID, Epoch: taken.Epoch(), Class: "rate_limit", CoolFor: 20 * time.Minute, Model: model,
	})
	p.must(err)
	return changed
}

// transition is what a test wants to happen to a token. No time to cool parks it.
type transition struct {
	TokenID string
	Epoch   uint64
	Class   string
	CoolFor time.Duration
	Model   string
	leasing.Evidence
}

// apply carries a transition out, as the report of a request that ended long ago would.
func (s *Store) apply(ctx context.Context, wanted transition) (bool, error) {
	ref := leasing.LeaseRef{TokenID: wanted.TokenID, LeaseID: fmt.Sprint(wanted.Epoch, "-0")}
	settled, err := s.judge(ctx, ref, leasing.Verdict{
		Class: wanted.Class, Model: wanted.Model, CoolFor: []time.Duration{wanted.CoolFor}, Evidence: wanted.Evidence,
	})
	return settled.Became == leasing.Cooling || settled.Became == leasing.Parked, err
}

// judge carries a verdict out as a report of a reserve does, which needs no open lease.
func (s *Store) judge(ctx context.Context, ref leasing.LeaseRef, verdict leasing.Verdict) (leasing.Settled, error) {
	const judges = "judge"
	number, err := s.client.Incr(ctx, "number of "+judges).Uint64()
	if err != nil {
		return leasing.Settled{}, err
	}
	settled, err := s.Reconcile(ctx, judges, []leasing.ReservedUse{
		{Number: number, Settlement: leasing.Settlement{LeaseRef: ref, Effect: leasing.Unused, Verdict: &verdict}},
	})
	if err != nil {
		return leasing.Settled{}, err
	}
	return settled[0], nil
}

// dump is everything that Redis holds.
func (p *leasePool) dump() map[string]any {
	p.t.Helper()
	ctx := p.t.Context()
	everything := map[string]any{}
	keys, err := p.client.Keys(ctx, "*").Result()
	p.must(err)
	for _, key := range keys {
		if key == "number of judge" || key == reconciledKey(somewhere, "judge") {
			continue // the test's own
		}
		kind, err := p.client.Type(ctx, key).Result()
		p.must(err)
		switch kind {
		case "hash":
			everything[key], err = p.client.HGetAll(ctx, key).Result()
		case "zset":
			everything[key], err = p.client.ZRangeWithScores(ctx, key, 0, -1).Result()
		case "set":
			everything[key], err = p.client.SMembersMap(ctx, key).Result()
		case "stream":
			everything[key], err = p.client.XRange(ctx, key, "-", "+").Result()
		default:
			everything[key], err = p.client.Get(ctx, key).Result()
		}
		p.must(err)
	}
	return everything
}

func tokensOf(taken []leasing.Taken) []string {
	all := make([]string, len(taken))
	for i, lease := range taken {
		all[i] = lease.TokenID
	}
	return all
}

func tally(picked []string) map[string]int {
	counts := map[string]int{}
	for _, id := range picked {
		counts[id]++
	}
	return counts
}

// spread is the difference between the largest count and the smallest.
func spread(counts map[string]int, tokens ...string) int {
	all := make([]int, 0, len(tokens))
	for _, id := range tokens {
		all = append(all, counts[id])
	}
	if len(all) == 0 {
		all = slices.Collect(maps.Values(counts))
	}
	return slices.Max(all) - slices.Min(all)
}

// waitUntil asks until it is so.
func waitUntil(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline, again := time.NewTimer(testredis.Timeout), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !so() {
		select {
		case <-deadline.C:
			t.Fatalf("not within %v: %s", testredis.Timeout, what)
		case <-again.C:
		}
	}
}

// ended is a time, in ms, that has just passed.
func ended() int64 { return time.Now().Add(-time.Second).UnixMilli() }
