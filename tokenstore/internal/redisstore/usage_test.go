package redisstore

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/usage"
)

func queryUse(t *testing.T, store *Store, q usage.Question) []usage.Row {
	t.Helper()
	answer, err := store.QueryUsage(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	rows, _ := answer.Rows()
	return rows
}

// recently is a question that covers what a test on a clock of its own appends.
func recently(t *testing.T, store *Store) usage.Question {
	t.Helper()
	now, err := store.client.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return usage.Question{From: now.Add(-2 * time.Hour), To: now.Add(2 * time.Hour)}
}

// A batch that is sent twice, and one that overlaps, count once.
func TestUseIsCountedOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		entries := func(from, to uint64) (batch []*tokenstorev1.LogEntry) {
			for sequence := from; sequence <= to; sequence++ {
				batch = append(batch, &tokenstorev1.LogEntry{Sequence: sequence, KeyId: "k1", PromptTokens: 1 << sequence, Cost: 10, CostQuality: "reported"})
			}
			return batch
		}
		appendLog(t, store, "g1", entries(1, 3))
		appendLog(t, store, "g1", entries(1, 3))
		appendLog(t, store, "g1", entries(2, 4))
		want := []usage.Row{{Sums: &usage.Sums{Requests: 4, Tokens: usage.Tokens{Prompt: 2 + 4 + 8 + 16}, Reported: usage.Cost{Requests: 4, Pico: 40}}}}
		if diff := gocmp.Diff(want, queryUse(t, store, recently(t, store))); diff != "" {
			t.Error(diff)
		}
	})
}

// Costs are exact where floating point numbers are not any more.
func TestUseIsExactBeyondDoubles(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		var want usage.Cost
		var sequence uint64
		for range 20 {
			var batch []*tokenstorev1.LogEntry
			for range 10 {
				sequence++
				entry := &tokenstorev1.LogEntry{Sequence: sequence, Cost: 9_999_999_999_999_999 - sequence*7, CostQuality: "estimated"}
				want.Requests++
				want.Pico += entry.GetCost()
				batch = append(batch, entry)
			}
			appendLog(t, store, "g1", batch)
		}
		if rows := queryUse(t, store, recently(t, store)); rows[0].Sums.Estimated != want || want.Pico < 1<<60 {
			t.Errorf("%+v, want %+v", rows[0].Sums.Estimated, want)
		}
	})
}

// traffic makes entries of 50 keys, 20 tokens, 8 models and 3 upstreams, of every kind there is.
func traffic(random *rand.Rand, sequence uint64) *tokenstorev1.LogEntry {
	entry := &tokenstorev1.LogEntry{
		Sequence: sequence, Status: "success", Attempts: 1, Caller: "key", KeyId: fmt.Sprintf("key%02d", random.IntN(50)),
		TokenId: fmt.Sprintf("token%02d", random.IntN(20)), Model: "asked", ServedModel: fmt.Sprint("model ", random.IntN(8)),
		Upstream: fmt.Sprint("upstream-", random.IntN(3)), PromptTokens: random.Uint64N(100_000), CompletionTokens: random.Uint64N(10_000),
	}
	entry.CacheReadTokens, entry.ReasoningTokens = random.Uint64N(entry.GetPromptTokens()+1), random.Uint64N(entry.GetCompletionTokens()+1)
	entry.CacheWriteTokens = random.Uint64N(entry.GetPromptTokens() - entry.GetCacheReadTokens() + 1)
	entry.CacheWriteHourTokens = random.Uint64N(entry.GetCacheWriteTokens() + 1)
	entry.CostQuality = []string{"reported", "estimated", "partial", "unpriced", ""}[random.IntN(5)]
	if entry.GetCostQuality() != "unpriced" && entry.GetCostQuality() != "" {
		entry.Cost = random.Uint64N(5_000_000_000_000)
	}
	switch random.IntN(10) {
	case 0: // refused before anybody was asked
		entry.Status, entry.Attempts, entry.TokenId, entry.Upstream, entry.ServedModel, entry.Model = "failure", 0, "", "", "", "model 1"
	case 1:
		entry.Caller, entry.KeyId, entry.TokenId = "own", "", ""
	case 2:
		entry.Caller, entry.KeyId = []string{"", "admin", "session"}[random.IntN(3)], ""
	}
	return entry
}

