package grpcapi

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/redisstore"
)

// KeyServer implements KeyService.
type KeyServer struct {
	tokenstorev1.UnsafeKeyServiceServer
	store *redisstore.Store
}

// NewKeyServer makes the server.
func NewKeyServer(store *redisstore.Store) *KeyServer { return &KeyServer{store: store} }

var errNoKey = errors.New("key: missing")

// CreateKey implements KeyService.
func (s *KeyServer) CreateKey(ctx context.Context, request *tokenstorev1.CreateKeyRequest) (*tokenstorev1.CreateKeyResponse, error) {
	if request.GetKey() == nil {
		return nil, invalid(errNoKey)
	}
	key, made, err := s.store.CreateClientKey(ctx, request.GetKey())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.CreateKeyResponse{Key: key, Secret: made.Reveal()}, nil
}

// GetKey implements KeyService.
func (s *KeyServer) GetKey(ctx context.Context, request *tokenstorev1.GetKeyRequest) (*tokenstorev1.GetKeyResponse, error) {
	key, err := s.store.GetClientKey(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	standings, err := s.store.KeyStandings(ctx, []*tokenstorev1.ClientKey{key})
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.GetKeyResponse{Key: key, Standing: standings[0]}, nil
}

// ListKeys implements KeyService.
func (s *KeyServer) ListKeys(ctx context.Context, request *tokenstorev1.ListKeysRequest) (*tokenstorev1.ListKeysResponse, error) {
	limit, err := limitOf(request.GetLimit())
	if err != nil {
		return nil, err
	}
	if _, known := tokenstorev1.KeyState_name[int32(request.GetState())]; !known {
		return nil, invalid(fmt.Errorf("state: there is none %d", request.GetState()))
	}
	filter := redisstore.ClientKeyFilter{Query: request.GetQuery(), Tag: request.GetTag(), State: request.GetState()}
	page, err := s.store.ListClientKeys(ctx, filter, limit, request.GetCursor())
	if err != nil {
		return nil, err
	}
	if !request.GetOmitStanding() {
		if err := s.addStandings(ctx, page.Keys); err != nil {
			return nil, err
		}
	}
	total := uint32(page.Total) //nolint:gosec // there are at most some 100,000
	return &tokenstorev1.ListKeysResponse{Keys: page.Keys, NextCursor: page.Next, Total: total}, nil
}

// addStandings adds how far the limits of listed keys are used up.
func (s *KeyServer) addStandings(ctx context.Context, listed []*tokenstorev1.ListedKey) error {
	keys := make([]*tokenstorev1.ClientKey, len(listed))
	for i, each := range listed {
		keys[i] = each.GetKey()
	}
	standings, err := s.store.KeyStandings(ctx, keys)
	if err != nil {
		return err
	}
	for i, each := range listed {
		each.Standing = standings[i]
	}
	return nil
}

// UpdateKey implements KeyService.
func (s *KeyServer) UpdateKey(ctx context.Context, request *tokenstorev1.UpdateKeyRequest) (*tokenstorev1.UpdateKeyResponse, error) {
	edit := request.GetKey()
	if edit == nil {
		return nil, invalid(errNoKey)
	}
	key, err := s.store.UpdateClientKey(ctx, edit.GetId(), edit, request.GetUpdateMask().GetPaths(), request.GetExpectedVersion())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.UpdateKeyResponse{Key: key}, nil
}

// RotateKey implements KeyService.
func (s *KeyServer) RotateKey(ctx context.Context, request *tokenstorev1.RotateKeyRequest) (*tokenstorev1.RotateKeyResponse, error) {
	key, made, err := s.store.RotateClientKey(ctx, request.GetId(), request.GetKeepOldFor().AsDuration(), request.GetExpectedVersion())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.RotateKeyResponse{Key: key, Secret: made.Reveal()}, nil
}

// DeleteKey implements KeyService.
func (s *KeyServer) DeleteKey(ctx context.Context, request *tokenstorev1.DeleteKeyRequest) (*tokenstorev1.DeleteKeyResponse, error) {
	if err := s.store.DeleteClientKey(ctx, request.GetId(), request.GetExpectedVersion()); err != nil {
		return nil, err
	}
	return &tokenstorev1.DeleteKeyResponse{}, nil
}

// RestoreKey implements KeyService.
func (s *KeyServer) RestoreKey(ctx context.Context, request *tokenstorev1.RestoreKeyRequest) (*tokenstorev1.RestoreKeyResponse, error) {
	key, err := s.store.RestoreClientKey(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	return &tokenstorev1.RestoreKeyResponse{Key: key}, nil
}

// ResolveKey implements KeyService.
func (s *KeyServer) ResolveKey(ctx context.Context, request *tokenstorev1.ResolveKeyRequest) (*tokenstorev1.ResolveKeyResponse, error) {
	key, until, err := s.store.ResolveClientKey(ctx, request.GetId(), request.GetSecretHash())
	if err != nil {
		return nil, err
	}
	response := &tokenstorev1.ResolveKeyResponse{Key: key}
	if !until.IsZero() {
		response.SecretUntil = timestamppb.New(until)
	}
	return response, nil
}
