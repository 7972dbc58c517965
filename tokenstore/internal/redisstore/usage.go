package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	version, sizes, err := s.useSizes(ctx, answer, now)
	if err != nil {
		return nil, err
	}
	reader := useReader{store: s, answer: answer, now: now, version: version}
	for i, step := range answer.Steps {
		if err := reader.take(ctx, step, sizes[i]); err != nil {
			return nil, err
		}
	}
	return answer, reader.read(ctx)
}

// useSizes returns how many cells each step of an answer has, and before that the version of the
// requests: what is read later may be newer, and never older.
func (s *Store) useSizes(ctx context.Context, answer *usage.Answer, now time.Time) (version string, sizes []int, err error) {
	hour := logHour.key(now)
	pipe := s.logClient.Pipeline()
	stored := pipe.HGet(ctx, hour, countRequests)
	replies := make([]*redis.IntCmd, len(answer.Steps))
	for i, step := range answer.Steps {
		replies[i] = pipe.HLen(ctx, useKey(answer.Table, step))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return "", nil, storeError("query the use", err)
	}
	sizes = make([]int, len(replies))
	for i, reply := range replies {
		if err := reply.Err(); err != nil {
			return "", nil, storeError("query the use", err)
		}
		sizes[i] = int(reply.Val())
	}
	return hour + " " + stored.Val(), sizes, nil
}

// useReader reads the cells of an answer, in order of time.
type useReader struct {
	store   *Store
	answer  *usage.Answer
	now     time.Time
	version string
	// steps are to be read together, with so many cells.
	steps []usage.Step
	cells int
}

// take takes in a step of so many cells: at once if they are known, else with the steps after it.
func (r *useReader) take(ctx context.Context, step usage.Step, size int) error {
	if size == 0 {
		return nil
	}
	known := r.store.used.find(useKey(r.answer.Table, step), size, r.version, time.Now())
	if known != nil || r.cells+size > useRead {
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	if known != nil {
		return tooManyRows(r.answer.AddKnown(step, known))
	}
	r.steps, r.cells = append(r.steps, step), r.cells+size
	return nil
}

// read reads what was taken in.
func (r *useReader) read(ctx context.Context) error {
	pipe := r.store.logClient.Pipeline()
	hashes := make([]*redis.MapStringStringCmd, len(r.steps))
	for i, step := range r.steps {
		hashes[i] = pipe.HGetAll(ctx, useKey(r.answer.Table, step))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return storeError("query the use", err)
	}
	for i, step := range r.steps {
		key := useKey(r.answer.Table, step)
		cells := usage.NewCells(len(hashes[i].Val()))
		for cell, sums := range hashes[i].Val() {
			if err := cells.Put(cell, sums); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		r.store.used.keep(key, viewedStep{cells: cells, closed: step.Closed(r.now), version: r.version, asked: time.Now()})
		if err := tooManyRows(r.answer.Add(step, cells)); err != nil {
			return err
		}
	}
	r.steps, r.cells = nil, 0
	return nil
}

// tooManyRows says that an answer has too many rows, which is what is wrong where it takes no more.
func tooManyRows(err error) error {
	if err != nil {
		return invalid(err)
	}
	return nil
}
