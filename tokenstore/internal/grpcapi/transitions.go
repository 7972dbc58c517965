package grpcapi

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

// byAdmin is who takes something back where the caller does not say.
const byAdmin = "admin"

// ListTransitions implements TokenService.
func (s *TokenServer) ListTransitions(
	ctx context.Context, request *tokenstorev1.ListTransitionsRequest,
) (*tokenstorev1.ListTransitionsResponse, error) {
	transitions, err := s.store.Transitions(ctx, request.GetId())
	return &tokenstorev1.ListTransitionsResponse{Transitions: transitions}, err
}

// UndoTransitions implements TokenService.
func (s *TokenServer) UndoTransitions(
	ctx context.Context, request *tokenstorev1.UndoTransitionsRequest,
) (*tokenstorev1.UndoTransitionsResponse, error) {
	undo := undoOf(request)
	undo.Upstream, undo.By = request.GetUpstream(), cmp.Or(request.GetBy(), byAdmin)
	count, err := s.store.UndoTransitions(ctx, undo)
	return &tokenstorev1.UndoTransitionsResponse{Count: uint32(count)}, err //nolint:gosec // at most some for each token
}

// PreviewUndo implements TokenService.
func (s *TokenServer) PreviewUndo(ctx context.Context, request *tokenstorev1.PreviewUndoRequest) (*tokenstorev1.PreviewUndoResponse, error) {
	undo := undoOf(request)
	undo.Upstream = request.GetUpstream()
	return s.store.PreviewUndo(ctx, undo, request.GetTokenId())
}

// UndoTokenTransitions implements TokenService.
func (s *TokenServer) UndoTokenTransitions(
	ctx context.Context, request *tokenstorev1.UndoTokenTransitionsRequest,
) (*tokenstorev1.UndoTokenTransitionsResponse, error) {
	undo := undoOf(request)
	undo.By = cmp.Or(request.GetBy(), byAdmin)
	count, err := s.store.UndoTokenTransitions(ctx, request.GetId(), undo)
	return &tokenstorev1.UndoTokenTransitionsResponse{Count: uint32(count)}, err //nolint:gosec // at most those of a history
}

// undoOf is what all requests about undoing transitions say alike.
func undoOf(request interface {
	GetClass() string
	GetFrom() *timestamppb.Timestamp
	GetTo() *timestamppb.Timestamp
},
) leasing.Undo {
	undo := leasing.Undo{Class: request.GetClass(), From: request.GetFrom().AsTime(), To: time.Now()}
	if request.GetTo() != nil {
		undo.To = request.GetTo().AsTime()
	}
	return undo
}

// ReleaseToken implements TokenService.
func (s *TokenServer) ReleaseToken(
	ctx context.Context, request *tokenstorev1.ReleaseTokenRequest,
) (*tokenstorev1.ReleaseTokenResponse, error) {
	released, err := s.store.ReleaseToken(ctx, request.GetId(), cmp.Or(request.GetBy(), byAdmin))
	return &tokenstorev1.ReleaseTokenResponse{Token: released}, err
}
