package redisstore

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Versions returns a version of each part of what is kept. It costs five round trips and the same
// whatever there is of tokens and requests.
func (s *Store) Versions(ctx context.Context) (*tokenstorev1.GetVersionsResponse, error) {
	upstreams, counts, err := s.countPools(ctx)
	if err != nil {
		return nil, err
	}
	pipe := s.client.Pipeline()
	happened, due := make([]*redis.XMessageSliceCmd, len(upstreams)), make([][]*redis.ZSliceCmd, len(upstreams))
	for i, upstream := range upstreams {
		happened[i] = pipe.XRevRangeN(ctx, eventsKey(upstream), "+", "-", 1)
		for _, order := range []string{refreshesKey(upstream), questionsKey(upstream)} {
			due[i] = append(due[i], pipe.ZRangeWithScores(ctx, order, 0, 0))
		}
	}
	noted := pipe.XRevRangeN(ctx, auditKey(), "+", "-", 1)
	begun, polled := pipe.ZCard(ctx, loginsKey()), pipe.ZCard(ctx, pollsKey())
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("look for news", err)
	}
	requests, err := s.requestsVersion(ctx)
	if err != nil {
		return nil, storeError("look for news", err)
	}
	tokens := fnv.New64a()
	for i, upstream := range upstreams {
		_, _ = fmt.Fprintln(tokens, upstream, counts[i], lastOf(happened[i]), due[i][0].Val(), due[i][1].Val()) // a hash takes all
	}
	return &tokenstorev1.GetVersionsResponse{
		Tokens: strconv.FormatUint(tokens.Sum64(), 36), Requests: requests, Admins: lastOf(noted),
		Logins: fmt.Sprint(begun.Val(), polled.Val()),
	}, nil
}

// requestsVersion is the hour and how many requests were stored in it.
func (s *Store) requestsVersion(ctx context.Context) (string, error) {
	now, err := s.logClient.Time(ctx).Result()
	if err != nil {
		return "", err
	}
	hour := logHour.key(now)
	stored, err := s.logClient.HGet(ctx, hour, countRequests).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", err
	}
	return hour + " " + stored, nil
}

// lastOf is the id of a stream's last entry; empty: it has none.
func lastOf(read *redis.XMessageSliceCmd) string {
	for _, last := range read.Val() {
		return last.ID
	}
	return ""
}
