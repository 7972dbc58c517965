package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/openai"
)

// GET /v1/models
func (s *server) listModels(c *gin.Context) error {
	s.writeJSON(c, http.StatusOK, openai.EncodeModels(s.Models()))
	return nil
}

// GET /v1/models/{id}
func (s *server) retrieveModel(c *gin.Context) error {
	id := strings.TrimPrefix(c.Param("id"), "/")
	for _, model := range s.Models() {
		if model.ID == id {
			s.writeJSON(c, http.StatusOK, openai.EncodeModel(model))
			return nil
		}
	}
	return openai.UnknownModel(chat.Cut(id, maxModel))
}
