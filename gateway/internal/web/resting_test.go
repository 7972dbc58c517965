package web_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What is left asks for the tokens that rest only where some do, and for no more of them than it
// shows.
func TestTokensThatRestAreAskedForWhereSomeDo(t *testing.T) {
	t.Parallel()
	const cooling, disabled = tokenstorev1.TokenState_TOKEN_STATE_COOLING, tokenstorev1.TokenState_TOKEN_STATE_DISABLED
	for name, c := range map[string]struct {
		pools []*tokenstorev1.PoolState
		want  []tokenstorev1.TokenState
	}{
		"no pools":       {nil, nil},
		"all are ready":  {[]*tokenstorev1.PoolState{{Upstream: "vendor", Ready: 3, Parked: 1}}, nil},
		"one cools":      {[]*tokenstorev1.PoolState{{Upstream: "vendor", Ready: 3}, {Upstream: "other", Cooling: 1}}, []tokenstorev1.TokenState{cooling}},
		"one is off":     {[]*tokenstorev1.PoolState{{Upstream: "vendor", Disabled: 1}}, []tokenstorev1.TokenState{disabled}},
		"one is of each": {[]*tokenstorev1.PoolState{{Upstream: "vendor", Disabled: 1, Cooling: 1}}, []tokenstorev1.TokenState{cooling, disabled}},
	} {
		s := &store{answers: []proto.Message{&tokenstorev1.SummarizePoolsResponse{Pools: c.pools}, &tokenstorev1.ListTokensResponse{}, &tokenstorev1.ListTokenAccountsResponse{}}}
		newSite(t, s).get(t, "/admin/usage/left")
		var states []tokenstorev1.TokenState
		s.mu.Lock()
		for _, each := range s.asked {
			if request, is := each.(*tokenstorev1.ListTokensRequest); is {
				states = append(states, request.GetState())
				if !request.GetBrief() {
					t.Errorf("%s: %v", name, request)
				}
			}
		}
		s.mu.Unlock()
		if !slices.Equal(states, c.want) {
			t.Errorf("%s: asked for %v, want %v", name, states, c.want)
		}
	}
}
