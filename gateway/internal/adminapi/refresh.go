package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/tokenform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Renewals asks the tokenstore for access tokens before they are due.
type Renewals interface {
	RenewCredential(context.Context, *tokenstorev1.RenewCredentialRequest, ...grpc.CallOption) (*tokenstorev1.RenewCredentialResponse, error)
}

// refreshWait is how long an admin waits for an access token: a gateway of the fleet asks
// the upstream for it meanwhile.
const refreshWait = 20 * time.Second

// POST /admin/api/tokens/{id}/refresh
func (a *API) refreshToken(c *gin.Context) error {
	id := c.Param("id")
	ctx, cancel := context.WithTimeout(c.Request.Context(), refreshWait+a.Timeout)
	defer cancel()
	renewed, err := a.Renewals.RenewCredential(ctx, &tokenstorev1.RenewCredentialRequest{Id: id, MaxWait: durationpb.New(refreshWait)})
	if err != nil {
		return storeerr.Translate(err)
	}
	found, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: id})
	if err != nil {
		return storeerr.Translate(err)
	}
	t := found.GetToken()
	if err := refreshFailure(t, renewed.GetSecret() != ""); err != nil {
		return err
	}
	a.Note(c, "token refreshed", "token_id", id)
	return answerVersioned(c, http.StatusOK, tokenform.Of(t), t.GetVersion())
}

// refreshFailure says why there is no access token; nil where there is one.
func refreshFailure(t *tokenstorev1.Token, renewed bool) error {
	switch {
	case t.GetNeedsLogin():
		return chat.Errorf(chat.Conflict, "the upstream refuses to give this token another access token: log in again%s", because(t))
	case !renewed:
		return &chat.Error{
			Kind: chat.UpstreamUnavailable, RetryAfter: refreshWait,
			Message: "no other access token has come; it is tried again by itself" + because(t),
		}
	default:
		return nil
	}
}

func because(t *tokenstorev1.Token) string {
	if t.GetRefreshError() == "" {
		return ""
	}
	return " (" + t.GetRefreshError() + ")"
}
