package redisstore

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// logged is an entry and when it was stored.
type logged struct {
	at    time.Time
	entry *tokenstorev1.LogEntry
}

// randomEntry has a latency of any order of magnitude from 0.1 ms to an hour.
func randomEntry(random *rand.Rand, sequence uint64) *tokenstorev1.LogEntry {
	took := func() *durationpb.Duration {
		if random.IntN(4) == 0 {
			return nil
		}
		return durationpb.New(time.Duration(1e5 * math.Exp(random.Float64()*17.3)))
	}
	entry := &tokenstorev1.LogEntry{
		Id: fmt.Sprint("r", sequence), Sequence: sequence, Status: []string{"success", "failure"}[random.IntN(2)], Total: took(), FirstByte: took(),
		PromptTokens: 300 + random.Uint64N(1000), CompletionTokens: 100 + random.Uint64N(1000),
	}
	if random.IntN(2) == 0 { // what an upstream with a cache tells
		entry.CacheReadTokens, entry.CacheWriteTokens, entry.ReasoningTokens = random.Uint64N(200), random.Uint64N(100), random.Uint64N(100)
		entry.CacheWriteHourTokens = random.Uint64N(entry.GetCacheWriteTokens() + 1)
	}
	if random.IntN(20) == 0 {
		entry.PromptTokens = math.MaxUint64 // an upstream says what it likes
	}
	return entry
}

// Over some days of Redis's clock, with batches that are sent twice and overlap:
// every summary says of each step what a plain count says.
func TestSummariesAgreeWithAPlainCount(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 7))
	now := time.Date(2026, 3, 1, 22, 50, 0, 0, time.UTC)
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	var log []logged
	var sent uint64
	for range 120 {
		now = now.Add(time.Duration(random.ExpFloat64() * float64(40*time.Minute)))
		setTime(now)
		var batch []*tokenstorev1.LogEntry
		from := max(sent-min(sent, random.Uint64N(3)), 1) // what the store has, too
		for sequence := from; sequence <= sent+random.Uint64N(6); sequence++ {
			if sequence <= sent {
				batch = append(batch, randomEntry(rand.New(rand.NewPCG(0, 0)), sequence))
				continue
			}
			sent = sequence
			entry := randomEntry(random, sequence)
			batch, log = append(batch, entry), append(log, logged{now, entry})
		}
		appendLog(t, store, "g1", batch)
	}
	for _, ask := range []struct{ back, length, step time.Duration }{
		{time.Hour, time.Hour, time.Minute},
		{24 * time.Hour, 24 * time.Hour, time.Minute},
		{47 * time.Hour, 47 * time.Hour, 10 * time.Minute},
		{24 * time.Hour, 24 * time.Hour, 7 * time.Minute},
		{80 * time.Hour, 80 * time.Hour, time.Hour},
		{240 * time.Hour, 400 * time.Hour, 24 * time.Hour},
		{30 * time.Hour, 3 * time.Hour, time.Hour},
		{24 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{-time.Hour, time.Hour, time.Minute},
	} {
		from := now.Add(-ask.back)
		buckets, err := store.SummarizeLog(t.Context(), from, from.Add(ask.length), ask.step)
		if err != nil {
			t.Fatal(err)
		}
		unit := time.Minute
		if ask.step%time.Hour == 0 && ask.back > logMinute.kept {
			unit = time.Hour
		}
		for i, bucket := range buckets {
			start := from.Truncate(unit).Add(time.Duration(i) * ask.step)
			if !bucket.GetStart().AsTime().Equal(start) {
				t.Fatalf("%+v: bucket %d begins %v, want %v", ask, i, bucket.GetStart().AsTime(), start)
			}
			checkBucket(t, bucket, log, start, start.Add(ask.step))
		}
		if last := buckets[len(buckets)-1].GetStart().AsTime(); !last.Before(from.Add(ask.length)) || last.Add(ask.step).Before(from.Add(ask.length)) {
			t.Errorf("%+v: the last bucket begins %v", ask, last)
		}
	}
}

