package usage

import (
	"cmp"
	"slices"
	"strings"
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
	// steps are the rows of it.
	steps []stepSums
}

type stepSums struct {
	start int64
	sums  *Sums
}

// rank returns what the answer tells apart, that with the most first.
func (a *Answer) rank() []*ranked {
	all := make([]*ranked, 0, len(a.rows))
	known := make(map[cell]*ranked, len(a.rows))
	for name, sums := range a.rows {
		each := known[name.cell]
		if each == nil {
			each = &ranked{cell: name.cell}
			known[name.cell], all = each, append(all, each)
		}
		each.amount = plus(each.amount, a.question.Measure.of(sums))
		each.requests += sums.Requests
		each.steps = append(each.steps, stepSums{name.start, sums})
	}
	slices.SortFunc(all, func(x, y *ranked) int {
		if order := cmp.Or(cmp.Compare(y.amount, x.amount), cmp.Compare(y.requests, x.requests)); order != 0 {
			return order
		}
		return cmp.Or(strings.Compare(x.who, y.who), strings.Compare(x.upstream, y.upstream), strings.Compare(x.model, y.model))
	})
	return all
}

// most returns the rows of those with the most, and in each step of time one of all others, and
// how many others there are.
func (a *Answer) most() (rows map[rowName]*Sums, others int) {
	most := a.question.Most
	if most == 0 || len(a.rows) <= most {
		return a.rows, 0
	}
	all := a.rank()
	if len(all) <= most {
		return a.rows, 0
	}
	rows = map[rowName]*Sums{}
	for _, each := range all[:most] {
		for _, step := range each.steps {
			rows[rowName{cell: each.cell, start: step.start}] = step.sums
		}
	}
	for _, each := range all[most:] {
		for _, step := range each.steps {
			rest := rowName{start: step.start, others: true}
			if rows[rest] == nil {
				rows[rest] = &Sums{}
			}
			rows[rest].Add(step.sums)
		}
	}
	return rows, len(all) - most
}
