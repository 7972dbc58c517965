package auth

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// logoutRetry is how often the store is told again of logouts that it could not be told.
	logoutRetry = 2 * time.Second
	// logoutTimeout bounds one call.
	logoutTimeout = 5 * time.Second
	// maxLogouts bounds the memory: as many sessions were opened with the admin token.
	maxLogouts = 10_000
)

// Revoke ends a session on every gateway; the store remembers it until the session would
// have ended.
type Revoke func(ctx context.Context, id string, expires time.Time) error

// Logouts are the sessions that were ended at this gateway. They end here at once, and
// elsewhere as soon as the store knows: while it is away, it is told again and again. It
// is safe for concurrent use.
type Logouts struct {
	revoke Revoke
	log    *slog.Logger
	untold chan struct{}

	mu    sync.Mutex
	ended map[string]logout
}

// logout is a session that was ended.
type logout struct {
	expires time.Time
	told    bool
}

// NewLogouts makes an empty set; Run keeps telling the store.
func NewLogouts(revoke Revoke, log *slog.Logger) *Logouts {
	return &Logouts{revoke: revoke, log: log, untold: make(chan struct{}, 1), ended: map[string]logout{}}
}

// Ended tells whether a session was ended here.
func (l *Logouts) Ended(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ended := l.ended[id]
	return ended
}

// End ends a session. The error is why other gateways don't know yet.
func (l *Logouts) End(ctx context.Context, session Session) error {
	l.note(session.ID, logout{expires: session.Expires})
	err := l.tell(ctx, session.ID, session.Expires)
	if err != nil {
		select {
		case l.untold <- struct{}{}:
		default: // Run knows
		}
	}
	return err
}

func (l *Logouts) tell(ctx context.Context, id string, expires time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	if err := l.revoke(ctx, id, expires); err != nil {
		return err
	}
	l.note(id, logout{expires: expires, told: true})
	return nil
}

// note remembers a logout, and forgets those that no longer matter.
func (l *Logouts) note(id string, ended logout) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for other, known := range l.ended {
		if !now.Before(known.expires) || known.told && len(l.ended) >= maxLogouts {
			delete(l.ended, other)
		}
	}
	if _, known := l.ended[id]; known || len(l.ended) < maxLogouts {
		l.ended[id] = ended
	}
}

// Run tells the store what it could not be told, until ctx ends.
func (l *Logouts) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.untold:
		}
		for !l.tellAll(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(logoutRetry):
			}
		}
	}
}

// tellAll tells whether the store knows of every logout.
func (l *Logouts) tellAll(ctx context.Context) bool {
	for id, expires := range l.pending() {
		if err := l.tell(ctx, id, expires); err != nil {
			l.log.LogAttrs(ctx, slog.LevelDebug, "a logout is not known everywhere yet", slog.Any("error", err))
			return false
		}
		l.log.LogAttrs(ctx, slog.LevelInfo, "a logout is known everywhere now")
	}
	return true
}

// pending are the sessions that the store does not know to be over.
func (l *Logouts) pending() map[string]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	pending, now := map[string]time.Time{}, time.Now()
	for id, known := range l.ended {
		if !known.told && now.Before(known.expires) {
			pending[id] = known.expires
		}
	}
	return pending
}
