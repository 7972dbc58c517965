package adminapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fail hands the error on to be rendered and logged. A version that is not the
// one in If-Match has a status of its own.
func fail(c *gin.Context, err error) {
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
		c.Status(http.StatusPreconditionFailed)
	}
	_ = c.Error(err)
}