// A month of traffic by Redis's clock, from several replicas, with batches that are sent twice:
// whatever it is split by, each sum is that of a plain count, to the last unit.
func TestAMonthOfTrafficAddsUp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(11, 12))
	begin := time.Date(2026, 10, 29, 5, 20, 0, 0, time.UTC)
	now := begin
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	var log []logged
	var sent [3]uint64
	for now.Before(begin.Add(30 * 24 * time.Hour)) {
		now = now.Add(time.Duration(random.ExpFloat64() * float64(4*time.Hour)))
		setTime(now)
		replica := random.IntN(len(sent))
		var batch, again []*tokenstorev1.LogEntry
		for range 1 + random.IntN(20) {
			sent[replica]++
			seed := random.Uint64()
			batch = append(batch, traffic(rand.New(rand.NewPCG(seed, 0)), sent[replica]))
			again = append(again, traffic(rand.New(rand.NewPCG(seed, 0)), sent[replica]))
			log = append(log, logged{now, traffic(rand.New(rand.NewPCG(seed, 0)), sent[replica])})
		}
		appendLog(t, store, fmt.Sprint("g", replica), batch)
		if random.IntN(3) == 0 {
			appendLog(t, store, fmt.Sprint("g", replica), again)
		}
	}
	whole := usage.Question{From: begin, To: now.Add(time.Hour)}
	all := plainCount(log, whole, usage.Question{})
	for _, group := range [][]usage.Dimension{
		{usage.Key},
		{usage.Token},
		{usage.Model},
		{usage.Upstream},
		{usage.ByDay},
		{usage.ByHour},
		{usage.Model, usage.ByDay, usage.Key, usage.Upstream},
		{usage.ByHour, usage.Token},
		nil,
	} {
		q := whole
		q.Group = group
		got := queryUse(t, store, q)
		if diff := gocmp.Diff(plainCount(log, whole, q), got); diff != "" {
			t.Fatalf("by %v: %s", group, diff)
		}
		total := usage.Sums{}
		for _, row := range got {
			total.Add(row.Sums)
		}
		if diff := gocmp.Diff(*all[0].Sums, total); diff != "" {
			t.Errorf("the sum by %v: %s", group, diff)
		}
	}
	for _, filter := range []usage.Question{
		{Key: "key07"},
		{Token: "token03"},
		{Model: "model 2"},
		{Upstream: "upstream-1"},
		{Key: "session"},
		{Token: "none"},
		{Token: "own"},
		{Key: "key01", Model: "model 1"},
		{Token: "token01", Upstream: "upstream-0"},
		{Key: "nobody's"},
	} {
		for _, span := range [][2]time.Duration{{0, 31 * 24 * time.Hour}, {50 * time.Hour, 200 * time.Hour}, {700 * time.Hour, 701 * time.Hour}} {
			q := filter
			q.Group, q.From, q.To = []usage.Dimension{usage.ByDay, usage.Model}, begin.Add(span[0]), begin.Add(span[1])
			if diff := gocmp.Diff(plainCount(log, q, q), queryUse(t, store, q), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%+v: %s", q, diff)
			}
		}
	}
}

