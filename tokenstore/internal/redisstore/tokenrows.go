package redisstore

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

var putRowsScript = newScript("put_rows")

// rowsChunk is how many rows one command reads, and how many one script makes anew: about two
// milliseconds.
const rowsChunk = 250

// rowsOf reads the rows of tokens that are listed by their creation; pools say which are of which
// pool. Those that are gone are left out.
func (s *Store) rowsOf(ctx context.Context, pools []share, listed []redis.Z) ([]tableRow, error) {
	ids := idsIn(listed)
	rows := make([]tableRow, len(ids))
	missing, err := s.readRows(ctx, pools, ids, rows)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		if err := s.putRows(ctx, missing, ids); err != nil {
			return nil, err
		}
		if _, err := s.readRows(ctx, missing, ids, rows); err != nil {
			return nil, err
		}
	}
	for i := range rows {
		rows[i].created = int64(listed[i].Score)
	}
	return slices.DeleteFunc(rows, func(r tableRow) bool { return r.id == "" }), nil
}

// idsIn are the members of a sorted set.
func idsIn(listed []redis.Z) []string {
	ids := make([]string, len(listed))
	for i, each := range listed {
		ids[i], _ = each.Member.(string)
	}
	return ids
}

// readRows reads the rows of the tokens of some pools to their places, and returns those that have
// none.
func (s *Store) readRows(ctx context.Context, pools []share, ids []string, rows []tableRow) (missing []share, err error) {
	type reading struct {
		share
		rows, counts *redis.SliceCmd
	}
	pipe := s.client.Pipeline()
	clock := pipe.Time(ctx)
	var readings []reading
	for _, some := range chunked(pools) {
		names := some.of(ids)
		readings = append(readings, reading{some, pipe.HMGet(ctx, rowsKey(some.upstream), names...), pipe.HMGet(ctx, countsKey(some.upstream), names...)})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError("list tokens", err)
	}
	now := clock.Val()
	for _, each := range readings {
		lacking := share{upstream: each.upstream}
		for at, i := range each.places {
			row, there := each.rows.Val()[at].(string)
			counts, counted := each.counts.Val()[at].(string)
			if !there || !counted {
				lacking.places = append(lacking.places, i)
				continue
			}
			rows[i] = tableRowFrom(row, counts, now)
			rows[i].id, rows[i].upstream = ids[i], each.upstream
		}
		if len(lacking.places) > 0 {
			missing = append(missing, lacking)
		}
	}
	return missing, nil
}

// putRows makes rows of tokens that have none: those of data of before there were rows. Whoever
// changes a token keeps its row, so that this happens once.
func (s *Store) putRows(ctx context.Context, pools []share, ids []string) error {
	for _, some := range chunked(pools) {
		args := make([]any, len(some.places))
		for at, id := range some.of(ids) {
			args[at] = id
		}
		if err := putRowsScript.run(ctx, s.client, []string{poolIDsKey(some.upstream)}, args...).Err(); err != nil {
			return storeError("list tokens", err)
		}
	}
	return nil
}

// chunked divides what pools have into parts of rowsChunk.
func chunked(pools []share) []share {
	var parts []share
	for _, pool := range pools {
		for places := range slices.Chunk(pool.places, rowsChunk) {
			parts = append(parts, share{pool.upstream, places})
		}
	}
	return parts
}

// of returns what is at the places of a list.
func (p share) of(ids []string) []string {
	some := make([]string, len(p.places))
	for at, i := range p.places {
		some[at] = ids[i]
	}
	return some
}
