package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// modelsPath is where all dialects have the list of models, below the route prefix.
const modelsPath = "/v1/models"

// modelsFor are the models that can be asked for by who asks: all, or those of a client key.
func (s *server) modelsFor(c *gin.Context, api dialect.Dialect) ([]chat.Model, error) {
	visitor, err := s.visit(c, api)
	if err != nil {
		return nil, err
	}
	all, key := s.Models(), visitor.Key
	if key == nil || len(key.Models) == 0 {
		return all, nil
	}
	var usable []chat.Model
	for _, model := range all {
		if key.MayUse(model.ID) {
			usable = append(usable, model)
		}
	}
	return usable, nil
}

// GET /v1/models
func (s *server) listModels(c *gin.Context) error {
	api := s.dialectOf(c.Request)
	models, err := s.modelsFor(c, api)
	if err != nil {
		return err
	}
	list, err := api.Models(models, c.Request.URL.Query())
	if err != nil {
		return err
	}
	s.writeJSON(c, http.StatusOK, list)
	return nil
}

// GET /v1/models/{id}
func (s *server) retrieveModel(c *gin.Context) error {
	id, api := strings.TrimPrefix(c.Param("id"), "/"), s.dialectOf(c.Request)
	models, err := s.modelsFor(c, api)
	if err != nil {
		return err
	}
	for _, model := range models {
		if model.ID == id {
			s.writeJSON(c, http.StatusOK, api.Model(model))
			return nil
		}
	}
	unknown := chat.Errorf(chat.ModelNotFound, "the model %q does not exist", chat.Cut(id, maxModel))
	unknown.Param = "model"
	return unknown
}
