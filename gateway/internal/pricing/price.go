package pricing

import (
	"cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
)

// Price is what a model costs.
type Price struct {
	// Match is a model's id as its upstream knows it, or a pattern with one star.
	Match string
	// Upstream is where the price holds; empty: anywhere.
	Upstream string
	// Input and Output are for what no other rate is listed for.
	Input, Output Rate
	// CacheRead, CacheWrite and CacheWriteHour are for parts of the input. A write that is kept
	// for an hour costs as other writes do where it has no rate of its own.
	CacheRead, CacheWrite, CacheWriteHour Rate
	// Reasoning is for the part of the output that was thought.
	Reasoning Rate
	// Source is the format that it was imported from; empty: an admin set it.
	Source string
}

// priced tells whether there is a rate at all.
func (p *Price) priced() bool {
	for _, rate := range [...]Rate{p.Input, p.Output, p.CacheRead, p.CacheWrite, p.CacheWriteHour, p.Reasoning} {
		if rate.Listed {
			return true
		}
	}
	return false
}

func (p *Price) read() Rate    { return p.CacheRead.or(p.Input) }
func (p *Price) write() Rate   { return p.CacheWrite.or(p.Input) }
func (p *Price) hour() Rate    { return p.CacheWriteHour.or(p.write()) }
func (p *Price) thought() Rate { return p.Reasoning.or(p.Output) }

// cost is what a usage costs. Where any part of it has no rate, it is unpriced as a whole: half
// a cost would pass for one.
func (p *Price) cost(usage chat.Usage) (money.Pico, reqlog.CostQuality) {
	u := usage.Bounded()
	if u.Prompt == 0 && u.Completion == 0 {
		return 0, ""
	}
	var sum money.Pico
	for _, part := range [...]struct {
		tokens int
		rate   Rate
	}{
		{u.Fresh(), p.Input},
		{u.CacheRead, p.read()},
		{u.CacheWrite - u.CacheWriteHour, p.write()},
		{u.CacheWriteHour, p.hour()},
		{u.Completion - u.Reasoning, p.Output},
		{u.Reasoning, p.thought()},
	} {
		if part.tokens > 0 && !part.rate.Listed {
			return 0, reqlog.CostUnpriced
		}
		sum = sum.Plus(part.rate.Pico.Times(part.tokens))
	}
	return sum, qualityOf(u.Source)
}

// qualityOf is the quality of a cost by the source of its counts.
func qualityOf(source chat.UsageSource) reqlog.CostQuality {
	switch source {
	case chat.UsageReported:
		return reqlog.CostReported
	case chat.UsagePartial:
		return reqlog.CostPartial
	default:
		return reqlog.CostEstimated
	}
}

// most is what so many tokens cost at most, whichever part of the input and the output they are.
func (p *Price) most(prompt, completion int) money.Pico {
	in := max(p.Input.Pico, p.CacheRead.Pico, p.write().Pico, p.hour().Pico)
	out := max(p.Output.Pico, p.thought().Pico)
	return in.Times(prompt).Plus(out.Times(completion))
}

// compare orders prices as they are listed.
func compare(a, b Price) int {
	return cmp.Or(cmp.Compare(a.Match, b.Match), cmp.Compare(a.Upstream, b.Upstream))
}
