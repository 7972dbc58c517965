// Package storeerr turns what the tokenstore says is wrong into errors for clients. Its
// table is the only one from the store's reasons to theirs.
package storeerr

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// kinds has what a client sees for each reason. One that is not here is nothing that a
// client can do something about.
var kinds = map[tokenstorev1.Reason]chat.Kind{
	tokenstorev1.Reason_REASON_INVALID_ARGUMENT:       chat.InvalidRequest,
	tokenstorev1.Reason_REASON_UNAUTHENTICATED:        chat.StoreUnavailable,
	tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND:        chat.NotFound,
	tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND:     chat.NotFound,
	tokenstorev1.Reason_REASON_ALREADY_EXISTS:         chat.Conflict,
	tokenstorev1.Reason_REASON_ALIAS_TAKEN:            chat.Conflict,
	tokenstorev1.Reason_REASON_VERSION_CONFLICT:       chat.Conflict,
	tokenstorev1.Reason_REASON_UPSTREAM_IN_USE:        chat.Conflict,
	tokenstorev1.Reason_REASON_NO_TOKENS:              chat.NoTokens,
	tokenstorev1.Reason_REASON_NO_TOKEN_AVAILABLE:     chat.NoTokenAvailable,
	tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:      chat.StoreUnavailable,
	tokenstorev1.Reason_REASON_UPSTREAM_FAILING:       chat.UpstreamUnavailable,
	tokenstorev1.Reason_REASON_ROUTE_NOT_FOUND:        chat.NotFound,
	tokenstorev1.Reason_REASON_NOTIFICATION_NOT_FOUND: chat.NotFound,
	tokenstorev1.Reason_REASON_RESPONSE_NOT_FOUND:     chat.NotFound,
	tokenstorev1.Reason_REASON_RESPONSE_TOO_LARGE:     chat.InvalidRequest,
	tokenstorev1.Reason_REASON_KEY_NOT_FOUND:          chat.NotFound,
	tokenstorev1.Reason_REASON_KEY_LIMITED:            chat.KeyLimited,
	tokenstorev1.Reason_REASON_KEY_SPENT:              chat.KeySpent,
	tokenstorev1.Reason_REASON_KEY_UNUSABLE:           chat.Unauthenticated,
	tokenstorev1.Reason_REASON_PERMISSION_DENIED:      chat.StoreUnavailable,
}

// KindOf returns what a client sees for a reason; false where that is an internal error.
func KindOf(reason tokenstorev1.Reason) (chat.Kind, bool) {
	kind, known := kinds[reason]
	return kind, known
}

// Translate turns the error of a call of the tokenstore into one for the client. It
// returns err itself where a client is not to be told.
func Translate(err error) error {
	switch status.Code(err) {
	case codes.Canceled:
		return context.Canceled // the client hung up
	case codes.Unimplemented:
		return &chat.Error{Kind: chat.StoreUnavailable, Message: "the tokenstore that runs does not offer this: it is older than this gateway; update it", Err: err}
	default:
	}
	said := rpcerr.Parse(err)
	kind, known := kinds[said.Reason]
	if !known {
		return err
	}
	message := said.Message
	switch said.Reason {
	case tokenstorev1.Reason_REASON_PERMISSION_DENIED:
		message = "the tokenstore does not take this gateway's certificate for a gateway's"
	case tokenstorev1.Reason_REASON_UNAUTHENTICATED:
		message = "the tokenstore does not accept this gateway's TOKENSTORE_SECRET"
	default:
	}
	return &chat.Error{Kind: kind, Message: message, RetryAfter: said.RetryAfter, Err: err}
}
