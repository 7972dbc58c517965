package grpcapi

import (
	"context"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// AnswerStore is what IdempotencyServer needs of the store.
type AnswerStore interface {
	ClaimAnswer(ctx context.Context, key, request []byte, owner string) (tokenstorev1.ClaimState, *tokenstorev1.RememberedAnswer, error)
	FinishAnswer(ctx context.Context, key []byte, owner string, answer *tokenstorev1.RememberedAnswer, window time.Duration) error
}

// IdempotencyServer implements IdempotencyService.
type IdempotencyServer struct {
	tokenstorev1.UnsafeIdempotencyServiceServer
	store AnswerStore
}

// NewIdempotencyServer makes a server on the store.
func NewIdempotencyServer(store AnswerStore) *IdempotencyServer {
	return &IdempotencyServer{store: store}
}

// Claim implements IdempotencyService.
func (s *IdempotencyServer) Claim(ctx context.Context, request *tokenstorev1.ClaimRequest) (*tokenstorev1.ClaimResponse, error) {
	state, answer, err := s.store.ClaimAnswer(ctx, request.GetKeyHash(), request.GetRequestHash(), request.GetOwner())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ClaimResponse{State: state, Answer: answer}, nil
}

// Finish implements IdempotencyService.
func (s *IdempotencyServer) Finish(ctx context.Context, request *tokenstorev1.FinishRequest) (*tokenstorev1.FinishResponse, error) {
	err := s.store.FinishAnswer(ctx, request.GetKeyHash(), request.GetOwner(), request.GetAnswer(), request.GetWindow().AsDuration())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.FinishResponse{}, nil
}
