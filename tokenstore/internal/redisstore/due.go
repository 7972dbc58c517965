package redisstore

import (
	"context"
	"log/slog"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
)

var enableDueScript = newScript("enable_due")

// NextReturn is how long it takes until the time of a token has come that is disabled until one;
// not positive: it has come. An hour where there is none.
func (s *Store) NextReturn(ctx context.Context) (time.Duration, error) {
	upstreams, err := s.upstreamNames(ctx)
	if err != nil {
		return 0, err
	}
	orders := make([]string, len(upstreams))
	for i, upstream := range upstreams {
		orders[i] = disabledUntilKey(upstream)
	}
	next, err := s.untilNext(ctx, orders)
	return next, storeError("look for the next token to enable", err)
}

// EnableDue enables the tokens that were disabled until a time which has come, up to pageSize of
// each pool, and returns how many they were. It is cheap where there is none. With
// [leasing.Deferred] it has enabled those of the other pools.
func (s *Store) EnableDue(ctx context.Context) (int, error) {
	upstreams, err := s.upstreamNames(ctx)
	if err != nil {
		return 0, err
	}
	round, calls := s.batch(), make([]*call, len(upstreams))
	for i, upstream := range upstreams {
		calls[i] = round.add(enableDueScript, []string{disabledUntilKey(upstream)}, upstream, pageSize, poolChannel)
	}
	_ = round.exec(ctx) // each call has its own error
	count, later := 0, &leasing.Deferred{}
	for i, upstream := range upstreams {
		ids, err := calls[i].reply.StringSlice()
		if err != nil {
			if err := deferred(later, s.poolError(upstream, "enable tokens", err)); err != nil {
				return count, err
			}
			continue
		}
		if len(ids) > 0 {
			s.log.LogAttrs(ctx, slog.LevelInfo, "tokens are enabled again: the time has come until which they were disabled",
				slog.String("upstream", upstream), slog.Any("token_ids", ids))
		}
		count += len(ids)
	}
	return count, later.OrNil()
}
