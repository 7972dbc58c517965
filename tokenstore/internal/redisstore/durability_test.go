package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/testredis"
)

func TestSyncSetsThePolicyWhereItMust(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	barrier := NewBarrier(client, slog.New(slog.DiscardHandler))
	if err := barrier.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if problem := barrier.Problem(); problem != "" {
		t.Errorf("problem: %s", problem)
	}
	want := "always"
	if client.Do(t.Context(), "WAITAOF", 0, 0, 1).Err() == nil {
		want = "everysec" // as it was
	}
	got, err := client.ConfigGet(t.Context(), "appendfsync").Result()
	if err != nil || got["appendfsync"] != want {
		t.Errorf("appendfsync %v, want %s, %v", got, want, err)
	}
}

// oldOrNew is a server whose WAITAOF and CONFIG answer as the test wants, and
// what it was told to set appendfsync to.
func oldOrNew(t *testing.T, waitaof func(*server.Peer), policy string) (redis.UniversalClient, *[]string) {
	t.Helper()
	mini := miniredis.RunT(t)
	var set []string
	register := func(name string, answer func(*server.Peer, []string)) {
		if err := mini.Server().Register(name, func(peer *server.Peer, _ string, args []string) { answer(peer, args) }); err != nil {
			t.Fatal(err)
		}
	}
	if waitaof != nil {
		register("WAITAOF", func(peer *server.Peer, _ []string) { waitaof(peer) })
	}
	if policy != "" {
		register("CONFIG", func(peer *server.Peer, args []string) {
			if strings.EqualFold(args[0], "SET") {
				set = append(set, args[2])
				peer.WriteOK()
				return
			}
			peer.WriteStrings([]string{"appendonly", "yes", "appendfsync", policy})
		})
	}
	client := redis.NewClient(&redis.Options{Addr: mini.Addr(), Protocol: 2})
	t.Cleanup(func() { _ = client.Close() })
	return client, &set
}

func TestSyncOnEveryKindOfServer(t *testing.T) {
	t.Parallel()
	acknowledge := func(local int) func(*server.Peer) {
		return func(peer *server.Peer) {
			peer.WriteLen(2)
			peer.WriteInt(local)
			peer.WriteInt(0)
		}
	}
	refuse := func(peer *server.Peer) { peer.WriteError("NOPERM no") }
	for name, test := range map[string]struct {
		waitaof func(*server.Peer)
		policy  string
		set     string
		problem bool
		fails   bool
	}{
		"waits":                     {waitaof: acknowledge(1), policy: "everysec", set: "always everysec"},
		"waits, always":             {waitaof: acknowledge(1), policy: "always"},
		"waits, never by itself":    {waitaof: acknowledge(1), policy: "no", set: "always no"},
		"waits, no CONFIG":          {waitaof: acknowledge(1)},
		"waits in vain":             {waitaof: acknowledge(0), policy: "everysec", set: "always everysec", fails: true},
		"waiting is forbidden":      {waitaof: refuse, policy: "everysec", set: "always everysec", problem: true},
		"can't wait":                {policy: "everysec", set: "always"},
		"can't wait, always":        {policy: "always"},
		"can't wait, and no CONFIG": {problem: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, set := oldOrNew(t, test.waitaof, test.policy)
			barrier := NewBarrier(client, slog.New(slog.DiscardHandler))
			err := barrier.Sync(t.Context())
			if (err != nil) != test.fails {
				t.Errorf("got %v", err)
			}
			if problem := barrier.Problem(); (problem != "") != test.problem {
				t.Errorf("problem %q", problem)
			}
			if got := strings.Join(*set, " "); got != test.set {
				t.Errorf("appendfsync was set to %q, want %q", got, test.set)
			}
		})
	}
}

// A server that can't wait is left at always while other tokenstores might set
// the policy back, and gets the operator's policy back when there are none.
func TestSyncReturnsThePolicyWhenAlone(t *testing.T) {
	t.Parallel()
	client, set := oldOrNew(t, nil, "everysec")
	barrier := NewBarrier(client, slog.New(slog.DiscardHandler))
	listen := func() *redis.PubSub {
		listener := client.Subscribe(t.Context(), poolChannel)
		if _, err := listener.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		return listener
	}
	first, second := listen(), listen()
	defer func() { _ = first.Close() }()
	if err := barrier.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(*set, " "); got != "always" {
		t.Errorf("beside another: appendfsync was set to %q", got)
	}
	if err := second.Unsubscribe(t.Context(), poolChannel); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
	if err := barrier.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(*set, " "); got != "always always everysec" {
		t.Errorf("alone: appendfsync was set to %q", got)
	}
}

func TestSyncTellsOfAServerThatKeepsNothing(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		_ = client.ConfigSet(t.Context(), "appendonly", "no").Err() // miniredis has no CONFIG
		barrier := NewBarrier(client, slog.New(slog.DiscardHandler))
		if err := barrier.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if barrier.Problem() == "" {
			t.Error("no problem reported")
		}
	})
}

func TestSyncFailsWithoutServer(t *testing.T) {
	t.Parallel()
	server := testredis.NewServer(t)
	barrier := NewBarrier(server.Client(t), slog.New(slog.DiscardHandler))
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
