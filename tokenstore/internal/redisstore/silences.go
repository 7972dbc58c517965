package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
)

var putSilenceScript = newScript("put_silence")

// ActiveSilences implements notify.Store: those that have not ended, by their end.
func (s *Store) ActiveSilences(ctx context.Context) ([]notify.Silence, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, storeError("list silences", err)
	}
	records, err := s.silenceRecords(ctx, "("+strconv.FormatInt(now.UnixMilli(), 10))
	if err != nil {
		return nil, err
	}
	silences := make([]notify.Silence, 0, len(records))
	for _, record := range records {
		silence, err := readSilence(record)
		if err != nil {
			return nil, err
		}
		silences = append(silences, notify.Silence{Silence: silence})
	}
	return silences, nil
}

func (s *Store) silenceRecords(ctx context.Context, from string) ([]string, error) {
	records, err := s.client.ZRangeByScore(ctx, silencesKey(), &redis.ZRangeBy{Min: from, Max: "+inf"}).Result()
	return records, storeError("list silences", err)
}

func readSilence(record string) (*tokenstorev1.Silence, error) {
	silence := &tokenstorev1.Silence{}
	if err := asJSON.Unmarshal([]byte(record), silence); err != nil {
		return nil, fmt.Errorf("a silence can't be read: %w", err)
	}
	return silence, nil
}

// CreateSilence begins one.
func (s *Store) CreateSilence(ctx context.Context, wanted *tokenstorev1.Silence) (*tokenstorev1.Silence, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, storeError("create a silence", err)
	}
	silence := notify.Silence{Silence: proto.CloneOf(wanted)}
	silence.Id = newID("s")
	if err := silence.Check(now); err != nil {
		return nil, invalid(err)
	}
	record, err := protojson.Marshal(silence.Silence)
	if err != nil {
		return nil, fmt.Errorf("encode a silence: %w", err)
	}
	put, err := putSilenceScript.run(ctx, s.client, []string{silencesKey()}, record, silence.GetUntil().AsTime().UnixMilli(), notify.MaxSilences).Bool()
	if err != nil {
		return nil, storeError("create a silence", err)
	}
	if !put {
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "there are %d silences, which is the most that there may be: end one first", notify.MaxSilences)
	}
	return silence.Silence, s.barrier.Sync(ctx)
}

// DeleteSilence ends one.
func (s *Store) DeleteSilence(ctx context.Context, id string) error {
	records, err := s.silenceRecords(ctx, "-inf")
	if err != nil {
		return err
	}
	for _, record := range records {
		if silence, err := readSilence(record); err != nil || silence.GetId() != id {
			continue
		}
		if err := s.client.ZRem(ctx, silencesKey(), record).Err(); err != nil {
			return storeError("end a silence", err)
		}
		return s.barrier.Sync(ctx)
	}
	return rpcerr.New(tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND, "there is no silence %q", id)
}
