package redisstore

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/token"
)

// StockedUpstreams are those with at least one token which can serve, now or after a
// rest, without an admin's help. It looks at no token, so an expired one counts until
// an acquire finds it.
func (s *Store) StockedUpstreams(ctx context.Context) ([]string, error) {
	pipe := s.client.Pipeline()
	listed, clock := pipe.HKeys(ctx, upstreamsKey()), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("list upstreams", err)
	}
	names, now := listed.Val(), strconv.FormatInt(clock.Val().Add(token.ExpiryLead).UnixMilli(), 10)
	pipe = s.client.Pipeline()
	ready, resting, early := make([]*redis.IntCmd, len(names)), make([]*redis.IntCmd, len(names)), make([]*redis.IntCmd, len(names))
	for i, name := range names {
		ready[i], resting[i] = pipe.ZCard(ctx, orderKey(name)), pipe.ZCard(ctx, coolingKey(name))
		// Those that a clock which was ahead made expire come back with the next acquire.
		early[i] = pipe.ZCount(ctx, expiredKey(name), "("+now, "+inf")
	}
	if _, err := pipe.Exec(ctx); err != nil && len(names) > 0 {
		return nil, storeError("look into the pools", err)
	}
	var stocked []string
	for i, name := range names {
		if ready[i].Val()+resting[i].Val()+early[i].Val() > 0 {
			stocked = append(stocked, name)
		}
	}
	return stocked, s.stillThere(ctx)
}
