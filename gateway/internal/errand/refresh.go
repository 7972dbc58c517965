package errand

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// refresh exchanges a refresh token for an access token, and tells the store.
func (r *Runner) refresh(ctx, held context.Context, w *work, refresh *tokenstorev1.RefreshErrand) {
	request := &tokenstorev1.SettleRefreshRequest{Id: w.errand.GetId(), Epoch: w.errand.GetEpoch()}
	secrets := []string{w.errand.GetProxy(), refresh.GetRefreshToken(), refresh.GetFormerRefreshToken()}
	grant, err := r.renew(held, w, refresh)
	switch {
	case err != nil && held.Err() != nil, errors.Is(err, errPassed):
		return
	case err == nil:
		request.Result = &tokenstorev1.SettleRefreshRequest_Granted{Granted: grantedOf(grant)}
	case errors.Is(err, upstream.ErrRefused):
		request.Result = &tokenstorev1.SettleRefreshRequest_Refused{Refused: &tokenstorev1.Refused{Detail: cleaned(err, secrets...)}}
	default:
		request.Result = &tokenstorev1.SettleRefreshRequest_Postponed{Postponed: postponed(err, secrets...)}
	}
	r.settle(ctx, held, w, err == nil, func(ctx context.Context) (stale bool, err error) {
		answer, err := r.Store.SettleRefresh(ctx, request)
		return answer.GetStale(), err
	})
}

// renew asks the upstream with the refresh token, and where that is refused with the one
// before it: the gateway that had used that may have died before the newer one was kept.
func (r *Runner) renew(held context.Context, w *work, refresh *tokenstorev1.RefreshErrand) (upstream.Grant, error) {
	driver, err := driverOf[upstream.Renewer](r, w, "it renews no access tokens")
	if err != nil {
		return upstream.Grant{}, err
	}
	ask := func(with string) (upstream.Grant, error) {
		return r.ask(held, w, func(ctx context.Context, proxy secret.Value) (upstream.Grant, error) {
			return driver.Renew(ctx, secret.New(with), proxy)
		})
	}
	grant, err := ask(refresh.GetRefreshToken())
	former := refresh.GetFormerRefreshToken()
	if former == "" || !errors.Is(err, upstream.ErrRefused) {
		return grant, err
	}
	grant, again := ask(former)
	switch {
	case errors.Is(again, upstream.ErrRefused):
		return grant, fmt.Errorf("%w; of the one before: %w", err, again)
	case again == nil && grant.Refresh.Empty():
		grant.Refresh = secret.New(former) // it is the one that serves
	}
	return grant, again
}

// errPassed is why an upstream was not asked: the errand may be another gateway's by now.
var errPassed = errors.New("the errand was not renewed in time")

// ask asks an upstream once, as long as the errand is this gateway's.
func (r *Runner) ask(
	held context.Context, w *work, question func(ctx context.Context, proxy secret.Value) (upstream.Grant, error),
) (upstream.Grant, error) {
	if !r.hand.has(w, time.Now()) {
		return upstream.Grant{}, errPassed
	}
	ctx, cancel := context.WithTimeout(held, askTimeout)
	defer cancel()
	grant, err := question(ctx, secret.New(w.errand.GetProxy()))
	if err == nil && grant.Access.Empty() {
		return grant, errors.New("the upstream has granted an access token that is empty")
	}
	return grant, err
}
