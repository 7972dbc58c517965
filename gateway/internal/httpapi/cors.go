package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// cors opens the /v1 routes to pages of every origin: their callers have a key
// of their own, no cookie is ever asked for. Everything else stays closed.
func (s *server) cors(c *gin.Context) {
	if c.GetHeader("Origin") == "" || !strings.HasPrefix(c.Request.URL.Path, s.Options.RoutePrefix+"/v1/") {
		return
	}
	header := c.Writer.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
	if c.Request.Method != http.MethodOptions || c.GetHeader("Access-Control-Request-Method") == "" {
		return
	}
	// A preflight. Whatever headers the page wants to send are fine: SDKs add
	// many (x-stainless-*), and more with each version.
	header.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS")
	wanted := c.GetHeader("Access-Control-Request-Headers")
	if wanted == "" {
		wanted = "Authorization, Content-Type"
	}
	header.Set("Access-Control-Allow-Headers", wanted)
	header.Set("Access-Control-Max-Age", "86400")
	c.AbortWithStatus(http.StatusNoContent)
}
