package grpcapi

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// AuditServer implements AuditService.
type AuditServer struct {
	tokenstorev1.UnsafeAuditServiceServer
	store *redisstore.Store
}

// NewAuditServer makes the server.
func NewAuditServer(store *redisstore.Store) *AuditServer { return &AuditServer{store: store} }

// RecordAudit implements AuditService.
func (s *AuditServer) RecordAudit(
	ctx context.Context, request *tokenstorev1.RecordAuditRequest,
) (*tokenstorev1.RecordAuditResponse, error) {
	return &tokenstorev1.RecordAuditResponse{}, s.store.RecordAudit(ctx, request.GetEntry())
}

// GetUndo implements AuditService.
func (s *AuditServer) GetUndo(ctx context.Context, request *tokenstorev1.GetUndoRequest) (*tokenstorev1.GetUndoResponse, error) {
	undo, err := s.store.AuditUndo(ctx, request.GetRequestId())
	if err != nil || undo.Undo == nil {
		return &tokenstorev1.GetUndoResponse{}, err
	}
	return &tokenstorev1.GetUndoResponse{Undo: undo.Undo, SwitchedSince: undo.SwitchedSince, At: timestamppb.New(undo.At)}, nil
}

// ListAudit implements AuditService.
func (s *AuditServer) ListAudit(ctx context.Context, request *tokenstorev1.ListAuditRequest) (*tokenstorev1.ListAuditResponse, error) {
	limit, err := limitOf(request.GetLimit())
	if err != nil {
		return nil, err
	}
	entries, next, err := s.store.ListAudit(ctx, limit, request.GetCursor())
	return &tokenstorev1.ListAuditResponse{Entries: entries, NextCursor: next}, err
}

// ListActivity implements AuditService.
func (s *AuditServer) ListActivity(ctx context.Context, request *tokenstorev1.ListActivityRequest) (*tokenstorev1.ListActivityResponse, error) {
	limit, err := limitOf(request.GetLimit())
	if err != nil {
		return nil, err
	}
	filter := redisstore.ActivityFilter{
		Source: request.GetSource(), Actor: request.GetActor(), Kind: request.GetKind(), Account: request.GetAccount(),
	}
	if request.GetFrom() != nil {
		filter.From = request.GetFrom().AsTime()
	}
	if request.GetTo() != nil {
		filter.To = request.GetTo().AsTime()
	}
	activities, next, err := s.store.ListActivity(ctx, filter, limit, request.GetCursor())
	return &tokenstorev1.ListActivityResponse{Activities: activities, NextCursor: next}, err
}
