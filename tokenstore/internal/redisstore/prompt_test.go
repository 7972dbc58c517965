package redisstore

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func noise(t testing.TB, size int) string {
	t.Helper()
	random := make([]byte, size)
	_, _ = rand.Read(random) // never fails
	return base64.StdEncoding.EncodeToString(random)[:size]
}

func TestPromptsAreCompressed(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Mini(t))
	for name, test := range map[string]struct {
		text string
		most int
	}{
		"empty":                {"", 60},
		"short":                {"hello", 60},
		"words":                {strings.Repeat("what is a lease? ", 3000), 2000},
		"noise":                {string(randomBytes(10_000)), 10_060},
		"as long as it may be": {strings.Repeat("x", maxPrompt), 2000},
	} {
		stored := store.sealPacked([]byte(test.text), "b")
		if len(stored) > test.most {
			t.Errorf("%s: %d bytes are stored as %d", name, len(test.text), len(stored))
		}
		if got, err := store.openPacked(string(stored), "b", maxPrompt); err != nil || got != test.text {
			t.Errorf("%s: %d bytes come back, %v", name, len(got), err)
		}
		if _, err := store.openPacked(string(stored), "c", maxPrompt); err == nil {
			t.Errorf("%s: it opens in another place", name)
		}
	}
	// What is sealed may be anything that somebody with the key has sealed.
	bomb := store.sealPacked([]byte(strings.Repeat("x", 10*maxPrompt)), "b")
	if got, err := store.openPacked(string(bomb), "b", maxPrompt); err == nil {
		t.Errorf("%d bytes were unpacked", len(got))
	}
}

func randomBytes(n int) []byte {
	random := make([]byte, n)
	_, _ = rand.Read(random) // never fails
	return random
}

// All prompts together have a bound, in bytes; the oldest go first, and their entries stay.
func TestPromptsAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true, LogPromptMb: 1}, "log_prompts", "log_prompt_mb")
		const entries = 60
		for i := uint64(1); i <= entries; i++ {
			entry := logEntries(i, i)
			entry[0].Prompt = noise(t, maxPrompt)
			appendLog(t, store, "g1", entry)
		}
		var stored int64
		for _, prompt := range store.client.HVals(ctx, promptsKey()).Val() {
			stored += int64(len(prompt))
		}
		counted, err := store.client.Get(ctx, promptBytesKey()).Int64()
		if err != nil || counted != stored || stored > 1<<20 || stored < 1<<20-2*maxPrompt {
			t.Errorf("%d bytes, counted as %d, %v", stored, counted, err)
		}
		page := queryLog(t, store, LogQuery{Limit: 1000})
		if len(page.Entries) != entries {
			t.Fatalf("%d entries", len(page.Entries))
		}
		with := 0
		for i, entry := range page.Entries { // the newest first
			if entry.GetPrompt() != "" {
				with++
			}
			if (entry.GetPrompt() != "") != (i < with) {
				t.Errorf("entry %d of %d with a prompt", i, with)
			}
		}
		order, err := store.client.XLen(ctx, promptOrderKey()).Result()
		if err != nil || int(order) != with || with < 15 {
			t.Errorf("%d prompts, %d in order, %v", with, order, err)
		}
	})
}

// Prompts of data of before are moved to where they are bounded, none lost.
func TestPromptsOfBeforeAreMoved(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		const entries = 250
		for i := uint64(1); i <= entries; i++ {
			entry := logEntries(i, i)[0]
			entry.Prompt = fmt.Sprint("words ", i)
			place := fmt.Sprint(1_700_000_000_000+i, "-0")
			putFormer(t, store, place, "g1", entry)
			if err := store.client.Do(ctx, "XADD", legacyPromptsKey(), place, "p", formerPrompt(store, "g1", entry)).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := store.PrepareLog(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, entry := range queryLog(t, store, LogQuery{Limit: 1000}).Entries {
			if want := "words " + strings.TrimPrefix(entry.GetId(), "r"); entry.GetPrompt() != want {
				t.Errorf("%s: %q", entry.GetId(), entry.GetPrompt())
			}
		}
		if n := store.client.Exists(ctx, legacyPromptsKey()).Val(); n != 0 {
			t.Error("the old stream is there")
		}
		entry := logEntries(entries+1, entries+1)
		entry[0].Prompt = "new words"
		appendLog(t, store, "g1", entry)
		if got := queryLog(t, store, LogQuery{Limit: 1}).Entries[0].GetPrompt(); got != "new words" {
			t.Errorf("a new one: %q", got)
		}
	})
}

