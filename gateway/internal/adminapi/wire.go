package adminapi

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
)

// decode reads the body as one JSON object.
func (a *API) decode(c *gin.Context, into any) error { return jsonapi.Decode(c, a.BodyLimit, into) }

// fields reads the body as one JSON object whose members are read one by one.
func (a *API) fields(c *gin.Context) (map[string]json.RawMessage, error) {
	return jsonapi.Fields(c, a.BodyLimit)
}

// answerVersioned answers one object that has a version.
func answerVersioned(c *gin.Context, status int, value any, version uint64) error {
	jsonapi.SetVersion(c, version)
	return jsonapi.Answer(c, status, value)
}
