package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// cors opens the /v1 routes to pages of every origin: their callers have a key
// of their own, no cookie is ever asked for. Everything else is closed but to the
// configured origins, whose pages need a key as well: without credentials, no
// browser sends the cookie of an admin who is logged in.
func (s *server) cors(c *gin.Context) {
	origin := c.GetHeader("Origin")
	if origin == "" {
		return
	}
	allowed := "*"
	if !strings.HasPrefix(c.Request.URL.Path, s.Options.RoutePrefix+"/v1/") {
		allowed = s.allowedOrigin(c, origin)
	}
	if allowed == "" {
		return
	}
	header := c.Writer.Header()
	header.Set("Access-Control-Allow-Origin", allowed)
	header.Set("Access-Control-Expose-Headers", exposed)
	if c.Request.Method != http.MethodOptions || c.GetHeader("Access-Control-Request-Method") == "" {
		return
	}
	// A preflight. Whatever headers the page wants to send are fine: SDKs add
	// many (x-stainless-*), and more with each version.
	header.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	wanted := c.GetHeader("Access-Control-Request-Headers")
	if wanted == "" {
		wanted = "Authorization, Content-Type"
	}
	header.Set("Access-Control-Allow-Headers", wanted)
	header.Set("Access-Control-Max-Age", "86400")
	c.AbortWithStatus(http.StatusNoContent)
}

// exposed are the headers that a page may read.
var exposed = strings.Join([]string{
	"X-Request-Id", "Request-Id", "X-Upstream-Request-Id", "Content-Disposition", "Retry-After", "X-Should-Retry", "ETag", replayedHeader, fallbackHeader,
	"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
	"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens",
}, ", ")

// allowedOrigin is what a page of the origin is told outside of /v1; empty where
// that is closed to it.
func (s *server) allowedOrigin(c *gin.Context, origin string) string {
	if slices.Contains(s.Options.CORSOrigins, "*") {
		return "*"
	}
	if len(s.Options.CORSOrigins) > 0 {
		c.Writer.Header().Add("Vary", "Origin")
	}
	if slices.Contains(s.Options.CORSOrigins, origin) {
		return origin
	}
	return ""
}
