package adminapi

import (
	"context"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// undoRoutes takes routes back that nobody has changed since.
func (a *API) undoRoutes(ctx context.Context, said *report, former []*tokenstorev1.FormerRoute) {
	for _, each := range former {
		if err := a.undoRoute(ctx, each); err != nil {
			said.fail("route "+each.GetName(), chat.AsError(err).Message)
			continue
		}
		said.Undone++
	}
}

func (a *API) undoRoute(ctx context.Context, former *tokenstorev1.FormerRoute) error {
	now, err := a.storedRoute(ctx, former.GetName())
	switch {
	case err != nil:
		return err
	case !routing.Same(now, former.GetBecame()), routing.Same(now, former.GetRoute()):
		return chat.Errorf(chat.Conflict, "it has been changed since")
	case former.GetRoute() == nil:
		_, err = a.Config.DeleteRoute(ctx, &tokenstorev1.DeleteRouteRequest{Name: former.GetName(), ExpectedVersion: now.GetVersion()})
	default:
		_, err = a.Config.PutRoute(ctx, &tokenstorev1.PutRouteRequest{Route: former.GetRoute(), ExpectedVersion: now.GetVersion()})
	}
	if err != nil {
		return storeerr.Translate(err)
	}
	return nil
}
