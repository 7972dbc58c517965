package app

import (
	"cmp"
	"context"
	"iter"
	"strings"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
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

// modelsOf are the models that an upstream serves: those of its list, or where it has none, that
// other names lead to.
func (g *Gateway) modelsOf(upstreamName string) []string {
	if listed := routing.Serving(g.catalog.Listed(), g.prospects, upstreamName); len(listed) > 0 {
		return listed
	}
	return routing.Serving(g.catalog.Models(), g.prospects, upstreamName)
}

// chat is the relay's Chat, for what is made before it.
func (g *Gateway) chat(ctx context.Context, request *chat.Request, from caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error] {
	return g.relay.Chat(ctx, request, from, choice)
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
