package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/usage"
)

// What a page of use costs: 10,000 tokens that were asked for three models each have used
// something today, and on each day before.
func BenchmarkUseOfManyTokens(b *testing.B) {
	client := testredis.Start(b)
	store := New(client, Options{
		Keys: testKeys(b, keyLine1("k1", 'a')), Logger: slog.New(slog.DiscardHandler),
		Barrier: BarrierFunc(func(context.Context) error { return nil }),
	})
	now, err := client.Time(b.Context()).Result()
	if err != nil {
		b.Fatal(err)
	}
	const days = 7
	today := now.UTC().Truncate(24 * time.Hour)
	for n := range days {
		step := usage.Step{Unit: usage.Day, Start: today.Add(-time.Duration(n) * 24 * time.Hour)}
		for token := range 10_000 {
			var cells []any
			for model := range 3 {
				cells = append(cells, fmt.Sprintf("%016x%06x\nupstream\nmodel-%d", token*7919, token, model), fmt.Sprintf("0 0 0 3 0 %d 0 0 0 33 1 3300 1650 0 0 0 0 0", token))
			}
			if err := client.HSet(b.Context(), useKey(usage.ByToken, step), cells...).Err(); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, span := range []int{1, days} {
		b.Run(fmt.Sprint("days=", span), func(b *testing.B) {
			b.ReportAllocs()
			question := usage.Question{
				From: today.Add(-time.Duration(span-1) * 24 * time.Hour), To: today.Add(24 * time.Hour),
				Group: []usage.Dimension{usage.ByDay, usage.Token}, Most: 100, Measure: usage.ByCost,
			}
			for b.Loop() {
				answer, err := store.QueryUsage(b.Context(), question)
				if err != nil {
					b.Fatal(err)
				}
				answer.Rows()
			}
		})
	}
}
