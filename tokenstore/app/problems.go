package app

import (
	"context"

	"carousel.internal/proto/service/ops"
)

// Problems are why the store can't be used, or what is wrong with one that can, as this tokenstore
// knows without asking.
func (t *Tokenstore) Problems() []ops.Problem {
	if err := t.keeper.usable(context.Background()); err != nil {
		return []ops.Problem{{Name: "store", Text: "the store can't be used: " + err.Error()}}
	}
	var problems []ops.Problem
	for _, warning := range t.keeper.known() {
		problems = append(problems, ops.Problem{Name: string(warning.Kind), Text: warning.Text})
	}
	return problems
}
