package web

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/quota"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// accountLeft is the least that an account has left of one of its quotas, as the list of tokens shows
// it. It is made of fields: a row has no time for methods.
type accountLeft struct {
	quotaCount
	Limit, Low, Left uint64
	// Percent is the part that is left.
	Percent string
	// Resets is when the counting begins anew; nil where that is not known.
	Resets *timestamppb.Timestamp
}

func accountLeftOf(account *quota.Account, name string, now time.Time) *accountLeft {
	least := account.Least(now)
	if least == nil {
		return nil
	}
	count := quotaCount{*least, name}
	return &accountLeft{count, count.Most(), count.Low(), count.Rest(), percent(count.Rest(), count.Most()), stamp(account.ResetsAt)}
}

// leftOf is what the accounts behind the tokens of a list have left, by the tokens' ids, as far as
// that is known. It reads what is recorded: no upstream is asked.
func (s *Site) leftOf(ctx context.Context, rows []tokenRow, now time.Time) (map[string]*accountLeft, error) {
	names, ids := map[string]string{}, make([]string, 0, len(rows))
	for _, row := range rows {
		if s.HasAccounts(row.GetUpstream()) {
			names[row.GetId()], ids = row.Name(), append(ids, row.GetId())
		}
	}
	if len(ids) == 0 {
		return nil, nil //nolint:nilnil // nothing is known, and nothing is wrong
	}
	told, err := s.Tokens.ListTokenAccounts(ctx, &tokenstorev1.ListTokenAccountsRequest{Ids: ids})
	if err != nil {
		return nil, err
	}
	left := make(map[string]*accountLeft, len(ids))
	for _, each := range told.GetAccounts() {
		account := quota.AccountOf(each)
		if least := accountLeftOf(&account, names[account.TokenID], now); least != nil {
			left[account.TokenID] = least
		}
	}
	return left, nil
}

// foretold is which share each token of a list gets of its pool's requests from now on under the
// present strategy, in words, by the tokens' ids.
func (s *Site) foretold(ctx context.Context, upstreamName string, texts map[string]string) (map[string]string, error) {
	settings, err := s.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return nil, err
	}
	listed, err := s.Tokens.ListTokens(ctx, &tokenstorev1.ListTokensRequest{Upstream: upstreamName, Limit: sharedAmong})
	if err != nil {
		return nil, err
	}
	fills := settings.GetSettings().GetRotationStrategy() == quota.FillFirst
	said := make(map[string]string, len(listed.GetTokens()))
	for id, each := range forecasts(listed.GetTokens(), s.HasAccounts) {
		if fills {
			said[id] = texts["fill."+string(each.Fill)]
		} else {
			said[id] = percent(each.Weight, each.Weights)
		}
	}
	return said, nil
}
