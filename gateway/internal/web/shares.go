package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

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
	// Forecast is what it would get from now on.
	Forecast forecast
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
	listed, err := s.Tokens.ListTokens(ctx, &tokenstorev1.ListTokensRequest{Limit: sharedAmong})
	if err != nil || len(listed.GetTokens()) == 0 {
		return nil
	}
	return sharesOf(used, listed.GetTokens(), s.HasAccounts)
}

// sharesOf are the shares of all tokens, and what they would get. tells says of an upstream whether
// it tells of the accounts behind its tokens.
func sharesOf(used *tokenstorev1.QueryUsageResponse, tokens []*tokenstorev1.Token, tells func(upstreamName string) bool) *shares {
	requests, ofPool := map[string]uint64{}, map[string]uint64{}
	for _, row := range used.GetRows() {
		requests[row.GetTokenId()] += row.GetSums().GetRequests()
	}
	for _, token := range tokens { // what is deleted, or nobody's, counts for none
		ofPool[token.GetUpstream()] += requests[token.GetId()]
	}
	made, foretold := &shares{Since: used.GetFrom()}, forecasts(tokens, tells)
	for _, token := range tokens {
		id, name := token.GetId(), token.GetUpstream()
		made.Tokens = append(made.Tokens, tokenShare{
			ID: id, Name: tokenRow{token}.Name(), Upstream: name, Requests: requests[id], OfPool: ofPool[name], Forecast: foretold[id],
		})
	}
	slices.SortFunc(made.Tokens, func(a, b tokenShare) int { // the busiest pools come first
		return cmp.Or(cmp.Compare(b.OfPool, a.OfPool), cmp.Compare(a.Upstream, b.Upstream), cmp.Compare(b.Requests, a.Requests),
			cmp.Compare(b.Forecast.Weight, a.Forecast.Weight), cmp.Compare(a.ID, b.ID))
	})
	made.More = max(len(made.Tokens)-sharesShown, 0)
	made.Tokens = made.Tokens[:len(made.Tokens)-made.More]
	return made
}
