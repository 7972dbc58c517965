package grpcapi_test

import (
	"bytes"
	"testing"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/testredis"
)

func TestResponseCalls(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		responses := tokenstorev1.NewResponseServiceClient(start(t, client).conn)
		owner, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		kept := &tokenstorev1.StoredResponse{Id: "resp_1", OwnerHash: owner, Model: "m", Answer: []byte("{}"), Input: []byte("[]")}
		if _, err := responses.PutResponse(ctx, &tokenstorev1.PutResponseRequest{Response: kept}); err != nil {
			t.Fatal(err)
		}
		got, err := responses.GetResponse(ctx, &tokenstorev1.GetResponseRequest{Id: "resp_1", OwnerHash: owner})
		if err != nil || !proto.Equal(got.GetResponse(), kept) {
			t.Errorf("got %v, %v", got, err)
		}
		const absent = tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND
		_, err = responses.GetResponse(ctx, &tokenstorev1.GetResponseRequest{Id: "resp_1", OwnerHash: other})
		wantReason(t, err, absent, codes.NotFound)
		_, err = responses.DeleteResponse(ctx, &tokenstorev1.DeleteResponseRequest{Id: "resp_1", OwnerHash: other})
		wantReason(t, err, absent, codes.NotFound)
		if _, err = responses.DeleteResponse(ctx, &tokenstorev1.DeleteResponseRequest{Id: "resp_1", OwnerHash: owner}); err != nil {
			t.Error(err)
		}
		_, err = responses.GetResponse(ctx, &tokenstorev1.GetResponseRequest{Id: "resp_1", OwnerHash: owner})
		wantReason(t, err, absent, codes.NotFound)
		_, err = responses.PutResponse(ctx, &tokenstorev1.PutResponseRequest{})
		wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT, codes.InvalidArgument)
		kept.Answer = make([]byte, redisstore.MaxResponse)
		_, err = responses.PutResponse(ctx, &tokenstorev1.PutResponseRequest{Response: kept})
		wantReason(t, err, tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE, codes.InvalidArgument)
	})
}
