package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/dialect"
)

// routes lists the routes of this package, and mounts the others. What has GET
// answers HEAD too.
func (s *server) routes(engine *gin.Engine) {
	v1 := s.Options.RoutePrefix + "/v1"

	for _, api := range s.Dialects {
		post(engine, s.Options.RoutePrefix+api.Path(), s.converseIn(api))
		if counter, counts := api.(dialect.TokenCounter); counts && s.Tokens != nil {
			post(engine, s.Options.RoutePrefix+counter.CountPath(), s.countIn(api, counter))
		}
		if compacter, compacts := api.(dialect.Compacter); compacts {
			post(engine, s.Options.RoutePrefix+compacter.CompactPath(), s.compactIn(api, compacter))
		}
		if keeper, keeps := api.(dialect.Rememberer); keeps && s.Remembered != nil {
			shelf := &shelf{s, api, keeper}
			path := s.Options.RoutePrefix + api.Path()
			get(engine, path+"/:id", shelf.about(shelf.show, http.MethodGet, ""))
			get(engine, path+"/:id"+inputPath, shelf.about(shelf.showInput, http.MethodGet, inputPath))
			post(engine, path+"/:id"+cancelPath, shelf.about(shelf.cancel, http.MethodPost, cancelPath))
			engine.DELETE(path+"/:id", adapt(shelf.remove))
		}
	}
	for _, route := range carried.Routes() { // embeddings, images, audio …
		post(engine, v1+"/"+route.Name, s.carryTo(route))
	}
	get(engine, s.Options.RoutePrefix+modelsPath, s.listModels)
	get(engine, s.Options.RoutePrefix+modelsPath+"/*id", s.retrieveModel) // ids may contain a slash

	get(engine, s.Options.RoutePrefix+keyPath, s.showKey)

	if s.MCP != nil {
		post(engine, mcpPath, s.serveMCP)
	}
	get(engine, "/health", s.health)
	for _, base := range slices.Compact([]string{"", s.Options.RoutePrefix}) {
		get(engine, base+helloPath, hello)
	}

	for _, mount := range s.Mounts { // the reference's routes, /admin/api, pages
		mount.Routes(engine)
	}
	s.endpoints = endpointsOf(engine.Routes())
}

// endpointsOf lists the public paths, in order. What is below /admin is for the
// admin's pages and programs, who know it.
func endpointsOf(routes gin.RoutesInfo) []string {
	var endpoints []string
	for _, route := range routes {
		if !strings.HasPrefix(route.Path, "/admin") {
			endpoints = append(endpoints, idInPath.Replace(route.Path))
		}
	}
	slices.Sort(endpoints)
	return slices.Compact(endpoints)
}

var idInPath = strings.NewReplacer("*id", "{id}", ":id", "{id}")

// handler answers a request or says why not; the error becomes the answer.
type handler func(c *gin.Context) error

func get(engine *gin.Engine, path string, handle handler) {
	engine.Match([]string{http.MethodGet, http.MethodHead}, path, adapt(handle))
}

func post(engine *gin.Engine, path string, handle handler) {
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
