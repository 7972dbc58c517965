package grpcapi

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// FleetServer implements FleetService.
type FleetServer struct {
	tokenstorev1.UnsafeFleetServiceServer
	store    *redisstore.Store
	warnings func() []redisstore.Warning
}

// NewFleetServer makes the server. warnings says what is wrong with the store, as far as is
// known; it must not block.
func NewFleetServer(store *redisstore.Store, warnings func() []redisstore.Warning) *FleetServer {
	return &FleetServer{store: store, warnings: warnings}
}

// Beat implements FleetService.
func (s *FleetServer) Beat(ctx context.Context, request *tokenstorev1.BeatRequest) (*tokenstorev1.BeatResponse, error) {
	fleet, err := s.store.Beat(ctx, &tokenstorev1.Replica{
		Name: request.GetReplica(), Version: request.GetVersion(), StartedAt: request.GetStartedAt(),
		Requests: request.GetRequests(), Active: request.GetActive(),
		LogAccepted: request.GetLogAccepted(), LogPending: request.GetLogPending(), LogDropped: request.GetLogDropped(),
		NearBudgets: request.GetNearBudgets(), DegradedMs: request.GetDegradedMs(),
	}, request.GetGivenUp()...)
	if err != nil {
		return nil, err
	}
	response := &tokenstorev1.BeatResponse{
		TotalRequests: fleet.Requests, ActiveRequests: fleet.Active(), StartedAt: timestamppb.New(fleet.StartedAt), Replicas: fleet.Replicas,
		GivenUp: fleet.GivenUp,
	}
	if upstreams, err := s.store.StockedUpstreams(ctx); err == nil {
		response.Stocked = &tokenstorev1.Stocked{Upstreams: upstreams}
	}
	for _, warning := range s.warnings() {
		response.Warnings = append(response.Warnings, &tokenstorev1.StoreWarning{Kind: string(warning.Kind), Text: warning.Text})
	}
	return response, nil
}
