package accesslog

import (
	"io"
	"sync"
	"time"
)

// Buffer gathers lines, so that a busy gateway makes one system call for many of
// them. A line waits for at most the delay. It is safe for concurrent use.
type Buffer struct {
	w     io.Writer
	delay time.Duration

	mu      sync.Mutex
	pending []byte
	timer   *time.Timer
	armed   bool
	closed  bool
}

// bufferBytes is when lines are written without waiting for the delay.
const bufferBytes = 32 << 10

// NewBuffer makes a buffer in front of w. Close writes what is left.
func NewBuffer(w io.Writer, delay time.Duration) *Buffer {
	b := &Buffer{w: w, delay: delay, pending: make([]byte, 0, bufferBytes)}
	b.timer = time.AfterFunc(time.Hour, b.flushLater)
	b.timer.Stop()
	return b
}

// Write takes one line. It always answers success: there is nobody whom the
// failure of a log would help.
func (b *Buffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = append(b.pending, line...)
	switch {
	case b.closed || len(b.pending) >= bufferBytes:
		b.flush()
	case !b.armed:
		b.armed = true
		b.timer.Reset(b.delay)
	}
	return len(line), nil
}

func (b *Buffer) flushLater() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = false
	b.flush()
}

// flush writes under the lock: lines come out in order, and a slow log holds
// its writers up rather than growing without bound.
func (b *Buffer) flush() {
	if len(b.pending) == 0 {
		return
	}
	_, _ = b.w.Write(b.pending)
	b.pending = b.pending[:0]
}

// Close writes what is left; later lines are written at once.
func (b *Buffer) Close() error {
	b.timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.flush()
	return nil
}
