package grpcapi_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestRouteCalls(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		config := tokenstorev1.NewConfigServiceClient(start(t, client).conn)
		put := func(name, match string, version uint64) (*tokenstorev1.Route, error) {
			answer, err := config.PutRoute(ctx, &tokenstorev1.PutRouteRequest{
				Route:           &tokenstorev1.Route{Name: name, Match: match, Targets: []*tokenstorev1.RouteTarget{{Upstream: "cursor", Weight: 1}}},
				ExpectedVersion: version,
			})
			return answer.GetRoute(), err
		}
		if now, err := put("fast", "", 0); err != nil || now.GetMatch() != "fast" || now.GetVersion() != 1 {
			t.Errorf("put: %v, %v", now, err)
		}
		_, err := put("other", "fast", 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_ALREADY_EXISTS, codes.AlreadyExists)
		_, err = put("fast", "", 9)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT, codes.Aborted)
		_, err = put("", "", 0)
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		_, err = config.PutRoute(ctx, &tokenstorev1.PutRouteRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		list, err := config.ListRoutes(ctx, &tokenstorev1.ListRoutesRequest{})
		if err != nil || len(list.GetRoutes()) != 1 || list.GetRoutes()[0].GetName() != "fast" {
			t.Errorf("list: %v, %v", list, err)
		}
		_, err = config.DeleteRoute(ctx, &tokenstorev1.DeleteRouteRequest{Name: "other"})
		wantReason(t, err, tokenstorev1.Reason_REASON_ROUTE_NOT_FOUND, codes.NotFound)
		if _, err := config.DeleteRoute(ctx, &tokenstorev1.DeleteRouteRequest{Name: "fast", ExpectedVersion: 1}); err != nil {
			t.Error(err)
		}
	})
}
