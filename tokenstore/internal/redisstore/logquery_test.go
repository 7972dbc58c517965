package redisstore

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// seedLog stores n entries of all kinds, newest last, and answers them.
func seedLog(t testing.TB, store *Store, n int) []*tokenstorev1.LogEntry {
	t.Helper()
	return seedBatches(t, store, n, maxBatch)
}

// seedBatches is seedLog where each batch has so many entries.
func seedBatches(t testing.TB, store *Store, n, size int) []*tokenstorev1.LogEntry {
	t.Helper()
	changeSettings(t, store, &tokenstorev1.Settings{LogRetentionCount: uint32(n)}, "log_retention_count")
	began := time.Now().Add(-time.Hour)
	entries := logEntries(1, uint64(n))
	for i, entry := range entries {
		entry.Replica, entry.StartedAt = "g1", timestamppb.New(began.Add(time.Duration(i)*time.Millisecond))
		entry.TokenId, entry.TokenAlias = fmt.Sprint("t", i%50), fmt.Sprint("alias", i%50)
		entry.Upstream, entry.Model = []string{"cursor", "openai"}[i%2], fmt.Sprint("model-", i%21)
		if i%7 == 0 {
			entry.Status, entry.Error = "failure", fmt.Sprintf("Upstream is OVERLOADED; request %d waits", i)
		}
	}
	for batch := range slices.Chunk(entries, size) {
		appendLog(t, store, "g1", batch)
	}
	return entries
}

// plain is what a query should answer, newest first.
func plain(entries []*tokenstorev1.LogEntry, filter LogFilter) []*tokenstorev1.LogEntry {
	var chosen []*tokenstorev1.LogEntry
	for _, entry := range slices.Backward(entries) {
		if filter.Match(entry) {
			chosen = append(chosen, entry)
		}
	}
	return chosen
}

// logFilters choose of seedLog's entries in every way.
func logFilters(entries []*tokenstorev1.LogEntry) map[string]LogFilter {
	yes := true
	n := len(entries)
	at := func(i int) time.Time { return entries[i].GetStartedAt().AsTime() }
	return map[string]LogFilter{
		"all":           {},
		"id":            {ID: fmt.Sprint("r", n/2)},
		"request":       {RequestID: fmt.Sprint("r", n/2)},
		"model":         {Model: "model-3"},
		"upstream":      {Upstream: "openai"},
		"status":        {Status: "failure"},
		"token":         {TokenID: "t7"},
		"alias":         {TokenAlias: "alias8"},
		"stream":        {Stream: &yes},
		"error":         {Error: "is overloaded"},
		"one error":     {Error: fmt.Sprintf("Request %d Waits", n/7/2*7)},
		"from":          {From: at(n - 150)},
		"to":            {To: at(150)},
		"together":      {From: at(n / 4), To: at(n / 2), Status: "failure", Upstream: "cursor", Stream: &yes},
		"the oldest":    {ID: "r1"},
		"no such model": {Model: "nope"},
		"no such error": {Error: "nope"},
	}
}

// A log of more blocks than the index takes in at a time: every filter answers, page by page,
// exactly what a plain filter answers. The index is another's, who has seen none of it come.
func TestLogQueryAtSize(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	const size = blockEntries / 4 // of a batch, which is a block
	entries := seedBatches(t, newStore(t, client), catchUpStep*size*3/2, size)
	if blocks := client.XLen(t.Context(), logEntriesKey()).Val(); blocks <= catchUpStep {
		t.Errorf("the log has %d blocks", blocks)
	}
	checkQueries(t, newStore(t, client), entries)
}

func TestLogQuery(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) { checkQueries(t, store, seedLog(t, store, 700)) })
}

func checkQueries(t *testing.T, store *Store, entries []*tokenstorev1.LogEntry) {
	t.Helper()
	const pages = 4 // of a longer answer the beginning will do
	for name, filter := range logFilters(entries) {
		want := plain(entries, filter)
		var got []*tokenstorev1.LogEntry
		query := LogQuery{LogFilter: filter, Limit: 200}
		for range pages {
			page := queryLog(t, store, query)
			if got = append(got, page.Entries...); page.Next == "" {
				break
			}
			query.Cursor = page.Next
		}
		if most := pages * query.Limit; len(want) > most {
			want = want[:most]
		}
		if ids(got) != ids(want) {
			t.Errorf("%s: %d entries, want %d", name, len(got), len(want))
		}
		checkTimes(t, store, name, filter, want)
	}
}

