package redisstore

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// Redis is killed in the middle of writes. Whatever was acknowledged before is
// there after its restart. A server without WAITAOF is run with appendfsync always.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t, "--appendfsync", "always")
	store := newStore(t, server.Client(t))
	ctx := t.Context()

	const writers = 4
	var acknowledged [writers][]*tokenstorev1.Token
	var logged [writers]int
	var version uint64
	var revoked int
	enough := make(chan struct{}, 1000)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			replica := fmt.Sprint("g", w)
			for i := 1; ; i++ {
				d := draft("cursor", fmt.Sprintf("secret-of-%d-%d", w, i))
				d.Alias = fmt.Sprintf("alias-%d-%d", w, i)
				created, err := store.CreateToken(ctx, d)
				if err != nil {
					return
				}
				acknowledged[w] = append(acknowledged[w], created)
				if _, err := store.AppendLog(ctx, replica, logEntries(uint64(i), uint64(i))); err != nil {
					return
				}
				logged[w] = i
				if w == 0 {
					now, err := store.UpdateSettings(ctx, SettingsUpdate{
						Settings: &tokenstorev1.Settings{DefaultInstructions: d.Alias}, Names: []string{"default_instructions"},
						Pages: []*tokenstorev1.Page{page("/about", asText, d.Alias)},
					})
					if err != nil {
						return
					}
					version = now.GetSettings().GetVersion()
					if err := store.RevokeSession(ctx, d.Alias, time.Now().Add(time.Hour)); err != nil {
						return
					}
					revoked++
				}
				select {
				case enough <- struct{}{}:
				default: // enough already
				}
			}
		})
	}
	for range 40 {
		<-enough
	}
	server.Kill()
	group.Wait()
	if err := store.Ping(ctx); !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		t.Errorf("without Redis: %v", err)
	}
	server.Start(t)
	if err := store.Prepare(ctx); err != nil {
		t.Fatal(err)
	}

	for w := range writers {
		for _, want := range acknowledged[w] {
			got, err := store.Token(ctx, want.GetId())
			if err != nil || got.GetAlias() != want.GetAlias() || got.GetFingerprint() != want.GetFingerprint() || got.GetMaskedChecksum() != want.GetMaskedChecksum() {
				t.Errorf("token %v: %v, %v", want, got, err)
			}
		}
		page, err := store.QueryLog(ctx, LogQuery{Limit: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, entry := range page.Entries {
			if entry.GetReplica() == fmt.Sprint("g", w) && entry.GetSequence() <= uint64(logged[w]) {
				found++
			}
		}
		if found != logged[w] {
			t.Errorf("replica %d: %d entries of %d", w, found, logged[w])
		}
	}
	now, err := store.Snapshot(ctx)
	if err != nil || now.GetSettings().GetVersion() < version {
		t.Errorf("settings %v, %v; version %d was acknowledged", now.GetSettings(), err, version)
	}
	if pages := now.GetPages(); version > 0 && (len(pages) != 1 || pages[0].GetContent() != now.GetSettings().GetDefaultInstructions()) {
		t.Errorf("pages %v beside the settings %v", pages, now.GetSettings())
	}
	if kept := len(now.GetRevokedSessions()); kept < revoked {
		t.Errorf("%d revoked sessions; %d were acknowledged", kept, revoked)
	}
}

// No secret is readable in Redis: not in its values, nor in its file.
func TestRedisHoldsNoSecret(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	client := server.Client(t)
	store := newStore(t, client)
	ctx := t.Context()
	secrets := []string{"sk-the-first-secret-of-them-all", "sk-another-secret-that-is-long", "short1", "what the user asked"}
	var drafts []token.Draft
	for _, text := range secrets[1:3] {
		drafts = append(drafts, draft("cursor", text))
	}
	id := create(t, store, draft("cursor", secrets[0])).GetId()
	if _, err := store.ImportTokens(ctx, drafts); err != nil {
		t.Fatal(err)
	}
	if _, err := store.UpdateToken(ctx, id, token.Fields{Alias: "a"}, []string{token.Alias}, 0); err != nil {
		t.Fatal(err)
	}
	credential, err := store.Credential(ctx, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, credential.DeviceID, credential.MACHash)
	entry := logEntries(1, 1)
	entry[0].Prompt = secrets[3]
	if _, err := store.AppendLog(ctx, "g1", entry); err != nil {
		t.Fatal(err)
	}
	if got := queryLog(t, store, LogQuery{}).Entries; got[0].GetPrompt() != secrets[3] {
		t.Fatalf("the prompt came back as %q", got[0].GetPrompt())
	}
	dump := dumpOf(t, store) + filesIn(t, server.Folder())
	if !strings.Contains(dump, id) {
		t.Fatal("the dump is not one")
	}
	for _, text := range secrets {
		if strings.Contains(dump, text) {
			t.Errorf("%q is in Redis", text)
		}
	}
}

func dumpOf(t *testing.T, store *Store) string {
	t.Helper()
	var dump strings.Builder
	keys, err := store.client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		kind, err := store.client.Type(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		read := map[string][]any{
			"string": {"GET", key}, "hash": {"HGETALL", key}, "zset": {"ZRANGE", key, 0, -1}, "stream": {"XRANGE", key, "-", "+"},
			"set": {"SMEMBERS", key},
		}[kind]
		value, err := store.client.Do(t.Context(), read...).Result()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&dump, "%s %v\n", key, value)
	}
	return dump.String()
}

func filesIn(t *testing.T, folder string) string {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil || all.Len() == 0 {
		t.Fatalf("%d bytes of files, %v", all.Len(), err)
	}
	return all.String()
}
