package redisstore

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// scriptCounts implements ScriptObserver.
type scriptCounts struct {
	mu          sync.Mutex
	ran, failed map[string]int
}

func (c *scriptCounts) Ran(script string, _ time.Duration, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ran == nil {
		c.ran, c.failed = map[string]int{}, map[string]int{}
	}
	c.ran[script]++
	if failed {
		c.failed[script]++
	}
}

// Whoever asks for metrics hears of each script by its name, alone or with others, also when Redis
// has lost it.
func TestScriptsAreObserved(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		counts := &scriptCounts{}
		store := New(client, Options{Keys: testKeys(t, keyLine1("k1", 'a')), Defaults: token.DefaultSettings(), Logger: slog.New(slog.DiscardHandler), Scripts: counts})
		calmly(store)
		if err := store.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		seed(t, store)
		create(t, store, draft("openai", "sk-secret-0001"))
		acquire := func() {
			t.Helper()
			if _, _, err := store.Acquire(t.Context(), leasing.Wanted{Upstream: "openai", Count: 1, TTL: time.Minute}); err != nil {
				t.Fatal(err)
			}
		}
		acquire()
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		acquire()
		if _, err := store.SummarizePools(t.Context()); err != nil { // a pipeline
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := store.Acquire(gone, leasing.Wanted{Upstream: "openai", Count: 1, TTL: time.Minute}); err == nil {
			t.Error("a call that was given up has an answer")
		}
		counts.mu.Lock()
		defer counts.mu.Unlock()
		if counts.ran["acquire"] < 3 || counts.ran["count_pool"] == 0 || counts.failed["acquire"] != 1 || len(counts.failed) != 1 {
			t.Errorf("ran %v, failed %v", counts.ran, counts.failed)
		}
	})
}

// An upstream without tokens has a pool, too: of none.
func TestAllPoolsHasTheEmptyOnes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		create(t, store, draft("openai", "sk-secret-0001"))
		pools, err := store.AllPools(t.Context())
		if err != nil || len(pools) != 2 {
			t.Fatalf("%v, %v", pools, err)
		}
		if pools[0].GetUpstream() != "cursor" || pools[0].GetQuarantined() != 0 || pools[1].GetUpstream() != "openai" || pools[1].GetQuarantined() != 1 {
			t.Errorf("%v", pools)
		}
	})
}

func TestLogSizeIsOfWhatIsKept(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		if size, err := store.LogSize(t.Context()); err != nil || size != (LogSize{}) {
			t.Errorf("an empty log: %+v, %v", size, err)
		}
		entries := logEntries(1, 3)
		entries[1].Prompt = "hello"
		if _, err := store.AppendLog(t.Context(), "g1", entries); err != nil {
			t.Fatal(err)
		}
		if size, err := store.LogSize(t.Context()); err != nil || size.Entries != 3 || size.PromptBytes == 0 {
			t.Errorf("%+v, %v", size, err)
		}
	})
}

// Of several servers the fullest counts, and what is not bounded is never full.
func TestTheFullestServerIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		servers []serverState
		want    ServerUse
	}{
		"one":     {[]serverState{{usedMemory: 5, maxMemory: 10, appended: 7}}, ServerUse{"pool", 5, 10, 7}},
		"several": {[]serverState{{usedMemory: 5, maxMemory: 100}, {usedMemory: 4, maxMemory: 10}, {usedMemory: 3, maxMemory: 10}}, ServerUse{"pool", 4, 10, 0}},
		"no room": {[]serverState{{usedMemory: 3}, {usedMemory: 9}}, ServerUse{"pool", 9, 0, 0}},
	} {
		if got := fullestOf("pool", c.servers); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
