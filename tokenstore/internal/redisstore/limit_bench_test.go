package redisstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
)

// BenchmarkOneRedis tells what the whole of a request costs the server that has everything: a
// lease, its report and its log entry, by how many requests share each command; and so how many
// a second one core is enough for.
func BenchmarkOneRedis(b *testing.B) {
	for _, together := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint("together=", together), func(b *testing.B) {
			life := newRequestLife(b, together)
			cost := serverTime(b, life.client)
			calls := 0.0
			for range b.N {
				life.run(b)
				calls += float64(together)
			}
			each := (serverTime(b, life.client) - cost) / calls
			b.ReportMetric(each, "redis-µs/request")
			b.ReportMetric(1e6/each, "requests/s-a-core")
		})
	}
}

// BenchmarkOneRedisAtItsLimit asks as fast as the machine can, and tells how much of the time
// the server's main thread was busy: near 100 % the rate is that of one Redis.
func BenchmarkOneRedisAtItsLimit(b *testing.B) {
	for _, together := range []int{1, 16} {
		b.Run(fmt.Sprint("together=", together), func(b *testing.B) {
			const clients = 16
			first := newRequestLife(b, together)
			left := make(chan struct{}, b.N)
			for range b.N {
				left <- struct{}{}
			}
			close(left)
			cost, began := serverTime(b, first.client), time.Now()
			var running sync.WaitGroup
			for n := range clients {
				life := *first
				life.replica = fmt.Sprint("g", n)
				running.Go(func() {
					for range left {
						life.run(b)
					}
				})
			}
			running.Wait()
			took := time.Since(began)
			b.ReportMetric(float64(b.N*together)/took.Seconds(), "requests/s")
			b.ReportMetric((serverTime(b, first.client)-cost)/float64(took.Microseconds())*100, "%-busy")
		})
	}
}

// requestLife is what requests ask of the store from beginning to end.
type requestLife struct {
	store    *Store
	client   redis.UniversalClient
	together int
	replica  string
	sequence uint64
}

func newRequestLife(b *testing.B, together int) *requestLife {
	b.Helper()
	const tokens = 50
	client := testredis.Start(b)
	store := newStore(b, client)
	store.patience = 0 // new tokens serve at once
	for i := range tokens {
		if _, err := store.CreateToken(b.Context(), draft(somewhere, fmt.Sprint("secret-", i))); err != nil {
			b.Fatal(err)
		}
	}
	life := &requestLife{store: store, client: client, together: together, replica: "g"}
	for range 2 * tokens { // until all have proven themselves
		life.run(b)
	}
	return life
}

// run has so many requests together begin and end.
func (l *requestLife) run(b *testing.B) {
	taken, _, err := l.store.Acquire(b.Context(), leasing.Wanted{Upstream: somewhere, Model: someModel, Count: l.together, TTL: time.Minute})
	if err != nil || len(taken) == 0 {
		b.Error(len(taken), err)
		return
	}
	settlements := make([]leasing.Settlement, len(taken))
	for i, lease := range taken {
		settlements[i] = leasing.Settlement{LeaseRef: lease.LeaseRef, Effect: leasing.Succeeded}
	}
	if _, err := l.store.Settle(b.Context(), settlements); err != nil {
		b.Error(err)
	}
	entries := make([]*tokenstorev1.LogEntry, l.together)
	for i := range entries {
		l.sequence++
		entries[i] = proto.CloneOf(benchmarkLogEntry)
		entries[i].Sequence, entries[i].Id, entries[i].StartedAt = l.sequence, fmt.Sprintf("chatcmpl-%s-%020d", l.replica, l.sequence), timestamppb.Now()
	}
	if _, err := l.store.AppendLog(b.Context(), l.replica, entries); err != nil {
		b.Error(err)
	}
}
