package redisstore

import (
	"context"
	"sync"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
)

const (
	// knownKeyFor is how long what was read of a client key is good for a request.
	knownKeyFor = 500 * time.Millisecond
	// maxKnownKeys bounds the cache: of more keys than that at a time some are read again.
	maxKnownKeys = 10_000
)

// knownKeys remembers client keys for a moment. What is forgotten stays so: those who were
// reading it meanwhile don't bring it back.
type knownKeys struct {
	mu   sync.Mutex
	keys map[string]knownKey
	// forgotten counts what forget was told.
	forgotten uint64
}

type knownKey struct {
	key   *tokenstorev1.ClientKey
	until time.Time
}

// get also answers what put wants to know of the time before the read.
func (k *knownKeys) get(id string, now time.Time) (key *tokenstorev1.ClientKey, forgotten uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, found := k.keys[id]; found && now.Before(known.until) {
		return known.key, k.forgotten
	}
	return nil, k.forgotten
}

// last is what was known last, however long ago; nil: nothing, or it has changed since.
func (k *knownKeys) last(id string) *tokenstorev1.ClientKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[id].key
}

func (k *knownKeys) put(id string, known knownKey, forgotten uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forgotten != forgotten {
		return
	}
	if k.keys == nil || len(k.keys) >= maxKnownKeys {
		k.keys = map[string]knownKey{}
	}
	k.keys[id] = known
}

func (k *knownKeys) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgotten++
	delete(k.keys, id)
}

// forgetAll is for when it is not known what has changed.
func (k *knownKeys) forgetAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgotten++
	clear(k.keys)
}

// ClientKey is GetClientKey for the path of requests: what it returns was so within the last half
// second, or is what was known last while the keys of a Cluster are away. It is shared: nobody
// changes it.
func (s *Store) ClientKey(ctx context.Context, id string) (*tokenstorev1.ClientKey, error) {
	now := time.Now() // before the read: what is read is as new at least
	known, forgotten := s.knownKeys.get(id, now)
	if known != nil {
		return known, nil
	}
	key, err := await(ctx, s, clientKeyKey(id), func(ctx context.Context) (*tokenstorev1.ClientKey, error) {
		return s.GetClientKey(ctx, id)
	})
	if err = storeError("read a client key", err); s.partAway(err) {
		if last := s.knownKeys.last(id); last != nil {
			return last, nil
		}
		return nil, &ledger.Away{Err: err}
	}
	if err != nil {
		return nil, err
	}
	s.knownKeys.put(id, knownKey{key, now.Add(knownKeyFor)}, forgotten)
	return key, nil
}
