package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/dialect"
)

// converseIn makes the handler of a dialect's chat requests.
func (s *server) converseIn(api dialect.Dialect) handler {
	return func(c *gin.Context) error { return s.converse(c, api) }
}

// dialectOf is the dialect of a request's sender: that of the path, else the one that the
// headers are of, else the first. Errors are rendered in it, whoever finds them.
func (s *server) dialectOf(r *http.Request) dialect.Dialect {
	for _, api := range s.Dialects {
		path := s.Options.RoutePrefix + api.Path()
		if rest, below := strings.CutPrefix(r.URL.Path, path); below && (rest == "" || rest[0] == '/') {
			return api
		}
	}
	for _, api := range s.Dialects {
		if api.Recognizes(r.Header) {
			return api
		}
	}
	return s.Dialects[0]
}
