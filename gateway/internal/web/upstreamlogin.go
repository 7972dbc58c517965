package web

import (
	"context"

	"github.com/gin-gonic/gin"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var upstreamLoginPage = view{"upstreamlogin", "tokens", (*Site).loadUpstreamLogin}

// loginRow is a login at an upstream as the pages show it.
type loginRow struct{ *tokenstorev1.Login }

// loginStates are those of a login, as the admin API and the texts name them, and the
// colours that they are shown in: those of a token's states.
var loginStates = map[tokenstorev1.LoginState]struct{ name, colour string }{
	tokenstorev1.LoginState_LOGIN_STATE_PENDING:   {"pending", "probing"},
	tokenstorev1.LoginState_LOGIN_STATE_DONE:      {"done", "ready"},
	tokenstorev1.LoginState_LOGIN_STATE_FAILED:    {"failed", "parked"},
	tokenstorev1.LoginState_LOGIN_STATE_EXPIRED:   {"expired", "expired"},
	tokenstorev1.LoginState_LOGIN_STATE_CANCELLED: {"cancelled", "disabled"},
}

// StateName is pending, done, failed, expired or cancelled; empty where it is not known.
func (l loginRow) StateName() string { return loginStates[l.GetState()].name }

// Colour is the state's.
func (l loginRow) Colour() string { return loginStates[l.GetState()].colour }

type upstreamLoginData struct{ Login loginRow }

func (s *Site) loadUpstreamLogin(ctx context.Context, c *gin.Context) (any, error) {
	answer, err := s.Logins.GetLogin(ctx, &tokenstorev1.GetLoginRequest{Id: c.Param("id")})
	if err != nil {
		return nil, err
	}
	return upstreamLoginData{loginRow{answer.GetLogin()}}, nil
}
