package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/ondemand"
)

// keepWithin is how long the routes of Within are kept in disuse.
const keepWithin = 5 * time.Minute

// failure is what Within answers instead of what was asked for.
type failure struct {
	Kind    chat.Kind `json:"kind"`
	Message string    `json:"message"`
}

// Within serves the admin API within the process, to who has admitted the caller: it checks no
// key. What goes wrong is answered with a message.
func (a *API) Within() http.Handler {
	engine := ondemand.New(keepWithin, func() *gin.Engine {
		engine := gin.New()
		engine.NoRoute(func(c *gin.Context) { _ = c.Error(chat.Errorf(chat.NotFound, "the admin API has no such route")) })
		engine.Use(tellFailure)
		a.routes(engine.Group("/admin/api"))
		return engine
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { engine.Get().ServeHTTP(w, r) })
}

// tellFailure answers with the error that a handler has left.
func tellFailure(c *gin.Context) {
	c.Next()
	if left := c.Errors.Last(); left != nil {
		last := chat.AsError(left.Err)
		c.JSON(http.StatusBadRequest, failure{last.Kind, last.Message})
	}
}
