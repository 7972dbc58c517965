package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Series are series of metrics by what their labels say, looked up once each: a metric's own way to
// them hashes all labels for every request. Labels have closed sets, so there are as many as the
// metrics have. They are safe for concurrent use.
type Series[K comparable, V any] struct {
	find  func(K) V
	known atomic.Pointer[map[K]V] // nobody changes the map
	mu    sync.Mutex              // one adds at a time
}

// NewSeries makes series that find looks up. It is called once for each key.
func NewSeries[K comparable, V any](find func(K) V) *Series[K, V] {
	series := &Series[K, V]{find: find}
	series.known.Store(&map[K]V{})
	return series
}

// Of returns what is found for a key, which is kept.
func (s *Series[K, V]) Of(key K) V {
	if found, is := (*s.known.Load())[key]; is {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.known.Load()
	if found, is := known[key]; is {
		return found
	}
	more := maps.Clone(known)
	more[key] = s.find(key)
	s.known.Store(&more)
	return more[key]
}