// plainCount counts the entries of a span, as a question groups and filters them.
func plainCount(log []logged, span, q usage.Question) []usage.Row {
	from, to := span.From.Truncate(time.Hour), span.To.Add(time.Hour-1).Truncate(time.Hour)
	sums := map[usage.Row]*usage.Sums{}
	if len(q.Group) == 0 {
		sums[usage.Row{}] = &usage.Sums{}
	}
	for _, each := range log {
		entry := each.entry
		key := cmp.Or(entry.GetKeyId(), entry.GetCaller(), "admin")
		token, model := entry.GetTokenId(), cmp.Or(entry.GetServedModel(), entry.GetModel())
		if token == "" {
			token = []string{"none", "own"}[entry.GetAttempts()]
		}
		fits := func(wanted, is string) bool { return wanted == "" || wanted == is }
		if each.at.Before(from) || !each.at.Before(to) || !fits(q.Key, key) || !fits(q.Token, token) || !fits(q.Model, model) || !fits(q.Upstream, entry.GetUpstream()) {
			continue
		}
		row := usage.Row{}
		for _, group := range q.Group {
			switch group {
			case usage.Key:
				row.Key = key
			case usage.Token:
				row.Token = token
			case usage.Model:
				row.Model = model
			case usage.Upstream:
				row.Upstream = entry.GetUpstream()
			case usage.ByDay:
				row.Start = each.at.Truncate(24 * time.Hour)
			case usage.ByHour:
				row.Start = each.at.Truncate(time.Hour)
			}
		}
		if sums[row] == nil {
			sums[row] = &usage.Sums{}
		}
		sums[row].Count(entry)
	}
	rows := slices.SortedFunc(maps.Keys(sums), func(a, b usage.Row) int {
		for _, group := range q.Group {
			order := map[usage.Dimension]int{
				usage.Key: cmp.Compare(a.Key, b.Key), usage.Token: cmp.Compare(a.Token, b.Token), usage.Model: cmp.Compare(a.Model, b.Model),
				usage.Upstream: cmp.Compare(a.Upstream, b.Upstream), usage.ByDay: a.Start.Compare(b.Start), usage.ByHour: a.Start.Compare(b.Start),
			}[group]
			if order != 0 {
				return order
			}
		}
		return 0
	})
	for i := range rows {
		rows[i].Sums = sums[rows[i]]
	}
	return rows
}

// The cost comes with the entry: what a model costs from today on changes nothing of yesterday.
func TestAPriceOfTodayChangesNothingOfYesterday(t *testing.T) {
	t.Parallel()
	yesterday := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	client, setTime := testredis.MiniAt(t, yesterday)
	store := newStore(t, client)
	entry := func(sequence, cost uint64) []*tokenstorev1.LogEntry {
		return []*tokenstorev1.LogEntry{{Sequence: sequence, Model: "gpt-5", PromptTokens: 100, Cost: cost, CostQuality: "reported"}}
	}
	appendLog(t, store, "g1", entry(1, 125_000_000))
	q := usage.Question{From: yesterday.Truncate(24 * time.Hour), To: yesterday.Add(48 * time.Hour), Group: []usage.Dimension{usage.ByDay}}
	before := queryUse(t, store, q)
	setTime(yesterday.Add(24 * time.Hour))
	appendLog(t, store, "g1", entry(2, 250_000_000))
	after := queryUse(t, store, q)
	if len(after) != 2 || after[1].Sums.Reported.Pico != 250_000_000 {
		t.Fatal(after)
	}
	if diff := gocmp.Diff(before, after[:1]); diff != "" {
		t.Error(diff)
	}
}

// Hours are kept for 31 days, days for 400, and what was is remembered to its end.
func TestHowLongUseIsKept(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	client, setTime := testredis.MiniAt(t, begin)
	store := newStore(t, client)
	appendLog(t, store, "g1", []*tokenstorev1.LogEntry{{Sequence: 1}})
	day := begin.Truncate(24 * time.Hour)
	for _, test := range []struct { // in the order of time
		name     string
		after    time.Duration
		from, to time.Time
		wantFrom time.Time
		requests uint64
	}{
		{"its hour", 30 * 24 * time.Hour, begin, begin.Add(time.Minute), begin.Truncate(time.Hour), 1},
		{"the hour after, while hours last", 30 * 24 * time.Hour, begin.Add(time.Hour), begin.Add(2 * time.Hour), begin.Add(time.Hour).Truncate(time.Hour), 0},
		{"its day, when hours are no more", 32 * 24 * time.Hour, begin.Add(time.Hour), begin.Add(2 * time.Hour), day, 1},
		{"the last moment of its day", day.Add(401*24*time.Hour - time.Second).Sub(begin), begin, begin.Add(time.Hour), day, 1},
		{"when its day is no more asked for", 402 * 24 * time.Hour, begin, begin.Add(3 * 24 * time.Hour), day.Add(2 * 24 * time.Hour), 0},
	} {
		setTime(begin.Add(test.after))
		answer, err := store.QueryUsage(t.Context(), usage.Question{From: test.from, To: test.to})
		if err != nil {
			t.Fatal(test.name, err)
		}
		rows, _ := answer.Rows()
		if !answer.From.Equal(test.wantFrom) || rows[0].Sums.Requests != test.requests {
			t.Errorf("%s: %d requests from %v, want %d from %v", test.name, rows[0].Sums.Requests, answer.From, test.requests, test.wantFrom)
		}
	}
	setTime(begin.Add(404 * 24 * time.Hour))
	if left, err := client.Keys(t.Context(), logPrefix+"use:*").Result(); err != nil || len(left) > 0 {
		t.Errorf("%v, %v are left", left, err)
	}
}

