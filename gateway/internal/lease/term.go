package lease

import (
	"sync/atomic"
	"time"
)

// Term is until when a lease holds. Whoever issues the lease extends it. It is safe
// for concurrent use; the zero Term has ended.
type Term struct{ until atomic.Pointer[time.Time] }

// Extend sets the moment at which the term ends.
func (t *Term) Extend(until time.Time) { t.until.Store(&until) }

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
