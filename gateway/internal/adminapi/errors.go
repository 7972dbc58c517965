package adminapi

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// kinds is the one table from what the tokenstore says to what a client sees. A
// reason that is not here is nothing that a client can do something about.
var kinds = map[tokenstorev1.Reason]chat.Kind{
	tokenstorev1.Reason_REASON_INVALID_ARGUMENT:   chat.InvalidRequest,
	tokenstorev1.Reason_REASON_UNAUTHENTICATED:    chat.StoreUnavailable,
	tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND:    chat.NotFound,
	tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND: chat.NotFound,
	tokenstorev1.Reason_REASON_ALREADY_EXISTS:     chat.Conflict,
	tokenstorev1.Reason_REASON_ALIAS_TAKEN:        chat.Conflict,
	tokenstorev1.Reason_REASON_VERSION_CONFLICT:   chat.Conflict,
	tokenstorev1.Reason_REASON_UPSTREAM_IN_USE:    chat.Conflict,
	tokenstorev1.Reason_REASON_NO_TOKENS:          chat.NoTokens,
	tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE: chat.NoTokenAvailable,
	tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:  chat.StoreUnavailable,
}

// storeError turns the error of a call into one for the client.
func storeError(err error) error {
	if status.Code(err) == codes.Canceled {
		return context.Canceled // the client hung up
	}
	said := rpcerr.Parse(err)
	kind, known := kinds[said.Reason]
	if !known {
		return err
	}
	message := said.Message
	if said.Reason == tokenstorev1.Reason_REASON_UNAUTHENTICATED {
		message = "the tokenstore does not accept this gateway's TOKENSTORE_SECRET"
	}
	return &chat.Error{Kind: kind, Message: message, RetryAfter: said.RetryAfter, Err: err}
}

// fail hands the error on to be rendered and logged. A version that is not the
// one in If-Match has a status of its own.
func fail(c *gin.Context, err error) {
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
		c.Status(http.StatusPreconditionFailed)
	}
	_ = c.Error(err)
}

// invalid is an error about one field or parameter of the request.
func invalid(param, format string, args ...any) error {
	err := chat.Errorf(chat.InvalidRequest, param+": "+format, args...)
	err.Param = param
	return err
}
