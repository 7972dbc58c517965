package openai

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// errTooSlow is the cause of a context that a watch has cancelled.
type errTooSlow struct{ limit time.Duration }

func (e errTooSlow) Error() string { return fmt.Sprintf("nothing came for %s", e.limit) }

// watch cancels a context when the upstream keeps us waiting for too long. Its
// one timer is set again for each wait; the time that the consumer of an answer
// takes does not count.
type watch struct {
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	waiting atomic.Bool
	limit   atomic.Int64 // of the current wait
}

// newWatch answers a context that the watch cancels. The caller must stop the
// watch.
func newWatch(ctx context.Context) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watch{cancel: cancel}
}

// wait begins to wait for the upstream, at most for limit.
func (w *watch) wait(limit time.Duration) {
	w.limit.Store(int64(limit))
	w.waiting.Store(true)
	if w.timer == nil {
		w.timer = time.AfterFunc(limit, w.expired)
	} else {
		w.timer.Reset(limit)
	}
}

// arrived ends the wait.
func (w *watch) arrived() { w.waiting.Store(false) }

func (w *watch) expired() {
	if w.waiting.Load() {
		w.cancel(errTooSlow{time.Duration(w.limit.Load())})
	}
}

// stop ends the watch and its context.
func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(context.Canceled)
}

// tooSlow tells whether a watch ended the context.
func tooSlow(ctx context.Context) (errTooSlow, bool) {
	var slow errTooSlow
	return slow, errors.As(context.Cause(ctx), &slow)
}
