package usage

import (
	"cmp"
	"slices"
)

// Measure is what those with the most have the most of.
type Measure string

// The measures.
const (
	ByCost     Measure = "cost"
	ByRequests Measure = "requests"
	ByTokens   Measure = "tokens"
)

// of is how much of the measure there is in sums.
func (m Measure) of(s *Sums) uint64 {
	switch m {
	case ByRequests:
		return s.Requests
	case ByTokens:
		return s.Prompt + s.Completion
	default:
		return plus(plus(s.Reported.Pico, s.Estimated.Pico), s.Partial.Pico)
	}
}

// ranked is what is told apart, steps of time aside, and how much there is of it in all steps.
type ranked struct {
	cell
	amount, requests uint64
}

// rank returns what the answer tells apart, that with the most first.
func (a *Answer) rank() []ranked {
	var all []ranked
	places := make(map[cell]int, len(a.rows))
	for name, sums := range a.rows {
		at, known := places[name.cell]
		if !known {
			at = len(all)
			places[name.cell], all = at, append(all, ranked{cell: name.cell})
		}
		all[at].amount = plus(all[at].amount, a.question.Measure.of(sums))
		all[at].requests += sums.Requests
	}
	slices.SortFunc(all, func(x, y ranked) int {
		return cmp.Or(
			cmp.Compare(y.amount, x.amount), cmp.Compare(y.requests, x.requests),
			cmp.Compare(x.who, y.who), cmp.Compare(x.upstream, y.upstream), cmp.Compare(x.model, y.model),
		)
	})
	return all
}

// most returns the rows of those with the most, and in each step of time one of all others, and
// how many others there are.
func (a *Answer) most() (rows map[rowName]*Sums, others int) {
	if a.question.Most == 0 || len(a.rows) <= a.question.Most {
		return a.rows, 0
	}
	all := a.rank()
	if len(all) <= a.question.Most {
		return a.rows, 0
	}
	own := make(map[cell]bool, a.question.Most)
	for _, each := range all[:a.question.Most] {
		own[each.cell] = true
	}
	rows = map[rowName]*Sums{}
	for name, sums := range a.rows {
		if own[name.cell] {
			rows[name] = sums
			continue
		}
		rest := rowName{start: name.start, others: true}
		if rows[rest] == nil {
			rows[rest] = &Sums{}
		}
		rows[rest].Add(sums)
	}
	return rows, len(all) - a.question.Most
}
