package grpcapi

import (
	"context"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// ResponseStore is what ResponseServer needs of the store.
type ResponseStore interface {
	PutResponse(ctx context.Context, response *tokenstorev1.StoredResponse) error
	Response(ctx context.Context, id string, owner []byte) (*tokenstorev1.StoredResponse, error)
	DeleteResponse(ctx context.Context, id string, owner []byte) error
}

// ResponseServer implements ResponseService.
type ResponseServer struct {
	tokenstorev1.UnsafeResponseServiceServer
	store ResponseStore
}

// NewResponseServer makes a server on the store.
func NewResponseServer(store ResponseStore) *ResponseServer { return &ResponseServer{store: store} }

// PutResponse implements ResponseService.
func (s *ResponseServer) PutResponse(ctx context.Context, request *tokenstorev1.PutResponseRequest) (*tokenstorev1.PutResponseResponse, error) {
	if err := s.store.PutResponse(ctx, request.GetResponse()); err != nil {
		return nil, err
	}
	return &tokenstorev1.PutResponseResponse{}, nil
}

// GetResponse implements ResponseService.
func (s *ResponseServer) GetResponse(ctx context.Context, request *tokenstorev1.GetResponseRequest) (*tokenstorev1.GetResponseResponse, error) {
	response, err := s.store.Response(ctx, request.GetId(), request.GetOwnerHash())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.GetResponseResponse{Response: response}, nil
}

// DeleteResponse implements ResponseService.
func (s *ResponseServer) DeleteResponse(ctx context.Context, request *tokenstorev1.DeleteResponseRequest) (*tokenstorev1.DeleteResponseResponse, error) {
	if err := s.store.DeleteResponse(ctx, request.GetId(), request.GetOwnerHash()); err != nil {
		return nil, err
	}
	return &tokenstorev1.DeleteResponseResponse{}, nil
}
