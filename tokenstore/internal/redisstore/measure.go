package redisstore

import (
	"context"
	"slices"
	"strconv"
	"strings"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// AllPools is SummarizePools with the upstreams that have no tokens.
func (s *Store) AllPools(ctx context.Context) ([]*tokenstorev1.PoolState, error) {
	pools, err := s.SummarizePools(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.client.HKeys(ctx, upstreamsKey()).Result()
	if err != nil {
		return nil, storeError("list upstreams", err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(pools, func(p *tokenstorev1.PoolState) bool { return p.GetUpstream() == name }) {
			pools = append(pools, &tokenstorev1.PoolState{Upstream: name})
		}
	}
	slices.SortFunc(pools, func(a, b *tokenstorev1.PoolState) int { return strings.Compare(a.GetUpstream(), b.GetUpstream()) })
	return pools, nil
}

// LogSize is what the request log takes.
type LogSize struct {
	// Entries that are kept, and the bytes of their prompts, as sealed.
	Entries, PromptBytes int64
}

// LogSize is as of now.
func (s *Store) LogSize(ctx context.Context) (LogSize, error) {
	pipe := s.logClient.Pipeline()
	kept, bytes := pipe.HMGet(ctx, logKeptKey(), "size", "gone"), pipe.Get(ctx, promptBytesKey())
	if err := sendReads(ctx, pipe); err != nil { // no prompts yet
		return LogSize{}, storeError("measure the log", err)
	}
	number := func(value any) int64 {
		text, _ := value.(string)
		n, _ := strconv.ParseInt(text, 10, 64) // a script's own, or none
		return n
	}
	prompts, _ := strconv.ParseInt(bytes.Val(), 10, 64) // a script's own, or none
	return LogSize{Entries: number(kept.Val()[0]) - number(kept.Val()[1]), PromptBytes: prompts}, nil
}
