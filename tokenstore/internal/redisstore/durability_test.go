package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	if client.Do(t.Context(), "WAITAOF", 0, 0, 1).Err() == nil {
		return // this server needs no policy
	}
	got, err := client.ConfigGet(t.Context(), "appendfsync").Result()
	if err != nil || got["appendfsync"] != "always" {
		t.Errorf("appendfsync %v, %v", got, err)
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
