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
