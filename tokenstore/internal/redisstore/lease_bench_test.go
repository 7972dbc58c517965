package redisstore

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
)

// What leases cost the server: time on its CPU, not on the clock, so that other
// work on the machine hardly matters.
func BenchmarkLeases(b *testing.B) {
	b.Run("ping", func(b *testing.B) { // what any call costs
		p := benchmarkPool(b, 0, 0)
		cost := serverTime(b, p.client)
		for range b.N {
			p.must(p.Ping(b.Context()))
		}
		b.ReportMetric((serverTime(b, p.client)-cost)/float64(b.N), "redis-µs/call")
	})
	for _, size := range []int{3, 50, 1000} {
		for _, capacity := range []int{0, 1_000_000} {
			for _, count := range []int{1, 16} {
				b.Run(fmt.Sprintf("tokens=%d/cap=%d/count=%d", size, capacity, count), func(b *testing.B) {
					benchmarkLeases(b, benchmarkPool(b, size, capacity), count)
				})
			}
		}
		b.Run(fmt.Sprintf("tokens=%d/denied", size), func(b *testing.B) {
			p := benchmarkPool(b, size, 1)
			p.take(leasing.Wanted{Count: size})
			p.ask(leasing.Wanted{}) // sets aside
			cost := serverTime(b, p.client)
			for range b.N {
				p.ask(leasing.Wanted{})
			}
			b.ReportMetric((serverTime(b, p.client)-cost)/float64(b.N), "redis-µs/call")
		})
	}
}

func benchmarkPool(b *testing.B, size, capacity int) *leasePool {
	b.Helper()
	p := newLeasePool(b, testredis.Start(b))
	for i := range size {
		p.add(fmt.Sprintf("t%015d", i), "cap", capacity)
	}
	return p
}

// benchmarkLeases takes and settles in turns: few leases are open at a time, as
// in life.
func benchmarkLeases(b *testing.B, p *leasePool, count int) {
	b.Helper()
	const turn = 100
	taken := make([][]leasing.Taken, turn)
	var acquiring, settling float64
	for done := 0; done < b.N; done += turn {
		began := serverTime(b, p.client)
		for i := range taken {
			taken[i] = p.take(leasing.Wanted{Count: count})
		}
		half := serverTime(b, p.client)
		for _, leases := range taken {
			p.end(leasing.Succeeded, leases...)
		}
		acquiring += half - began
		settling += serverTime(b, p.client) - half
	}
	calls := float64((b.N + turn - 1) / turn * turn)
	b.ReportMetric(acquiring/calls, "redis-µs/acquire")
	b.ReportMetric(settling/calls, "redis-µs/settle")
}

// serverTime is the CPU time, in µs, that the server's main thread has used.
func serverTime(b *testing.B, client redis.UniversalClient) float64 {
	b.Helper()
	info := serverInfo(b, client, "cpu")
	total := 0.0
	for _, name := range []string{"used_cpu_user_main_thread", "used_cpu_sys_main_thread"} {
		seconds, err := strconv.ParseFloat(info[name], 64)
		if err != nil {
			b.Fatal(err)
		}
		total += seconds * 1e6
	}
	return total
}
