package redisstore

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// A server's configuration is its operator's.
func TestSyncChangesNoConfiguration(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"always", "everysec", "no"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			client := testredis.Start(t)
			if err := client.ConfigSet(t.Context(), "appendfsync", policy).Err(); err != nil {
				t.Fatal(err)
			}
			client.ConfigResetStat(t.Context())
			if err := NewBarrier(client, 0).Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, err := client.ConfigGet(t.Context(), "appendfsync").Result()
			if err != nil || got["appendfsync"] != policy {
				t.Errorf("appendfsync %v, %v", got, err)
			}
			if stats := client.Info(t.Context(), "commandstats").Val(); strings.Contains(stats, "config|set") {
				t.Errorf("CONFIG SET was called:\n%s", stats)
			}
		})
	}
}

// mini is a server whose commands answer as the test wants.
func mini(t *testing.T, commands map[string]func(*server.Peer)) redis.UniversalClient {
	t.Helper()
	running := miniredis.RunT(t)
	for name, answer := range commands {
		if err := running.Server().Register(name, func(peer *server.Peer, _ string, _ []string) { answer(peer) }); err != nil {
			t.Fatal(err)
		}
	}
	client := redis.NewClient(&redis.Options{Addr: running.Addr(), Protocol: 2, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func refuse(text string) func(*server.Peer) {
	return func(peer *server.Peer) { peer.WriteError(text) }
}

// onDisk is WAITAOF's answer: how many disks have it.
func onDisk(local int) func(*server.Peer) {
	return func(peer *server.Peer) {
		peer.WriteLen(2)
		peer.WriteInt(local)
		peer.WriteInt(0)
	}
}

func TestSyncOnEveryKindOfServer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		waitaof func(*server.Peer)
		waits   bool
		fails   string
	}{
		"waits":                    {waitaof: onDisk(1), waits: true},
		"can't wait":               {},
		"may not wait":             {waitaof: refuse("NOPERM User x has no permissions to run the 'waitaof' command")},
		"no append-only file":      {waitaof: refuse("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")},
		"waits in vain":            {waitaof: onDisk(0), fails: "disk"},
		"has moved":                {waitaof: refuse("MOVED 1 127.0.0.1:7000"), fails: "moving"},
		"is a replica":             {waitaof: refuse("READONLY You can't write against a read only replica."), fails: "replica"},
		"lost its primary's role":  {waitaof: refuse("UNBLOCKED force unblock from blocking operation"), fails: "role"},
		"can't save":               {waitaof: refuse("MISCONF Errors writing to the AOF file: No space left on device"), fails: "disk"},
		"an error nobody knows of": {waitaof: refuse("ERR something else"), fails: "something else"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commands := map[string]func(*server.Peer){}
			if test.waitaof != nil {
				commands["WAITAOF"] = test.waitaof
			}
			barrier := NewBarrier(mini(t, commands), 0)
			err := barrier.Sync(t.Context())
			if test.fails == "" && err != nil || test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)) {
				t.Errorf("got %v", err)
			}
			if err == nil && barrier.Waits() != test.waits {
				t.Errorf("waits: %t", barrier.Waits())
			}
		})
	}
}

// A write counts as saved when as many replicas as wanted have it.
func TestSyncWaitsForReplicas(t *testing.T) {
	t.Parallel()
	primary := testredis.NewServer(t, "--repl-diskless-sync-delay", "0")
	barrier := NewBarrier(primary.Client(t), 1)
	if err := barrier.Sync(t.Context()); !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		t.Fatalf("saved without a replica: %v", err)
	}
	replica := testredis.NewServer(t).Client(t)
	host, port := primary.ListenTCP(t)
	if err := replica.SlaveOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testredis.Timeout)
	defer cancel()
	for err := barrier.Sync(ctx); err != nil; err = barrier.Sync(ctx) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	for replica.Get(ctx, barrierKey(0)).Val() == "" { // it may be loading still what it has received
		if ctx.Err() != nil {
			t.Fatal("the replica has no write of the barrier")
		}
	}
}

func TestSyncFailsWithoutServer(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	barrier := NewBarrier(server.Client(t), 0)
	server.Kill()
	if err := barrier.Sync(t.Context()); err == nil {
		t.Error("no error")
	}
}

// Twenty callers that come while a sync runs share the next one, and never the
// one that had begun before they came.
func TestWaitersShareASync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var shared sharedSync
		var syncs, written, onDisk atomic.Int64
		wantErr := errors.New("disk")
		flush := func(context.Context) error {
			seen := written.Load()
			time.Sleep(time.Second)
			onDisk.Store(seen)
			if syncs.Add(1) == 2 {
				return wantErr
			}
			return nil
		}
		var group sync.WaitGroup
		group.Go(func() {
			written.Add(1)
			if err := shared.do(t.Context(), flush); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 20 {
			group.Go(func() {
				mine := written.Add(1)
				if err := shared.do(t.Context(), flush); !errors.Is(err, wantErr) {
					t.Errorf("got %v", err)
				}
				if onDisk.Load() < mine {
					t.Errorf("write %d was acknowledged when %d were on disk", mine, onDisk.Load())
				}
			})
		}
		group.Wait()
		if syncs.Load() != 2 {
			t.Errorf("%d syncs", syncs.Load())
		}
	})
}

// A Redis within the process writes everything to save anything. It is not made to do so
// once a second by who only looks, unless it can't: then that is to be known at once, and
// that it can again.
func TestLookingSavesRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		saves, broken := 0, error(nil)
		store := New(redis.NewClient(&redis.Options{}), Options{Barrier: BarrierFunc(func(context.Context) error {
			saves++
			return broken
		})})
		look := func(seconds, want int, wantErr error) {
			t.Helper()
			saves = 0
			for range seconds {
				if err := store.Writable(t.Context()); !errors.Is(err, wantErr) {
					t.Errorf("ready: %v", err)
				}
				time.Sleep(time.Second)
			}
			if saves != want {
				t.Errorf("%d saves in %d seconds", saves, seconds)
			}
		}
		look(30, 3, nil)
		broken = errors.New("the disk is full")
		look(5, 5, broken)
		broken = nil
		look(10, 1, nil)
	})
}
