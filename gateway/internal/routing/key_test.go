package routing_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestChainForAKey(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000, 0)
	chain := routing.Chain{Targets: []routing.Target{{Upstream: "a"}, {Upstream: "b", Why: "there is no such upstream"}}}
	limit := &tokenstorev1.KeyLimit{Amount: 10}
	for name, c := range map[string]struct {
		key  *tokenstorev1.ClientKey
		used uint64
		why  string
	}{
		"may everything": {&tokenstorev1.ClientKey{}, 9, ""},
		"may use it":     {&tokenstorev1.ClientKey{Models: []string{"o3", "gpt-*"}, ExpiresAt: timestamppb.New(now.Add(1))}, 9, ""},
		"disabled":       {&tokenstorev1.ClientKey{Disabled: true}, 0, "the key is disabled"},
		"expired":        {&tokenstorev1.ClientKey{ExpiresAt: timestamppb.New(now)}, 0, "the key has expired"},
		"another model":  {&tokenstorev1.ClientKey{Models: []string{"o3"}}, 0, "the key may not use this model"},
		"a limit":        {&tokenstorev1.ClientKey{}, 10, "nothing is left of a limit of the key"},
	} {
		standing := []*tokenstorev1.KeyStanding{{Limit: limit, Used: c.used}}
		got := chain.ForKey(c.key, standing, "gpt-4o", now).Targets
		second := c.why
		if c.why == "" {
			second = "there is no such upstream"
		}
		if got[0].Why != c.why || got[1].Why != second {
			t.Errorf("%s: %q and %q", name, got[0].Why, got[1].Why)
		}
	}
	if chain.Targets[0].Why != "" {
		t.Error("the chain that was asked about has changed")
	}
}