// checkTimes asks for when entries began, without the entries.
func checkTimes(t *testing.T, store *Store, name string, filter LogFilter, want []*tokenstorev1.LogEntry) {
	t.Helper()
	const limit = 150
	page := queryLog(t, store, LogQuery{LogFilter: filter, Limit: limit, TimesOnly: true})
	if len(page.Entries) != min(len(want), limit) || page.Next != "" != (len(want) > limit) {
		t.Fatalf("%s: %d times, next %q, want %d", name, len(page.Entries), page.Next, len(want))
	}
	for i, entry := range page.Entries {
		told := &tokenstorev1.LogEntry{StartedAt: timestamppb.New(want[i].GetStartedAt().AsTime().Truncate(time.Microsecond))}
		if !proto.Equal(entry, told) {
			t.Fatalf("%s: %v, want %v", name, entry, told)
		}
	}
}

func TestLogQueryRefuses(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Mini(t))
	for name, query := range map[string]LogQuery{
		"cursor":           {Cursor: "nonsense"},
		"after":            {After: "5"},
		"cursor and after": {Cursor: "1-1", After: "1-1"},
	} {
		query.Limit = 1
		_, err := store.QueryLog(t.Context(), query)
		if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT); t.Failed() {
			t.Fatal(name)
		}
	}
}

// A tail by polling sees every entry once, in order, also when more have come than
// one answer holds, and when only some are wanted.
func TestLogTail(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		page := queryLog(t, store, LogQuery{})
		if page.Newest == "" || len(page.Entries) != 0 {
			t.Fatalf("an empty log: %+v", page)
		}
		after := page.Newest
		var seen []string
		poll := func() int {
			page := queryLog(t, store, LogQuery{After: after, Limit: 3, LogFilter: LogFilter{Model: "a"}})
			for _, entry := range slices.Backward(page.Entries) {
				seen = append(seen, entry.GetId())
			}
			if page.Next != "" {
				t.Error("a tail has no next page")
			}
			after = page.Newest
			return len(page.Entries)
		}
		for i := range uint64(5) {
			appendLog(t, store, "g1", logEntries(20*i+1, 20*i+20))
			poll()
		}
		for poll() > 0 {
		}
		var want []string
		for i := 2; i <= 100; i += 2 {
			want = append(want, fmt.Sprint("r", i))
		}
		if !slices.Equal(seen, want) {
			t.Errorf("seen %v", seen)
		}
	})
}

// Every tokenstore sees what another one has stored and trimmed.
func TestLogOfSeveralTokenstores(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		one, two := newStore(t, client), newStore(t, client)
		changeSettings(t, one, &tokenstorev1.Settings{LogRetentionCount: 4}, "log_retention_count")
		appendLog(t, one, "g1", logEntries(1, 3))
		if got := ids(queryLog(t, two, LogQuery{}).Entries); got != "r3 r2 r1" {
			t.Errorf("two sees %s", got)
		}
		appendLog(t, two, "g2", logEntries(11, 12))
		appendLog(t, one, "g1", logEntries(4, 4))
		for i, store := range []*Store{one, two} {
			page := queryLog(t, store, LogQuery{Limit: 3})
			rest := queryLog(t, store, LogQuery{Limit: 3, Cursor: page.Next})
			if ids(page.Entries) != "r4 r12 r11" || ids(rest.Entries) != "r3" || rest.Next != "" {
				t.Errorf("store %d sees %s, then %s", i, ids(page.Entries), ids(rest.Entries))
			}
			if known := store.logs.index.Len(); known != 4 {
				t.Errorf("store %d still knows %d entries", i, known)
			}
		}
		// A gap: all that two knows has been trimmed before it looks again.
		appendLog(t, one, "g1", logEntries(5, 14))
		if got := ids(queryLog(t, two, LogQuery{}).Entries); got != "r14 r13 r12 r11" {
			t.Errorf("after a gap two sees %s", got)
		}
	})
}

// A Redis that comes back without the end of the log, or with another log, is
// believed: also when another entry now has the place of one that was known.
func TestLogThatLostItsEnd(t *testing.T) {
	t.Parallel()
	for name, log := range map[string][]string{
		"nothing":            {},
		"the end is lost":    {"7-1 r1", "7-2 r2"},
		"and others came":    {"7-1 r1", "7-2 r2", "7-5 r4"},
		"in the same places": {"7-1 r1", "7-2 r5", "7-3 r6"},
		"and more":           {"7-1 r1", "7-2 r5", "7-3 r6", "7-4 r7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, store *Store) {
				putLog(t, store, []string{"7-1 r1", "7-2 r2", "7-3 r3"})
				checkLog(t, store, []string{"7-1 r1", "7-2 r2", "7-3 r3"})
				putLog(t, store, log)
				checkLog(t, store, log)
			})
		})
	}
}

