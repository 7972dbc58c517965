package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// sharedAmong is how many tokens there may be where shares are shown: to add up and name more
	// takes longer than a page should.
	sharedAmong = 500
	// sharesShown bounds the rows.
	sharesShown = 10
	// sharesOver is how far back is counted; use is kept by the hour.
	sharesOver = time.Hour
)

// shares are which token had how many of its pool's requests lately.
type shares struct {
	Since  *timestamppb.Timestamp
	Tokens []tokenShare
	// More is how many tokens are not shown.
	More int
}

type tokenShare struct {
	ID, Name, Upstream string
	Requests, OfPool   uint64
}

// sharesNow returns the shares; nil where there are none, or too many tokens, or they can't be had:
// the page does without.
func (s *Site) sharesNow(ctx context.Context, now time.Time) *shares {
	pools, err := s.pools(ctx)
	total := uint32(0)
	for _, each := range pools {
		total += each.Total()
	}
	if err != nil || total > sharedAmong {
		return nil
	}
	used, err := s.Usage.QueryUsage(ctx, &tokenstorev1.QueryUsageRequest{
		From: timestamppb.New(now.Add(-sharesOver)), To: timestamppb.New(now),
		Group: []tokenstorev1.UsageDimension{tokenstorev1.UsageDimension_USAGE_DIMENSION_TOKEN, tokenstorev1.UsageDimension_USAGE_DIMENSION_UPSTREAM},
	})
	if err != nil {
		return nil
	}
	found, err := usage.FindTokens(ctx, s.Tokens, usage.IDs(used.GetRows(), (*tokenstorev1.UsageRow).GetTokenId))
	if err != nil || len(found) == 0 {
		return nil
	}
	return sharesOf(used, found)
}

func sharesOf(used *tokenstorev1.QueryUsageResponse, found map[string]*tokenstorev1.Token) *shares {
	ofPool := map[string]uint64{}
	made := &shares{Since: used.GetFrom()}
	for _, row := range used.GetRows() {
		token := found[row.GetTokenId()]
		if token == nil { // deleted, or nobody's
			continue
		}
		ofPool[row.GetUpstream()] += row.GetSums().GetRequests()
		made.Tokens = append(made.Tokens, tokenShare{
			ID: token.GetId(), Name: tokenRow{token}.Name(), Upstream: row.GetUpstream(), Requests: row.GetSums().GetRequests(),
		})
	}
	for i, share := range made.Tokens {
		made.Tokens[i].OfPool = ofPool[share.Upstream]
	}
	slices.SortStableFunc(made.Tokens, func(a, b tokenShare) int { // the busiest pools come first
		return cmp.Or(cmp.Compare(b.OfPool, a.OfPool), cmp.Compare(a.Upstream, b.Upstream), cmp.Compare(b.Requests, a.Requests))
	})
	made.More = max(len(made.Tokens)-sharesShown, 0)
	made.Tokens = made.Tokens[:len(made.Tokens)-made.More]
	return made
}
