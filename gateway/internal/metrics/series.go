package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Series are series of metrics by what their labels say, looked up once each: a metric's own way to
// them hashes all labels for every request. There are never more than a bound. They are safe for
// concurrent use.
type Series[K comparable, V any] struct {
	most  int
	other K
	find  func(K) V
	known atomic.Pointer[map[K]V] // nobody changes the map
	mu    sync.Mutex              // one adds at a time
}

// NewSeries makes series that find looks up. It is called once for each key, and for no more than
// most keys and one: other, which stands for all that come later.
func NewSeries[K comparable, V any](most int, other K, find func(K) V) *Series[K, V] {
	series := &Series[K, V]{most: most, other: other, find: find}
	series.known.Store(&map[K]V{})
	return series
}

// Of returns what is found for a key, which is kept; where there is no room, what is found for
// other.
func (s *Series[K, V]) Of(key K) V {
	if found, is := s.Try(key); is {
		return found
	}
	if found, is := (*s.known.Load())[s.other]; is {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(s.other)
}

// Try is Of, and returns false where there is no room.
func (s *Series[K, V]) Try(key K) (V, bool) {
	known := *s.known.Load()
	if found, is := known[key]; is {
		return found, true
	}
	if len(known) >= s.most {
		return *new(V), false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*s.known.Load()) >= s.most {
		found, is := (*s.known.Load())[key]
		return found, is
	}
	return s.add(key), true
}

// add returns what is found for a key. The caller holds mu.
func (s *Series[K, V]) add(key K) V {
	known := *s.known.Load()
	if found, is := known[key]; is {
		return found
	}
	more := maps.Clone(known)
	more[key] = s.find(key)
	s.known.Store(&more)
	return more[key]
}
