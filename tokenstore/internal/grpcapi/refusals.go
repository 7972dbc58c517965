package grpcapi

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// refusalsEvery is how often at most a refusal is logged: anybody can be refused as often as
// they like.
const refusalsEvery = time.Second

// refusals logs whom the server has turned away, and why.
type refusals struct {
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
	// untold are those since, that were too many.
	untold int
}

// note logs that a caller was refused what: a connection, a call.
func (r *refusals) note(what string, attributes ...slog.Attr) {
	r.mu.Lock()
	now := time.Now()
	if !r.last.IsZero() && now.Sub(r.last) < refusalsEvery {
		r.untold++
		r.mu.Unlock()
		return
	}
	untold := r.untold
	r.last, r.untold = now, 0
	r.mu.Unlock()
	if untold > 0 {
		attributes = append(attributes, slog.Int("untold", untold))
	}
	attributes = append([]slog.Attr{slog.String("what", what)}, attributes...)
	r.log.LogAttrs(context.Background(), slog.LevelWarn, "caller refused", attributes...)
}
