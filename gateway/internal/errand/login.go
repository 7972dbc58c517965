package errand

import (
	"context"
	"errors"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// login asks once whether a person has logged in, and tells the store.
func (r *Runner) login(ctx, held context.Context, w *work, login *tokenstorev1.LoginErrand) {
	request := &tokenstorev1.SettleLoginRequest{Id: w.errand.GetId(), Epoch: w.errand.GetEpoch()}
	secrets := []string{w.errand.GetProxy(), login.GetVerifier()}
	grant, err := r.poll(held, w, login)
	switch {
	case err != nil && held.Err() != nil, errors.Is(err, errPassed):
		return
	case err == nil:
		request.Result = &tokenstorev1.SettleLoginRequest_Granted{Granted: grantedOf(grant)}
	case errors.Is(err, upstream.ErrRefused):
		request.Result = &tokenstorev1.SettleLoginRequest_Refused{Refused: &tokenstorev1.Refused{Detail: cleaned(err, secrets...)}}
	case errors.Is(err, upstream.ErrLoginPending):
		request.Result = &tokenstorev1.SettleLoginRequest_Postponed{Postponed: &tokenstorev1.Postponed{Counts: true}}
	default:
		request.Result = &tokenstorev1.SettleLoginRequest_Postponed{Postponed: postponed(err, secrets...)}
	}
	r.settle(ctx, held, w, err == nil, func(ctx context.Context) (stale bool, err error) {
		answer, err := r.Store.SettleLogin(ctx, request)
		// One that is over has taken the grant before, or was cancelled: nobody wants it.
		return answer.GetStale() && answer.GetLogin().GetState() == tokenstorev1.LoginState_LOGIN_STATE_PENDING, err
	})
}

func (r *Runner) poll(held context.Context, w *work, login *tokenstorev1.LoginErrand) (upstream.Grant, error) {
	driver, err := driverOf[upstream.Logins](r, w, "nobody can log in there")
	if err != nil {
		return upstream.Grant{}, err
	}
	return r.ask(held, w, func(ctx context.Context, proxy secret.Value) (upstream.Grant, error) {
		return driver.PollLogin(ctx, upstream.LoginAttempt{UUID: login.GetUuid(), Verifier: secret.New(login.GetVerifier())}, proxy)
	})
}
