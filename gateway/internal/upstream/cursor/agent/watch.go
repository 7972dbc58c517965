package agent

import (
	"time"

	"carousel.internal/gateway/internal/upstream/cursor/fault"
)

// The longest that an upstream in health has been seen to need.
const (
	maxFirst   = 30 * time.Second
	maxSilence = 30 * time.Second
	maxStall   = 90 * time.Second
)

// limits are how long a run waits.
type limits struct {
	// first is for a frame of any kind, begin for the first progress.
	first, begin time.Duration
	// silence is between frames of any kind, stall without progress.
	silence, stall time.Duration
}

// limitsOf are the limits within the settings of the upstream.
func limitsOf(firstByte, idle time.Duration) limits {
	return limits{
		first: min(firstByte, maxFirst), begin: min(firstByte, maxStall),
		silence: min(idle, maxSilence), stall: min(idle, maxStall),
	}
}

// watch knows how long nothing came, and how long nothing that leads on.
type watch struct {
	limits
	begun, moved    bool
	frame, progress time.Duration
}

// arrived takes a frame of any kind.
func (w *watch) arrived(now time.Duration) { w.begun, w.frame = true, now }

// progressed takes one that leads on.
func (w *watch) progressed(now time.Duration) { w.moved, w.progress = true, now }

// due is when the upstream is late.
func (w *watch) due() time.Duration {
	switch {
	case !w.begun:
		return w.first
	case !w.moved:
		return min(w.begin, w.frame+w.silence)
	default:
		return min(w.frame+w.silence, w.progress+w.stall)
	}
}

// late is why to give up; nil: there is time.
func (w *watch) late(now time.Duration) *fault.Silence {
	switch {
	case now < w.due():
		return nil
	case !w.moved:
		return fault.NoBeginning
	default:
		return fault.NoProgress
	}
}
