package routing

import (
	"slices"
	"time"

	"carousel.internal/gateway/internal/pattern"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// ForKey is how requests of a client key are served: where the key may not make them, no target
// can serve. standing is how far the key's limits are used up. What a request would need, and
// where it comes from, is not looked at.
func (c Chain) ForKey(key *tokenstorev1.ClientKey, standing []*tokenstorev1.KeyStanding, model string, now time.Time) Chain {
	why := barred(key, standing, model, now)
	if why == "" {
		return c
	}
	c.Targets = slices.Clone(c.Targets)
	for i := range c.Targets {
		c.Targets[i].Why = why
	}
	return c
}

// barred is why a key's requests for a model are refused; empty: they are not.
func barred(key *tokenstorev1.ClientKey, standing []*tokenstorev1.KeyStanding, model string, now time.Time) string {
	spent := func(s *tokenstorev1.KeyStanding) bool { return s.GetUsed()+s.GetReserved() >= s.GetLimit().GetAmount() }
	switch {
	case key.GetDisabled():
		return "the key is disabled"
	case key.GetExpiresAt() != nil && !now.Before(key.GetExpiresAt().AsTime()):
		return "the key has expired"
	case len(key.GetModels()) > 0 && !pattern.AnyCovers(key.GetModels(), model):
		return "the key may not use this model"
	case slices.ContainsFunc(standing, spent):
		return "nothing is left of a limit of the key"
	}
	return ""
}
