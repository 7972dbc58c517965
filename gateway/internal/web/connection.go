package web

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// GET /admin/ping: whether there is a gateway. It asks nobody and needs no session.
func ping(c *gin.Context) {
	bare(c.Writer.Header())
	c.Status(http.StatusNoContent)
}
