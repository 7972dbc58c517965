package tokens

import (
	"log/slog"
	"testing"
	"time"

	"carousel.internal/gateway/internal/lease"
)

// What the request path pays for a token at load: a lease from the stock, and
// its report.
func BenchmarkAcquireAndSettle(b *testing.B) {
	l := NewLeases(nil, "replica-1", &counts{}, slog.New(slog.DiscardHandler))
	key := pool{demand.Upstream, demand.Model}
	granted := heldFrom(leaseOf("a", 1), time.Now())
	b.ReportAllocs()
	for b.Loop() {
		l.mu.Lock()
		now := time.Now()
		granted.term.Extend(now.Add(time.Second))
		l.open[&granted.lease] = granted
		l.stockOf(key).put(granted, now)
		if len(l.outbound.Reports) == maxInMessage {
			l.outbound.Reports = nil
		}
		l.mu.Unlock()

		held, err := l.Acquire(b.Context(), demand)
		if err != nil {
			b.Fatal(err)
		}
		l.Settle(held, lease.Outcome{Model: "gpt-4o", RequestID: "request"})
	}
}
