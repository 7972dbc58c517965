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
	now := time.Now()
	granted := heldFrom(leaseOf("a", 1), now, now)
	b.ReportAllocs()
	for b.Loop() {
		now := time.Now()
		granted.term.Extend(now.Add(time.Second))
		l.stocks.mu.Lock()
		l.stocks.of(pool{demand.Upstream, demand.Model}).put(granted, now)
		l.stocks.mu.Unlock()
		l.session.mu.Lock()
		if len(l.session.pending.reports) == maxInMessage {
			l.session.pending.reports = nil
		}
		l.session.mu.Unlock()

		held, err := l.Acquire(b.Context(), demand)
		if err != nil {
			b.Fatal(err)
		}
		l.Settle(held, lease.Outcome{Model: "gpt-4o", RequestID: "request"})
	}
}