// A log that has filled its Redis gives way to leases: its prompts go first, then it is
// not appended to, and tokens are there all the time.
func TestLogGivesWay(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	store := newStore(t, client)
	ctx := t.Context()
	look := func() {
		t.Helper()
		if _, err := store.Inspect(ctx); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(n uint64) []*tokenstorev1.LogEntry {
		entries := logEntries(n, n)
		entries[0].Prompt = noise(t, maxPrompt)
		return entries
	}
	known, err := readServer(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	limit := known.usedMemory + 4<<20
	if err := client.ConfigSet(ctx, "maxmemory", bytesText(limit)).Err(); err != nil {
		t.Fatal(err)
	}
	const entries = 200
	for n := uint64(1); n <= entries; n++ { // 12 MiB of prompts into 4 MiB
		look()
		_, err := store.AppendLog(ctx, "g1", entry(n))
		for tries := 0; isUnavailable(err) && tries < 5; tries++ { // as a gateway does
			look()
			_, err = store.AppendLog(ctx, "g1", entry(n))
		}
		if err != nil {
			t.Fatalf("entry %d: %v", n, err)
		}
	}
	if page := queryLog(t, store, LogQuery{Limit: 1000, OmitPrompts: true}); len(page.Entries) != entries {
		t.Errorf("%d entries", len(page.Entries))
	}
	create(t, store, draft("cursor", "a-token-that-must-find-room"))

	// Somebody else fills it.
	if err := client.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	piece := strings.Repeat("x", 64<<10) // a large one would have buffers, which go when they like
	for size := int64(0); size < limit; size += int64(len(piece)) {
		if err := client.Append(ctx, "filler", piece).Err(); err != nil {
			t.Fatal(err)
		}
	}
	known, err = readServer(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ConfigSet(ctx, "maxmemory", bytesText(known.usedMemory*100/97)).Err(); err != nil {
		t.Fatal(err)
	}
	look()
	if _, err := store.AppendLog(ctx, "g1", entry(entries+1)); !isUnavailable(err) || !strings.Contains(err.Error(), "nearly full") {
		t.Errorf("the log is appended to: %v", err)
	}
	create(t, store, draft("cursor", "another-token-that-must-find-room"))
	if err := client.Del(ctx, "filler").Err(); err != nil {
		t.Fatal(err)
	}
	look()
	if _, err := store.AppendLog(ctx, "g1", entry(entries+1)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// A log with a Redis of its own stays there, and when it is away nothing else is.
func TestLogWithARedisOfItsOwn(t *testing.T) {
	t.Parallel()
	server, logs := testredis.NewServer(t), testredis.NewServer(t, "--appendfsync", "always")
	main, own := server.Client(t), logs.Client(t)
	store := New(main, Options{Keys: testKeys(t, keyLine1("k1", 'a')), Defaults: newStore(t, main).defaults, Logger: newStore(t, main).log, Log: own, AwaitPrepare: true})
	ctx := t.Context()
	if err := store.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := store.AppendLog(ctx, "g1", logEntries(1, 1)); !isUnavailable(err) {
		t.Errorf("before anybody has looked at the log: %v", err)
	}
	if err := store.PrepareLog(ctx); err != nil {
		t.Fatal(err)
	}
	entries := logEntries(1, 3)
	entries[0].Prompt = "words"
	appendLog(t, store, "g1", entries)
	if got := ids(queryLog(t, store, LogQuery{}).Entries); got != "r3 r2 r1" {
		t.Errorf("entries %s", got)
	}
	for _, key := range main.Keys(ctx, "*").Val() {
		if strings.HasPrefix(key, logPrefix) && !strings.HasSuffix(key, "barrier") {
			t.Errorf("%s is beside the tokens", key)
		}
	}
	logs.Kill()
	if err := store.PrepareLog(ctx); !isUnavailable(err) {
		t.Errorf("without the log's Redis: %v", err)
	}
	if _, err := store.AppendLog(ctx, "g1", logEntries(4, 4)); !isUnavailable(err) {
		t.Errorf("an entry: %v", err)
	}
	if err := store.Writable(ctx); err != nil {
		t.Errorf("leases wait for the log: %v", err)
	}
	if _, err := store.Inspect(ctx); err != nil {
		t.Errorf("leases wait for the log: %v", err)
	}
	create(t, store, draft("cursor", "a-token"))
	logs.Start(t)
	if err := store.PrepareLog(ctx); err != nil {
		t.Fatal(err)
	}
	appendLog(t, store, "g1", logEntries(4, 4))
	if got := ids(queryLog(t, store, LogQuery{}).Entries); got != "r4 r3 r2 r1" {
		t.Errorf("entries %s", got)
	}
}
