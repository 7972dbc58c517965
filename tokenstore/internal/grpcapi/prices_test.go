package grpcapi_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

// What is put is there, and a watch tells of it.
func TestPriceCalls(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		conn := start(t, client).conn
		prices := tokenstorev1.NewPriceServiceClient(conn)
		watch, err := tokenstorev1.NewConfigServiceClient(conn).Watch(ctx, &tokenstorev1.WatchRequest{Replica: "r1"})
		if err != nil {
			t.Fatal(err)
		}
		watched := func(version uint64) *tokenstorev1.Prices {
			t.Helper()
			for {
				now, err := watch.Recv()
				if err != nil {
					t.Fatal(err)
				}
				if now.GetPrices().GetVersion() >= version {
					return now.GetPrices()
				}
			}
		}
		if first := watched(1); len(first.GetPrices()) != 0 {
			t.Errorf("at first: %v", first)
		}
		one := &tokenstorev1.Price{Match: "m", Input: proto.Uint64(5)}
		put, err := prices.PutPrices(ctx, &tokenstorev1.PutPricesRequest{Prices: []*tokenstorev1.Price{one}, ExpectedVersion: 1})
		if err != nil || put.GetPrices().GetVersion() != 2 {
			t.Fatalf("put: %v, %v", put, err)
		}
		got, err := prices.GetPrices(ctx, &tokenstorev1.GetPricesRequest{})
		if err != nil || !proto.Equal(got.GetPrices(), put.GetPrices()) || !proto.Equal(got.GetPrices().GetPrices()[0], one) {
			t.Errorf("read: %v, %v", got, err)
		}
		if told := watched(2); !proto.Equal(told, put.GetPrices()) {
			t.Errorf("watched: %v", told)
		}
		_, err = prices.PutPrices(ctx, &tokenstorev1.PutPricesRequest{ExpectedVersion: 1})
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT, codes.Aborted)
		_, err = prices.PutPrices(ctx, &tokenstorev1.PutPricesRequest{Prices: []*tokenstorev1.Price{{}}})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
	})
}
