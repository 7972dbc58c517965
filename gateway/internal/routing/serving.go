package routing

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
)

// Serving are the ids of the models that lead to an upstream. prospects answers how a model's name
// is served to clients of a dialect.
func Serving(models []chat.Model, prospects func(model, dialect string) (Chain, error), upstreamName string) []string {
	var ids []string
	for _, model := range models {
		chain, err := prospects(model.ID, "")
		if err == nil && slices.ContainsFunc(chain.Targets, func(target Target) bool { return target.Upstream == upstreamName }) {
			ids = append(ids, model.ID)
		}
	}
	return ids
}
