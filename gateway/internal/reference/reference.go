// Package reference serves the routes of the system that Carousel takes the
// place of, so that scripts and pages made for it go on working: the token files,
// the configuration, the request log, the pages that an admin may replace, and
// the makers of checksums. Keys, types and paths of its JSON are that system's,
// with additions; errors are those of the OpenAI API, as everywhere here.
//
// Where the original was unsafe or contradicted its own description, this is what
// holds: authentication comes before validation, an update is carried out as a
// whole or not at all, a field that is not known is an error, and a write that
// names the version it has seen (`If-Match`, or `version` for the configuration)
// is refused with 409 when that is no longer the current one.
package reference

import (
	"context"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// TokenFiles are the tokenstore's calls about the token files.
type TokenFiles interface {
	ReadTokenFiles(context.Context, *tokenstorev1.ReadTokenFilesRequest, ...grpc.CallOption) (*tokenstorev1.ReadTokenFilesResponse, error)
	WriteTokenFiles(context.Context, *tokenstorev1.WriteTokenFilesRequest, ...grpc.CallOption) (*tokenstorev1.WriteTokenFilesResponse, error)
	ReloadTokenFiles(context.Context, *tokenstorev1.ReloadTokenFilesRequest, ...grpc.CallOption) (*tokenstorev1.ReloadTokenFilesResponse, error)
}

// Config are the tokenstore's calls about settings and pages.
type Config interface {
	GetSettings(context.Context, *tokenstorev1.GetSettingsRequest, ...grpc.CallOption) (*tokenstorev1.GetSettingsResponse, error)
	UpdateSettings(context.Context, *tokenstorev1.UpdateSettingsRequest, ...grpc.CallOption) (*tokenstorev1.UpdateSettingsResponse, error)
	ResetSettings(context.Context, *tokenstorev1.ResetSettingsRequest, ...grpc.CallOption) (*tokenstorev1.ResetSettingsResponse, error)
}

// RequestLog is the tokenstore's query of the request log.
type RequestLog interface {
	Query(context.Context, *tokenstorev1.QueryRequest, ...grpc.CallOption) (*tokenstorev1.QueryResponse, error)
}

// Deps are what the handlers work with. The interfaces are met by the generated
// gRPC clients.
type Deps struct {
	jsonapi.Base
	Files  TokenFiles
	Config Config
	Logs   RequestLog
	// Pages are what an admin serves in place of built-in pages, as of now.
	Pages func() []*tokenstorev1.Page
	// BuiltIn has the built-in pages at `/tokeninfo`, `/config` and `/logs`.
	BuiltIn map[string]gin.HandlerFunc
	// OpenReload lets everyone ask for GET /update-tokeninfo.
	OpenReload bool
}

// Reference has the routes.
type Reference struct{ Deps }

// New makes them.
func New(deps Deps) *Reference {
	deps.Base = deps.WithDefaults()
	return &Reference{deps}
}

// Routes lists every route. What has GET answers HEAD too, alike but for the front page.
func (r *Reference) Routes(router gin.IRouter) {
	admin := router.Group("/", r.Authorize)

	jsonapi.Get(router.Group("/", r.authorizeReload), "/update-tokeninfo", r.reloadTokenFiles)
	admin.POST("/update-tokeninfo", jsonapi.Adapt(r.writeTokenFiles))
	admin.POST("/get-tokeninfo", jsonapi.Adapt(r.readTokenFiles))
	admin.POST("/config", jsonapi.Adapt(r.configure))
	admin.POST("/logs", jsonapi.Adapt(r.queryLogs))

	router.GET("/", jsonapi.Adapt(r.page("/", redirect("/health"))))
	router.HEAD("/", jsonapi.Adapt(r.page("/", reached)))
	jsonapi.Get(router, "/tokeninfo", r.page("/tokeninfo", r.builtIn("/tokeninfo")))
	jsonapi.Get(router, "/config", r.page("/config", r.builtIn("/config")))
	jsonapi.Get(router, "/logs", r.page("/logs", r.builtIn("/logs")))
	jsonapi.Get(router, "/about", r.page("/about", about))
	jsonapi.Get(router, "/readme", r.page("/readme", redirect("/about")))
	jsonapi.Get(router, stylesPath, r.page(stylesPath, styles))
	jsonapi.Get(router, scriptPath, r.page(scriptPath, script))
	jsonapi.Get(router, "/env-example", envExample)

	jsonapi.Get(router, "/checksum", makeChecksum)
	jsonapi.Get(router, "/get-checksum", makeChecksum)
	jsonapi.Get(router, "/get-hash", makeHash)
	jsonapi.Get(router, "/get-tsheader", makeTimestamp)
}

// authorizeReload wants the admin token itself or a page's CSRF token, because a
// GET with effects must not be had by a link that an admin's browser follows.
func (r *Reference) authorizeReload(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	if r.OpenReload {
		return
	}
	if err := r.Gate.AdmitChange(c.Request); err != nil {
		_ = c.Error(err)
		c.Abort()
	}
}
