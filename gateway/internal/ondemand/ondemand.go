// Package ondemand keeps what is large and seldom needed: it is made when somebody asks for it,
// and, but for regular expressions, forgotten when nobody has for a while.
package ondemand

import (
	"sync"
	"time"
)

// Value is made by need. It may be used by several goroutines at once.
type Value[T any] struct {
	create func() T
	keep   time.Duration

	mu    sync.Mutex
	value *T // nil while nobody needs it
	used  time.Time
}

// New returns a value that create makes, and that is kept for so long after its last use. What
// has been handed out stays valid.
func New[T any](keep time.Duration, create func() T) *Value[T] {
	return &Value[T]{create: create, keep: keep}
}

// Get returns the value. Who comes while it is being made waits for that.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.used = time.Now()
	if v.value == nil {
		made := v.create()
		v.value = &made
		time.AfterFunc(v.keep, v.forget)
	}
	return *v.value
}

// forget drops the value, or comes back when it could be due.
func (v *Value[T]) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if rest := v.keep - time.Since(v.used); rest > 0 {
		time.AfterFunc(rest, v.forget)
		return
	}
	v.value = nil
}
