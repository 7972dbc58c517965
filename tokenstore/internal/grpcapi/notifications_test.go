package grpcapi_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
	"carousel.internal/tokenstore/internal/testredis"
)

// refusing is a courier whose destinations refuse what comes with a secret.
type refusing struct{}

func (refusing) Send(_ context.Context, destination notify.Destination, _ notify.Delivery) error {
	if destination.Secret.Empty() {
		return nil
	}
	return &notify.Refusal{Reason: "it answered 503"}
}

// testNotifier is that of the test's server; the test has it look.
func testNotifier(store notify.Store) *notify.Notifier {
	return &notify.Notifier{
		Store: store, Courier: refusing{}, Usable: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler),
		Observe: func(context.Context) (notify.Observation, error) {
			return notify.Observation{Pools: []*tokenstorev1.PoolState{{Upstream: "openai", Parked: 2}}}, nil
		},
	}
}

// A destination is put, tested and told; what was told, what fires and what is silenced are
// answered, and nothing that is secret.
func TestNotificationCalls(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, server := t.Context(), start(t, client)
		calls := tokenstorev1.NewNotificationServiceClient(server.conn)
		url, secret := "https://hooks.example/very-secret", "very-secret"
		put, err := calls.PutDestination(ctx, &tokenstorev1.PutDestinationRequest{Destination: &tokenstorev1.Destination{Name: "team"}, Url: &url})
		if err != nil {
			t.Fatal(err)
		}
		destination := put.GetDestination()
		tested, err := calls.TestDestination(ctx, &tokenstorev1.TestDestinationRequest{Id: destination.GetId()})
		if err != nil || tested.GetDelivery().GetOutcome() != "delivered" || tested.GetDelivery().GetDestinationName() != "team" {
			t.Errorf("%v, %v", tested, err)
		}
		destination.Severity = "warning"
		if put, err = calls.PutDestination(ctx, &tokenstorev1.PutDestinationRequest{Destination: destination, Secret: &secret, ExpectedVersion: 1}); err != nil || put.GetDestination().GetVersion() != 2 {
			t.Fatalf("%v, %v", put, err)
		}
		tested, err = calls.TestDestination(ctx, &tokenstorev1.TestDestinationRequest{Id: destination.GetId()})
		if err != nil || tested.GetDelivery().GetOutcome() != "given_up" || tested.GetDelivery().GetDetail() != "it answered 503" {
			t.Errorf("%v, %v", tested, err)
		}
		silence, err := calls.CreateSilence(ctx, &tokenstorev1.CreateSilenceRequest{Silence: &tokenstorev1.Silence{Upstream: "openai", Until: timestamppb.New(time.Now().Add(time.Hour))}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.notifier.Turn(ctx); err != nil {
			t.Fatal(err)
		}
		now, err := calls.GetNotifications(ctx, &tokenstorev1.GetNotificationsRequest{Language: "zh"})
		if err != nil {
			t.Fatal(err)
		}
		alerts := map[string]*tokenstorev1.Alert{}
		for _, each := range now.GetAlerts() {
			alerts[each.GetName()] = each
		}
		if parked := alerts[notify.TokenParked]; !parked.GetSilenced() || parked.GetFiredAt() == nil || len(parked.GetTold()) != 0 || !strings.Contains(parked.GetSummary(), "2 个") {
			t.Errorf("%v", parked)
		}
		if len(now.GetDestinations()) != 1 || len(now.GetSilences()) != 1 || len(now.GetDeliveries()) != 2 || len(now.GetAlertNames()) != len(notify.Names()) || strings.Contains(now.String(), secret) {
			t.Errorf("%v", now)
		}
		if _, err := calls.DeleteSilence(ctx, &tokenstorev1.DeleteSilenceRequest{Id: silence.GetSilence().GetId()}); err != nil {
			t.Error(err)
		}
		if _, err := calls.DeleteDestination(ctx, &tokenstorev1.DeleteDestinationRequest{Id: destination.GetId()}); err != nil {
			t.Error(err)
		}
		_, err = calls.TestDestination(ctx, &tokenstorev1.TestDestinationRequest{Id: destination.GetId()})
		wantReason(t, err, tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND, codes.NotFound)
		_, err = calls.PutDestination(ctx, &tokenstorev1.PutDestinationRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		_, err = calls.CreateSilence(ctx, &tokenstorev1.CreateSilenceRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	})
}