// putLog makes the log of entries, each a place and an id.
func putLog(t *testing.T, store *Store, log []string) {
	t.Helper()
	if err := store.client.Del(t.Context(), logEntriesKey()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, each := range log {
		place, id, _ := strings.Cut(each, " ")
		putFormer(t, store, place, "g1", &tokenstorev1.LogEntry{Id: id})
	}
}

// checkLog wants the log to be that, also when it is asked for each entry.
func checkLog(t *testing.T, store *Store, log []string) {
	t.Helper()
	var want []string
	for _, each := range log {
		_, id, _ := strings.Cut(each, " ")
		want = append([]string{id}, want...)
		if got := ids(queryLog(t, store, LogQuery{LogFilter: LogFilter{ID: id}}).Entries); got != id {
			t.Errorf("%s is not found: %q", id, got)
		}
	}
	page := queryLog(t, store, LogQuery{})
	if got := ids(page.Entries); got != strings.Join(want, " ") || page.Total != uint64(len(want)) {
		t.Errorf("%s of %d, want %s", got, page.Total, want)
	}
}

// An answer is of one moment: what another query has learned since then is left to
// the next poll.
func TestLogPageIsOfOneMoment(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		appendLog(t, store, "g1", logEntries(1, 2))
		end, _, err := store.catchUpLog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		appendLog(t, store, "g1", logEntries(3, 4))
		queryLog(t, store, LogQuery{})
		for _, query := range []LogQuery{{Limit: 10}, {Limit: 10, After: "0-0"}} {
			span, err := query.span()
			if err != nil {
				t.Fatal(err)
			}
			page, err := store.pageOf(t.Context(), query, span, end)
			if err != nil || ids(page.Entries) != "r2 r1" {
				t.Fatalf("%s, %v", ids(page.Entries), err)
			}
			if rest := queryLog(t, store, LogQuery{After: page.Newest}); ids(rest.Entries) != "r4 r3" {
				t.Errorf("then %s", ids(rest.Entries))
			}
		}
	})
}

// Many that poll while others append see every entry once.
func TestLogTailsAmongWriters(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t))
	const writers, tails, entries = 2, 3, 100
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range uint64(entries) {
				if _, err := store.AppendLog(t.Context(), fmt.Sprint("g", w), logEntries(i+1, i+1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range tails {
		running.Go(func() {
			seen := map[string]uint64{}
			for after, count := "0-0", 0; count < writers*entries && !t.Failed(); {
				page, err := store.QueryLog(t.Context(), LogQuery{After: after, Limit: 50})
				if err != nil {
					t.Error(err)
					return
				}
				for _, entry := range slices.Backward(page.Entries) {
					if count++; entry.GetSequence() != seen[entry.GetReplica()]+1 {
						t.Errorf("%s: %d after %d", entry.GetReplica(), entry.GetSequence(), seen[entry.GetReplica()])
					}
					seen[entry.GetReplica()] = entry.GetSequence()
				}
				after = page.Newest
			}
		})
	}
	running.Wait()
}

// A page of large prompts ends early and says where it goes on.
func TestLogPagesAreBounded(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t))
	changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true}, "log_prompts")
	entries := logEntries(1, 400)
	for _, entry := range entries {
		entry.Prompt = strings.Repeat("x", maxPrompt)
	}
	for batch := range slices.Chunk(entries, 50) {
		appendLog(t, store, "g1", batch)
	}
	page := queryLog(t, store, LogQuery{Limit: 1000})
	if n := len(page.Entries); n < maxPage/maxPrompt || n > maxPage/maxPrompt+pageStep || page.Next == "" {
		t.Fatalf("%d entries, next %q", n, page.Next)
	}
	rest := queryLog(t, store, LogQuery{Limit: 1000, Cursor: page.Next})
	if len(page.Entries)+len(rest.Entries) != 400 || rest.Next != "" {
		t.Errorf("%d entries, then %d", len(page.Entries), len(rest.Entries))
	}
	if page := queryLog(t, store, LogQuery{Limit: 1000, OmitPrompts: true}); len(page.Entries) != 400 {
		t.Errorf("%d entries without prompts", len(page.Entries))
	}
}

// The first page of 100 of 100,000 entries, and what the index costs.
func BenchmarkLogQuery(b *testing.B) {
	store := newStore(b, testredis.Start(b))
	entries := seedLog(b, store, 100_000)
	queryLog(b, store, LogQuery{})
	for name, filter := range logFilters(entries) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				queryLog(b, store, LogQuery{LogFilter: filter})
			}
		})
	}
	b.Run("memory", func(b *testing.B) {
		heap := func() float64 {
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			return float64(stats.HeapAlloc)
		}
		with := heap()
		for b.Loop() {
			for _, filter := range logFilters(entries) {
				queryLog(b, store, LogQuery{LogFilter: filter})
			}
		}
		b.ReportMetric((heap()-with)/1024, "KiB-grown")
		store.logs = newLogView()
		b.ReportMetric((with-heap())/1024/1024, "MiB-index")
	})
	b.Run("first-look", func(b *testing.B) {
		for b.Loop() {
			store.logs = newLogView()
			queryLog(b, store, LogQuery{})
		}
	})
}
