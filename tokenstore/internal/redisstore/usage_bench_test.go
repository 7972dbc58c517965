package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/usage"
)

// What a page of use costs the tokenstore, its own processors' time included: 10,000 tokens were
// asked for three models each today, and on the day before.
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
	const days, tokens = 2, 10_000
	today := now.UTC().Truncate(24 * time.Hour)
	for n := range days {
		step := usage.Step{Unit: usage.Day, Start: today.Add(-time.Duration(n) * 24 * time.Hour)}
		var cells []any
		for i := range 3 * tokens {
			cells = append(cells, fmt.Sprintf("%016x%06x\nupstream\nmodel-%d", i/3*7919, i/3, i%3), fmt.Sprintf("0 0 0 3 0 %d 0 0 0 33 1 3300 1650 0 0 0 0 0", i))
		}
		if err := client.HSet(b.Context(), useKey(usage.ByToken, step), cells...).Err(); err != nil {
			b.Fatal(err)
		}
	}
	question := usage.Question{
		From: today.Add(-(days - 1) * 24 * time.Hour), To: today.Add(24 * time.Hour),
		Group: []usage.Dimension{usage.ByDay, usage.Token}, Most: 100, Measure: usage.ByCost,
	}
	for name, before := range map[string]func(){"known": func() {}, "read": store.used.clear} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			began := processorTime(b)
			for b.Loop() {
				before()
				answer, err := store.QueryUsage(b.Context(), question)
				if err != nil {
					b.Fatal(err)
				}
				answer.Rows()
			}
			b.ReportMetric(float64((processorTime(b)-began).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
		})
	}
}

// processorTime is how much of the processors this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