func checkBucket(t *testing.T, got *tokenstorev1.LogBucket, log []logged, start, end time.Time) {
	t.Helper()
	want := &tokenstorev1.LogBucket{}
	var total, firstByte []time.Duration
	for _, each := range log {
		if each.at.Before(start) || !each.at.Before(end) {
			continue
		}
		want.Requests++
		if each.entry.GetStatus() == "failure" {
			want.Failures++
		}
		want.PromptTokens += min(each.entry.GetPromptTokens(), 1_000_000_000)
		want.CompletionTokens += each.entry.GetCompletionTokens()
		want.CacheReadTokens += each.entry.GetCacheReadTokens()
		want.CacheWriteTokens += each.entry.GetCacheWriteTokens()
		want.CacheWriteHourTokens += each.entry.GetCacheWriteHourTokens()
		want.ReasoningTokens += each.entry.GetReasoningTokens()
		if each.entry.GetTotal() != nil {
			total = append(total, each.entry.GetTotal().AsDuration())
		}
		if each.entry.GetFirstByte() != nil {
			firstByte = append(firstByte, each.entry.GetFirstByte().AsDuration())
		}
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), countsAlone); diff != "" {
		t.Errorf("%v to %v: %s", start, end, diff)
	}
	near(t, "total p50", got.GetTotalP50(), total, 0.5)
	near(t, "total p95", got.GetTotalP95(), total, 0.95)
	near(t, "first byte p50", got.GetFirstByteP50(), firstByte, 0.5)
	near(t, "first byte p95", got.GetFirstByteP95(), firstByte, 0.95)
}

// countsAlone leaves out what is no count.
var countsAlone = protocmp.IgnoreFields(&tokenstorev1.LogBucket{}, "start", "total_p50", "total_p95", "first_byte_p50", "first_byte_p95")

// near wants the estimate within 10 % of the true quantile.
func near(t *testing.T, what string, got *durationpb.Duration, all []time.Duration, q float64) {
	t.Helper()
	if len(all) == 0 {
		if got != nil {
			t.Errorf("%s: %v of nothing", what, got.AsDuration())
		}
		return
	}
	slices.Sort(all)
	truth := all[int(math.Ceil(q*float64(len(all))))-1]
	if off := math.Abs(float64(got.AsDuration())/float64(truth) - 1); off > 0.1 {
		t.Errorf("%s: %v, in truth %v", what, got.AsDuration(), truth)
	}
}

// Counters outlive their entries, and nothing outlives its time.
func TestSummariesOutliveEntriesAndExpire(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	changeSettings(t, store, &tokenstorev1.Settings{LogRetentionCount: 1}, "log_retention_count")
	appendLog(t, store, "g1", logEntries(1, 5))
	count := func(step time.Duration) uint64 {
		buckets, err := store.SummarizeLog(t.Context(), now, now.Add(time.Minute), step)
		if err != nil || len(buckets) != 1 {
			t.Fatal(buckets, err)
		}
		return buckets[0].GetRequests()
	}
	for _, step := range []struct {
		after         time.Duration
		minutes, hour uint64
	}{
		{0, 5, 5},
		{47*time.Hour + 59*time.Minute, 5, 5},
		{48*time.Hour + 2*time.Minute, 0, 5},
		{60*24*time.Hour - time.Hour, 0, 5},
		{60*24*time.Hour + 3*time.Hour, 0, 0},
	} {
		setTime(now.Add(step.after))
		if minutes, hour := count(time.Minute), count(time.Hour); minutes != step.minutes || hour != step.hour {
			t.Errorf("after %v: %d by minutes, %d by hours", step.after, minutes, hour)
		}
	}
	for _, prefix := range []string{logMinutePrefix(), logHourPrefix()} {
		if keys, err := client.Keys(t.Context(), prefix+"*").Result(); err != nil || len(keys) > 0 {
			t.Errorf("left: %v, %v", keys, err)
		}
	}
}

