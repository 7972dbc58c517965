package grpcapi

import (
	"context"
	"errors"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// RevealToken implements TokenService.
func (s *TokenServer) RevealToken(ctx context.Context, request *tokenstorev1.RevealTokenRequest) (*tokenstorev1.RevealTokenResponse, error) {
	upstream, credential, err := s.store.Reveal(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.RevealTokenResponse{
		Upstream: upstream, Secret: credential.Secret.Reveal(), DeviceId: credential.DeviceID, MacHash: credential.MACHash,
		Proxy: credential.Proxy.Reveal(),
	}, nil
}

// GetTokenAccount implements TokenService.
func (s *TokenServer) GetTokenAccount(ctx context.Context, request *tokenstorev1.GetTokenAccountRequest) (*tokenstorev1.GetTokenAccountResponse, error) {
	account, err := s.store.Account(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.GetTokenAccountResponse{Account: account}, nil
}

// RecordTokenAccount implements TokenService.
func (s *TokenServer) RecordTokenAccount(ctx context.Context, request *tokenstorev1.RecordTokenAccountRequest) (*tokenstorev1.RecordTokenAccountResponse, error) {
	if request.GetAccount() == nil {
		return nil, invalid(errors.New("account: what the upstream told is missing"))
	}
	if err := s.store.RecordAccount(ctx, request.GetId(), request.GetAccount()); err != nil {
		return nil, err
	}
	return &tokenstorev1.RecordTokenAccountResponse{}, nil
}

// SummarizePools implements TokenService.
func (s *TokenServer) SummarizePools(ctx context.Context, request *tokenstorev1.SummarizePoolsRequest) (*tokenstorev1.SummarizePoolsResponse, error) {
	pools, err := s.store.SummarizePools(ctx)
	if err == nil && request.GetModels() {
		err = s.store.SummarizeModels(ctx, pools)
	}
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.SummarizePoolsResponse{Pools: pools, ModelsTold: request.GetModels()}, nil
}

// AcknowledgeCause implements TokenService.
func (s *TokenServer) AcknowledgeCause(ctx context.Context, request *tokenstorev1.AcknowledgeCauseRequest) (*tokenstorev1.AcknowledgeCauseResponse, error) {
	acknowledged, err := s.store.AcknowledgeCause(ctx, request.GetUpstream(), request.GetClass(), request.GetModel())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.AcknowledgeCauseResponse{Acknowledged: acknowledged}, nil
}

// ListTokenAccounts implements TokenService. A token that is deleted meanwhile is left out.
func (s *TokenServer) ListTokenAccounts(ctx context.Context, request *tokenstorev1.ListTokenAccountsRequest) (*tokenstorev1.ListTokenAccountsResponse, error) {
	limit, err := limitOf(request.GetLimit())
	if err != nil {
		return nil, err
	}
	if ids := request.GetIds(); len(ids) > 0 {
		return s.accountsNamed(ctx, ids)
	}
	accounts, next, err := s.store.ListAccounts(ctx, request.GetUpstream(), limit, request.GetCursor())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ListTokenAccountsResponse{Accounts: accounts, NextCursor: next}, nil
}

// accountsNamed answers a list of accounts by the ids of their tokens.
func (s *TokenServer) accountsNamed(ctx context.Context, ids []string) (*tokenstorev1.ListTokenAccountsResponse, error) {
	if err := checkNamed(ids); err != nil {
		return nil, err
	}
	accounts, err := s.store.AccountsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.ListTokenAccountsResponse{Accounts: accounts}, nil
}
