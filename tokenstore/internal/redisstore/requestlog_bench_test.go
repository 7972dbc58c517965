package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// What log entries cost: the server's CPU, and this process's time and memory. Each
// op is one entry, in batches as gateways send them at load.
func BenchmarkAppendLog(b *testing.B) {
	for _, prompt := range []int{0, 500, 8000} {
		b.Run(fmt.Sprintf("prompt=%d", prompt), func(b *testing.B) {
			const batch = 500
			store := newStore(b, testredis.Start(b))
			entries := make([]*tokenstorev1.LogEntry, batch)
			var sequence uint64
			cost := serverTime(b, store.client)
			b.ReportAllocs()
			for left := b.N; left > 0; left -= batch {
				for i := range entries {
					sequence++
					entries[i] = benchmarkEntry(sequence, prompt)
				}
				if _, err := store.AppendLog(b.Context(), "g1", entries[:min(left, batch)]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((serverTime(b, store.client)-cost)/float64(b.N), "redis-µs/op")
		})
	}
}

func benchmarkEntry(sequence uint64, prompt int) *tokenstorev1.LogEntry {
	entry := proto.CloneOf(benchmarkLogEntry)
	entry.Sequence, entry.Id = sequence, fmt.Sprintf("chatcmpl-%020d", sequence)
	entry.Prompt = strings.Repeat("x", prompt)
	entry.Total = durationpb.New(time.Duration(sequence%50+1) * 10 * time.Millisecond)
	return entry
}

var benchmarkLogEntry = &tokenstorev1.LogEntry{
	StartedAt: timestamppb.New(time.Unix(1_700_000_000, 123_456_789)), FirstByte: durationpb.New(80 * time.Millisecond),
	Model: "gpt-4o-mini", Upstream: "simulated", TokenId: "t000000000000001", TokenAlias: "work", TokenFingerprint: "0123456789abcdef",
	Status: "success", HttpStatus: 200, EndReason: "done", Attempts: 1, PromptTokens: 120, CompletionTokens: 60, UsageSource: "reported",
	MaskedSecret: "sk-a…wxyz",
}
