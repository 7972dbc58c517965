package app

import (
	"context"
	"log/slog"
	"time"

	"carousel.internal/tokenstore/internal/redisstore"
)

// keysMissed tells readKeys that changes of client keys may have been missed. It does not block.
func (t *Tokenstore) keysMissed() {
	select {
	case t.unread <- struct{}{}:
	default: // it will look anyway
	}
}

// readKeys reads all client keys at the start, and whenever changes may have been missed, so that
// the first who lists them needn't wait for that. Nothing else waits for it.
func (t *Tokenstore) readKeys(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.unread:
		}
		for t.tryReadKeys(ctx) != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookEvery):
			}
		}
	}
}

func (t *Tokenstore) tryReadKeys(ctx context.Context) error {
	t.keeper.awaitLook(ctx)
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	began := time.Now()
	page, err := t.store.ListClientKeys(ctx, redisstore.ClientKeyFilter{}, 1, "")
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelDebug, "client keys are not read yet", slog.Any("error", err))
		return err
	}
	t.log.LogAttrs(ctx, slog.LevelDebug, "client keys are read", slog.Int("keys", page.Total), slog.Duration("took", time.Since(began)))
	return nil
}
