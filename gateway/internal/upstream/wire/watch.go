package wire

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"carousel.internal/gateway/internal/upstream/eventstream"
)

// TooSlowError is the cause of a context that a watch has cancelled.
type TooSlowError struct{ Limit time.Duration }

// Error implements error.
func (e TooSlowError) Error() string { return fmt.Sprintf("nothing came for %s", e.Limit) }

// Watch cancels a context when the upstream keeps us waiting for too long. Its
// one timer is set again for each wait; the time that the consumer of an answer
// takes does not count. The timer of a wait that is over may go off while the
// next one begins, so that it is the end of the current one that counts.
type Watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	began  time.Time
	limit  atomic.Int64 // of the current wait, in nanoseconds
	until  atomic.Int64 // when it ends, in nanoseconds since began; 0: there is none
}

// NewWatch answers a context that the watch cancels. The caller must stop the
// watch.
func NewWatch(ctx context.Context) (context.Context, *Watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &Watch{cancel: cancel, began: time.Now()}
}

// Wait begins to wait for the upstream, at most for limit.
func (w *Watch) Wait(limit time.Duration) {
	w.limit.Store(int64(limit))
	w.until.Store(int64(time.Since(w.began) + limit))
	if w.timer == nil {
		w.timer = time.AfterFunc(limit, w.expired)
	} else {
		w.timer.Reset(limit)
	}
}

// Arrived ends the wait, if there is one.
func (w *Watch) Arrived() {
	if w.waiting() {
		w.until.Store(0)
	}
}

func (w *Watch) waiting() bool { return w.until.Load() != 0 }

// Next returns the next event of an answer. Where it is not here yet, and no wait goes on, it
// waits for it, at most for idle.
func (w *Watch) Next(events *eventstream.Reader, idle time.Duration) (eventstream.Event, error) {
	if _, ready := events.Upcoming(); !ready && !w.waiting() {
		w.Wait(idle)
	}
	return events.Next()
}

func (w *Watch) expired() {
	if until := w.until.Load(); until != 0 && time.Since(w.began) >= time.Duration(until) {
		w.cancel(TooSlowError{time.Duration(w.limit.Load())})
	}
}

// Stop ends the watch and its context.
func (w *Watch) Stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(context.Canceled)
}

// TooSlow tells whether a watch ended the context.
func TooSlow(ctx context.Context) (TooSlowError, bool) {
	var slow TooSlowError
	return slow, errors.As(context.Cause(ctx), &slow)
}
