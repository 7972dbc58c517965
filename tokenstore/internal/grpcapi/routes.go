package grpcapi

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var errNoRoutes = status.Error(codes.Unimplemented, "routes are not kept yet")

// ListRoutes implements ConfigService.
func (s *ConfigServer) ListRoutes(context.Context, *tokenstorev1.ListRoutesRequest) (*tokenstorev1.ListRoutesResponse, error) {
	return nil, errNoRoutes
}

// PutRoute implements ConfigService.
func (s *ConfigServer) PutRoute(context.Context, *tokenstorev1.PutRouteRequest) (*tokenstorev1.PutRouteResponse, error) {
	return nil, errNoRoutes
}

// DeleteRoute implements ConfigService.
func (s *ConfigServer) DeleteRoute(context.Context, *tokenstorev1.DeleteRouteRequest) (*tokenstorev1.DeleteRouteResponse, error) {
	return nil, errNoRoutes
}
