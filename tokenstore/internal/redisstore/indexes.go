package redisstore

import (
	"context"
)

// renewIndexes has the ring of each pool and the rows of its tokens made anew, once for a store: a
// tokenstore of before there were these may have run since, and has not kept them. Tokens that are
// on a ring stay there.
func (s *Store) renewIndexes(ctx context.Context) error {
	if s.indexesRenewed.Load() {
		return nil
	}
	upstreams, err := s.client.HKeys(ctx, sizesKey()).Result()
	if err != nil {
		return storeError("renew the indexes", err)
	}
	pipe := s.client.Pipeline()
	for _, upstream := range upstreams {
		pipe.HDel(ctx, clockKey(upstream), "ring")
		pipe.Unlink(ctx, rowsKey(upstream), countsKey(upstream))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("renew the indexes", err)
	}
	s.indexesRenewed.Store(true)
	return nil
}
