package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/usage"
)

// useRead is how many cells are read at a time, and of one hash all: Redis has no time for
// others meanwhile, about a millisecond for a thousand.
const useRead = 4_000

// useBounds say how many cells of use a hash has before those of models that it does not have are
// counted together, and before those of everybody are whom it does not have. Beyond that only
// upstreams are told apart.
type useBounds struct {
	Full     int `json:"full"`
	Overfull int `json:"overfull"`
}

var mostUse = useBounds{20_000, 40_000}

// usePart is one hash of use to which append_log adds.
type usePart struct {
	Table  usage.Table `json:"table"`
	Prefix string      `json:"prefix"`
	// Length and TTL are in seconds.
	Length int64 `json:"length"`
	TTL    int64 `json:"ttl"`
}

var useParts = func() (parts []usePart) {
	for _, table := range usage.Tables {
		for _, unit := range []usage.Unit{usage.Hour, usage.Day} {
			ttl := unit.Kept + 2*usage.Day.Length // the oldest day that may be asked for is whole to its end
			parts = append(parts, usePart{table, useKeyPrefix(table, unit), int64(unit.Length.Seconds()), int64(ttl.Seconds())})
		}
	}
	return parts
}()

// useOf is what append_log adds to the use.
func useOf(tally *usage.Tally, bounds useBounds) ([]byte, error) {
	cells := map[usage.Table][]string{}
	for _, table := range usage.Tables {
		cells[table] = tally.Stored(table)
	}
	return json.Marshal(struct {
		Parts []usePart                `json:"parts"`
		Cells map[usage.Table][]string `json:"cells"`
		useBounds
	}{useParts, cells, bounds})
}

// QueryUsage adds up what was used.
func (s *Store) QueryUsage(ctx context.Context, question usage.Question) (*usage.Answer, error) {
	if err := s.logFence.check(ctx); err != nil {
		return nil, err
	}
	now, err := s.logClient.Time(ctx).Result()
	if err != nil {
		return nil, storeError("query the use", err)
	}
	answer, err := usage.Ask(question, now)
	if err != nil {
		return nil, invalid(err)
	}
	sizes, err := s.useSizes(ctx, answer)
	if err != nil {
		return nil, err
	}
	var steps []usage.Step
	cells := 0
	for i, step := range answer.Steps {
		if sizes[i] == 0 {
			continue
		}
		if cells += sizes[i]; cells > useRead {
			if err := s.addUse(ctx, answer, steps); err != nil {
				return nil, err
			}
			steps, cells = nil, sizes[i]
		}
		steps = append(steps, step)
	}
	return answer, s.addUse(ctx, answer, steps)
}

// useSizes returns how many cells each step of an answer has.
func (s *Store) useSizes(ctx context.Context, answer *usage.Answer) ([]int, error) {
	pipe := s.logClient.Pipeline()
	replies := make([]*redis.IntCmd, len(answer.Steps))
	for i, step := range answer.Steps {
		replies[i] = pipe.HLen(ctx, useKey(answer.Table, step))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("query the use", err)
	}
	sizes := make([]int, len(replies))
	for i, reply := range replies {
		sizes[i] = int(reply.Val())
	}
	return sizes, nil
}

// addUse adds the cells of some steps to an answer.
func (s *Store) addUse(ctx context.Context, answer *usage.Answer, steps []usage.Step) error {
	pipe := s.logClient.Pipeline()
	var hashes []*redis.MapStringStringCmd
	for _, step := range steps {
		hashes = append(hashes, pipe.HGetAll(ctx, useKey(answer.Table, step)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("query the use", err)
	}
	for i, hash := range hashes {
		for cell, sums := range hash.Val() {
			err := answer.Add(steps[i], cell, sums)
			if errors.Is(err, usage.ErrRows) {
				return invalid(err)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", useKey(answer.Table, steps[i]), err)
			}
		}
	}
	return nil
}
