package redisstore

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// putFormer stores an entry as schema 1 did, at a place.
func putFormer(t testing.TB, store *Store, place, replica string, entry *tokenstorev1.LogEntry) {
	t.Helper()
	stored := proto.CloneOf(entry)
	stored.Prompt, stored.Replica = "", replica
	record, err := proto.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]any{{"XADD", logEntriesKey(), place, "e", record}, {"HINCRBY", logKeptKey(), "size", 1}} {
		if err := store.client.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// formerPrompt is an entry's prompt as schema 1 stored it.
func formerPrompt(store *Store, replica string, entry *tokenstorev1.LogEntry) []byte {
	binding := fmt.Sprint("prompt ", replica, " ", entry.GetSequence())
	var packed bytes.Buffer
	deflater, _ := flate.NewWriter(&packed, flate.BestSpeed) // the level is a valid one
	_, _ = deflater.Write([]byte(entry.GetPrompt()))         // a buffer takes everything
	_ = deflater.Close()
	return append([]byte(deflated), store.keys.SealBinary(secret.New(packed.String()), binding)...)
}

// A log that a program of schema 1 has written goes on: its entries and prompts are read, beside
// those of now, and are counted, trimmed and sealed anew like them.
func TestLogOfSchema1GoesOn(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/log_schema_1.json")
	if err != nil {
		t.Fatal(err)
	}
	var items []struct {
		ID            string
		Entry, Prompt []byte
	}
	if err := json.Unmarshal(text, &items); err != nil {
		t.Fatal(err)
	}
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true}, "log_prompts")
		commands := [][]any{{"SET", logSchemaKey(), "1"}}
		for _, item := range items {
			commands = append(commands, []any{"XADD", logEntriesKey(), item.ID, "e", item.Entry})
			if len(item.Prompt) > 0 {
				commands = append(commands, []any{"XADD", promptOrderKey(), item.ID, "p", ""}, []any{"HSET", promptsKey(), item.ID, item.Prompt},
					[]any{"INCRBY", promptBytesKey(), len(item.Prompt)})
			}
		}
		for _, command := range commands {
			if err := store.client.Do(ctx, command...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := store.PrepareLog(ctx); err != nil {
				t.Fatal(err)
			}
		}
		long := strings.Repeat("a prompt that is compressed, ", 40)
		want := map[string]string{"r1": "a short prompt", "r2": long, "r3": "", "r4": "the last prompt"}
		check := func(store *Store, order string) {
			t.Helper()
			page := queryLog(t, store, LogQuery{})
			if ids(page.Entries) != order || int(page.Total) != len(page.Entries) {
				t.Errorf("entries %s of %d, want %s", ids(page.Entries), page.Total, order)
			}
			for _, entry := range page.Entries {
				if entry.GetPrompt() != want[entry.GetId()] || entry.GetReplica() != "g1" || entry.GetTokenAlias() != "work" {
					t.Errorf("%v, want the prompt %q", entry, want[entry.GetId()])
				}
			}
		}
		check(store, "r4 r3 r2 r1")
		entries := logEntries(5, 6)
		entries[1].Prompt, want["r6"] = "a prompt of now", "a prompt of now"
		// The programs of before have remembered the replica's sequence in the same way.
		appendLog(t, store, "g1", entries)
		check(store, "r6 r5 r4 r3 r2 r1")
		changeSettings(t, store, &tokenstorev1.Settings{LogRetentionCount: 5}, "log_retention_count")
		if err := store.TrimLog(ctx); err != nil {
			t.Fatal(err)
		}
		check(store, "r6 r5 r4 r3 r2")

		rotated := New(store.client, Options{Keys: testKeys(t, keyLine1("k2", 'b')+keyLine1("k1", 'a')), Defaults: store.defaults, Logger: store.log})
		if done, err := rotated.Reseal(ctx); err != nil || done.Prompts != 3 || done.Unreadable != 0 {
			t.Errorf("resealed %+v, %v", done, err)
		}
		final := New(store.client, Options{Keys: testKeys(t, keyLine1("k2", 'b')), Defaults: store.defaults, Logger: store.log})
		check(final, "r6 r5 r4 r3 r2")
	})
}

