package adminapi

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

type routeObject struct {
	Name    string        `json:"name"`
	Match   string        `json:"match"`
	Targets []routeTarget `json:"targets"`
	// Parameters are, by name, a value that always holds, or {"default": value} for one that
	// holds where the request has none.
	Parameters map[string]any `json:"parameters"`
	Version    uint64         `json:"version"`
}

type routeTarget struct {
	Upstream string `json:"upstream"`
	Model    string `json:"model"`
	Priority uint32 `json:"priority"`
	// Weight is 1 where a body does not say it.
	Weight *uint32 `json:"weight"`
}

func routeOf(r *tokenstorev1.Route) routeObject {
	targets := make([]routeTarget, 0, len(r.GetTargets()))
	for _, each := range r.GetTargets() {
		weight := each.GetWeight()
		targets = append(targets, routeTarget{each.GetUpstream(), each.GetModel(), each.GetPriority(), &weight})
	}
	return routeObject{
		Name: r.GetName(), Match: routing.MatchOf(r), Targets: targets, Parameters: writtenParameters(r.GetParameters()), Version: r.GetVersion(),
	}
}

// GET /admin/api/routes
func (a *API) listRoutes(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	list, err := a.Config.ListRoutes(ctx, &tokenstorev1.ListRoutesRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	routes := make([]routeObject, 0, len(list.GetRoutes()))
	for _, each := range list.GetRoutes() {
		routes = append(routes, routeOf(each))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Routes []routeObject `json:"routes"`
	}{routes})
}

// GET /admin/api/routes/{name}
func (a *API) getRoute(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	route, err := a.storedRoute(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	if route == nil {
		return chat.Errorf(chat.NotFound, "there is no route %q", c.Param("name"))
	}
	return answerVersioned(c, http.StatusOK, routeOf(route), route.GetVersion())
}

// storedRoute answers the route with this name, or nil.
func (a *API) storedRoute(ctx context.Context, name string) (*tokenstorev1.Route, error) {
	list, err := a.Config.ListRoutes(ctx, &tokenstorev1.ListRoutesRequest{})
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	return routing.Find(list.GetRoutes(), name), nil
}

// PUT /admin/api/routes/{name}
func (a *API) putRoute(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	route, err := a.readRoute(c)
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	upstreams, err := a.Config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	before, err := a.storedRoute(ctx, route.GetName())
	if err != nil {
		return err
	}
	put, err := a.Config.PutRoute(ctx, &tokenstorev1.PutRouteRequest{Route: route, ExpectedVersion: version})
	if err != nil {
		return storeerr.Translate(err)
	}
	stored, warnings := put.GetRoute(), []string{}
	for _, odd := range routing.Oddities(stored, upstreams.GetUpstreams(), a.Listed()) {
		warnings = append(warnings, odd.String())
	}
	a.NoteUndoable(c, routing.Undo(stored.GetName(), before, stored), "route put", "route", stored.GetName(), "match", routing.MatchOf(stored), "targets", routing.Summary(stored))
	return answerVersioned(c, http.StatusOK, struct {
		routeObject
		// Warnings tell what may not be meant.
		Warnings []string `json:"warnings"`
	}{routeOf(stored), warnings}, stored.GetVersion())
}

// readRoute reads the body of a PUT.
func (a *API) readRoute(c *gin.Context) (*tokenstorev1.Route, error) {
	var body struct {
		Match      string        `json:"match"`
		Targets    []routeTarget `json:"targets"`
		Parameters rawMembers    `json:"parameters"`
	}
	if err := a.decode(c, &body); err != nil {
		return nil, err
	}
	route := &tokenstorev1.Route{Name: c.Param("name"), Match: body.Match}
	for _, each := range body.Targets {
		weight := uint32(1)
		if each.Weight != nil {
			weight = *each.Weight
		}
		route.Targets = append(route.Targets, &tokenstorev1.RouteTarget{
			Upstream: each.Upstream, Model: each.Model, Priority: each.Priority, Weight: weight,
		})
	}
	if len(route.GetTargets()) == 0 {
		return nil, jsonapi.Invalid("targets", `at least one target wanted, such as {"upstream":"cursor","model":"gpt-4o"}`)
	}
	var err error
	route.Parameters, err = readParameters(body.Parameters)
	return route, err
}

// DELETE /admin/api/routes/{name}
func (a *API) deleteRoute(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	name := c.Param("name")
	ctx, cancel := a.Call(c)
	defer cancel()
	before, err := a.storedRoute(ctx, name)
	if err != nil {
		return err
	}
	if _, err := a.Config.DeleteRoute(ctx, &tokenstorev1.DeleteRouteRequest{Name: name, ExpectedVersion: version}); err != nil {
		return storeerr.Translate(err)
	}
	a.NoteUndoable(c, routing.Undo(name, before, nil), "route deleted", "route", name)
	c.Status(http.StatusNoContent)
	return nil
}
