package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// restsOf are what keeps the pool's tokens from models alone.
func (p *leasePool) restsOf() *tokenstorev1.PoolState {
	p.t.Helper()
	pool := &tokenstorev1.PoolState{Upstream: somewhere}
	p.must(p.SummarizeModels(p.t.Context(), []*tokenstorev1.PoolState{pool}))
	return pool
}

// coolFor has a token cool for a model.
func (p *leasePool) coolFor(id, model string) {
	p.t.Helper()
	if !p.cool(leasing.Taken{LeaseRef: leasing.LeaseRef{TokenID: id, LeaseID: p.field(id, "epoch") + "-0"}}, model) {
		p.t.Fatalf("%s does not cool", id)
	}
}

func TestSummarizeModels(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		if pool := p.restsOf(); pool.GetFull() != 0 || len(pool.GetModels()) != 0 || pool.GetNextBack() != nil {
			t.Errorf("of no tokens: %v", pool)
		}
		for _, id := range []string{"fine", "one", "two", "off", "tried", "over"} {
			p.add(id)
		}
		for _, id := range []string{"one", "two", "off", "tried", "over"} {
			p.coolFor(id, "m1")
		}
		p.coolFor("one", "m2")
		p.set("off", "enabled", 0)
		p.set("over", "m:m1", ended())
		p.set("tried", "m:m1", ended())
		p.take(leasing.Wanted{TokenID: "tried", Model: "m1"})
		p.add("full", "cap", 1)
		p.take(leasing.Wanted{TokenID: "full", Model: "m2"})
		p.add("new", "phase", token.Quarantined)
		p.take(leasing.Wanted{TokenID: "new"})
		p.add("room", "cap", 2)
		p.take(leasing.Wanted{TokenID: "room"})
		p.add("rests")
		p.coolFor("rests", "")

		pool := p.restsOf()
		if pool.GetFull() != 2 || !soon(pool.GetNextBack()) {
			t.Errorf("%d full, the first is back at %v", pool.GetFull(), pool.GetNextBack().AsTime())
		}
		if len(pool.GetModels()) != 2 {
			t.Fatalf("models: %v", pool.GetModels())
		}
		for i, want := range []*tokenstorev1.ModelRests{{Model: "m1", Cooling: 2, Probing: 1}, {Model: "m2", Cooling: 1}} {
			got := pool.GetModels()[i]
			if got.GetModel() != want.GetModel() || got.GetCooling() != want.GetCooling() || got.GetProbing() != want.GetProbing() || !soon(got.GetNextBack()) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	})
}

// soon tells whether a time is one at which a token of these tests is back.
func soon(at *timestamppb.Timestamp) bool {
	return at != nil && time.Until(at.AsTime()) > 0 && time.Until(at.AsTime()) <= 20*time.Minute
}

// What is told of marks that are gone is gone, too, and all of it is with the pool.
func TestMarksAreForgotten(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		p.add("a")
		p.coolFor("a", "m1")
		if ttl := p.client.PTTL(t.Context(), poolPrefix(somewhere)+"marked").Val(); ttl < time.Hour {
			t.Errorf("it is kept for %v", ttl)
		}
		p.must(p.client.HDel(t.Context(), tokenKey(somewhere, "a"), "m:m1").Err())
		if models := p.restsOf().GetModels(); len(models) != 0 {
			t.Errorf("models: %v", models)
		}
		p.must(p.client.Del(t.Context(), poolIDsKey(somewhere)).Err())
		p.must(p.dropPool(t.Context(), somewhere))
		if p.client.Exists(t.Context(), poolPrefix(somewhere)+"marked").Val() != 0 {
			t.Error("it outlives its pool")
		}
	})
}

// Of very many that rest not each is looked at: some stand for all.
func TestManyMarks(t *testing.T) {
	t.Parallel()
	eachLeasePool(t, func(t *testing.T, p *leasePool) {
		pipe := p.client.Pipeline()
		till := time.Now().Add(20 * time.Minute).UnixMilli()
		for i := range 2 * maxMarked {
			id := fmt.Sprint("t", i)
			pipe.HSet(t.Context(), tokenKey(somewhere, id), "enabled", 1, "m:m1", fmt.Sprint(till, " 1"))
			pipe.ZAdd(t.Context(), poolPrefix(somewhere)+"marked", redis.Z{Member: id, Score: float64(till)})
		}
		_, err := pipe.Exec(t.Context())
		p.must(err)
		models := p.restsOf().GetModels()
		if len(models) != 1 || models[0].GetCooling() != 2*maxMarked || !models[0].GetEstimated() {
			t.Errorf("models: %v", models)
		}
	})
}

// BenchmarkSummarizeModels is what it costs beside a large pool of which each tenth token, or
// each, rests for a model.
func BenchmarkSummarizeModels(b *testing.B) {
	const size = 10_000
	for _, marked := range []int{0, size / 10, size} {
		b.Run(fmt.Sprint("marked=", marked), func(b *testing.B) {
			client := testredis.Start(b)
			large := largePool(b, client, "openai", size, 0)
			till := time.Now().Add(20 * time.Minute).UnixMilli()
			pipe := client.Pipeline()
			for i := range marked {
				id := largePoolToken("openai", i)
				pipe.HSet(b.Context(), tokenKey("openai", id), "m:"+someModel, fmt.Sprint(till, " 1"))
				pipe.ZAdd(b.Context(), poolPrefix("openai")+"marked", redis.Z{Member: id, Score: float64(till)})
			}
			_, err := pipe.Exec(b.Context())
			large.must(err)
			for b.Loop() {
				pools, err := large.SummarizePools(b.Context())
				large.must(err)
				large.must(large.SummarizeModels(b.Context(), pools))
			}
		})
	}
}
