package redisstore

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// activityReader reads several streams as one, newest first.
type activityReader struct {
	store   *Store
	streams []*activityStream
	oldest  string
	// batch is how many of a stream are read at a time.
	batch int
}

// activityStream is one of them.
type activityStream struct {
	// pool is empty for what admins did.
	pool string
	// read are the messages that come next, and newest is where those after them begin.
	read   []redis.XMessage
	newest string
	// ended: there are no messages after those.
	ended bool
}

func (s *activityStream) key() string {
	if s.pool == "" {
		return auditKey()
	}
	return eventsKey(s.pool)
}

// activityBefore reads the streams that a filter is about, from a place on.
func (s *Store) activityBefore(ctx context.Context, filter ActivityFilter, before place) (*activityReader, error) {
	pools := []string{""}
	if filter.Source != tokenstorev1.ActivitySource_ACTIVITY_SOURCE_PEOPLE {
		upstreams, err := s.client.HKeys(ctx, upstreamsKey()).Result()
		if err != nil {
			return nil, storeError("read the activity", err)
		}
		pools = append(pools, upstreams...)
	}
	if filter.Source == tokenstorev1.ActivitySource_ACTIVITY_SOURCE_CAROUSEL {
		pools = pools[1:]
	}
	reader := &activityReader{store: s, oldest: "-", batch: activityBatch}
	if filter.Actor != "" || filter.Kind != "" || filter.Account != "" {
		reader.batch = narrowedBatch
	}
	if !filter.From.IsZero() {
		reader.oldest = strconv.FormatInt(filter.From.UnixMilli(), 10)
	}
	for _, pool := range pools {
		stream := &activityStream{pool: pool, newest: "(" + before.id()}
		if pool < before.pool {
			stream.newest = before.id() // of the same millisecond it comes after
		}
		reader.streams = append(reader.streams, stream)
	}
	return reader, nil
}

// next returns the next activity; nil where there is none.
func (r *activityReader) next(ctx context.Context) (*found, error) {
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
	var newest *found
	var from *activityStream
	for _, stream := range r.streams {
		if len(stream.read) == 0 {
			continue
		}
		head := &found{placeOf(stream.read[0].ID, stream.pool), stream.read[0]}
		if newest == nil || head.compare(newest.place) > 0 {
			newest, from = head, stream
		}
	}
	if from != nil {
		from.read = from.read[1:]
	}
	return newest, nil
}

// fill reads on in every stream of which nothing is left.
func (r *activityReader) fill(ctx context.Context) error {
	pipe, empty := r.store.client.Pipeline(), []*activityStream{}
	var answers []*redis.XMessageSliceCmd
	for _, stream := range r.streams {
		if len(stream.read) == 0 && !stream.ended {
			empty = append(empty, stream)
			answers = append(answers, pipe.XRevRangeN(ctx, stream.key(), stream.newest, r.oldest, int64(r.batch)))
		}
	}
	if len(empty) == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("read the activity", err)
	}
	for i, stream := range empty {
		stream.read = answers[i].Val()
		stream.ended = len(stream.read) < r.batch
		if !stream.ended {
			stream.newest = "(" + stream.read[r.batch-1].ID
		}
	}
	return nil
}
