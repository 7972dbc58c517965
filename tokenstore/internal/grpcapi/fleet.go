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
	store *redisstore.Store
}

// NewFleetServer makes the server.
func NewFleetServer(store *redisstore.Store) *FleetServer { return &FleetServer{store: store} }

// Beat implements FleetService.
func (s *FleetServer) Beat(ctx context.Context, request *tokenstorev1.BeatRequest) (*tokenstorev1.BeatResponse, error) {
	fleet, err := s.store.Beat(ctx, &tokenstorev1.Replica{
		Name: request.GetReplica(), Version: request.GetVersion(), StartedAt: request.GetStartedAt(),
		Requests: request.GetRequests(), Active: request.GetActive(),
		LogAccepted: request.GetLogAccepted(), LogPending: request.GetLogPending(), LogDropped: request.GetLogDropped(),
	})
	if err != nil {
		return nil, err
	}
	response := &tokenstorev1.BeatResponse{
		TotalRequests: fleet.Requests, ActiveRequests: fleet.Active(), StartedAt: timestamppb.New(fleet.StartedAt), Replicas: fleet.Replicas,
	}
	if upstreams, err := s.store.StockedUpstreams(ctx); err == nil {
		response.Stocked = &tokenstorev1.Stocked{Upstreams: upstreams}
	}
	return response, nil
}
