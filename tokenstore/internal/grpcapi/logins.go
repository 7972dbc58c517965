package grpcapi

import (
	"context"
	"strings"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// LoginServer implements LoginService.
type LoginServer struct {
	tokenstorev1.UnsafeLoginServiceServer
	store *redisstore.Store
}

// NewLoginServer makes the server.
func NewLoginServer(store *redisstore.Store) *LoginServer { return &LoginServer{store: store} }

// CreateLogin implements LoginService.
func (s *LoginServer) CreateLogin(ctx context.Context, request *tokenstorev1.CreateLoginRequest) (*tokenstorev1.CreateLoginResponse, error) {
	login, err := s.store.CreateLogin(ctx, redisstore.NewLogin{
		Upstream: request.GetUpstream(), Alias: strings.TrimSpace(request.GetAlias()), TokenID: request.GetTokenId(), URL: request.GetUrl(),
		UUID: request.GetUuid(), Verifier: secret.New(request.GetVerifier()), Proxy: secret.New(request.GetProxy()),
	})
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.CreateLoginResponse{Login: login}, nil
}

// GetLogin implements LoginService.
func (s *LoginServer) GetLogin(ctx context.Context, request *tokenstorev1.GetLoginRequest) (*tokenstorev1.GetLoginResponse, error) {
	login, err := s.store.Login(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.GetLoginResponse{Login: login}, nil
}

// ListLogins implements LoginService.
func (s *LoginServer) ListLogins(ctx context.Context, _ *tokenstorev1.ListLoginsRequest) (*tokenstorev1.ListLoginsResponse, error) {
	logins, err := s.store.Logins(ctx)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ListLoginsResponse{Logins: logins}, nil
}

// CancelLogin implements LoginService.
func (s *LoginServer) CancelLogin(ctx context.Context, request *tokenstorev1.CancelLoginRequest) (*tokenstorev1.CancelLoginResponse, error) {
	login, err := s.store.CancelLogin(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.CancelLoginResponse{Login: login}, nil
}
