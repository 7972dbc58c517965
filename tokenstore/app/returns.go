package app

import (
	"context"
	"log/slog"
	"time"
)

const (
	// returnsEvery is how often it is looked whose time has come, and returnsTimeout bounds a
	// look.
	returnsEvery   = 2 * time.Second
	returnsTimeout = 10 * time.Second
)

// enableDue enables the tokens that were disabled until a time, soon after it has come, until
// ctx ends.
func (t *Tokenstore) enableDue(ctx context.Context) {
	ticker := time.NewTicker(returnsEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if t.keeper.usable(ctx) != nil {
			continue // it tells
		}
		look, cancel := context.WithTimeout(ctx, returnsTimeout)
		count, err := t.store.EnableDue(look)
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			t.log.LogAttrs(ctx, slog.LevelWarn, "tokens whose time has come are still disabled; trying again", slog.Any("error", err))
		case count > 0:
			t.files.Changed()
		}
	}
}
