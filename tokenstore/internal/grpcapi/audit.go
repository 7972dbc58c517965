package grpcapi

import (
	"context"

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
	return &tokenstorev1.GetUndoResponse{Undo: undo}, err
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
