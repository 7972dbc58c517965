package redisstore

import (
	"sync"
	"time"
)

// recent remembers when something last was so, by the names of pools, of which there are few.
type recent struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (r *recent) note(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = map[string]time.Time{}
	}
	r.at[name] = time.Now()
}

// within tells whether it was so less than some time ago.
func (r *recent) within(name string, last time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, was := r.at[name]
	if was && time.Since(at) >= last {
		delete(r.at, name)
		return false
	}
	return was
}
