package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
)

// mcpPath is where agents look after the pool.
const mcpPath = "/mcp"

// mcpTime is how long the answer of a tool may take to be made.
const mcpTime = time.Minute

// MCP answers requests of the Model Context Protocol. The error is for who is answered nothing
// else.
type MCP interface {
	Serve(w http.ResponseWriter, r *http.Request, from caller.Caller) error
}

// POST /mcp
func (s *server) serveMCP(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	// Programs send no origin. A page's is one that the operator names, or it may be a stranger's
	// whose name has come to lead here.
	if c.GetHeader("Origin") != "" && c.Writer.Header().Get("Access-Control-Allow-Origin") == "" {
		return chat.Errorf(chat.Forbidden, "pages of this origin may not call /mcp; CORS_ORIGINS names those that may")
	}
	from, err := s.Gate.Scoped(c.Request, caller.PoolRead, time.Now())
	if err != nil {
		return err
	}
	exchangeOf(c).sentBy(from)
	// A writer without deadlines (a recorder) is no reason to fail.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(mcpTime + s.Options.Stream.WriteTimeout))
	return s.MCP.Serve(c.Writer, c.Request, from)
}
