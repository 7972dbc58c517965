package tokentest

import (
	"cmp"
	"slices"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/money"
)

// Plan is what tests cost.
type Plan struct {
	Requests int
	// Parts are in order of their upstreams' names.
	Parts []Part
}

// Part is of the tokens of one upstream.
type Part struct {
	Upstream string
	// Model is the one that is asked; empty: none is known yet.
	Model    string
	Requests int
	// Priced tells whether the model has a price. About is what the requests usually cost then,
	// and AtMost what they do where each answer is as long as it may be.
	Priced        bool
	About, AtMost money.Pico
}

// Plan says what it costs to test tokens.
func (d *Desk) Plan(tokens []Token, model string) Plan {
	counts := map[string]int{}
	for _, token := range tokens {
		counts[token.Upstream]++
	}
	plan := Plan{Requests: len(tokens)}
	for name, n := range counts {
		part := Part{Upstream: name, Model: cmp.Or(model, small(d.Models(name))), Requests: n}
		if part.Model != "" && d.Prices.Priced(name, part.Model) {
			about, _ := d.Prices.Cost(name, part.Model, chat.Usage{Prompt: aboutPrompt, Completion: aboutAnswer})
			part.Priced, part.About = true, about.Times(n)
			part.AtMost = d.Prices.Most(name, part.Model, aboutPrompt, maxAnswer).Times(n)
		}
		plan.Parts = append(plan.Parts, part)
	}
	slices.SortFunc(plan.Parts, func(a, b Part) int { return cmp.Compare(a.Upstream, b.Upstream) })
	return plan
}

// Unpriced is how many of the requests are of models without a price.
func (p Plan) Unpriced() int {
	n := 0
	for _, part := range p.Parts {
		if !part.Priced {
			n += part.Requests
		}
	}
	return n
}

// About is what the priced requests usually cost.
func (p Plan) About() money.Pico {
	return p.sum(func(part Part) money.Pico { return part.About })
}

// AtMost is what the priced requests cost at most.
func (p Plan) AtMost() money.Pico {
	return p.sum(func(part Part) money.Pico { return part.AtMost })
}

func (p Plan) sum(of func(Part) money.Pico) money.Pico {
	var total money.Pico
	for _, part := range p.Parts {
		total = total.Plus(of(part))
	}
	return total
}
