package jsonapi

import (
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// RequestID is the id of the request that is answered.
func RequestID(c *gin.Context) string { return c.Writer.Header().Get("X-Request-Id") }

// requestIDForm is that of an X-Request-Id. An answer's id has a prefix.
var requestIDForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// SelectRequest makes the query one for a single request, by the answer's id or by its
// X-Request-Id: whichever the client has noted.
func SelectRequest(query *tokenstorev1.QueryRequest, id string) {
	if id = strings.TrimSpace(id); requestIDForm.MatchString(id) {
		query.RequestId = id
	} else {
		query.Id = id
	}
}
