package redisstore

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var countPoolScript = newScript("count_pool")

// expiringWithin is how long before its expiry a token counts as expiring.
const expiringWithin = 7 * 24 * time.Hour

// SummarizePools counts the tokens of each upstream that has any, by name. What it counts
// is kept: it costs the same whatever the size of a pool.
func (s *Store) SummarizePools(ctx context.Context) ([]*tokenstorev1.PoolState, error) {
	upstreams, counts, err := s.countPools(ctx)
	if err != nil {
		return nil, err
	}
	var pools []*tokenstorev1.PoolState
	for i, upstream := range upstreams {
		pool, err := poolStateFrom(&row{values: counts[i]})
		if err != nil {
			return nil, err
		}
		if pool == nil {
			continue // it has claims alone
		}
		pool.Upstream = upstream
		if pool.Causes, err = s.causes(ctx, upstream); err != nil {
			return nil, err
		}
		pools = append(pools, pool)
	}
	return pools, nil
}

// countPools returns the upstreams that have tokens, or claims to some, by name; and what the
// script counts of each.
func (s *Store) countPools(ctx context.Context) (upstreams []string, counts [][]any, err error) {
	upstreams, err = s.client.HKeys(ctx, sizesKey()).Result()
	if err != nil {
		return nil, nil, storeError("count tokens", err)
	}
	slices.Sort(upstreams)
	round, calls := s.batch(), make([]*call, len(upstreams))
	for i, upstream := range upstreams {
		calls[i] = round.add(countPoolScript, []string{poolIDsKey(upstream)}, token.ExpiryLead.Milliseconds(), expiringWithin.Milliseconds())
	}
	if err := round.exec(ctx); err != nil {
		return nil, nil, storeError("count tokens", err)
	}
	counts = make([][]any, len(upstreams))
	for i := range upstreams {
		if counts[i], err = calls[i].reply.Slice(); err != nil {
			return nil, nil, storeError("count tokens", err)
		}
	}
	return upstreams, counts, nil
}

// poolStateFrom reads what the script counted; nil where there is no token.
func poolStateFrom(counted *row) (*tokenstorev1.PoolState, error) {
	n := func(i int) uint32 { return uint32(max(counted.number(i), 0)) } //nolint:gosec // tokens are fewer
	total, rest := n(0), uint32(0)
	if total == 0 {
		return nil, counted.err
	}
	pool := &tokenstorev1.PoolState{
		Disabled: n(1), Parked: n(2), Expired: n(3), Cooling: n(4), Probing: n(5), Quarantined: n(6), Expiring: n(7), InFlight: n(8), NeedsLogin: n(9),
		NextBack: momentFrom(counted.number(10)), NextBackClass: counted.text(11),
		NextExpiry: momentFrom(counted.number(12)), NextExpiringId: counted.text(13),
	}
	for i := 1; i <= 6; i++ {
		rest += n(i)
	}
	pool.Ready = total - min(rest, total)
	return pool, counted.err
}

// momentFrom is a time in ms; nil for 0.
func momentFrom(ms int64) *timestamppb.Timestamp {
	if ms == 0 {
		return nil
	}
	return timestamppb.New(time.UnixMilli(ms))
}
