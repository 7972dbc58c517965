package web

import (
	"context"
	"encoding/json"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/pattern"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var routesPage = view{"routes", "routes", (*Site).loadRoutes}

type routesData struct {
	Rows []routeRow
	// Saved and Deleted are the names of what was just changed; empty: nothing was.
	Saved, Deleted string
}

// routeRow is one route as the pages show it.
type routeRow struct {
	*tokenstorev1.Route
	Oddities []routing.Oddity
}

// Match is what clients name.
func (r routeRow) Match() string { return routing.MatchOf(r.Route) }

// IsPattern tells whether that is a family of names.
func (r routeRow) IsPattern() bool { return pattern.Is(r.Match()) }

// Parameters are what the route sets.
func (r routeRow) Parameters() []parameter { return parametersOf(r.GetParameters()) }

// parameter is what a route says of the requests that go by it.
type parameter struct {
	Name, Value string
	OnlyDefault bool
}

func parametersOf(stored []*tokenstorev1.RouteParameter) []parameter {
	parameters := make([]parameter, 0, len(stored))
	for _, each := range stored {
		parameters = append(parameters, parameter{each.GetName(), plain(each.GetValue()), each.GetOnlyDefault()})
	}
	return parameters
}

// plain is a JSON text without its quotes, or a number as it is.
func plain(value string) string {
	var text string
	if json.Unmarshal([]byte(value), &text) == nil {
		return text
	}
	return value
}

func (s *Site) loadRoutes(ctx context.Context, c *gin.Context) (any, error) {
	data := routesData{Saved: c.Query("saved"), Deleted: c.Query("deleted")}
	answer, err := s.Config.ListRoutes(ctx, &tokenstorev1.ListRoutesRequest{})
	if err != nil {
		return data, err
	}
	upstreams, err := s.Config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
	if err != nil {
		return data, err
	}
	listed := s.Listed()
	for _, each := range answer.GetRoutes() {
		data.Rows = append(data.Rows, routeRow{each, routing.Oddities(each, upstreams.GetUpstreams(), listed)})
	}
	return data, nil
}

// route answers the route with this name, or nil.
func (s *Site) route(ctx context.Context, name string) (*tokenstorev1.Route, error) {
	answer, err := s.Config.ListRoutes(ctx, &tokenstorev1.ListRoutesRequest{})
	if err != nil {
		return nil, err
	}
	return routing.Find(answer.GetRoutes(), name), nil
}
