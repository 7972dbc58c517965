package redisstore

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/usage"
)

// What log entries cost: the CPU of this process and of the server, and what the server keeps of
// them in its memory and writes to its disk. Each op is one entry, in batches as one gateway
// sends them at so many requests a second. Client keys take turns.
func BenchmarkAppendLog(b *testing.B) {
	for _, test := range []struct {
		rate   string
		batch  int
		prompt int
		keys   uint64
	}{
		{"load", 500, 0, 1},
		{"load", 500, 100, 1},
		{"load", 500, 500, 1},
		{"load", 500, 8000, 1},
		{"load", 500, 0, 50},
		{"load", 500, 0, 10_000},
		{"300/s", 60, 0, 1},
		{"300/s", 60, 500, 1},
		{"few", 1, 500, 1},
	} {
		b.Run(fmt.Sprintf("rate=%s,prompt=%d,keys=%d", test.rate, test.prompt, test.keys), func(b *testing.B) {
			store := newStore(b, testredis.Start(b))
			changeSettings(b, store, &tokenstorev1.Settings{LogPrompts: true, LogRetentionCount: 1_000_000, LogPromptMb: 1024},
				"log_prompts", "log_retention_count", "log_prompt_mb")
			texts := rand.New(rand.NewPCG(1, 2))
			var sequence uint64
			next := func(n int) []*tokenstorev1.LogEntry {
				entries := make([]*tokenstorev1.LogEntry, n)
				for i := range entries {
					sequence++
					entries[i] = benchmarkEntry(texts, sequence, test.prompt)
					entries[i].KeyId = fmt.Sprint("key", sequence%test.keys)
				}
				return entries
			}
			if _, err := store.AppendLog(b.Context(), "g1", next(test.batch)); err != nil {
				b.Fatal(err)
			}
			var own time.Duration
			server, kept := serverTime(b, store.client), bytesKept(b, store.client)
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; left -= test.batch {
				b.StopTimer()
				entries := next(min(left, test.batch))
				before := processTime(b)
				b.StartTimer()
				if _, err := store.AppendLog(b.Context(), "g1", entries); err != nil {
					b.Fatal(err)
				}
				own += processTime(b) - before
			}
			b.StopTimer()
			after, n := bytesKept(b, store.client), float64(b.N)
			b.ReportMetric(float64(own.Microseconds())/n, "cpu-µs/op")
			b.ReportMetric((serverTime(b, store.client)-server)/n, "redis-µs/op")
			b.ReportMetric((after.memory-kept.memory)/n, "redis-B/op")
			b.ReportMetric((after.disk-kept.disk)/n, "aof-B/op")
		})
	}
}

// processTime is the CPU time that this process has taken.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

type kept struct{ memory, disk float64 }

// bytesKept is what a server has in its memory and in its append-only file.
func bytesKept(b *testing.B, client redis.UniversalClient) kept {
	b.Helper()
	number := func(section, name string) float64 {
		n, err := strconv.ParseFloat(serverInfo(b, client, section)[name], 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return kept{number("memory", "used_memory"), number("persistence", "aof_current_size")}
}

// What it takes to add up the days of a long time, each with some cells.
func BenchmarkQueryUsage(b *testing.B) {
	for _, test := range []struct{ days, cells int }{{400, 100}, {30, 5_000}} {
		b.Run(fmt.Sprintf("days=%d,cells=%d", test.days, test.cells), func(b *testing.B) {
			store := newStore(b, testredis.Start(b))
			now, err := store.client.Time(b.Context()).Result()
			if err != nil {
				b.Fatal(err)
			}
			var cells []any
			for i := range test.cells {
				cells = append(cells, fmt.Sprintf("key%013d\nsimulated\ngpt-4o-mini", i), "0 0 0 120 1 250000000000 0 0 0 120 1 14400 7200 1000 0 0 50 0")
			}
			for day := range test.days {
				step := usage.Step{Unit: usage.Day, Start: now.Truncate(24*time.Hour).AddDate(0, 0, -day)}
				if err := store.client.HSet(b.Context(), useKey(usage.ByKey, step), cells...).Err(); err != nil {
					b.Fatal(err)
				}
			}
			cost := serverTime(b, store.client)
			for b.Loop() {
				question := usage.Question{From: now.AddDate(0, 0, -test.days), To: now, Group: []usage.Dimension{usage.Key}}
				if _, err := store.QueryUsage(b.Context(), question); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((serverTime(b, store.client)-cost)/float64(b.N), "redis-µs/op")
		})
	}
}

func benchmarkEntry(texts *rand.Rand, sequence uint64, prompt int) *tokenstorev1.LogEntry {
	entry := proto.CloneOf(benchmarkLogEntry)
	entry.Sequence, entry.Id = sequence, fmt.Sprintf("chatcmpl-%016x%016x", texts.Uint64(), texts.Uint64())
	entry.Prompt = benchmarkPrompt(texts, prompt)
	entry.StartedAt = timestamppb.New(time.Unix(1_700_000_000, 0).Add(time.Duration(sequence)*time.Millisecond + time.Duration(texts.IntN(1_000_000))))
	entry.Total = durationpb.New(time.Duration(sequence%50+1)*10*time.Millisecond + time.Duration(texts.IntN(1_000_000)))
	entry.FirstByte = durationpb.New(time.Duration(texts.IntN(100_000_000)))
	entry.PromptTokens, entry.CompletionTokens, entry.Cost = texts.Uint64N(1000), texts.Uint64N(1000), texts.Uint64N(1_000_000_000)
	attempt := entry.GetAttemptLog()[0]
	attempt.StartedAt, attempt.Total = entry.GetStartedAt(), entry.GetTotal()
	return entry
}

// benchmarkPrompt is a text of words, each a few times as frequent as the next.
func benchmarkPrompt(texts *rand.Rand, size int) string {
	var prompt []byte
	for len(prompt) < size {
		at := int(texts.ExpFloat64() * 40)
		prompt = append(prompt, benchmarkWords[at%len(benchmarkWords)]...)
		prompt = append(prompt, ' ')
	}
	return string(prompt[:size])
}

// benchmarkWords are words of three to eight letters, always the same.
var benchmarkWords = func() (words [1000]string) {
	texts := rand.New(rand.NewPCG(3, 4))
	for i := range words {
		for range 3 + texts.IntN(6) {
			words[i] += string(rune('a' + texts.IntN(26)))
		}
	}
	return words
}()

var benchmarkLogEntry = &tokenstorev1.LogEntry{
	Model: "gpt-4o-mini", ServedModel: "gpt-4o-mini", Upstream: "simulated", Dialect: "openai", Caller: "key", KeyName: "ci",
	TokenId: "t000000000000001", TokenAlias: "work", TokenFingerprint: "0123456789abcdef", MaskedSecret: "sk-a…wxyz",
	Status: "success", HttpStatus: 200, EndReason: "done", Attempts: 1, UsageSource: "reported", CostQuality: "reported",
	AttemptLog: []*tokenstorev1.LogAttempt{{
		Upstream: "simulated", Model: "gpt-4o-mini", TokenId: "t000000000000001", TokenAlias: "work", TokenFingerprint: "0123456789abcdef",
		MaskedSecret: "sk-a…wxyz", Effect: "none", Status: 200,
	}},
}
