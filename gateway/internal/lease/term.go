package lease

import (
	"sync/atomic"
	"time"
)

// Term is until when a lease holds. Whoever issues the lease extends it. It is safe
// for concurrent use; the zero Term has ended.
type Term struct {
	until     atomic.Pointer[time.Time]
	withdrawn atomic.Bool
}

// Extend sets the moment at which the term ends.
func (t *Term) Extend(until time.Time) { t.until.Store(&until) }

// Withdraw notes that the token has changed since the lease was granted, or is none any more.
// What was sent goes on.
func (t *Term) Withdraw() { t.withdrawn.Store(true) }

// Withdrawn reports whether there was a Withdraw.
func (t *Term) Withdrawn() bool { return t.withdrawn.Load() }

// Covers reports whether the term has not ended yet.
func (t *Term) Covers(now time.Time) bool {
	until := t.until.Load()
	return until != nil && !Passed(*until, now)
}

// Passed reports whether a moment is over, by either clock. The monotonic one stands
// still while a machine sleeps; the wall clock goes on, but may be set back.
func Passed(moment, now time.Time) bool {
	return !now.Before(moment) || !now.Round(0).Before(moment.Round(0))
}
