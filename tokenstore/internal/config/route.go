package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// Route is one of Config.Routes.
type Route struct {
	Name    string        `key:"name"`
	Match   string        `key:"match"`
	Targets []RouteTarget `key:"targets"`
	// Parameters are values by name, each a string or a number, or an object with such a
	// one as `default`.
	Parameters map[string]any `key:"parameters"`
}

// RouteTarget is one of a Route's targets.
type RouteTarget struct {
	Upstream string `key:"upstream"`
	Model    string `key:"model"`
	Priority uint32 `key:"priority"`
	// Weight is nil where the file does not say: 1.
	Weight *uint32 `key:"weight"`
}

// String has the weight instead of where it is kept.
func (t RouteTarget) String() string {
	return fmt.Sprintf("{%s %s %d %d}", t.Upstream, t.Model, t.Priority, t.weight())
}

func (t RouteTarget) weight() uint32 {
	if t.Weight == nil {
		return 1
	}
	return *t.Weight
}

// Message is the route as the contract has it, complete. The error says which parameter
// can't be one.
func (r Route) Message() (*tokenstorev1.Route, error) {
	route := &tokenstorev1.Route{Name: r.Name, Match: r.Match}
	for _, target := range r.Targets {
		route.Targets = append(route.Targets, &tokenstorev1.RouteTarget{
			Upstream: target.Upstream, Model: target.Model, Priority: target.Priority, Weight: target.weight(),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		parameter := &tokenstorev1.RouteParameter{Name: name}
		value := r.Parameters[name]
		if object, is := value.(map[string]any); is {
			if len(object) != 1 || object["default"] == nil {
				return nil, fmt.Errorf("parameters.%s: a value wanted, or an object with `default` alone", name)
			}
			value, parameter.OnlyDefault = object["default"], true
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("parameters.%s: a string or a number wanted", name)
		}
		parameter.Value = string(text)
		route.Parameters = append(route.Parameters, parameter)
	}
	return token.CompleteRoute(route), nil
}

func (c Config) checkRoutes() []error {
	var problems []error
	names, matches := map[string]bool{}, map[string]string{}
	wrong := func(i int, err error) {
		problems = append(problems, fmt.Errorf("routes: number %d: %s", i+1, strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	if len(c.Routes) > token.MaxRoutes {
		problems = append(problems, fmt.Errorf("routes: at most %d", token.MaxRoutes))
	}
	for i, each := range c.Routes {
		route, err := each.Message()
		if err == nil {
			err = token.CheckRoute(route)
		}
		if err != nil {
			wrong(i, err)
			continue
		}
		if names[route.GetName()] {
			wrong(i, fmt.Errorf("the name %q is there twice", route.GetName()))
			continue
		}
		names[route.GetName()] = true
		if other, taken := matches[route.GetMatch()]; taken {
			wrong(i, errors.New("match: that is what route "+other+" matches"))
		}
		matches[route.GetMatch()] = route.GetName()
	}
	return problems
}
