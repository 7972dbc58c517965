package pricing

import (
	"carousel.internal/gateway/internal/money"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// FromStore is prices as the tokenstore has them.
func FromStore(stored []*tokenstorev1.Price) []Price {
	prices := make([]Price, 0, len(stored))
	for _, p := range stored {
		prices = append(prices, Price{
			Match: p.GetMatch(), Upstream: p.GetUpstream(), Source: p.GetSource(),
			Input: told(p.Input), Output: told(p.Output), CacheRead: told(p.CacheRead), CacheWrite: told(p.CacheWrite),
			CacheWriteHour: told(p.CacheWriteHour), Reasoning: told(p.Reasoning),
		})
	}
	return prices
}

// ToStore is the reverse of FromStore.
func ToStore(prices []Price) []*tokenstorev1.Price {
	stored := make([]*tokenstorev1.Price, 0, len(prices))
	for i := range prices {
		p := &prices[i]
		stored = append(stored, &tokenstorev1.Price{
			Match: p.Match, Upstream: p.Upstream, Source: p.Source,
			Input: p.Input.wire(), Output: p.Output.wire(), CacheRead: p.CacheRead.wire(), CacheWrite: p.CacheWrite.wire(),
			CacheWriteHour: p.CacheWriteHour.wire(), Reasoning: p.Reasoning.wire(),
		})
	}
	return stored
}

func told(pico *uint64) Rate {
	if pico == nil {
		return Rate{}
	}
	return RateOf(money.Pico(*pico))
}

func (r Rate) wire() *uint64 {
	if !r.Listed {
		return nil
	}
	pico := uint64(r.Pico)
	return &pico
}
