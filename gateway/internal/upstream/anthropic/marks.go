package anthropic

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
)

// maxMarks is how many marks for caching the API takes in a request.
const maxMarks = 4

// limitMarks takes marks away where there are more than the API takes, the earliest first: a
// later one keeps what is before it as well. Nothing of the client's request is changed.
func (b *builder) limitMarks() {
	b.toolSpecs = slices.Clone(b.toolSpecs)
	b.system = slices.Clone(b.system)
	var marks []**chat.CacheMark
	note := func(mark **chat.CacheMark) {
		if *mark != nil {
			marks = append(marks, mark)
		}
	}
	for i := range b.toolSpecs {
		note(&b.toolSpecs[i].Cache)
	}
	for i := range b.system {
		note(&b.system[i].Cache)
	}
	for i := range b.turns {
		for j := range b.turns[i].parts {
			if part := &b.turns[i].parts[j]; part.Reasoning == nil {
				note(&part.Cache)
			}
		}
	}
	b.marked = len(marks) > 0
	most := maxMarks
	if b.request.Cache != nil {
		most--
	}
	for _, mark := range marks[:max(0, len(marks)-most)] {
		*mark = nil
	}
}
