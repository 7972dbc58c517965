package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// How often the account behind a token is asked for: one that is in use, and any other.
const (
	oftenAsked  = 10 * time.Minute
	seldomAsked = time.Hour
	// inUseFor is how long after its last request a token counts as in use.
	inUseFor = 24 * time.Hour
)

// planQuestion puts the question for a token's account off, where there is to be one.
func (s *Store) planQuestion(ctx context.Context, upstream, id string) error {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return storeError("plan a question", err)
	}
	due := redis.Z{Member: id, Score: float64(now.Add(seldomAsked).UnixMilli())}
	return storeError("plan a question", s.client.ZAddXX(ctx, questionsKey(upstream), due).Err())
}
