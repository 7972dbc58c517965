package grpcapi

import (
	"context"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// NewsServer implements NewsService.
type NewsServer struct {
	tokenstorev1.UnsafeNewsServiceServer
	store *redisstore.Store
}

// NewNewsServer makes the server.
func NewNewsServer(store *redisstore.Store) *NewsServer { return &NewsServer{store: store} }

// GetVersions implements NewsService.
func (s *NewsServer) GetVersions(ctx context.Context, _ *tokenstorev1.GetVersionsRequest) (*tokenstorev1.GetVersionsResponse, error) {
	return s.store.Versions(ctx)
}