// What is appended together comes back one by one: whole, in order, found by its id alone, with
// its own prompt or without.
func TestBlocksComeBackEntryByEntry(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t))
	changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true}, "log_prompts")
	entries := logEntries(1, 3*blockEntries+5)
	for i, entry := range entries {
		switch i % 3 {
		case 0:
			entry.Prompt = fmt.Sprint("prompt of ", entry.GetId())
		case 1:
			entry.Prompt = noise(t, 10_000) // blocks are bounded by these
		}
	}
	want := make([]*tokenstorev1.LogEntry, 0, len(entries))
	for _, entry := range entries {
		copied := proto.CloneOf(entry)
		copied.Replica = "g1"
		want = append([]*tokenstorev1.LogEntry{copied}, want...)
	}
	appendLog(t, store, "g1", entries)
	if diff := cmp.Diff(want, queryLog(t, store, LogQuery{Limit: 1000}).Entries, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	var paged []*tokenstorev1.LogEntry
	for cursor := "-"; cursor != ""; {
		page := queryLog(t, store, LogQuery{Limit: 7, Cursor: strings.TrimPrefix(cursor, "-")})
		paged, cursor = append(paged, page.Entries...), page.Next
	}
	if diff := cmp.Diff(want, paged, protocmp.Transform()); diff != "" {
		t.Error("in pages: ", diff)
	}
	for _, each := range want {
		got := queryLog(t, store, LogQuery{LogFilter: LogFilter{ID: each.GetId()}}).Entries
		if diff := cmp.Diff([]*tokenstorev1.LogEntry{each}, got, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
	for _, item := range store.client.XRange(t.Context(), logEntriesKey(), "-", "+").Val() {
		if block := readBlock(item); len(block.entries) > blockEntries {
			t.Errorf("a block of %d entries", len(block.entries))
		}
		if sealed := store.client.HGet(t.Context(), promptsKey(), item.ID).Val(); len(sealed) > maxPromptBlock {
			t.Errorf("prompts of %d bytes", len(sealed))
		}
	}
}

// However entries were appended, as many are kept as the settings say: exactly, though a block
// goes as a whole.
func TestCountOfKeptEntriesIsExact(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Start(t))
	changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true}, "log_prompts")
	var sequence uint64
	rapid.Check(t, func(t *rapid.T) {
		if err := store.client.Del(context.Background(), logEntriesKey(), logKeptKey()).Err(); err != nil {
			t.Fatal(err)
		}
		appended, kept := 0, 0
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			n := rapid.IntRange(1, 3*blockEntries).Draw(t, "entries")
			keep := rapid.IntRange(1, 3*blockEntries).Draw(t, "kept")
			_, err := store.UpdateSettings(context.Background(), SettingsUpdate{
				Settings: &tokenstorev1.Settings{LogRetentionCount: uint32(keep)}, Names: []string{"log_retention_count"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.AppendLog(context.Background(), "g1", logEntries(sequence+1, sequence+uint64(n))); err != nil {
				t.Fatal(err)
			}
			sequence, appended = sequence+uint64(n), appended+n
			// What is gone is not there again when a setting allows for more, for nobody.
			want := min(keep, kept+n)
			page, err := store.QueryLog(context.Background(), LogQuery{Limit: 1000})
			if err != nil || int(page.Total) != len(page.Entries) || len(page.Entries) != want {
				t.Fatalf("%d entries of %d, want %d of %d, %v", len(page.Entries), page.Total, want, appended, err)
			}
			store.logs = newLogView() // as another tokenstore looks at it
			kept = len(page.Entries)
			for i, entry := range page.Entries {
				if entry.GetSequence() != sequence-uint64(i) {
					t.Fatalf("entry %d has sequence %d of %d", i, entry.GetSequence(), sequence)
				}
			}
		}
	})
}

// A block goes when its time has come, with the prompts of all its entries.
func TestBlocksAreKeptByAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	client, setTime := testredis.MiniAt(t, now)
	store := newStore(t, client)
	changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true, LogRetentionHours: 2}, "log_prompts", "log_retention_hours")
	for i := range uint64(2) {
		setTime(now.Add(time.Duration(i) * time.Hour))
		entries := logEntries(i*100+1, i*100+100)
		for _, entry := range entries {
			entry.Prompt = entry.GetId()
		}
		appendLog(t, store, "g1", entries)
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{2 * time.Hour, 200}, {2*time.Hour + time.Minute, 100}, {3*time.Hour + time.Minute, 0}} {
		setTime(now.Add(step.after))
		if err := store.TrimLog(t.Context()); err != nil {
			t.Fatal(err)
		}
		page := queryLog(t, store, LogQuery{Limit: 1000})
		if len(page.Entries) != step.want || int(page.Total) != step.want {
			t.Errorf("after %v: %d entries of %d", step.after, len(page.Entries), page.Total)
		}
		for _, entry := range page.Entries {
			if entry.GetPrompt() != entry.GetId() {
				t.Errorf("%s has the prompt %q", entry.GetId(), entry.GetPrompt())
			}
		}
		if n := int(client.HLen(t.Context(), promptsKey()).Val()); n != (step.want+blockEntries-1)/blockEntries {
			t.Errorf("after %v: prompts of %d blocks", step.after, n)
		}
	}
}

