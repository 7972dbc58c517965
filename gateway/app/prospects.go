package app

import (
	"cmp"
	"strings"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/routing"
)

// prospects answers how a model's name is served, as a chat request of a dialect that any
// upstream can carry would find it. An empty dialect is the first.
func (g *Gateway) prospects(model, name string) (routing.Chain, error) {
	api, known := dialectNamed(cmp.Or(name, dialects[0].Name()))
	if !known {
		unknown := chat.Errorf(chat.InvalidRequest, "`dialect` must be one of %s", strings.Join(dialectNames(), ", "))
		unknown.Param = "dialect"
		return routing.Chain{}, unknown
	}
	chain, err := g.catalog.Prospects(catalog.Wish{
		Model: model, AnyClaude: g.config.Settings().GetEnableAllClaude(), Request: &chat.Request{Source: chat.Source{Dialect: api.Name()}},
	})
	if err != nil {
		return routing.Chain{}, err
	}
	return shown(chain), nil
}

// shown is a chain as admins are told of it.
func shown(chain catalog.Chain) routing.Chain {
	result := routing.Chain{Targets: make([]routing.Target, len(chain.Prospects)), Fallbacks: chain.Fallbacks}
	if chain.Route != "" {
		result.Route = &routing.Route{Name: chain.Route, Match: chain.Match, Parameters: chain.Parameters}
	}
	for i, each := range chain.Prospects {
		result.Targets[i] = routing.Target{
			Upstream: each.Upstream, Model: each.Model, Priority: each.Priority, Weight: max(each.Weight, 1), Why: each.Why, Idle: each.Idle,
		}
	}
	return result
}
