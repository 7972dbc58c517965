package allinone

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// pool is the tokenstore's admin side, as this command needs it.
type pool struct {
	conn   *grpc.ClientConn
	tokens tokenstorev1.TokenServiceClient
	config tokenstorev1.ConfigServiceClient
}

func openPool(addr string, shared secret.Value) (*pool, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return call(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+shared.First().Reveal()), method, request, reply, conn, options...)
		}))
	if err != nil {
		return nil, fmt.Errorf("tokenstore: %w", err)
	}
	return &pool{conn: conn, tokens: tokenstorev1.NewTokenServiceClient(conn), config: tokenstorev1.NewConfigServiceClient(conn)}, nil
}

func (p *pool) close() { _ = p.conn.Close() }

// list answers every token of the pool.
func (p *pool) list(ctx context.Context) ([]*tokenstorev1.Token, error) {
	var all []*tokenstorev1.Token
	request := &tokenstorev1.ListTokensRequest{Limit: 1000}
	for {
		page, err := p.tokens.ListTokens(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list tokens: %w", err)
		}
		all = append(all, page.GetTokens()...)
		if request.Cursor = page.GetNextCursor(); request.Cursor == "" {
			return all, nil
		}
	}
}