// A block that is damaged says so in the place of each of its entries.
func TestDamagedBlocksAreTold(t *testing.T) {
	t.Parallel()
	writer := blockWriter{replica: "g1"}
	for _, entry := range logEntries(1, 3) {
		if err := writer.add(entry); err != nil {
			t.Fatal(err)
		}
	}
	whole := string(writer.args(nil)[1].([]byte))
	for name, test := range map[string]struct {
		values map[string]any
		want   int
	}{
		"whole":         {map[string]any{"n": "3", "b": whole}, 3},
		"cut":           {map[string]any{"n": "3", "b": whole[:len(whole)/2]}, 3},
		"another count": {map[string]any{"n": "5", "b": whole}, 5},
		"no count":      {map[string]any{"b": whole}, 1},
		"a wild count":  {map[string]any{"n": "100000", "b": ""}, 1},
		"nothing":       {map[string]any{}, 1},
		"a wild size":   {map[string]any{"n": "2", "b": "\xff\xff\xff\xff\x0f"}, 2},
	} {
		entries := readBlock(redis.XMessage{Values: test.values}).entries
		if len(entries) != test.want {
			t.Errorf("%s: %d entries, want %d", name, len(entries), test.want)
		}
		for _, entry := range entries {
			if (entry.GetId() == "") != strings.Contains(entry.GetError(), "damaged") {
				t.Errorf("%s: %v", name, entry)
			}
		}
	}
}

func FuzzReadBlock(f *testing.F) {
	writer := blockWriter{replica: "g1"}
	if err := writer.add(&tokenstorev1.LogEntry{Id: "a"}); err != nil {
		f.Fatal(err)
	}
	f.Add("1", string(writer.args(nil)[1].([]byte)))
	f.Add("64", "")
	f.Fuzz(func(t *testing.T, n, packed string) {
		if entries := readBlock(redis.XMessage{Values: map[string]any{"n": n, "b": packed}}).entries; len(entries) < 1 || len(entries) > blockEntries {
			t.Errorf("%d entries", len(entries))
		}
	})
}

func FuzzNextText(f *testing.F) {
	f.Add([]byte("\x01a\x00"))
	f.Fuzz(func(t *testing.T, list []byte) {
		text, rest, ok := nextText(string(list))
		if ok && !bytes.HasSuffix(list, []byte(text+rest)) || !ok && text+rest != "" {
			t.Errorf("%q is %q and %q, %v", list, text, rest, ok)
		}
	})
}
