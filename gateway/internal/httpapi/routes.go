package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// routes lists every public route. What has GET answers HEAD too.
func (s *server) routes(engine *gin.Engine) {
	v1 := s.Options.RoutePrefix + "/v1"

	s.post(engine, v1+"/chat/completions", s.chatCompletions)
	s.get(engine, v1+"/models", s.listModels)
	s.get(engine, v1+"/models/*id", s.retrieveModel) // ids may contain a slash

	s.get(engine, "/health", s.health)
	s.get(engine, "/", s.root)
	s.get(engine, "/checksum", s.checksum)
	s.get(engine, "/get-checksum", s.checksum)

	for _, mount := range s.Mounts { // /admin/api
		mount.Routes(engine)
	}
}

// handler answers a request or says why not; the error becomes the answer.
type handler func(c *gin.Context) error

func (s *server) get(engine *gin.Engine, path string, handle handler) {
	s.endpoints = append(s.endpoints, strings.Replace(path, "*id", "{id}", 1))
	engine.Match([]string{http.MethodGet, http.MethodHead}, path, adapt(handle))
}

func (s *server) post(engine *gin.Engine, path string, handle handler) {
	s.endpoints = append(s.endpoints, path)
	engine.POST(path, adapt(handle))
}

// adapt leaves errors to observe, which every request passes through.
func adapt(handle handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handle(c); err != nil {
			_ = c.Error(err)
		}
	}
}
