package redisstore

import (
	"log/slog"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// What durability costs: a sync, and under each policy a lease, which needs none.
func BenchmarkDurability(b *testing.B) {
	for _, policy := range []string{"everysec", "always"} {
		server := testredis.NewServer(b)
		client := server.Client(b)
		keys, err := seal.Parse([]byte(keyLine1("k1", 'a')))
		if err != nil {
			b.Fatal(err)
		}
		store := New(client, Options{Keys: keys, Defaults: token.DefaultSettings(), Logger: slog.New(slog.DiscardHandler)})
		store.patience = 0 // new tokens serve at once
		seedForBenchmark(b, store)
		if err := client.ConfigSet(b.Context(), "appendfsync", policy).Err(); err != nil {
			b.Fatal(err)
		}
		for name, count := range map[string]int{"one": 1, "batch of 32": 32} {
			b.Run("lease/"+name+"/"+policy, func(b *testing.B) {
				for b.Loop() {
					taken, _, err := store.Acquire(b.Context(), leasing.Wanted{Upstream: "cursor", Model: "m", Count: count, TTL: time.Second})
					if err != nil || len(taken) != count {
						b.Fatal(len(taken), err)
					}
				}
			})
		}
		b.Run("sync/"+policy, func(b *testing.B) {
			for b.Loop() {
				if err := store.barrier.Sync(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func seedForBenchmark(b *testing.B, store *Store) {
	b.Helper()
	if _, err := store.SeedUpstream(b.Context(), &tokenstorev1.Upstream{Name: "cursor", Driver: token.DriverCursor, BaseUrl: "https://example.com"}); err != nil {
		b.Fatal(err)
	}
	for _, text := range []string{"T1", "T2", "T3", "T4"} {
		if _, err := store.CreateToken(b.Context(), draft("cursor", text)); err != nil {
			b.Fatal(err)
		}
	}
}
