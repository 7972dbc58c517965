package tokenfile

import (
	"context"
	"log/slog"
	"time"

	"carousel.internal/tokenstore/internal/redisstore"
)

const (
	// settleFor is how long changes of the pool are gathered before the list follows.
	settleFor = 500 * time.Millisecond
	// refreshTimeout bounds one rendering of the list.
	refreshTimeout = 30 * time.Second
)

// Changed tells that the pool was changed by other means than the files. It does
// not block.
func (f *Files) Changed() {
	select {
	case f.changed <- struct{}{}:
	default: // it is known already
	}
}

// Run lets the list's file follow the pool until ctx ends. A change that it misses
// shows with the next one, with the next call, or with the next start.
func (f *Files) Run(ctx context.Context) {
	if !f.used() {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.changed:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(settleFor):
		}
		if err := f.refresh(ctx); err != nil && ctx.Err() == nil {
			f.log.LogAttrs(ctx, slog.LevelWarn, "token list does not show the last changes", slog.Any("error", err))
		}
	}
}

// refresh renders the list's file anew, where files are in use. One that somebody
// has edited stays as it is until it has been applied.
func (f *Files) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := f.look(ctx)
	if err != nil {
		return err
	}
	listed := &now.disk[tokenList]
	if listed.path == "" || f.edited(now, tokenList) || !listed.exists && !now.disk[tokenFile].exists {
		return nil
	}
	list, ids := render(now.pool)
	before := listed.text
	if err := f.renew(listed, list, false); err != nil || !listed.exists || listed.text == before {
		return err
	}
	return f.store.RememberTokenFiles(ctx, redisstore.TokenFiles{
		Seen: map[string]string{listed.path: f.store.Fingerprint(listed.text)}, Shown: now.known.Shown, Written: ids,
	})
}
