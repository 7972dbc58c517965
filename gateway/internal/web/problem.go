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
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// sentence says what went wrong, for the reader of a page.
func (s *Site) sentence(r *http.Request, err error) string {
	texts := s.texts(r)
	own, told := errors.AsType[*chat.Error](storeerr.Translate(err))
	switch {
	case status.Code(err) == codes.Unimplemented:
		return texts["problem.unimplemented"]
	case rpcerr.Is(err, tokenstorev1.Reason_REASON_UNAUTHENTICATED):
		return texts["problem.store_secret"]
	case rpcerr.Is(err, tokenstorev1.Reason_REASON_PERMISSION_DENIED):
		return texts["problem.store_certificate"]
	case !told:
		return texts["problem.internal"]
	case own.Kind == chat.StoreUnavailable:
		return texts["problem.store_away"]
	}
	return capital(own.Message)
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
	chat.Unauthenticated: http.StatusUnauthorized, chat.NotFound: http.StatusNotFound, chat.Forbidden: http.StatusForbidden, chat.Conflict: http.StatusConflict, chat.StoreUnavailable: http.StatusServiceUnavailable,
}

// statusOf is the HTTP status of a page with this problem.
func statusOf(err error) int {
	own, told := errors.AsType[*chat.Error](storeerr.Translate(err))
	if !told {
		return http.StatusInternalServerError
	}
	if status, known := statuses[own.Kind]; known {
		return status
	}
	return http.StatusBadRequest
}
