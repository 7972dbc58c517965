package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var (
	putRouteScript    = newScript("put_route")
	deleteRouteScript = newScript("delete_route")
)

// A route's record is not signed, as an upstream's is: it names upstreams, and only their
// records say where tokens are sent.

// Routes returns all of them, by name. One that can't be read, as another version of the
// program may have left it, is left out.
func (s *Store) Routes(ctx context.Context) ([]*tokenstorev1.Route, error) {
	records, versions, err := s.hashes(ctx, "list routes", routesKey(), routeVersionsKey())
	if err != nil {
		return nil, err
	}
	routes := make([]*tokenstorev1.Route, 0, len(records))
	for _, name := range slices.Sorted(maps.Keys(records)) {
		route := &tokenstorev1.Route{}
		err := asJSON.Unmarshal([]byte(records[name]), route)
		if err == nil {
			err = token.CheckRoute(route)
		}
		if err != nil {
			s.log.LogAttrs(ctx, slog.LevelDebug, "a route can't be read", slog.String("route", name), slog.Any("error", err))
			continue
		}
		route.Name, route.Version = name, versions.count(name)
		routes = append(routes, route)
	}
	return routes, nil
}

// PutRoute creates or replaces a route and returns it as it is then. expected is the version
// that it must have; 0: any.
func (s *Store) PutRoute(ctx context.Context, route *tokenstorev1.Route, expected uint64) (*tokenstorev1.Route, error) {
	route, result, err := s.putRoute(ctx, route, expected, "any")
	if err != nil {
		return nil, err
	}
	switch result[0] {
	case "taken":
		return nil, matchTaken(route, result[1])
	case "many":
		return nil, tooManyRoutes()
	case "conflict":
		return nil, versionConflict("route "+strconv.Quote(route.GetName()), expected, result[1])
	}
	if route.Version, err = strconv.ParseUint(result[1], 10, 64); err != nil {
		return nil, fmt.Errorf("script put_route returned the version %q", result[1])
	}
	return route, s.barrier.Sync(ctx)
}

// SeedRoute creates the route unless there is one of the name; it tells whether it did. One
// that can't be, because what it matches is another's or there are too many, is refused.
func (s *Store) SeedRoute(ctx context.Context, route *tokenstorev1.Route) (bool, error) {
	route, result, err := s.putRoute(ctx, route, 0, "new")
	if err != nil {
		return false, err
	}
	switch result[0] {
	case "put":
		return true, s.barrier.Sync(ctx)
	case "taken":
		return false, matchTaken(route, result[1])
	case "many":
		return false, tooManyRoutes()
	default:
		return false, nil
	}
}

// putRoute returns the route as it is meant, and what the script says.
func (s *Store) putRoute(ctx context.Context, put *tokenstorev1.Route, expected uint64, mode string) (*tokenstorev1.Route, []string, error) {
	route := token.CompleteRoute(put)
	if err := token.CheckRoute(route); err != nil {
		return nil, nil, invalid(err)
	}
	record := proto.CloneOf(route)
	record.Version = 0 // has a field of its own
	text, err := protojson.Marshal(record)
	if err != nil {
		return nil, nil, fmt.Errorf("route %s: record: %w", route.GetName(), err)
	}
	result, err := putRouteScript.run(ctx, s.client, []string{routesKey(), routeVersionsKey(), routeMatchesKey()},
		route.GetName(), text, route.GetMatch(), expected, mode, token.MaxRoutes, configChannel).StringSlice()
	return route, result, storeError("put a route", err)
}

// DeleteRoute removes a route. expected is the version that it must have; 0: any.
func (s *Store) DeleteRoute(ctx context.Context, name string, expected uint64) error {
	result, err := deleteRouteScript.run(ctx, s.client, []string{routesKey(), routeVersionsKey(), routeMatchesKey()},
		name, expected, configChannel).StringSlice()
	if err != nil {
		return storeError("delete a route", err)
	}
	switch result[0] {
	case "gone":
		return noRoute(name)
	case "conflict":
		return versionConflict("route "+strconv.Quote(name), expected, result[1])
	}
	return s.barrier.Sync(ctx)
}

func noRoute(name string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_ROUTE_NOT_FOUND, "there is no route %q", name)
}

func matchTaken(route *tokenstorev1.Route, owner string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_ALREADY_EXISTS, "match: route %q matches %q already", owner, route.GetMatch())
}

func tooManyRoutes() error {
	return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "there are %d routes, which is the most that there may be: delete one first", token.MaxRoutes)
}
