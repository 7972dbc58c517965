package web

import (
	"context"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// mostResting bounds the tokens that are asked for, of those that cool and of those that are
// disabled.
const mostResting = 500

// resting are tokens that come back by themselves.
type resting struct {
	tokens  []*tokenstorev1.Token
	partial bool
}

// rests asks for the tokens that cool, and for those that are disabled. Where the pools count none
// there is nothing to ask.
func (s *Site) rests(ctx context.Context, pools []pool) (resting, error) {
	var all resting
	for _, state := range restingIn(pools) {
		page, err := s.Tokens.ListTokens(ctx, &tokenstorev1.ListTokensRequest{State: state, Limit: mostResting, NewestFirst: true, Counted: true, Brief: true})
		if err != nil {
			return resting{}, err
		}
		for _, token := range page.GetTokens() {
			if token.GetState() == state { // one may have changed since it was looked up
				all.tokens = append(all.tokens, token)
			}
		}
		all.partial = all.partial || page.GetTotal() > mostResting || page.GetNextCursor() != ""
	}
	return all, nil
}

// restingIn are the states of which some token of the pools is, of those that end by themselves.
func restingIn(pools []pool) (states []tokenstorev1.TokenState) {
	var cooling, disabled uint32
	for _, each := range pools {
		cooling, disabled = cooling+each.GetCooling(), disabled+each.GetDisabled()
	}
	if cooling > 0 {
		states = append(states, tokenstorev1.TokenState_TOKEN_STATE_COOLING)
	}
	if disabled > 0 {
		states = append(states, tokenstorev1.TokenState_TOKEN_STATE_DISABLED)
	}
	return states
}
