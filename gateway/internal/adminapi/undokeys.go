package adminapi

import (
	"context"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/keyform"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// undoKeys takes client keys back that nobody has changed since.
func (a *API) undoKeys(ctx context.Context, said *report, former []*tokenstorev1.FormerKey) {
	for _, each := range former {
		if err := a.undoKey(ctx, each); err != nil {
			said.fail("key "+each.GetId(), chat.AsError(err).Message)
			continue
		}
		said.Undone++
	}
}

func (a *API) undoKey(ctx context.Context, former *tokenstorev1.FormerKey) error {
	if former.GetBecame() == nil {
		_, err := a.Keys.RestoreKey(ctx, &tokenstorev1.RestoreKeyRequest{Id: former.GetId()})
		if rpcerr.Is(err, tokenstorev1.Reason_REASON_ALREADY_EXISTS) {
			return chat.Errorf(chat.Conflict, "it has been restored already")
		}
		return translated(err)
	}
	found, err := a.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: former.GetId()})
	if err != nil {
		return storeerr.Translate(err)
	}
	now := found.GetKey()
	switch {
	case !keyform.Same(now, former.GetBecame()), keyform.Same(now, former.GetKey()):
		return chat.Errorf(chat.Conflict, "it has been changed since")
	case former.GetKey() == nil:
		_, err = a.Keys.DeleteKey(ctx, &tokenstorev1.DeleteKeyRequest{Id: former.GetId(), ExpectedVersion: now.GetVersion()})
	default:
		_, err = a.Keys.UpdateKey(ctx, &tokenstorev1.UpdateKeyRequest{
			Key: former.GetKey(), UpdateMask: &fieldmaskpb.FieldMask{Paths: keyform.Fields}, ExpectedVersion: now.GetVersion(),
		})
	}
	return translated(err)
}

// translated is storeerr.Translate for what may have gone well.
func translated(err error) error {
	if err == nil {
		return nil
	}
	return storeerr.Translate(err)
}
