package redisstore

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Table is a part of a sorted list of tokens.
type Table struct {
	TokenFilter
	Order tokenstorev1.TokenOrder
	// Descending turns the order around. Tokens without a value are last in any case.
	Descending    bool
	Offset, Limit int
	// Brief: only what rows have of a token is wanted.
	Brief bool
}

// TokenTable returns the part of the list, and how many tokens the filter chooses. Where it
// sorts or looks for something it reads the row of every token, and whole are only those that
// it returns, and they only where more than what rows have is wanted.
func (s *Store) TokenTable(ctx context.Context, table Table) ([]*tokenstorev1.Token, int, error) {
	if table.isKept() {
		ids, total, err := s.createdIDs(ctx, table)
		return s.tokensOf(ctx, ids, total, err)
	}
	rows, total, err := s.tableRows(ctx, table)
	if table.Brief {
		return briefly(rows), total, err
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.id
	}
	return s.tokensOf(ctx, ids, total, err)
}

// tokensOf reads the tokens of a part whole, unless there was an error before.
func (s *Store) tokensOf(ctx context.Context, ids []string, total int, err error) ([]*tokenstorev1.Token, int, error) {
	if err != nil {
		return nil, 0, err
	}
	tokens, err := s.TokensOf(ctx, ids)
	return tokens, total, err
}

// tableRows returns the rows of a part, and how many there are on all.
func (s *Store) tableRows(ctx context.Context, table Table) ([]*tableRow, int, error) {
	rows, err := s.chosenFrom(ctx, table)
	if err != nil {
		return nil, 0, err
	}
	sorted := make([]*tableRow, 0, len(rows))
	choice := choice{table, map[string][]string{}}
	for i := range rows {
		if choice.chooses(&rows[i]) {
			sorted = append(sorted, &rows[i])
		}
	}
	slices.SortFunc(sorted, table.compare)
	total := len(sorted)
	return sorted[min(table.Offset, total):min(table.Offset+table.Limit, total)], total, nil
}

// isKept tells whether the list is kept in its order: all tokens, or all of a pool, by creation.
func (t Table) isKept() bool {
	return t.Order == tokenstorev1.TokenOrder_TOKEN_ORDER_UNSPECIFIED && t.State == tokenstorev1.TokenState_TOKEN_STATE_UNSPECIFIED &&
		t.Tag == "" && t.Query == ""
}

// createdIDs returns the ids of a part of a list that is kept in its order, and how many there are
// on all.
func (s *Store) createdIDs(ctx context.Context, table Table) ([]string, int, error) {
	key := idsKey(table.Upstream)
	pipe := s.client.Pipeline()
	size := pipe.ZCard(ctx, key)
	listed := pipe.ZRangeArgs(ctx, redis.ZRangeArgs{Key: key, Start: table.Offset, Stop: table.Offset + table.Limit - 1, Rev: table.newestFirst()})
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, 0, storeError("list tokens", err)
	}
	return listed.Val(), int(size.Val()), nil
}

// idsKey is the sorted set of the ids of an upstream's tokens, or of all where it is empty, by
// their creation.
func idsKey(upstream string) string {
	if upstream == "" {
		return createdKey()
	}
	return poolIDsKey(upstream)
}

// newestFirst tells whether a list by creation begins with the newest.
func (t Table) newestFirst() bool { return t.NewestFirst != t.Descending }

// chosenFrom reads the rows of the tokens from which the filter chooses.
func (s *Store) chosenFrom(ctx context.Context, table Table) ([]tableRow, error) {
	upstreams := []string{table.Upstream}
	if table.Upstream == "" {
		var err error
		if upstreams, err = s.client.HKeys(ctx, sizesKey()).Result(); err != nil {
			return nil, storeError("list tokens", err)
		}
	}
	inPool := s.inPool
	if isSeldom(table.State) {
		inPool = func(ctx context.Context, upstream string) ([]redis.Z, error) {
			return s.mayBe(ctx, upstream, table.State)
		}
	}
	var listed []redis.Z
	var pools []share
	for _, upstream := range upstreams {
		some, err := inPool(ctx, upstream)
		if err != nil {
			return nil, err
		}
		pool := share{upstream: upstream}
		for range some {
			pool.places = append(pool.places, len(listed)+len(pool.places))
		}
		pools, listed = append(pools, pool), append(listed, some...)
	}
	return s.rowsOf(ctx, pools, listed)
}

// inPool returns the tokens of a pool, with their creation.
func (s *Store) inPool(ctx context.Context, upstream string) ([]redis.Z, error) {
	listed, err := s.client.ZRangeWithScores(ctx, poolIDsKey(upstream), 0, -1).Result()
	return listed, storeError("list tokens", err)
}
