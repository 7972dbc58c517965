package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/reqbody"
)

// converseIn makes the handler of a dialect's chat requests.
func (s *server) converseIn(api dialect.Dialect) handler {
	return func(c *gin.Context) error { return s.converse(c, api) }
}

// bodyLimit bounds the bodies of a dialect's requests, in bytes: what clients of its API
// count on, where that is more than the limit of all, unless an operator has chosen that.
func (s *server) bodyLimit(api dialect.Dialect) int64 {
	limiter, is := api.(dialect.BodyLimiter)
	if !is || s.Options.BodyLimitChosen {
		return s.Options.BodyLimit
	}
	return max(s.Options.BodyLimit, limiter.BodyLimit())
}

// bodyBudget is the memory for bodies in flight: no less than the largest one takes.
func (s *server) bodyBudget() *reqbody.Budget {
	largest := s.Options.BodyLimit
	for _, api := range s.Dialects {
		largest = max(largest, s.bodyLimit(api))
	}
	return reqbody.NewBudget(max(s.Options.BodyMemory, reqbody.RoomFor(largest)))
}

// dialectOf is the dialect of a request's sender: that of the path, which is the first for a
// side endpoint, else that of the path that was probably meant, else the one that the headers
// are of, else the first. Errors are rendered in it, whoever finds them.
func (s *server) dialectOf(r *http.Request) dialect.Dialect {
	for _, api := range s.Dialects {
		path := s.Options.RoutePrefix + api.Path()
		if rest, below := strings.CutPrefix(r.URL.Path, path); below && (rest == "" || rest[0] == '/') {
			return api
		}
	}
	if endpoint, below := strings.CutPrefix(r.URL.Path, s.Options.RoutePrefix+"/v1/"); below && carried.Known(endpoint) {
		return s.Dialects[0]
	}
	if api := s.meantDialect(r.URL.Path); api != nil {
		return api
	}
	for _, api := range s.Dialects {
		if api.Recognizes(r.Header) {
			return api
		}
	}
	return s.Dialects[0]
}

// meantDialect is the dialect whose path stands behind a wrong base, such as /v1/v1; nil: none
// does.
func (s *server) meantDialect(asked string) dialect.Dialect {
	if s.bound(asked) != "" || strings.HasPrefix(asked, s.Options.RoutePrefix+modelsPath) {
		return nil // threads have messages of their own, and models any name
	}
	for _, api := range s.Dialects {
		tail := strings.TrimPrefix(api.Path(), "/v1")
		if strings.HasSuffix(asked, tail) || strings.Contains(asked, tail+"/") {
			return api
		}
	}
	return nil
}
