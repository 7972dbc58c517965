package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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

func appendLog(t testing.TB, store *Store, replica string, entries []*tokenstorev1.LogEntry) {
	t.Helper()
	if _, err := store.AppendLog(t.Context(), replica, entries); err != nil {
		t.Fatal(err)
	}
}

// queryLog returns a page; a limit of 0 means 100.
func queryLog(t testing.TB, store *Store, query LogQuery) LogPage {
	t.Helper()
	if query.Limit == 0 {
		query.Limit = 100
	}
	page, err := store.QueryLog(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func changeSettings(t testing.TB, store *Store, wanted *tokenstorev1.Settings, names ...string) {
	t.Helper()
	if _, err := store.UpdateSettings(t.Context(), SettingsUpdate{Settings: wanted, Names: names}); err != nil {
		t.Fatal(err)
	}
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
		if page := queryLog(t, store, LogQuery{}); page.Total != 7 || page.Next != "" || ids(page.Entries) != "r8 r1 r5 r4 r3 r2 r1" {
			t.Errorf("got %s of %d, next %q", ids(page.Entries), page.Total, page.Next)
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
		changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true}, "log_prompts")
		entry := logEntries(1, 1)[0]
		entry.FirstByte, entry.Upstream, entry.TokenId, entry.TokenFingerprint = durationpb.New(time.Millisecond), "cursor", "t1", "f"
		entry.HttpStatus, entry.Error, entry.ErrorKind, entry.EndReason = 200, "e", "k", "done"
		entry.Attempts, entry.PromptTokens, entry.CompletionTokens, entry.UsageSource = 2, 3, 4, "reported"
		entry.CacheReadTokens, entry.CacheWriteTokens, entry.CacheWriteHourTokens, entry.ReasoningTokens, entry.Dialect, entry.Translated = 1, 2, 1, 3, "anthropic", true
		entry.AttemptLog = []*tokenstorev1.LogAttempt{{
			Upstream: "cursor", Status: 400, Code: "bad_stop", Param: "stop",
			SentHeaders: []*tokenstorev1.LogHeader{{Name: "Authorization", Hidden: true}}, ReceivedHeaders: []*tokenstorev1.LogHeader{{Name: "Retry-After", Value: "60"}},
		}}
		entry.ClientHeaders = []*tokenstorev1.LogHeader{{Name: "User-Agent", Value: "curl/8"}}
		entry.Prompt, entry.MaskedSecret = "what the user asked: häß", "eyJh…Zx9Q"
		appendLog(t, store, "g1", []*tokenstorev1.LogEntry{entry})
		got := queryLog(t, store, LogQuery{}).Entries
		if len(got) != 1 {
			t.Fatal(got)
		}
		entry.Replica = "g1"
		if diff := cmp.Diff(entry, got[0], protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		if got := queryLog(t, store, LogQuery{OmitPrompts: true}).Entries; got[0].GetPrompt() != "" || got[0].GetId() != "r1" {
			t.Errorf("without prompts: %v", got)
		}
		other := New(store.client, Options{Keys: testKeys(t, keyLine1("k9", 'z')), Defaults: store.defaults, Logger: store.log})
		if got := queryLog(t, other, LogQuery{}).Entries; !strings.Contains(got[0].GetPrompt(), "k1") || got[0].GetError() != "e" {
			t.Errorf("without the key: %v", got)
		}
	})
}

// Of headers no more is kept than the bounds allow, and of hidden ones no value, whatever a gateway
// sends.
func TestLogHeadersAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		long := strings.Repeat("é", 1000)
		var many []*tokenstorev1.LogHeader
		for i := range 2 * maxLogHeaders {
			many = append(many, &tokenstorev1.LogHeader{Name: long, Value: long, Hidden: i == 0})
		}
		entry := logEntries(1, 1)[0]
		entry.ClientHeaders, entry.AttemptLog = many, []*tokenstorev1.LogAttempt{{SentHeaders: many, ReceivedHeaders: many}}
		appendLog(t, store, "g1", []*tokenstorev1.LogEntry{entry})
		got := queryLog(t, store, LogQuery{LogFilter: LogFilter{RequestID: "r1"}}).Entries[0]
		for _, kept := range [][]*tokenstorev1.LogHeader{got.GetClientHeaders(), got.GetAttemptLog()[0].GetSentHeaders(), got.GetAttemptLog()[0].GetReceivedHeaders()} {
			if len(kept) != maxLogHeaders || len(kept[1].GetName()) != maxHeaderName || len(kept[1].GetValue()) != maxHeaderValue || kept[0].GetValue() != "" {
				t.Errorf("%d headers: %v", len(kept), kept[:2])
			}
		}
	})
}

// Of an entry's attempts no more is kept than the bounds allow, and the last always.
func TestLogAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		entry := logEntries(1, 1)[0]
		for i := range 2 * maxLogAttempts {
			entry.AttemptLog = append(entry.AttemptLog, &tokenstorev1.LogAttempt{
				StartedAt: timestamppb.Now(), TokenId: fmt.Sprint("t", i), Class: "rate_limit", Rule: "limit", Status: 429, Message: strings.Repeat("é", maxAttemptText), Param: strings.Repeat("é", maxAttemptText),
			})
		}
		appendLog(t, store, "g1", []*tokenstorev1.LogEntry{entry})
		got := queryLog(t, store, LogQuery{LogFilter: LogFilter{RequestID: "r1"}}).Entries
		if len(got) != 1 || len(got[0].GetAttemptLog()) != maxLogAttempts {
			t.Fatalf("%d entries, %d attempts", len(got), len(got[0].GetAttemptLog()))
		}
		last := got[0].GetAttemptLog()[maxLogAttempts-1]
		if last.GetTokenId() != fmt.Sprint("t", 2*maxLogAttempts-1) || last.GetStatus() != 429 || last.GetClass() != "rate_limit" ||
			len(last.GetMessage()) > maxAttemptText || len(last.GetParam()) > maxAttemptText || !utf8.ValidString(last.GetMessage()) {
			t.Errorf("the last is %v", last)
		}
	})
}

