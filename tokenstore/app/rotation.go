package app

import (
	"context"
	"log/slog"
	"time"
)

const (
	rotateTimeout = 2 * time.Second
	rotatePause   = time.Second
)

// reconfigured tells rotate that the settings may have changed. It does not block.
func (t *Tokenstore) reconfigured() {
	select {
	case t.changed <- struct{}{}:
	default: // a look is due already
	}
}

// rotate keeps the strategy of picks what the settings say, until ctx ends.
func (t *Tokenstore) rotate(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.changed:
		}
		looking, cancel := context.WithTimeout(ctx, rotateTimeout)
		err := t.store.Rotate(looking)
		cancel()
		if err == nil || ctx.Err() != nil {
			continue
		}
		t.log.LogAttrs(ctx, slog.LevelWarn, "the strategy of rotation is not known to be the one of the settings", slog.Any("error", err))
		t.reconfigured()
		select {
		case <-ctx.Done():
		case <-time.After(rotatePause):
		}
	}
}
