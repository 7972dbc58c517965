package redisstore

import (
	"context"
	"slices"
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// expiringWithin is how long before its expiry a token counts as expiring.
const expiringWithin = 7 * 24 * time.Hour

// SummarizePools counts the tokens of each upstream that has any, by name.
func (s *Store) SummarizePools(ctx context.Context) ([]*tokenstorev1.PoolState, error) {
	pools := map[string]*tokenstorev1.PoolState{}
	err := s.each(ctx, func(t *stored) error {
		pool := pools[t.upstream]
		if pool == nil {
			pool = &tokenstorev1.PoolState{Upstream: t.upstream}
			pools[t.upstream] = pool
		}
		t.countIn(pool)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var sorted []*tokenstorev1.PoolState
	for name, pool := range pools {
		if pool.Causes, err = s.causes(ctx, name); err != nil {
			return nil, err
		}
		sorted = append(sorted, pool)
	}
	slices.SortFunc(sorted, func(a, b *tokenstorev1.PoolState) int { return strings.Compare(a.GetUpstream(), b.GetUpstream()) })
	return sorted, nil
}

func (t *stored) countIn(pool *tokenstorev1.PoolState) {
	pool.InFlight += t.inFlight
	switch t.state() {
	case tokenstorev1.TokenState_TOKEN_STATE_DISABLED:
		pool.Disabled++
		return
	case tokenstorev1.TokenState_TOKEN_STATE_EXPIRED:
		pool.Expired++
		return
	case tokenstorev1.TokenState_TOKEN_STATE_PARKED:
		pool.Parked++
	case tokenstorev1.TokenState_TOKEN_STATE_COOLING:
		pool.Cooling++
	case tokenstorev1.TokenState_TOKEN_STATE_PROBING:
		pool.Probing++
	case tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED:
		pool.Quarantined++
	default:
		pool.Ready++
	}
	if !t.expires.IsZero() && t.expires.Before(t.now.Add(expiringWithin)) {
		pool.Expiring++
	}
}