// A hash of use does not grow without end: beyond a bound models are counted together, and beyond
// another whoever is new. Nothing is lost of the sums, nor of those by upstream.
func TestCellsOfUseAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		store.useBounds = useBounds{20, 40}
		q := recently(t, store)
		fill := func(from, to int) {
			t.Helper()
			for _, table := range usage.Tables {
				for _, at := range []time.Time{q.From.Add(2 * time.Hour), q.From.Add(3 * time.Hour)} { // it may turn meanwhile
					for _, step := range []usage.Step{{Unit: usage.Hour, Start: at.Truncate(time.Hour)}, {Unit: usage.Day, Start: at.Truncate(24 * time.Hour)}} {
						var cells []any
						for i := from; i < to; i++ {
							cells = append(cells, fmt.Sprintf("filler\n\n%d", i), "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0")
						}
						if err := store.client.HSet(ctx, useKey(table, step), cells...).Err(); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
		var sequence uint64
		count := func(key, model string) {
			t.Helper()
			sequence++
			appendLog(t, store, "g1", []*tokenstorev1.LogEntry{{Sequence: sequence, KeyId: key, Upstream: "up", Model: model, Cost: 1, CostQuality: "partial"}})
		}
		count("k1", "m1")
		fill(0, 20)
		count("k1", "m1") // is there
		count("k1", "m2") // another model
		count("k2", "m1") // another key
		fill(20, 40)
		count("k1", "m1")
		count("k1", "m3")
		count("k3", "m1") // another key
		count("k3", "m1")
		q.Group, q.Upstream = []usage.Dimension{usage.Key, usage.Model, usage.Upstream}, "up"
		var got []string
		for _, row := range queryUse(t, store, q) {
			got = append(got, fmt.Sprint(row.Key, " ", row.Model, " ", row.Upstream, " ", row.Sums.Requests, " ", row.Sums.Partial.Pico))
		}
		want := []string{"(others) (others) up 2 2", "k1 (others) up 2 2", "k1 m1 up 3 3", "k2 (others) up 1 1"}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// An answer that is too large is told as such.
func TestTooManyRowsOfUse(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t))
	const hours, keys = 26, 4000
	const seed = `for i = 1, ARGV[1] do redis.call('HSET', KEYS[1], 'k' .. i .. '\n\n', '0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0') end`
	q := recently(t, store)
	q.From = q.From.Add(-hours * time.Hour)
	for i := range hours {
		step := usage.Step{Unit: usage.Hour, Start: q.From.Add(time.Duration(i) * time.Hour).Truncate(time.Hour)}
		if err := store.client.Eval(t.Context(), seed, []string{useKey(usage.ByKey, step)}, keys).Err(); err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
	}
	q.Group = []usage.Dimension{usage.Key, usage.ByHour}
	if _, err := store.QueryUsage(t.Context(), q); !rpcerr.Is(err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT) {
		t.Error(err)
	}
}

func TestUseOnACluster(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.StartCluster(t).UniversalClient)
	appendLog(t, store, "g1", []*tokenstorev1.LogEntry{{Sequence: 1, KeyId: "k1", TokenId: "t1", Upstream: "openai", Model: "m"}})
	q := recently(t, store)
	for _, group := range []usage.Dimension{usage.Key, usage.Token, usage.ByHour, usage.ByDay} {
		q.Group = []usage.Dimension{group}
		if rows := queryUse(t, store, q); len(rows) != 1 || rows[0].Sums.Requests != 1 {
			t.Errorf("by %s: %+v", group, rows)
		}
	}
}
