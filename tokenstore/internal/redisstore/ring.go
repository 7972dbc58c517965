package redisstore

import (
	"context"
)

// renewRings has the ring of each pool built anew, once for a store: a tokenstore of before
// there were rings may have run since, and has put tokens into the order alone. Those that
// are on a ring stay there.
func (s *Store) renewRings(ctx context.Context) error {
	if s.ringsRenewed.Load() {
		return nil
	}
	upstreams, err := s.client.HKeys(ctx, sizesKey()).Result()
	if err != nil {
		return storeError("renew the rings", err)
	}
	pipe := s.client.Pipeline()
	for _, upstream := range upstreams {
		pipe.HDel(ctx, clockKey(upstream), "ring")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("renew the rings", err)
	}
	s.ringsRenewed.Store(true)
	return nil
}
