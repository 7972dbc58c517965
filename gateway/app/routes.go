package app

import (
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// routesOf are the routes as the catalog has them.
func routesOf(stored []*tokenstorev1.Route) []catalog.Route {
	routes := make([]catalog.Route, len(stored))
	for i, each := range stored {
		routes[i] = catalog.Route{Name: each.GetName(), Match: routing.MatchOf(each)}
		for _, target := range each.GetTargets() {
			routes[i].Targets = append(routes[i].Targets, catalog.RouteTarget{
				Upstream: target.GetUpstream(), Model: target.GetModel(),
				Priority: int(target.GetPriority()), Weight: int(target.GetWeight()),
			})
		}
		for _, parameter := range each.GetParameters() {
			routes[i].Parameters = append(routes[i].Parameters, chat.Parameter{
				Name: chat.ParameterName(parameter.GetName()), Value: parameter.GetValue(), OnlyDefault: parameter.GetOnlyDefault(),
			})
		}
	}
	return routes
}

// tune has a request's dialect say in it what a route says of it.
func tune(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
	api, _ := dialectNamed(request.Source.Dialect)
	tuner, able := api.(dialect.Tuner)
	if !able {
		err := chat.Errorf(chat.Unsupported, "this name of a model sets %q, which requests of the dialect %q can't be given",
			parameters[0].Name, request.Source.Dialect)
		err.Param = "model"
		return nil, err
	}
	return tuner.Tune(request, parameters)
}