func TestSummaryRefuses(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Mini(t))
	now := time.Now()
	for name, ask := range map[string]struct {
		from, to time.Time
		step     time.Duration
	}{
		"no times":       {time.Time{}, time.Time{}, time.Minute},
		"no from":        {time.Time{}, now, time.Minute},
		"from after to":  {now, now.Add(-time.Hour), time.Minute},
		"no length":      {now, now, time.Minute},
		"no step":        {now, now.Add(time.Hour), 0},
		"negative step":  {now, now.Add(time.Hour), -time.Minute},
		"half a minute":  {now, now.Add(time.Hour), 90 * time.Second},
		"a step of ages": {now, now.Add(time.Hour), time.Duration(math.MaxInt64).Truncate(time.Minute)},
		"too many":       {now.Truncate(time.Minute), now.Truncate(time.Minute).Add(1501 * time.Minute), time.Minute},
		"for ever":       {time.Unix(0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 24 * time.Hour},
	} {
		_, err := store.SummarizeLog(t.Context(), ask.from, ask.to, ask.step)
		if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT); t.Failed() {
			t.Fatal(name)
		}
	}
}

// On a real Redis, whose clock can't be set.
func TestSummaryOfNow(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := newStore(t, client)
		appendLog(t, store, "g1", logEntries(1, 5))
		appendLog(t, store, "g1", logEntries(1, 7))
		now := time.Now()
		for _, step := range []time.Duration{time.Minute, time.Hour} {
			buckets, err := store.SummarizeLog(t.Context(), now.Add(-2*step), now.Add(2*step), step)
			var requests uint64
			for _, bucket := range buckets {
				if requests += bucket.GetRequests(); bucket.GetRequests() > 0 {
					near(t, "p50", bucket.GetTotalP50(), []time.Duration{time.Second}, 0.5)
				}
			}
			if err != nil || requests != 7 {
				t.Errorf("by %v: %d requests, %v", step, requests, err)
			}
		}
	})
}

// Entries and counters as an earlier version has written them, which knew neither
// caches nor thinking: they read as 0, and later ones add to them.
func TestSummaryOfCountersFromBefore(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		store := newStore(t, client)
		now, err := client.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		from, to := now.Truncate(time.Minute), now.Truncate(time.Minute).Add(2*time.Minute) // it may turn meanwhile
		if err := client.HSet(t.Context(), logMinute.key(now), "n", 2, "p", 300, "c", 40).Err(); err != nil {
			t.Fatal(err)
		}
		sum := func() *tokenstorev1.LogBucket {
			buckets, err := store.SummarizeLog(t.Context(), from, to, 2*time.Minute)
			if err != nil || len(buckets) != 1 {
				t.Fatal(buckets, err)
			}
			return buckets[0]
		}
		want := &tokenstorev1.LogBucket{Requests: 2, PromptTokens: 300, CompletionTokens: 40}
		if diff := cmp.Diff(want, sum(), protocmp.Transform(), countsAlone); diff != "" {
			t.Error(diff)
		}
		entry := logEntries(1, 1)[0]
		entry.Status, entry.PromptTokens, entry.CacheReadTokens, entry.CacheWriteTokens, entry.CacheWriteHourTokens = "success", 100, 80, 15, 10
		entry.CompletionTokens, entry.ReasoningTokens = 20, 12
		appendLog(t, store, "g1", []*tokenstorev1.LogEntry{entry})
		want = &tokenstorev1.LogBucket{
			Requests: 3, PromptTokens: 400, CompletionTokens: 60, CacheReadTokens: 80, CacheWriteTokens: 15, CacheWriteHourTokens: 10, ReasoningTokens: 12,
		}
		if diff := cmp.Diff(want, sum(), protocmp.Transform(), countsAlone); diff != "" {
			t.Error(diff)
		}
	})
}
