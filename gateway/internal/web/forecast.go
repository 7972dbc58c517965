package web

import (
	"cmp"
	"maps"
	"math"
	"slices"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// forecast is what a token of a pool would get of its requests from now on, if all tokens stay in
// the states that they are in. TestSharesAreAsForetold of deploy/e2e holds it to what the
// tokenstore's strategies give.
type forecast struct {
	// Weight of Weights is its share by weight: exact under round robin while no token is at its
	// cap. Least in flight gives the same while answers take equally long with all tokens, and
	// sticky to requests that belong to nobody.
	Weight, Weights uint64
	// Fill is its share under fill first.
	Fill fill
}

// fill is what fill first gives a token.
type fill string

// The shares under fill first.
const (
	// fillAll: everything. fillFirst: everything that it has room for; fillThen: what those before
	// it have none for; how much that is depends on the load.
	fillAll   fill = "all"
	fillFirst fill = "first"
	fillThen  fill = "then"
	fillNone  fill = "none"
	// fillUnknown: accounts of the upstream tell when quotas begin anew, which goes first.
	fillUnknown fill = "unknown"
)

// forecasts say what tokens would get of the requests of their pools, of which all tokens are among
// them, by their ids. tells says of an upstream whether it tells of the accounts behind its tokens.
func forecasts(tokens []*tokenstorev1.Token, tells func(upstreamName string) bool) map[string]forecast {
	pools := map[string][]*tokenstorev1.Token{}
	for _, token := range tokens {
		pools[token.GetUpstream()] = append(pools[token.GetUpstream()], token)
	}
	shares := make(map[string]forecast, len(tokens))
	for name, pool := range pools {
		maps.Copy(shares, forecastOf(pool, tells(name)))
	}
	return shares
}

// forecastOf says what the tokens of one pool would get, by their ids. tells: the upstream tells of
// the accounts behind its tokens.
func forecastOf(tokens []*tokenstorev1.Token, tells bool) map[string]forecast {
	var serving []*tokenstorev1.Token
	weights := uint64(0)
	for _, token := range tokens {
		if serves(token) {
			serving, weights = append(serving, token), weights+weightOf(token)
		}
	}
	slices.SortFunc(serving, func(a, b *tokenstorev1.Token) int {
		return cmp.Or(cmp.Compare(endOf(a), endOf(b)), cmp.Compare(a.GetId(), b.GetId()))
	})
	shares := make(map[string]forecast, len(tokens))
	for _, token := range tokens {
		shares[token.GetId()] = forecast{Weights: weights, Fill: fillNone}
	}
	full := false // those before it take everything
	for i, token := range serving {
		share := forecast{Weight: weightOf(token), Weights: weights}
		switch {
		case tells && len(serving) > 1:
			share.Fill = fillUnknown
		case full:
			share.Fill = fillNone
		case i > 0:
			share.Fill = fillThen
		case token.GetCap() == 0:
			share.Fill = fillAll
		default:
			share.Fill = fillFirst
		}
		full = full || token.GetCap() == 0
		shares[token.GetId()] = share
	}
	return shares
}

// serves tells whether a token takes part: one that is new does, a request at a time at first.
func serves(token *tokenstorev1.Token) bool {
	return token.GetState() == tokenstorev1.TokenState_TOKEN_STATE_READY || token.GetState() == tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED
}

func weightOf(token *tokenstorev1.Token) uint64 { return uint64(max(token.GetWeight(), 1)) }

// endOf is when a token ends, in ms, for fill first: never, where it is renewed.
func endOf(token *tokenstorev1.Token) int64 {
	if token.GetExpiresAt() == nil || (tokenRow{token}).Renews() {
		return math.MaxInt64
	}
	return token.GetExpiresAt().AsTime().UnixMilli()
}
