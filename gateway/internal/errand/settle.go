package errand

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// settleTimeout bounds one call: what is granted waits for the store's disk.
	settleTimeout = 5 * time.Second
	// settlePatience is for how long the store is told again what can be found out anew.
	settlePatience = 5 * time.Second
)

// settle tells the store how an errand has ended. What was granted exists nowhere else, and
// may have ended what was before it: it is told until the store has it, or has given the
// errand away, or this gateway ends.
func (r *Runner) settle(ctx context.Context, w *work, kind string, granted bool, tell func(ctx context.Context) (stale bool, err error)) {
	began := time.Now()
	for pause := (backoff{}); ; pause.wait(ctx) {
		stale, err := within(ctx, tell)
		switch {
		case err == nil && !stale, stale && !granted:
			return
		case stale || errors.Is(context.Cause(ctx), errLost):
			err = errLost
		case ctx.Err() != nil, isFinal(err), !granted && time.Since(began) > settlePatience:
		default:
			continue
		}
		level := slog.LevelInfo
		if granted {
			level = slog.LevelError
		}
		r.Log.LogAttrs(ctx, level, "the tokenstore has not taken what became of an errand", slog.String("kind", kind), slog.Bool("granted", granted),
			slog.String("id", w.errand.GetId()), slog.String("upstream", w.errand.GetUpstream()), slog.Any("error", err))
		return
	}
}

func within(ctx context.Context, tell func(ctx context.Context) (bool, error)) (stale bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return tell(ctx)
}

// isFinal tells whether the store will never take it.
func isFinal(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.InvalidArgument, codes.AlreadyExists, codes.FailedPrecondition:
		return true
	default:
		return false
	}
}
