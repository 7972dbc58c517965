package web

import (
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
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
		return capital(own.Message)
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
	return capital(said.Message)
}

// capital makes a sentence of a message: those of the API begin with a small
// letter and have no full stop.
func capital(message string) string {
	first, size := utf8.DecodeRuneInString(message)
	message = string(unicode.ToUpper(first)) + message[size:]
	if last, _ := utf8.DecodeLastRuneInString(message); unicode.IsLetter(last) || unicode.IsDigit(last) || strings.ContainsRune("\"'`)", last) {
		message += "."
	}
	return message
}

// Unmatched answers, as a page, an address below /admin that there is none at: where a
// browser asks for one. It returns whether it has.
func (s *Site) Unmatched(c *gin.Context) bool {
	path := c.Request.URL.Path
	reads := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	if !reads || !strings.HasPrefix(path, "/admin/") || strings.HasPrefix(path, "/admin/api/") || !strings.Contains(c.Request.Header.Get("Accept"), "text/html") {
		return false
	}
	pageHeaders(c)
	s.fail(c, notFound("%s", s.texts(c.Request)["problem.no_page"]))
	return true
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
