package adminapi

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/changeset"
	"carousel.internal/gateway/internal/chat"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/proto/valid"
)

// rehearsed is the API without consequences, for a dry run of what was changed at a time: what is
// asked of the store is asked as ever, and what would be written is left out. So the code that does
// a thing judges what it would do.
func (a *API) rehearsed(changed time.Time) *API {
	deps := a.Deps
	late := time.Since(changed) >= changeset.Restorable
	deps.Tokens = rehearsedTokens{a.Tokens, late}
	deps.Keys = rehearsedKeys{a.Keys, late}
	deps.Config = rehearsedConfig{a.Config}
	deps.Prices = rehearsedPrices{a.Prices}
	return &API{deps}
}

var errGone = chat.Errorf(chat.NotFound, "it was deleted more than 24 hours ago, and is not kept any more")

// rehearsedTokens leaves out what bulk actions and undos write.
type rehearsedTokens struct {
	Tokens

	// late: what was deleted can't be restored any more.
	late bool
}

// UpdateToken refuses the tags, cap and weight that the tokenstore would.
func (r rehearsedTokens) UpdateToken(_ context.Context, request *tokenstorev1.UpdateTokenRequest, _ ...grpc.CallOption) (*tokenstorev1.UpdateTokenResponse, error) {
	var problems []error
	for _, field := range request.GetUpdateMask().GetPaths() {
		switch field {
		case "tags":
			problems = append(problems, valid.Tags(request.GetTags()))
		case "cap":
			problems = append(problems, valid.Cap(request.GetCap()))
		case "weight":
			problems = append(problems, valid.Weight(request.GetWeight()))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, chat.Errorf(chat.InvalidRequest, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return &tokenstorev1.UpdateTokenResponse{}, nil
}

func (r rehearsedTokens) DeleteToken(ctx context.Context, request *tokenstorev1.DeleteTokenRequest, options ...grpc.CallOption) (*tokenstorev1.DeleteTokenResponse, error) {
	_, err := r.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: request.GetId()}, options...)
	return &tokenstorev1.DeleteTokenResponse{}, err
}

func (r rehearsedTokens) ReleaseToken(ctx context.Context, request *tokenstorev1.ReleaseTokenRequest, options ...grpc.CallOption) (*tokenstorev1.ReleaseTokenResponse, error) {
	_, err := r.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: request.GetId()}, options...)
	return &tokenstorev1.ReleaseTokenResponse{}, err
}

func (r rehearsedTokens) RestoreToken(ctx context.Context, request *tokenstorev1.RestoreTokenRequest, options ...grpc.CallOption) (*tokenstorev1.RestoreTokenResponse, error) {
	if _, there := r.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: request.GetId()}, options...); there == nil || r.late {
		return nil, errGone // who asks sees by itself that it is there
	}
	return &tokenstorev1.RestoreTokenResponse{}, nil
}

// rehearsedKeys leaves out what undos write.
type rehearsedKeys struct {
	Keys

	late bool
}

func (r rehearsedKeys) UpdateKey(context.Context, *tokenstorev1.UpdateKeyRequest, ...grpc.CallOption) (*tokenstorev1.UpdateKeyResponse, error) {
	return &tokenstorev1.UpdateKeyResponse{}, nil
}

func (r rehearsedKeys) DeleteKey(context.Context, *tokenstorev1.DeleteKeyRequest, ...grpc.CallOption) (*tokenstorev1.DeleteKeyResponse, error) {
	return &tokenstorev1.DeleteKeyResponse{}, nil
}

func (r rehearsedKeys) RestoreKey(ctx context.Context, request *tokenstorev1.RestoreKeyRequest, options ...grpc.CallOption) (*tokenstorev1.RestoreKeyResponse, error) {
	if _, there := r.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: request.GetId()}, options...); there == nil {
		return nil, chat.Errorf(chat.Conflict, "it has been restored already")
	}
	if r.late {
		return nil, errGone
	}
	return &tokenstorev1.RestoreKeyResponse{}, nil
}

// rehearsedConfig leaves out what undos write.
type rehearsedConfig struct{ Config }

func (rehearsedConfig) UpdateSettings(context.Context, *tokenstorev1.UpdateSettingsRequest, ...grpc.CallOption) (*tokenstorev1.UpdateSettingsResponse, error) {
	return &tokenstorev1.UpdateSettingsResponse{}, nil
}

func (rehearsedConfig) ResetSettings(context.Context, *tokenstorev1.ResetSettingsRequest, ...grpc.CallOption) (*tokenstorev1.ResetSettingsResponse, error) {
	return &tokenstorev1.ResetSettingsResponse{}, nil
}

func (rehearsedConfig) PutRoute(context.Context, *tokenstorev1.PutRouteRequest, ...grpc.CallOption) (*tokenstorev1.PutRouteResponse, error) {
	return &tokenstorev1.PutRouteResponse{}, nil
}

func (rehearsedConfig) DeleteRoute(context.Context, *tokenstorev1.DeleteRouteRequest, ...grpc.CallOption) (*tokenstorev1.DeleteRouteResponse, error) {
	return &tokenstorev1.DeleteRouteResponse{}, nil
}

// rehearsedPrices leaves out what undos write.
type rehearsedPrices struct{ Prices }

func (rehearsedPrices) PutPrices(context.Context, *tokenstorev1.PutPricesRequest, ...grpc.CallOption) (*tokenstorev1.PutPricesResponse, error) {
	return &tokenstorev1.PutPricesResponse{}, nil
}
