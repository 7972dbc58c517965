package storeerr_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		kind chat.Kind
		says string
	}{
		"a conflict":     {rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "it has changed").GRPCStatus().Err(), chat.Conflict, "it has changed"},
		"another secret": {rpcerr.New(tokenstorev1.Reason_REASON_UNAUTHENTICATED, "x").GRPCStatus().Err(), chat.StoreUnavailable, "TOKENSTORE_SECRET"},
		"a certificate":  {rpcerr.New(tokenstorev1.Reason_REASON_PERMISSION_DENIED, "x").GRPCStatus().Err(), chat.StoreUnavailable, "this gateway's certificate"},
		"it is away":     {status.Error(codes.Unavailable, "x"), chat.StoreUnavailable, "can't be reached"},
		"it is older":    {status.Error(codes.Unimplemented, "a detail"), chat.StoreUnavailable, "older than this gateway"},
		"a bug":          {status.Error(codes.Internal, "a detail"), chat.Internal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := chat.AsError(storeerr.Translate(c.err))
			if got.Kind != c.kind || !strings.Contains(got.Message, c.says) || strings.Contains(got.Message, "a detail") {
				t.Errorf("%v: %q", got.Kind, got.Message)
			}
		})
	}
	if err := storeerr.Translate(status.Error(codes.Canceled, "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("of a client that hung up: %v", err)
	}
}
