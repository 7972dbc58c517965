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

// errGivenAway is why the store did not take what became of an errand.
var errGivenAway = errors.New("the errand has been given to another gateway")

// settle tells the store how an errand has ended. What was granted exists nowhere else, and
// may have ended what was before it: it is told until the store has it, or has given the
// errand away, or this gateway ends.
func (r *Runner) settle(ctx, held context.Context, w *work, granted bool, tell func(ctx context.Context) (stale bool, err error)) {
	began := time.Now()
	for pause := (backoff{}); ; pause.wait(ctx) {
		stale, err := within(ctx, tell)
		switch {
		case err == nil && !stale:
			return
		case stale:
			err = errGivenAway
		case ctx.Err() == nil && held.Err() == nil && !isFinal(err) && (granted || time.Since(began) < settlePatience):
			continue
		}
		if granted {
			r.Log.LogAttrs(ctx, slog.LevelError, "what an upstream has granted may be lost", slog.String("id", w.errand.GetId()),
				slog.String("upstream", w.errand.GetUpstream()), slog.Any("error", err))
		}
		return
	}
}

// within makes one call. An errand that is lost meanwhile does not end it: it may have been
// settled by this very call.
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
