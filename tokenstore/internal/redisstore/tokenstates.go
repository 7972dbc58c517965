package redisstore

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// clockSkew is how much two clocks may differ, for tokens to be looked at whose time is close.
const clockSkew = 24 * time.Hour

// Numbers of lua/parts/standing.lua.
const (
	standsDisabled = "1"
	standsParked   = "2"
	standsExpired  = "3"
)

// isSeldom tells whether few tokens are in a state, so that those that may be are looked up in what
// is counted of the pools. Most tokens are in one of the others.
func isSeldom(state tokenstorev1.TokenState) bool {
	switch state {
	case tokenstorev1.TokenState_TOKEN_STATE_DISABLED, tokenstorev1.TokenState_TOKEN_STATE_PARKED,
		tokenstorev1.TokenState_TOKEN_STATE_EXPIRED, tokenstorev1.TokenState_TOKEN_STATE_COOLING:
		return true
	default:
		return false
	}
}

// mayBe returns the tokens of a pool that may be in a seldom state, with their creation. What is
// counted of a pool takes notice of passed times later, so that those are among them that are about
// to be enabled or to expire.
func (s *Store) mayBe(ctx context.Context, upstream string, state tokenstorev1.TokenState) ([]redis.Z, error) {
	pipe := s.client.Pipeline()
	var replies []*redis.StringSliceCmd
	scored := func(name, from, to string) {
		replies = append(replies, pipe.ZRangeByScore(ctx, poolPrefix(upstream)+name, &redis.ZRangeBy{Min: from, Max: to}))
	}
	soon := strconv.FormatInt(time.Now().Add(clockSkew).UnixMilli(), 10)
	if state == tokenstorev1.TokenState_TOKEN_STATE_DISABLED {
		scored("standing", standsDisabled, standsDisabled)
	} else {
		scored("disabled_until", "-inf", soon)
	}
	switch state {
	case tokenstorev1.TokenState_TOKEN_STATE_PARKED:
		scored("standing", standsParked, standsParked)
	case tokenstorev1.TokenState_TOKEN_STATE_COOLING:
		scored("rests", "-inf", "+inf")
	case tokenstorev1.TokenState_TOKEN_STATE_EXPIRED:
		scored("standing", standsExpired, standsExpired)
		scored("ends", "-inf", soon)
		scored("accesses", "-inf", soon)
	default: // the disabled ones are asked for above
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("list tokens", err)
	}
	var ids []string
	for _, reply := range replies {
		ids = append(ids, reply.Val()...)
	}
	slices.Sort(ids)
	return s.created(ctx, upstream, slices.Compact(ids))
}

// created returns when the tokens of a pool were created, without those that are gone.
func (s *Store) created(ctx context.Context, upstream string, ids []string) ([]redis.Z, error) {
	pipe := s.client.Pipeline()
	var replies []*redis.FloatSliceCmd
	for some := range slices.Chunk(ids, rowsChunk) {
		replies = append(replies, pipe.ZMScore(ctx, poolIDsKey(upstream), some...))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("list tokens", err)
	}
	listed := make([]redis.Z, 0, len(ids))
	for _, reply := range replies {
		for _, at := range reply.Val() {
			listed = append(listed, redis.Z{Member: ids[len(listed)], Score: at})
		}
	}
	return slices.DeleteFunc(listed, func(each redis.Z) bool { return each.Score == 0 }), nil // of one that is gone
}
