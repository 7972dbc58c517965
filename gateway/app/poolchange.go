package app

import (
	"context"

	"google.golang.org/grpc"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// poolChanges are the calls after which an upstream may have tokens or have none.
var poolChanges = map[string]bool{
	tokenstorev1.TokenService_CreateToken_FullMethodName:          true,
	tokenstorev1.TokenService_ImportTokens_FullMethodName:         true,
	tokenstorev1.TokenService_UpdateToken_FullMethodName:          true,
	tokenstorev1.TokenService_DeleteToken_FullMethodName:          true,
	tokenstorev1.TokenService_RestoreToken_FullMethodName:         true,
	tokenstorev1.TokenService_UndoTransitions_FullMethodName:      true,
	tokenstorev1.TokenService_UndoTokenTransitions_FullMethodName: true,
	tokenstorev1.TokenService_ReleaseToken_FullMethodName:         true,
	tokenstorev1.TokenFileService_WriteTokenFiles_FullMethodName:  true,
	tokenstorev1.TokenFileService_ReloadTokenFiles_FullMethodName: true,
}

// poolWatch is a connection for admins: who has changed a pool through this gateway
// finds it so here at once, and within a second at the others.
type poolWatch struct {
	grpc.ClientConnInterface
	changed func(ctx context.Context)
}

// Invoke implements grpc.ClientConnInterface.
func (w poolWatch) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	err := w.ClientConnInterface.Invoke(ctx, method, args, reply, options...)
	if err == nil && poolChanges[method] {
		w.changed(ctx)
	}
	return err
}

// poolChanged has the next request know of a change that was made through this gateway.
func (g *Gateway) poolChanged(ctx context.Context) {
	g.leases.PoolChanged()
	g.fleet.Refresh(ctx)
}
