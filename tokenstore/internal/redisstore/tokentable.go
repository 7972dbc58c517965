package redisstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var tokenFieldsScript = newScript("token_fields")

// tableChunk is how many tokens one script reads a few fields of: about a millisecond.
const tableChunk = 500

// Table is a part of a sorted list of tokens.
type Table struct {
	TokenFilter
	Order tokenstorev1.TokenOrder
	// Descending turns the order around. Tokens without a value are last in any case.
	Descending    bool
	Offset, Limit int
}

// TokenTable returns the part of the list, and how many tokens the filter chooses. Where it
// sorts or looks for something it reads a few fields of every token, and whole are only those
// that it returns: 10,000 tokens take 50 to 80 ms, most of it in Redis.
func (s *Store) TokenTable(ctx context.Context, table Table) ([]*tokenstorev1.Token, int, error) {
	ids, total, err := s.tableIDs(ctx, table)
	if err != nil {
		return nil, 0, err
	}
	tokens, err := s.TokensOf(ctx, ids)
	return tokens, total, err
}

// tableIDs returns the ids of a part, and how many there are on all.
func (s *Store) tableIDs(ctx context.Context, table Table) ([]string, int, error) {
	names := table.fields()
	if len(names) == 0 {
		return s.createdIDs(ctx, table)
	}
	rows, err := s.chosenFrom(ctx, table, names)
	if err != nil {
		return nil, 0, err
	}
	sorted := make([]*tableRow, 0, len(rows))
	for i := range rows {
		if table.chooses(&rows[i]) {
			sorted = append(sorted, &rows[i])
		}
	}
	slices.SortFunc(sorted, table.compare)
	total := len(sorted)
	sorted = sorted[min(table.Offset, total):min(table.Offset+table.Limit, total)]
	ids := make([]string, len(sorted))
	for i, r := range sorted {
		ids[i] = r.id
	}
	return ids, total, nil
}

// createdIDs is tableIDs for all tokens, or all of a pool, in order of creation.
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

// idsKey is the sorted set of the ids of an upstream's tokens, or of all where it is empty, by their
// creation.
func idsKey(upstream string) string {
	if upstream == "" {
		return createdKey()
	}
	return poolIDsKey(upstream)
}

// newestFirst tells whether a list by creation begins with the newest.
func (t Table) newestFirst() bool { return t.NewestFirst != t.Descending }

// stateFields are those that a token's state follows from.
var stateFields = []string{"enabled", "disabled_until", "phase", "expires", "cooling"}

// orderFields are those by whose values tokens are sorted.
var orderFields = map[tokenstorev1.TokenOrder][]string{
	tokenstorev1.TokenOrder_TOKEN_ORDER_ALIAS:     {"alias"},
	tokenstorev1.TokenOrder_TOKEN_ORDER_STATE:     stateFields,
	tokenstorev1.TokenOrder_TOKEN_ORDER_EXPIRES:   {"expires", "renewable", "access_ends"},
	tokenstorev1.TokenOrder_TOKEN_ORDER_REQUESTS:  {"requests"},
	tokenstorev1.TokenOrder_TOKEN_ORDER_FAILURES:  {"failures"},
	tokenstorev1.TokenOrder_TOKEN_ORDER_LAST_USED: {"last_used"},
}

// fields are what has to be known of every token; none for a list that is kept as it is wanted.
func (t Table) fields() []string {
	names := slices.Clone(orderFields[t.Order])
	if t.State != tokenstorev1.TokenState_TOKEN_STATE_UNSPECIFIED {
		names = append(names, stateFields...)
	}
	if t.Tag != "" {
		names = append(names, "rec")
	}
	if t.Query != "" {
		names = append(names, "rec", "alias", "fingerprint")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// chosenFrom reads fields of the tokens from which the filter chooses.
func (s *Store) chosenFrom(ctx context.Context, table Table, names []string) ([]tableRow, error) {
	if isSeldom(table.State) {
		return s.seldomRows(ctx, table.Upstream, table.State, names)
	}
	return s.tableRows(ctx, table.Upstream, names)
}

// tableRows reads fields of all tokens, or of all of an upstream, in order of creation, the newest
// first.
func (s *Store) tableRows(ctx context.Context, upstream string, names []string) ([]tableRow, error) {
	listed, err := s.client.ZRevRangeWithScores(ctx, idsKey(upstream), 0, -1).Result()
	if err != nil {
		return nil, storeError("list tokens", err)
	}
	return s.rowsOf(ctx, upstream, listed, names)
}

// rowsOf reads fields of tokens that are listed by their creation, all of one upstream, unless that
// is empty.
func (s *Store) rowsOf(ctx context.Context, upstream string, listed []redis.Z, names []string) ([]tableRow, error) {
	ids := make([]string, len(listed))
	for i, each := range listed {
		ids[i], _ = each.Member.(string)
	}
	pools := []share{{upstream, every(len(ids))}}
	if upstream == "" {
		var err error
		if pools, err = s.byPool(ctx, ids); err != nil {
			return nil, err
		}
	}
	rows := make([]tableRow, len(ids))
	for _, pool := range pools {
		for places := range slices.Chunk(pool.places, tableChunk) {
			if err := s.readFields(ctx, share{pool.upstream, places}, ids, names, rows); err != nil {
				return nil, err
			}
		}
	}
	for i := range rows {
		rows[i].created = int64(listed[i].Score)
	}
	return slices.DeleteFunc(rows, func(r tableRow) bool { return r.id == "" }), nil // nobody knows their pools
}

// every is the indexes of a list.
func every(n int) []int {
	places := make([]int, n)
	for i := range places {
		places[i] = i
	}
	return places
}

// readFields reads fields of some tokens of a pool to their places in rows.
func (s *Store) readFields(ctx context.Context, some share, ids, names []string, rows []tableRow) error {
	args := make([]any, 0, 2+len(names)+len(some.places))
	args = append(args, tokenKeyPrefix(some.upstream), len(names))
	for _, name := range names {
		args = append(args, name)
	}
	for _, i := range some.places {
		args = append(args, ids[i])
	}
	values, err := tokenFieldsScript.run(ctx, s.client, []string{clockKey(some.upstream)}, args...).Slice()
	if err != nil {
		return storeError("list tokens", err)
	}
	reply := &row{values: values}
	now := reply.number(0)
	for at, i := range some.places {
		list, ok := reply.at(1 + at).([]any)
		if !ok || len(list) != len(names) {
			return fmt.Errorf("script token_fields did not answer %d fields of token %s", len(names), ids[i])
		}
		rows[i] = tableRowFrom(ids[i], now, names, list)
		rows[i].upstream = some.upstream
	}
	return reply.err
}
