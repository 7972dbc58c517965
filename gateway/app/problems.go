package app

import (
	"fmt"
	"maps"
	"slices"

	"carousel.internal/proto/service/ops"
)

// Problems are what keeps this gateway from answering some or all chats, as far as it is known
// without asking anybody.
func (g *Gateway) Problems() []ops.Problem {
	var problems []ops.Problem
	if stocked := g.fleet.Last().GetStocked(); stocked != nil && len(stocked.GetUpstreams()) == 0 {
		problems = append(problems, ops.Problem{
			Name: "no_tokens", Text: "no upstream has a token that can serve, so no chat is answered: add one on the page /admin/tokens, or see there what became of those that there are",
		})
	}
	silent := g.catalog.Silent()
	for _, name := range slices.Sorted(maps.Keys(silent)) {
		problems = append(problems, ops.Problem{
			Name: "silent_upstream " + name, Text: fmt.Sprintf("upstream %s does not tell its models: %v", name, silent[name]),
		})
	}
	return problems
}
