package web

import (
	"errors"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// sentence says what went wrong, for the reader of a page.
func (s *Site) sentence(r *http.Request, err error) string {
	texts := s.texts(r)
	if own, ok := errors.AsType[*chat.Error](err); ok {
		return own.Message
	}
	said := rpcerr.Parse(err)
	switch {
	case status.Code(err) == codes.Unimplemented:
		return texts["problem.unimplemented"]
	case said.Reason == tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:
		return texts["problem.store_away"]
	case said.Reason == tokenstorev1.Reason_REASON_UNAUTHENTICATED:
		return texts["problem.store_secret"]
	case said.Reason == tokenstorev1.Reason_REASON_UNSPECIFIED:
		return texts["problem.internal"]
	}
	return said.Message
}

var statuses = map[chat.Kind]int{
	chat.Unauthenticated: http.StatusUnauthorized, chat.NotFound: http.StatusNotFound, chat.Forbidden: http.StatusForbidden, chat.StoreUnavailable: http.StatusServiceUnavailable,
}

// statusOf is the HTTP status of a page with this problem.
func statusOf(err error) int {
	if own, ok := errors.AsType[*chat.Error](err); ok {
		if status, known := statuses[own.Kind]; known {
			return status
		}
		return http.StatusBadRequest
	}
	switch rpcerr.Parse(err).Reason {
	case tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND:
		return http.StatusNotFound
	case tokenstorev1.Reason_REASON_INVALID_ARGUMENT:
		return http.StatusBadRequest
	case tokenstorev1.Reason_REASON_STORE_UNAVAILABLE:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
