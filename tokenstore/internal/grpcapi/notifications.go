package grpcapi

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
	"carousel.internal/tokenstore/internal/redisstore"
)

// NotificationServer implements NotificationService.
type NotificationServer struct {
	tokenstorev1.UnsafeNotificationServiceServer
	store    *redisstore.Store
	notifier *notify.Notifier
}

// NewNotificationServer makes the server. Tests of destinations are the notifier's.
func NewNotificationServer(store *redisstore.Store, notifier *notify.Notifier) *NotificationServer {
	return &NotificationServer{store: store, notifier: notifier}
}

// GetNotifications implements NotificationService.
func (s *NotificationServer) GetNotifications(ctx context.Context, request *tokenstorev1.GetNotificationsRequest) (*tokenstorev1.GetNotificationsResponse, error) {
	destinations, err := s.store.NotifyDestinations(ctx)
	if err != nil {
		return nil, err
	}
	silences, err := s.store.ActiveSilences(ctx)
	if err != nil {
		return nil, err
	}
	board, err := s.store.AlertBoard(ctx)
	if err != nil {
		return nil, err
	}
	answer := &tokenstorev1.GetNotificationsResponse{AlertNames: notify.Names()}
	if answer.Deliveries, err = s.store.Deliveries(ctx); err != nil {
		return nil, err
	}
	for _, each := range destinations {
		answer.Destinations = append(answer.Destinations, each.Destination)
	}
	for _, each := range silences {
		answer.Silences = append(answer.Silences, each.Silence)
	}
	for _, each := range board.Ordered() {
		answer.Alerts = append(answer.Alerts, alertOf(each, silences, request.GetLanguage()))
	}
	return answer, nil
}

func alertOf(standing *notify.Standing, silences []notify.Silence, language string) *tokenstorev1.Alert {
	alert := &tokenstorev1.Alert{
		Fingerprint: standing.Fingerprint(), Name: standing.Name, Severity: string(standing.Severity()), Labels: standing.Labels,
		Since: timestamppb.New(standing.Since), Silenced: standing.Silenced(silences), Told: standing.Told,
	}
	alert.Summary, alert.Description = notify.Words(standing.Alert, language)
	if !standing.Fired.IsZero() {
		alert.FiredAt = timestamppb.New(standing.Fired)
	}
	if !standing.Resolved.IsZero() {
		alert.ResolvedAt = timestamppb.New(standing.Resolved)
	}
	return alert
}

// PutDestination implements NotificationService.
func (s *NotificationServer) PutDestination(ctx context.Context, request *tokenstorev1.PutDestinationRequest) (*tokenstorev1.PutDestinationResponse, error) {
	if request.GetDestination() == nil {
		return nil, invalid(errors.New("destination: missing"))
	}
	destination, err := s.store.PutDestination(ctx, request.GetDestination(), request.Url, request.Secret, request.GetExpectedVersion())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.PutDestinationResponse{Destination: destination}, nil
}

// DeleteDestination implements NotificationService.
func (s *NotificationServer) DeleteDestination(ctx context.Context, request *tokenstorev1.DeleteDestinationRequest) (*tokenstorev1.DeleteDestinationResponse, error) {
	if err := s.store.DeleteDestination(ctx, request.GetId(), request.GetExpectedVersion()); err != nil {
		return nil, err
	}
	return &tokenstorev1.DeleteDestinationResponse{}, nil
}

// TestDestination implements NotificationService.
func (s *NotificationServer) TestDestination(ctx context.Context, request *tokenstorev1.TestDestinationRequest) (*tokenstorev1.TestDestinationResponse, error) {
	destination, err := s.store.NotifyDestination(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	delivery, settlement, err := s.notifier.Test(ctx, destination)
	if err != nil {
		return nil, err
	}
	came := delivery.Record(settlement)
	came.At = timestamppb.New(delivery.Made)
	return &tokenstorev1.TestDestinationResponse{Delivery: came}, nil
}

// CreateSilence implements NotificationService.
func (s *NotificationServer) CreateSilence(ctx context.Context, request *tokenstorev1.CreateSilenceRequest) (*tokenstorev1.CreateSilenceResponse, error) {
	if request.GetSilence() == nil {
		return nil, invalid(errors.New("silence: missing"))
	}
	silence, err := s.store.CreateSilence(ctx, request.GetSilence())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.CreateSilenceResponse{Silence: silence}, nil
}

// DeleteSilence implements NotificationService.
func (s *NotificationServer) DeleteSilence(ctx context.Context, request *tokenstorev1.DeleteSilenceRequest) (*tokenstorev1.DeleteSilenceResponse, error) {
	if err := s.store.DeleteSilence(ctx, request.GetId()); err != nil {
		return nil, err
	}
	return &tokenstorev1.DeleteSilenceResponse{}, nil
}
