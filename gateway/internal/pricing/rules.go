package pricing

import (
	"cmp"
	"slices"

	"carousel.internal/gateway/internal/pattern"
)

// rules are prices by what they match. A price for an upstream's model goes before one for the
// model at any upstream, and that before patterns. Of these the one with the longest text beside
// its star holds, and of two as long the one for the upstream.
type rules struct {
	exact    map[place]Price
	patterns []Price
}

func (r *rules) add(price Price) {
	if pattern.Is(price.Match) {
		r.patterns = append(r.patterns, price)
		return
	}
	if r.exact == nil {
		r.exact = map[place]Price{}
	}
	r.exact[place{price.Upstream, price.Match}] = price
}

// order is called when all have been added.
func (r *rules) order() {
	slices.SortFunc(r.patterns, func(a, b Price) int {
		return cmp.Or(cmp.Compare(len(b.Match), len(a.Match)), cmp.Compare(b.Upstream, a.Upstream), cmp.Compare(a.Match, b.Match))
	})
}

func (r *rules) find(at place) (Price, bool) {
	if price, is := r.exact[at]; is {
		return price, true
	}
	if price, is := r.exact[place{"", at.model}]; is {
		return price, true
	}
	for _, price := range r.patterns {
		if price.Upstream != "" && price.Upstream != at.upstream {
			continue
		}
		if _, covers := pattern.Covers(price.Match, at.model); covers {
			return price, true
		}
	}
	return Price{}, false
}
