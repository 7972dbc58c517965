package adminapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Logins are the tokenstore's calls about logins in the browser.
type Logins interface {
	CreateLogin(context.Context, *tokenstorev1.CreateLoginRequest, ...grpc.CallOption) (*tokenstorev1.CreateLoginResponse, error)
	GetLogin(context.Context, *tokenstorev1.GetLoginRequest, ...grpc.CallOption) (*tokenstorev1.GetLoginResponse, error)
	ListLogins(context.Context, *tokenstorev1.ListLoginsRequest, ...grpc.CallOption) (*tokenstorev1.ListLoginsResponse, error)
	CancelLogin(context.Context, *tokenstorev1.CancelLoginRequest, ...grpc.CallOption) (*tokenstorev1.CancelLoginResponse, error)
}

// login is a login of a person in the browser, on its way or over.
type login struct {
	ID       string `json:"id"`
	Upstream string `json:"upstream"`
	// Alias is that of the token that it makes.
	Alias string `json:"alias"`
	// TokenID is the token that it is for or has made; null while there is none.
	TokenID *string `json:"token_id"`
	// URL is where the person logs in.
	URL string `json:"url"`
	// State is pending, done, failed, expired or cancelled.
	State string `json:"state"`
	// Detail is why it failed; null where it did not.
	Detail    *string    `json:"detail"`
	CreatedAt *time.Time `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
}

var loginStates = map[tokenstorev1.LoginState]string{
	tokenstorev1.LoginState_LOGIN_STATE_PENDING:   "pending",
	tokenstorev1.LoginState_LOGIN_STATE_DONE:      "done",
	tokenstorev1.LoginState_LOGIN_STATE_FAILED:    "failed",
	tokenstorev1.LoginState_LOGIN_STATE_EXPIRED:   "expired",
	tokenstorev1.LoginState_LOGIN_STATE_CANCELLED: "cancelled",
}

func loginOf(l *tokenstorev1.Login) login {
	return login{
		ID: l.GetId(), Upstream: l.GetUpstream(), Alias: l.GetAlias(), TokenID: nullable.Text(l.GetTokenId()), URL: l.GetUrl(),
		State: loginStates[l.GetState()], Detail: nullable.Text(l.GetDetail()),
		CreatedAt: nullable.Time(l.GetCreatedAt()), ExpiresAt: nullable.Time(l.GetExpiresAt()),
	}
}

// POST /admin/api/logins
func (a *API) startLogin(c *gin.Context) error {
	var body struct {
		Upstream string `json:"upstream"`
		Alias    string `json:"alias"`
		TokenID  string `json:"token_id"`
		Proxy    string `json:"proxy"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	upstreamName, err := a.upstreamOfLogin(c, body.Upstream, body.TokenID)
	if err != nil {
		return err
	}
	attempt, err := a.newLogin(upstreamName)
	if err != nil {
		return err
	}
	if err := a.tryProxyFor(c, upstreamName, body.Proxy); err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	created, err := a.Logins.CreateLogin(ctx, &tokenstorev1.CreateLoginRequest{
		Upstream: upstreamName, Alias: body.Alias, TokenId: body.TokenID, Proxy: body.Proxy,
		Url: attempt.URL, Uuid: attempt.UUID, Verifier: attempt.Verifier.Reveal(),
	})
	if err != nil {
		return storeerr.Translate(err)
	}
	started := created.GetLogin()
	a.Note(c, "login started", "login", started.GetId(), "upstream", upstreamName, "token_id", body.TokenID)
	c.Header("Location", "/admin/api/logins/"+url.PathEscape(started.GetId()))
	return jsonapi.Answer(c, http.StatusCreated, loginOf(started))
}

// upstreamOfLogin is the upstream to log in to: that of the token, where one is named.
func (a *API) upstreamOfLogin(c *gin.Context, named, tokenID string) (string, error) {
	if tokenID == "" {
		return cmp.Or(named, defaultDriver), nil
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	found, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: tokenID})
	if err != nil {
		return "", storeerr.Translate(err)
	}
	owner := found.GetToken().GetUpstream()
	if named != "" && named != owner {
		return "", jsonapi.Invalid("upstream", "the token is one of %q, not of %q", owner, named)
	}
	return owner, nil
}

// newLogin has the upstream's driver make a link.
func (a *API) newLogin(upstreamName string) (upstream.LoginAttempt, error) {
	driver, known := a.Driver(upstreamName)
	if !known {
		return upstream.LoginAttempt{}, noUpstream(upstreamName)
	}
	logins, able := driver.(upstream.Logins)
	if !able {
		return upstream.LoginAttempt{}, jsonapi.Invalid("upstream", "nobody can log in to %q in the browser: add its keys as tokens", upstreamName)
	}
	return logins.NewLogin()
}

// GET /admin/api/logins
func (a *API) listLogins(c *gin.Context) error {
	if q := queryOf(c); q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	listed, err := a.Logins.ListLogins(ctx, &tokenstorev1.ListLoginsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	logins := make([]login, 0, len(listed.GetLogins()))
	for _, each := range listed.GetLogins() {
		logins = append(logins, loginOf(each))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Logins []login `json:"logins"`
	}{logins})
}

// GET /admin/api/logins/{id}
func (a *API) getLogin(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	found, err := a.Logins.GetLogin(ctx, &tokenstorev1.GetLoginRequest{Id: c.Param("id")})
	if err != nil {
		return storeerr.Translate(err)
	}
	return jsonapi.Answer(c, http.StatusOK, loginOf(found.GetLogin()))
}

// DELETE /admin/api/logins/{id} cancels a login. It stays to be seen, so it is answered.
func (a *API) cancelLogin(c *gin.Context) error {
	id := c.Param("id")
	ctx, cancel := a.Call(c)
	defer cancel()
	cancelled, err := a.Logins.CancelLogin(ctx, &tokenstorev1.CancelLoginRequest{Id: id})
	if err != nil {
		return storeerr.Translate(err)
	}
	a.Note(c, "login cancelled", "login", id, "upstream", cancelled.GetLogin().GetUpstream())
	return jsonapi.Answer(c, http.StatusOK, loginOf(cancelled.GetLogin()))
}
