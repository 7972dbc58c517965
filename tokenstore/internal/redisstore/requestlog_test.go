package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func logEntries(from, to uint64) []*tokenstorev1.LogEntry {
	var entries []*tokenstorev1.LogEntry
	for sequence := from; sequence <= to; sequence++ {
		entries = append(entries, &tokenstorev1.LogEntry{
			Id: fmt.Sprint("r", sequence), Sequence: sequence, StartedAt: timestamppb.Now(), Total: durationpb.New(time.Second),
			Model: []string{"a", "b"}[sequence%2], Status: "success", Stream: sequence%3 == 0, TokenAlias: "work",
		})
	}
	return entries
}

func ids(entries []*tokenstorev1.LogEntry) string {
	var all []string
	for _, entry := range entries {
		all = append(all, entry.GetId())
	}
	return strings.Join(all, " ")
}

func TestLogIsAppendedOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		for _, step := range []struct {
			replica        string
			from, to, want uint64
		}{
			{"g1", 1, 3, 3},
			{"g1", 1, 3, 0}, // repeated
			{"g1", 2, 5, 2}, // overlapping
			{"g2", 1, 1, 1}, // another replica counts for itself
			{"g1", 6, 5, 0}, // empty
			{"g1", 8, 8, 1}, // a gap is the replica's business
		} {
			got, err := store.AppendLog(ctx, step.replica, logEntries(step.from, step.to))
			if err != nil || uint64(got) != step.want {
				t.Errorf("%+v: stored %d, %v", step, got, err)
			}
		}
		if size, err := store.LogSize(ctx); err != nil || size != 7 {
			t.Errorf("size %d, %v", size, err)
		}
		got, next, err := store.QueryLog(ctx, LogFilter{}, 100, "")
		if err != nil || next != "" || ids(got) != "r8 r1 r5 r4 r3 r2 r1" {
			t.Errorf("got %s, next %q, %v", ids(got), next, err)
		}
		for name, bad := range map[string]struct {
			replica string
			entries []*tokenstorev1.LogEntry
		}{
			"replica":    {"a b", logEntries(1, 1)},
			"no replica": {"", logEntries(1, 1)},
			"order":      {"g3", append(logEntries(2, 2), logEntries(1, 1)...)},
			"zero":       {"g3", logEntries(0, 0)},
			"too many":   {"g3", logEntries(1, maxBatch+1)},
		} {
			_, err := store.AppendLog(ctx, bad.replica, bad.entries)
			if wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT); t.Failed() {
				t.Fatal(name)
			}
		}
	})
}

func TestLogEntryComesBackWhole(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		entry := logEntries(1, 1)[0]
		entry.FirstByte, entry.Upstream, entry.TokenId, entry.TokenFingerprint = durationpb.New(time.Millisecond), "cursor", "t1", "f"
		entry.HttpStatus, entry.Error, entry.ErrorKind, entry.EndReason = 200, "e", "k", "done"
		entry.Attempts, entry.PromptTokens, entry.CompletionTokens, entry.UsageSource = 2, 3, 4, "reported"
		entry.Prompt = "what the user asked: häß"
		if _, err := store.AppendLog(t.Context(), "g1", []*tokenstorev1.LogEntry{entry}); err != nil {
			t.Fatal(err)
		}
		got, _, err := store.QueryLog(t.Context(), LogFilter{}, 10, "")
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		entry.Replica = "g1"
		if diff := cmp.Diff(entry, got[0], protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		other := New(store.client, Options{Keys: testKeys(t, keyLine1("k9", 'z')), Defaults: store.defaults, Logger: store.log})
		if got, _, err = other.QueryLog(t.Context(), LogFilter{}, 10, ""); err != nil || !strings.Contains(got[0].GetPrompt(), "k1") || got[0].GetError() != "e" {
			t.Errorf("without the key: %v, %v", got, err)
		}
	})
}

func TestLogQuery(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		entries := logEntries(1, 1200)
		now := time.Now()
		entries[99].Status, entries[99].Error = "failure", "Upstream is OVERLOADED"
		for i, entry := range entries {
			entry.StartedAt = timestamppb.New(now.Add(time.Duration(i-1200) * time.Second))
		}
		if _, err := store.AppendLog(ctx, "g1", entries); err != nil {
			t.Fatal(err)
		}
		yes := true
		for name, test := range map[string]struct {
			filter LogFilter
			want   int
		}{
			"all":    {LogFilter{}, 1200},
			"model":  {LogFilter{Model: "a"}, 600},
			"stream": {LogFilter{Stream: &yes}, 400},
			"status": {LogFilter{Status: "failure"}, 1},
			"error":  {LogFilter{Error: "overloaded"}, 1},
			"alias":  {LogFilter{TokenAlias: "work"}, 1200},
			"none":   {LogFilter{TokenAlias: "play"}, 0},
			"from":   {LogFilter{From: now.Add(-10500 * time.Millisecond)}, 10},
			"to":     {LogFilter{To: now.Add(-1190500 * time.Millisecond)}, 10},
		} {
			count, cursor := 0, ""
			for {
				page, next, err := store.QueryLog(ctx, test.filter, 100, cursor)
				if err != nil {
					t.Fatal(err)
				}
				if count += len(page); next == "" {
					break
				}
				cursor = next
			}
			if count != test.want {
				t.Errorf("%s: %d", name, count)
			}
		}
		_, _, err := store.QueryLog(ctx, LogFilter{}, 1, "nonsense")
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
	})
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		if _, err := update(ctx, store, SettingsUpdate{Settings: &tokenstorev1.Settings{LogRetentionCount: 100}, Names: []string{"log_retention_count"}}); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(4) {
			if _, err := store.AppendLog(ctx, "g1", logEntries(i*500+1, i*500+500)); err != nil {
				t.Fatal(err)
			}
		}
		size, err := store.LogSize(ctx)
		if err != nil || size < 100 || size > 300 {
			t.Errorf("size %d, %v", size, err)
		}
		long := logEntries(5000, 5000)
		long[0].Error = strings.Repeat("ä", 5000)
		if _, err := store.AppendLog(ctx, "g1", long); err != nil {
			t.Fatal(err)
		}
		got, _, err := store.QueryLog(ctx, LogFilter{}, 1, "")
		if err != nil || len(got[0].GetError()) != maxLogText {
			t.Errorf("error of %d bytes, %v", len(got[0].GetError()), err)
		}
	})
}
