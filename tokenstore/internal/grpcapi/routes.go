package grpcapi

import (
	"context"
	"errors"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// ListRoutes implements ConfigService.
func (s *ConfigServer) ListRoutes(ctx context.Context, _ *tokenstorev1.ListRoutesRequest) (*tokenstorev1.ListRoutesResponse, error) {
	routes, err := s.store.Routes(ctx)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ListRoutesResponse{Routes: routes}, nil
}

// PutRoute implements ConfigService.
func (s *ConfigServer) PutRoute(ctx context.Context, request *tokenstorev1.PutRouteRequest) (*tokenstorev1.PutRouteResponse, error) {
	if request.GetRoute() == nil {
		return nil, invalid(errors.New("route: missing"))
	}
	route, err := s.store.PutRoute(ctx, request.GetRoute(), request.GetExpectedVersion())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.PutRouteResponse{Route: route}, nil
}

// DeleteRoute implements ConfigService.
func (s *ConfigServer) DeleteRoute(ctx context.Context, request *tokenstorev1.DeleteRouteRequest) (*tokenstorev1.DeleteRouteResponse, error) {
	if err := s.store.DeleteRoute(ctx, request.GetName(), request.GetExpectedVersion()); err != nil {
		return nil, err
	}
	return &tokenstorev1.DeleteRouteResponse{}, nil
}
