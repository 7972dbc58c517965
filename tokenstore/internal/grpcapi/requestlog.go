package grpcapi

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// RequestLogServer implements RequestLogService.
type RequestLogServer struct {
	tokenstorev1.UnsafeRequestLogServiceServer
	store *redisstore.Store
}

// NewRequestLogServer makes the server.
func NewRequestLogServer(store *redisstore.Store) *RequestLogServer {
	return &RequestLogServer{store: store}
}

// Append implements RequestLogService.
func (s *RequestLogServer) Append(ctx context.Context, request *tokenstorev1.AppendRequest) (*tokenstorev1.AppendResponse, error) {
	entries := make([]*tokenstorev1.LogEntry, len(request.GetEntries()))
	for i, encoded := range request.GetEntries() {
		entries[i] = new(tokenstorev1.LogEntry)
		if err := proto.Unmarshal(encoded, entries[i]); err != nil {
			return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "entries: number %d is not a log entry", i+1)
		}
	}
	stored, err := s.store.AppendLog(ctx, request.GetReplica(), entries)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.AppendResponse{Stored: uint32(stored)}, nil //nolint:gosec // at most a batch
}

// Query implements RequestLogService.
func (s *RequestLogServer) Query(ctx context.Context, request *tokenstorev1.QueryRequest) (*tokenstorev1.QueryResponse, error) {
	limit, err := limitOf(request.GetLimit())
	if err != nil {
		return nil, err
	}
	page, err := s.store.QueryLog(ctx, redisstore.LogQuery{
		LogFilter: redisstore.LogFilter{
			ID: request.GetId(), RequestID: request.GetRequestId(), Model: request.GetModel(), Upstream: request.GetUpstream(), Status: request.GetStatus(),
			TokenID: request.GetTokenId(), TokenAlias: request.GetTokenAlias(), KeyID: request.GetKeyId(), Stream: request.Stream,
			Error: request.GetError(), ErrorKind: request.GetErrorKind(), Retried: request.GetRetried(), MinTotal: request.GetMinTotal().AsDuration(),
			From: timeOf(request.GetFrom()), To: timeOf(request.GetTo()),
		},
		Limit: limit, Cursor: request.GetCursor(), After: request.GetAfter(), OmitPrompts: request.GetOmitPrompts(),
		TimesOnly: request.GetTimesOnly(),
	})
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.QueryResponse{Entries: page.Entries, NextCursor: page.Next, Total: page.Total, Newest: page.Newest}, nil
}

// Summarize implements RequestLogService.
func (s *RequestLogServer) Summarize(ctx context.Context, request *tokenstorev1.SummarizeRequest) (*tokenstorev1.SummarizeResponse, error) {
	buckets, err := s.store.SummarizeLog(ctx, timeOf(request.GetFrom()), timeOf(request.GetTo()), request.GetStep().AsDuration())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.SummarizeResponse{Buckets: buckets}, nil
}

func timeOf(stamp *timestamppb.Timestamp) time.Time {
	if stamp == nil {
		return time.Time{}
	}
	return stamp.AsTime()
}
