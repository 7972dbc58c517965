package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// StockedUpstreams are those with at least one token which can serve, now or after a
// rest, without an admin's help. It looks at no token, so an expired one counts until
// an acquire finds it.
func (s *Store) StockedUpstreams(ctx context.Context) ([]string, error) {
	names, err := s.client.HKeys(ctx, upstreamsKey()).Result()
	if err != nil {
		return nil, storeError("list upstreams", err)
	}
	pipe := s.client.Pipeline()
	ready, resting := make([]*redis.IntCmd, len(names)), make([]*redis.IntCmd, len(names))
	for i, name := range names {
		ready[i], resting[i] = pipe.ZCard(ctx, orderKey(name)), pipe.ZCard(ctx, coolingKey(name))
	}
	if _, err := pipe.Exec(ctx); err != nil && len(names) > 0 {
		return nil, storeError("look into the pools", err)
	}
	var stocked []string
	for i, name := range names {
		if ready[i].Val()+resting[i].Val() > 0 {
			stocked = append(stocked, name)
		}
	}
	return stocked, s.stillThere(ctx)
}
