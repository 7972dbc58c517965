package grpcapi

import (
	"context"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// PriceServer implements PriceService.
type PriceServer struct {
	tokenstorev1.UnsafePriceServiceServer
	store *redisstore.Store
}

// NewPriceServer makes the server.
func NewPriceServer(store *redisstore.Store) *PriceServer { return &PriceServer{store: store} }

// GetPrices implements PriceService.
func (s *PriceServer) GetPrices(ctx context.Context, _ *tokenstorev1.GetPricesRequest) (*tokenstorev1.GetPricesResponse, error) {
	prices, err := s.store.Prices(ctx)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.GetPricesResponse{Prices: prices}, nil
}

// PutPrices implements PriceService.
func (s *PriceServer) PutPrices(ctx context.Context, request *tokenstorev1.PutPricesRequest) (*tokenstorev1.PutPricesResponse, error) {
	prices, err := s.store.PutPrices(ctx, request.GetPrices(), request.GetExpectedVersion())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.PutPricesResponse{Prices: prices}, nil
}