// What is kept of long texts ends between characters.
func TestLogTextsAreCut(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true}, "log_prompts")
		entries := logEntries(1, 2)
		entries[0].Error, entries[0].Prompt = "x"+strings.Repeat("ä", 5000), strings.Repeat("語", 30_000)
		entries[1].Prompt = strings.Repeat("x", maxPrompt)
		appendLog(t, store, "g1", entries)
		got := queryLog(t, store, LogQuery{}).Entries
		whole, long := got[0], got[1]
		if len(long.GetError()) != maxLogText-1 || !utf8.ValidString(long.GetError()) {
			t.Errorf("an error of %d bytes", len(long.GetError()))
		}
		if len(long.GetPrompt()) != maxPrompt-1 || !utf8.ValidString(long.GetPrompt()) || !long.GetPromptCut() {
			t.Errorf("a prompt of %d bytes, cut: %v", len(long.GetPrompt()), long.GetPromptCut())
		}
		if len(whole.GetPrompt()) != maxPrompt || whole.GetPromptCut() {
			t.Errorf("a prompt that fits: %d bytes, cut: %v", len(whole.GetPrompt()), whole.GetPromptCut())
		}
	})
}

func TestLogIsKeptByCount(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		changeSettings(t, store, &tokenstorev1.Settings{LogRetentionCount: 100}, "log_retention_count")
		for i := range uint64(4) {
			appendLog(t, store, "g1", logEntries(i*500+1, i*500+500))
		}
		if page := queryLog(t, store, LogQuery{}); page.Total != 100 || len(page.Entries) != 100 || page.Next != "" || page.Entries[99].GetId() != "r1901" {
			t.Errorf("%d of %d, next %q", len(page.Entries), page.Total, page.Next)
		}
	})
}

// Nobody appends: what is too old goes nevertheless, and its prompt with it.
func TestLogIsKeptByAge(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		ctx := t.Context()
		changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true, LogRetentionHours: 2}, "log_prompts", "log_retention_hours")
		now, err := store.client.Time(ctx).Result()
		if err != nil {
			t.Fatal(err)
		}
		for i, age := range []time.Duration{121 * time.Minute, 119 * time.Minute} {
			entry := logEntries(uint64(i+1), uint64(i+1))[0]
			entry.Prompt = "words"
			place := fmt.Sprint(now.Add(-age).UnixMilli(), "-0")
			putFormer(t, store, place, "g1", entry)
			for _, command := range [][]any{
				{"XADD", promptOrderKey(), place, "p", ""}, {"HSET", promptsKey(), place, formerPrompt(store, "g1", entry)},
			} {
				if err := store.client.Do(ctx, command...).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if page := queryLog(t, store, LogQuery{}); ids(page.Entries) != "r2 r1" {
			t.Fatalf("before: %s", ids(page.Entries))
		}
		if err := store.TrimLog(ctx); err != nil {
			t.Fatal(err)
		}
		page := queryLog(t, store, LogQuery{})
		if ids(page.Entries) != "r2" || page.Total != 1 || page.Entries[0].GetPrompt() != "words" {
			t.Errorf("after: %v of %d", page.Entries, page.Total)
		}
		if n, err := store.client.HLen(ctx, promptsKey()).Result(); err != nil || n != 1 {
			t.Errorf("%d prompts, %v", n, err)
		}
	})
}

// Switched off means that nothing is kept: neither what a gateway sends that has
// not heard of it, nor what is there.
func TestLogWithoutPrompts(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		entries := logEntries(1, 3)
		for _, entry := range entries {
			entry.Prompt = strings.Repeat("words ", 20_000)
		}
		changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true}, "log_prompts")
		appendLog(t, store, "g1", entries[:1])
		changeSettings(t, store, &tokenstorev1.Settings{}, "log_prompts")
		appendLog(t, store, "g1", entries[1:2])
		for _, entry := range queryLog(t, store, LogQuery{}).Entries {
			if entry.GetPrompt() != "" {
				t.Errorf("%s has a prompt", entry.GetId())
			}
		}
		if n, err := store.client.Exists(t.Context(), promptsKey(), promptOrderKey(), promptBytesKey()).Result(); err != nil || n != 0 {
			t.Errorf("prompts are there: %d, %v", n, err)
		}
		changeSettings(t, store, &tokenstorev1.Settings{LogPrompts: true}, "log_prompts")
		appendLog(t, store, "g1", entries[2:])
		got := queryLog(t, store, LogQuery{}).Entries
		if ids(got) != "r3 r2 r1" || got[0].GetPrompt() == "" || got[1].GetPrompt() != "" || got[1].GetPromptCut() {
			t.Errorf("switched on again: %s", ids(got))
		}
	})
}
