package redisstore

import (
	"fmt"
	"testing"

	"carousel.internal/tokenstore/internal/leasing"
)

// What the end of requests costs, most of which are successes.
func BenchmarkSettle(b *testing.B) {
	for _, count := range []int{1, 16, 200} {
		b.Run(fmt.Sprintf("success/count=%d", count), func(b *testing.B) {
			p := benchmarkPool(b, 50, 0)
			cost := 0.0
			for range b.N {
				taken := p.take(leasing.Wanted{Count: count})
				before := serverTime(b, p.client)
				p.end(leasing.Succeeded, taken...)
				cost += serverTime(b, p.client) - before
			}
			b.ReportMetric(cost/float64(b.N)/float64(count), "redis-µs/lease")
		})
	}
}
