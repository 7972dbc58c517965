package redisstore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// Nobody appends and nobody asks: the log is trimmed and known nevertheless, as
// soon as the store may be used.
func TestLogIsKept(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store *Store) {
		appendLog(t, store, "g1", logEntries(1, 5))
		changeSettings(t, store, &tokenstorev1.Settings{LogRetentionCount: 2}, "log_retention_count")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		var asked atomic.Int32
		go func() {
			defer close(ended)
			store.KeepLog(ctx, func(ctx context.Context) error {
				if asked.Add(1) > 1 {
					return nil
				}
				if n, err := store.client.HGet(ctx, logKeptKey(), "size").Int(); err != nil || n != 5 {
					t.Errorf("%d entries before the store may be used, %v", n, err)
				}
				return errors.New("not yet")
			})
		}()
		known := func() int {
			store.logs.mu.RLock()
			defer store.logs.mu.RUnlock()
			return store.logs.index.Len()
		}
		deadline := time.After(testredis.Timeout)
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for known() != 2 {
			select {
			case <-deadline:
				t.Fatalf("%d entries are known", known())
			case <-look.C:
			}
		}
		stop()
		<-ended
		if n, err := store.client.HGet(t.Context(), logKeptKey(), "gone").Int(); err != nil || n != 3 {
			t.Errorf("%d entries are gone, %v", n, err)
		}
	})
}

// Who stores many entries has the index brought up to date at once: the next round would be seconds
// away, and whoever asks before it would wait.
func TestManyEntriesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	store := newStore(t, testredis.Mini(t))
	appendLog(t, store, "g1", logEntries(1, maxBatch))
	appendLog(t, store, "g1", logEntries(maxBatch+1, 2*maxBatch))
	if len(store.logs.behind) != 0 {
		t.Error("it is not far behind yet")
	}
	appendLog(t, store, "g1", logEntries(2*maxBatch+1, 3*maxBatch))
	if len(store.logs.behind) != 1 {
		t.Fatal("it is far behind")
	}
	store.logs.store(mostBehind) // nobody waits for who keeps the log

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		store.KeepLog(ctx, func(context.Context) error { return nil })
	}()
	deadline := time.After(testredis.Timeout)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for len(store.logs.behind) > 0 || store.logs.stored.Load() > 0 {
		select {
		case <-deadline:
			t.Fatal("nobody catches up")
		case <-look.C:
		}
	}
	stop()
	<-ended
}
