package app

import (
	"context"
	"log/slog"
	"time"
)

const (
	// returnsEvery is the least time between two looks whose time has come, returnsAtMost the
	// most, and returnsTimeout bounds a look.
	returnsEvery   = 2 * time.Second
	returnsAtMost  = 20 * time.Second
	returnsTimeout = 10 * time.Second
)

// enableDue enables the tokens that were disabled until a time, soon after it has come, until
// ctx ends.
func (t *Tokenstore) enableDue(ctx context.Context) {
	for {
		looked := time.Now()
		next := returnsEvery
		if t.keeper.usable(ctx) == nil { // else it tells
			next = t.lookWhoIsDue(ctx)
		}
		if !t.awaitReturn(ctx, looked, next) {
			return
		}
	}
}

// lookWhoIsDue enables those whose time has come, and returns when to look again.
func (t *Tokenstore) lookWhoIsDue(ctx context.Context) time.Duration {
	look, cancel := context.WithTimeout(ctx, returnsTimeout)
	defer cancel()
	next, err := t.store.NextReturn(look)
	count := 0
	if err == nil && next <= 0 {
		next = returnsEvery // there may be more than are enabled at a time
		count, err = t.store.EnableDue(look)
	}
	if count > 0 { // also where others could not be enabled
		t.files.Changed()
	}
	if err != nil {
		if ctx.Err() == nil {
			t.log.LogAttrs(ctx, slog.LevelWarn, "tokens whose time has come are still disabled; trying again", slog.Any("error", err))
		}
		return returnsEvery
	}
	return min(next, returnsAtMost)
}

// awaitReturn waits until it is time to look again: next after the last look, or as soon as may
// be where tokens have changed. It reports false when ctx has ended.
func (t *Tokenstore) awaitReturn(ctx context.Context, looked time.Time, next time.Duration) bool {
	timer := time.NewTimer(time.Until(looked.Add(next)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-t.returns:
			timer.Reset(time.Until(looked.Add(min(next, returnsEvery))))
		}
	}
}
