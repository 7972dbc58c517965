package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// largePool writes a pool of so many tokens, with another one beside it.
func largePool(b *testing.B, client redis.UniversalClient, upstream string, size, capacity int) *leasePool {
	b.Helper()
	store := New(client, Options{
		Keys: testKeys(b, keyLine1("k1", 'a')), Logger: slog.New(slog.DiscardHandler),
		Barrier: BarrierFunc(func(context.Context) error { return nil }),
	})
	p := &leasePool{Store: store, t: b, client: client}
	soon := time.Now().Add(30 * 24 * time.Hour).UnixMilli()
	for from := 0; from < size; from += 1000 {
		pipe := client.Pipeline()
		ids := make([]any, 0, 1000)
		for i := from; i < min(from+1000, size); i++ {
			id := largePoolToken(upstream, i)
			pipe.HSet(b.Context(), tokenKey(upstream, id), "rec", "{}", "upstream", upstream, "enabled", 1, "cap", capacity, "weight", 1,
				"expires", soon+int64(i), "epoch", 1, "ver", 1, "alias", "", "fingerprint", id, "created", i+1)
			pipe.ZAdd(b.Context(), poolIDsKey(upstream), redis.Z{Member: id, Score: float64(i + 1)})
			pipe.ZAdd(b.Context(), orderKey(upstream), redis.Z{Member: id})
			ids = append(ids, id)
		}
		pipe.HSet(b.Context(), sizesKey(), upstream, size)
		_, err := pipe.Exec(b.Context())
		p.must(err)
		p.must(standScript.run(b.Context(), client, []string{poolIDsKey(upstream)}, ids...).Err())
	}
	return p
}

// largePoolToken is the id of one of a large pool's tokens.
func largePoolToken(upstream string, n int) string { return fmt.Sprintf("t-%s-%010d", upstream, n) }

// toTheCap has every token of a large pool at a cap of one, for ten minutes.
func (p *leasePool) toTheCap(upstream string, size int) {
	p.t.Helper()
	const turn = 250
	for from := 0; from < size; from += turn {
		pipe := p.client.Pipeline()
		for n := from; n < min(from+turn, size); n++ {
			pipe.HSet(p.t.Context(), tokenKey(upstream, largePoolToken(upstream, n)), "cap", 1)
		}
		_, err := pipe.Exec(p.t.Context())
		p.must(err)
		p.take(leasing.Wanted{Upstream: upstream, Count: min(turn, size-from), TTL: 10 * time.Minute})
	}
	for { // until all have been set aside
		if taken, _ := p.ask(leasing.Wanted{Upstream: upstream, Count: turn, TTL: 10 * time.Minute}); len(taken) == 0 {
			return
		}
	}
}

// BenchmarkScale is the table of docs/capacity.md: what a call costs beside and in large
// pools, and how long it keeps Redis from others.
func BenchmarkScale(b *testing.B) {
	for _, size := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint("tokens=", size), func(b *testing.B) {
			client := testredis.Start(b)
			large := largePool(b, client, "openai", size, 0)
			largePool(b, client, "cursor", 3, 1)
			measure := func(name string, call func()) {
				b.Run(name, func(b *testing.B) {
					cost := serverTime(b, client)
					for range b.N {
						call()
					}
					b.ReportMetric((serverTime(b, client)-cost)/float64(b.N), "redis-µs/call")
				})
			}
			for range 3 {
				large.take(leasing.Wanted{Upstream: "cursor"})
			}
			measure("denial beside it", func() { large.ask(leasing.Wanted{Upstream: "cursor"}) })
			lease := func() { large.end(leasing.Succeeded, large.take(leasing.Wanted{Upstream: "openai"})...) }
			for _, strategy := range []string{token.RoundRobin, token.LeastInFlight, token.FillFirst} {
				large.rotation.Store(&strategy)
				for range size/500 + 10 {
					lease() // the strategy's order is built meanwhile
				}
				measure(strategy, lease)
			}
			large.rotation.Store(nil)
			n := 0
			turn := func() {
				n++
				large.end(leasing.Succeeded, large.take(leasing.Wanted{Upstream: "openai", Affinity: fmt.Sprint("conversation ", n)})...)
			}
			for range size/500 + 10 {
				turn() // the ring is built meanwhile
			}
			measure("conversation", turn)
			measure("explain", func() {
				_, err := large.Explain(b.Context(), "openai", someModel)
				large.must(err)
			})
			measure("fleet", func() {
				_, err := large.SummarizePools(b.Context())
				large.must(err)
			})
			large.toTheCap("openai", size)
			measure("denial in it", func() { large.ask(leasing.Wanted{Upstream: "openai"}) })
		})
	}
}

// BenchmarkMove is how long it takes to move the data of schema 1.
func BenchmarkMove(b *testing.B) {
	for _, size := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint("tokens=", size), func(b *testing.B) {
			client := testredis.Start(b)
			store := legacyStore(b, client)
			for range b.N {
				b.StopTimer()
				if err := client.FlushAll(b.Context()).Err(); err != nil {
					b.Fatal(err)
				}
				writeLegacy(b, client, size)
				b.StartTimer()
				if err := store.Prepare(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// writeLegacy writes many tokens of schema 1, each with a history and a lease.
func writeLegacy(b *testing.B, client redis.UniversalClient, size int) {
	b.Helper()
	client.Set(b.Context(), schemaKey(), legacySchema, 0)
	client.HSet(b.Context(), upstreamsKey(), "openai", "{}")
	for from := 0; from < size; from += 1000 {
		pipe := client.Pipeline()
		for i := from; i < min(from+1000, size); i++ {
			id := fmt.Sprintf("t%016d", i)
			pipe.ZAdd(b.Context(), createdKey(), redis.Z{Member: id, Score: float64(i + 1)})
			pipe.HSet(b.Context(), legacyKey("token:"+id), "rec", "{}", "upstream", "openai", "enabled", 1, "cap", 2, "weight", 1,
				"expires", 0, "epoch", 1, "ver", 1, "alias", "", "fingerprint", id, "created", i+1)
			pipe.ZAdd(b.Context(), legacyKey("order:openai"), redis.Z{Member: id})
			pipe.HSet(b.Context(), fingerprintKey(), "openai "+id, id)
			pipe.ZAdd(b.Context(), legacyKey("inflight:"+id), redis.Z{Member: "1-1-1", Score: ever})
			pipe.XAdd(b.Context(), &redis.XAddArgs{Stream: legacyKey("history:" + id), Values: []any{"kind", "cooling"}})
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
