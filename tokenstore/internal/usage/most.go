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

// ranked is what is told apart, and how much there is of it in all steps.
type ranked struct {
	*told
	amount, requests uint64
}

func (m Measure) rank(t *told) ranked {
	r := ranked{told: t}
	for i := range t.steps {
		r.amount = plus(r.amount, m.of(&t.steps[i].Sums))
		r.requests += t.steps[i].Requests
	}
	return r
}

// compare puts those with more first.
func (r ranked) compare(other ranked) int {
	if order := cmp.Or(cmp.Compare(other.amount, r.amount), cmp.Compare(other.requests, r.requests)); order != 0 {
		return order
	}
	return cmp.Or(strings.Compare(r.who, other.who), strings.Compare(r.upstream, other.upstream), strings.Compare(r.model, other.model))
}

// most divides what is told apart into those with the most, of which there are so many, and others.
func (m Measure) most(all []*told, n int) (first, others []*told) {
	ranking := make([]ranked, len(all))
	for i, each := range all {
		ranking[i] = m.rank(each)
	}
	choose(ranking, n)
	for i, each := range ranking {
		all[i] = each.told
	}
	return all[:n], all[n:]
}

// choose moves the first n of the order to the front. Of many it does not sort the others: it goes
// on with the half in which the border is.
func choose(ranking []ranked, n int) {
	for len(ranking) > 32 {
		middle := part(ranking)
		if n > middle {
			ranking, n = ranking[middle:], n-middle
		} else {
			ranking = ranking[:middle]
		}
	}
	slices.SortFunc(ranking, ranked.compare)
}

// part moves those that are before one of them to the front, and returns how many they are with it.
func part(ranking []ranked) int {
	last := len(ranking) - 1
	ranking[len(ranking)/2], ranking[last] = ranking[last], ranking[len(ranking)/2]
	front := 0
	for i := range last {
		if ranking[i].compare(ranking[last]) < 0 {
			ranking[i], ranking[front] = ranking[front], ranking[i]
			front++
		}
	}
	ranking[front], ranking[last] = ranking[last], ranking[front]
	return front + 1
}
