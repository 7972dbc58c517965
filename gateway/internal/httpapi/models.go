package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
)

// modelsPath is where all dialects have the list of models, below the route prefix.
const modelsPath = "/v1/models"

// GET /v1/models
func (s *server) listModels(c *gin.Context) error {
	list, err := s.dialectOf(c.Request).Models(s.Models(), c.Request.URL.Query())
	if err != nil {
		return err
	}
	s.writeJSON(c, http.StatusOK, list)
	return nil
}

// GET /v1/models/{id}
func (s *server) retrieveModel(c *gin.Context) error {
	id := strings.TrimPrefix(c.Param("id"), "/")
	for _, model := range s.Models() {
		if model.ID == id {
			s.writeJSON(c, http.StatusOK, s.dialectOf(c.Request).Model(model))
			return nil
		}
	}
	err := chat.Errorf(chat.ModelNotFound, "the model %q does not exist", chat.Cut(id, maxModel))
	err.Param = "model"
	return err
}
