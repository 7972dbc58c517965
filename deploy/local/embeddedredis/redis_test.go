package embeddedredis_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"carousel.internal/deploy/local/embeddedredis"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func start(t *testing.T, folder string, goOnly bool) *embeddedredis.Redis {
	t.Helper()
	started, err := embeddedredis.Start(t.Context(), folder, goOnly, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return started
}

func kinds(t *testing.T, run func(t *testing.T, goOnly bool)) {
	t.Run("in process", func(t *testing.T) { run(t, true) })
	t.Run("redis-server", func(t *testing.T) {
		if _, err := exec.LookPath("redis-server"); err != nil {
			if os.Getenv("REQUIRE_REDIS") == "1" {
				t.Fatal(err)
			}
			t.Skip("no redis-server here")
		}
		run(t, false)
	})
}

// everything writes one value of each kind and answers how to read them.
func everything(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	ctx := t.Context()
	binary := string([]byte{0, 1, 0xff, '\r', '\n'})
	pipe := client.TxPipeline()
	pipe.Set(ctx, "string", binary, 0)
	pipe.HSet(ctx, "hash", "field", binary, "other", "2")
	pipe.SAdd(ctx, "set", "a", "b")
	pipe.ZAdd(ctx, "zset", redis.Z{Score: 1.5, Member: "x"}, redis.Z{Score: 1700000000000, Member: "y"})
	pipe.XAdd(ctx, &redis.XAddArgs{Stream: "stream", ID: "5-1", Values: []string{"entry", binary}})
	pipe.XAdd(ctx, &redis.XAddArgs{Stream: "stream", ID: "5-2", Values: []string{"entry", "second", "more", "fields"}})
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, client redis.UniversalClient) map[string]any {
	t.Helper()
	ctx := t.Context()
	return map[string]any{
		"string": client.Get(ctx, "string").Val(),
		"hash":   client.HGetAll(ctx, "hash").Val(),
		"set":    len(client.SMembers(ctx, "set").Val()),
		"zset":   client.ZRangeWithScores(ctx, "zset", 0, -1).Val(),
		"stream": client.XRange(ctx, "stream", "-", "+").Val(),
	}
}

func TestStateIsThereAfterARestart(t *testing.T) {
	kinds(t, func(t *testing.T, goOnly bool) {
		folder := t.TempDir()
		first := start(t, folder, goOnly)
		everything(t, first.Client)
		want := read(t, first.Client)
		first.Close()

		second := start(t, folder, goOnly)
		defer second.Close()
		if diff := cmp.Diff(want, read(t, second.Client)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSyncedStateSurvivesWithoutAClose(t *testing.T) {
	folder := t.TempDir()
	first := start(t, folder, true)
	defer first.Close()
	everything(t, first.Client)
	if err := first.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What a killed process leaves is the file as it is now.
	state, err := os.ReadFile(filepath.Join(folder, "state"))
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	if err := os.WriteFile(filepath.Join(copied, "state"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	second := start(t, copied, true)
	defer second.Close()
	if diff := cmp.Diff(read(t, first.Client), read(t, second.Client)); diff != "" {
		t.Error(diff)
	}
}

func TestADamagedFileIsRefusedAndKept(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "state")
	if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if started, err := embeddedredis.Start(t.Context(), folder, true, slog.New(slog.DiscardHandler)); err == nil {
		started.Close()
		t.Fatal("it started")
	}
	if kept, _ := os.ReadFile(path); string(kept) != "torn" {
		t.Errorf("the file is now %q", kept)
	}
}

func TestAFolderHasOneUser(t *testing.T) {
	folder := t.TempDir()
	first := start(t, folder, true)
	defer first.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if second, err := embeddedredis.Start(ctx, folder, true, slog.New(slog.DiscardHandler)); err == nil {
		second.Close()
		t.Error("a second one started on the same folder")
	}
}
