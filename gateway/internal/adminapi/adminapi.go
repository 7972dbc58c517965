// Package adminapi is the admin's REST API, /admin/api/…: tokens, client keys, logins,
// upstreams, routes, prices, settings, backups, the request log, what was used, and why a token
// would be chosen. It translates between JSON and the tokenstore's calls and decides nothing
// itself. People script against it: keys, paths and status codes are a promise.
//
// A write with `If-Match` is carried out only when the object still has that
// version (its `version`, and the ETag of every answer that shows one object);
// otherwise the answer is 412 and nothing has changed. Without the header the
// last writer wins. Other conflicts (a known token, a taken alias, an upstream
// that still has tokens) are 409.
package adminapi

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/tokentest"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Tokens are the tokenstore's calls about tokens.
type Tokens interface {
	CreateToken(context.Context, *tokenstorev1.CreateTokenRequest, ...grpc.CallOption) (*tokenstorev1.CreateTokenResponse, error)
	ImportTokens(context.Context, *tokenstorev1.ImportTokensRequest, ...grpc.CallOption) (*tokenstorev1.ImportTokensResponse, error)
	PreviewTokens(context.Context, *tokenstorev1.PreviewTokensRequest, ...grpc.CallOption) (*tokenstorev1.PreviewTokensResponse, error)
	ListTokens(context.Context, *tokenstorev1.ListTokensRequest, ...grpc.CallOption) (*tokenstorev1.ListTokensResponse, error)
	GetToken(context.Context, *tokenstorev1.GetTokenRequest, ...grpc.CallOption) (*tokenstorev1.GetTokenResponse, error)
	UpdateToken(context.Context, *tokenstorev1.UpdateTokenRequest, ...grpc.CallOption) (*tokenstorev1.UpdateTokenResponse, error)
	DeleteToken(context.Context, *tokenstorev1.DeleteTokenRequest, ...grpc.CallOption) (*tokenstorev1.DeleteTokenResponse, error)
	RestoreToken(context.Context, *tokenstorev1.RestoreTokenRequest, ...grpc.CallOption) (*tokenstorev1.RestoreTokenResponse, error)
	ListTransitions(context.Context, *tokenstorev1.ListTransitionsRequest, ...grpc.CallOption) (*tokenstorev1.ListTransitionsResponse, error)
	PreviewUndo(context.Context, *tokenstorev1.PreviewUndoRequest, ...grpc.CallOption) (*tokenstorev1.PreviewUndoResponse, error)
	UndoTransitions(context.Context, *tokenstorev1.UndoTransitionsRequest, ...grpc.CallOption) (*tokenstorev1.UndoTransitionsResponse, error)
	UndoTokenTransitions(context.Context, *tokenstorev1.UndoTokenTransitionsRequest, ...grpc.CallOption) (*tokenstorev1.UndoTokenTransitionsResponse, error)
	ReleaseToken(context.Context, *tokenstorev1.ReleaseTokenRequest, ...grpc.CallOption) (*tokenstorev1.ReleaseTokenResponse, error)
	ListTokenAccounts(context.Context, *tokenstorev1.ListTokenAccountsRequest, ...grpc.CallOption) (*tokenstorev1.ListTokenAccountsResponse, error)
	SummarizePools(context.Context, *tokenstorev1.SummarizePoolsRequest, ...grpc.CallOption) (*tokenstorev1.SummarizePoolsResponse, error)
	AcknowledgeCause(context.Context, *tokenstorev1.AcknowledgeCauseRequest, ...grpc.CallOption) (*tokenstorev1.AcknowledgeCauseResponse, error)
	ExportTokens(context.Context, *tokenstorev1.ExportTokensRequest, ...grpc.CallOption) (*tokenstorev1.ExportTokensResponse, error)
}

// Config are the tokenstore's calls about settings, pages, upstreams and routes.
type Config interface {
	GetSettings(context.Context, *tokenstorev1.GetSettingsRequest, ...grpc.CallOption) (*tokenstorev1.GetSettingsResponse, error)
	UpdateSettings(context.Context, *tokenstorev1.UpdateSettingsRequest, ...grpc.CallOption) (*tokenstorev1.UpdateSettingsResponse, error)
	ResetSettings(context.Context, *tokenstorev1.ResetSettingsRequest, ...grpc.CallOption) (*tokenstorev1.ResetSettingsResponse, error)
	ListUpstreams(context.Context, *tokenstorev1.ListUpstreamsRequest, ...grpc.CallOption) (*tokenstorev1.ListUpstreamsResponse, error)
	PutUpstream(context.Context, *tokenstorev1.PutUpstreamRequest, ...grpc.CallOption) (*tokenstorev1.PutUpstreamResponse, error)
	DeleteUpstream(context.Context, *tokenstorev1.DeleteUpstreamRequest, ...grpc.CallOption) (*tokenstorev1.DeleteUpstreamResponse, error)
	ListRoutes(context.Context, *tokenstorev1.ListRoutesRequest, ...grpc.CallOption) (*tokenstorev1.ListRoutesResponse, error)
	PutRoute(context.Context, *tokenstorev1.PutRouteRequest, ...grpc.CallOption) (*tokenstorev1.PutRouteResponse, error)
	DeleteRoute(context.Context, *tokenstorev1.DeleteRouteRequest, ...grpc.CallOption) (*tokenstorev1.DeleteRouteResponse, error)
}

// RequestLog are the tokenstore's questions about the request log.
type RequestLog interface {
	Query(context.Context, *tokenstorev1.QueryRequest, ...grpc.CallOption) (*tokenstorev1.QueryResponse, error)
	Summarize(context.Context, *tokenstorev1.SummarizeRequest, ...grpc.CallOption) (*tokenstorev1.SummarizeResponse, error)
}

// AuditLog is the tokenstore's record of what admins did.
type AuditLog interface {
	ListAudit(context.Context, *tokenstorev1.ListAuditRequest, ...grpc.CallOption) (*tokenstorev1.ListAuditResponse, error)
	GetUndo(context.Context, *tokenstorev1.GetUndoRequest, ...grpc.CallOption) (*tokenstorev1.GetUndoResponse, error)
	ListActivity(context.Context, *tokenstorev1.ListActivityRequest, ...grpc.CallOption) (*tokenstorev1.ListActivityResponse, error)
}

// Accounts asks upstreams about the accounts behind tokens.
type Accounts interface {
	// Account answers what is recorded, and asks where that is missing or old, or,
	// with refresh, older than some seconds.
	Account(ctx context.Context, tokenID string, refresh bool) (*tokenstorev1.TokenAccount, error)
}

// Deps are what the handlers work with. The interfaces are met by the generated
// gRPC clients.
type Deps struct {
	jsonapi.Base
	Tokens        Tokens
	Keys          Keys
	Config        Config
	Prices        Prices
	Logs          RequestLog
	Usage         Usage
	Leases        routing.Leases
	Accounts      Accounts
	Audit         AuditLog
	Logins        Logins
	Renewals      Renewals
	Tests         *tokentest.Desk
	Backups       Backups
	Uploads       *backup.Uploads
	MoveIns       MoveIns
	Notifications Notifications
	// Fleet answers what the tokenstore said last of all gateways; nil while it says
	// nothing.
	Fleet func() *tokenstorev1.BeatResponse
	// Prospects answers how a model's name is served to clients of a dialect. An empty dialect
	// is that of whoever does not say.
	Prospects func(model, dialect string) (routing.Chain, error)
	// Models lists what can be asked for, in order.
	Models func() []chat.Model
	// Listed lists the models that upstreams list, whatever routes there are.
	Listed func() []chat.Model
	// ValidateUpstream tells why no driver can be made of a config.
	ValidateUpstream func(upstream.Config) error
	// ProbeUpstream asks an upstream how many models it serves, without a token.
	ProbeUpstream func(context.Context, upstream.Config) (int, error)
	// Driver answers the driver of an upstream; false when there is none.
	Driver func(upstreamName string) (upstream.Driver, bool)
	// CheckProxy goes through a proxy to where the upstream with this config is and tells,
	// without its password, why that does not work.
	CheckProxy func(ctx context.Context, config upstream.Config, proxy secret.Value) error
}

// API has the admin routes.
type API struct{ Deps }

// New makes the admin API.
func New(deps Deps) *API {
	deps.Base = deps.WithDefaults()
	return &API{deps}
}

// Routes lists every admin route.
func (a *API) Routes(router gin.IRouter) {
	a.routes(router.Group("/admin/api", a.Authorize))

	// Where the reference system had it, with the admin token that it did not ask for.
	get(router.Group("", a.Authorize), "/get-user-info", a.getUserInfo)
}

// routes lists the routes below /admin/api.
func (a *API) routes(api gin.IRouter) {
	get(api, "/tokens", a.listTokens)
	api.POST("/tokens", adapt(a.createToken))
	api.POST("/tokens/import", adapt(a.importTokens))
	api.POST("/tokens/bulk", adapt(a.bulk))
	api.POST("/tokens/test", adapt(a.testTokens))
	get(api, "/tokens/export", a.exportTokens)
	get(api, "/tokens/:id", a.getToken)
	api.PATCH("/tokens/:id", adapt(a.updateToken))
	api.DELETE("/tokens/:id", adapt(a.deleteToken))
	api.POST("/tokens/:id/restore", adapt(a.restoreToken))
	api.POST("/tokens/:id/release", adapt(a.releaseToken))
	api.POST("/tokens/:id/refresh", adapt(a.refreshToken))
	get(api, "/tokens/:id/transitions", a.listTransitions)
	api.POST("/transitions/undo", adapt(a.undoTransitions))

	get(api, "/keys", a.listKeys)
	api.POST("/keys", adapt(a.createKey))
	get(api, "/keys/:id", a.getKey)
	api.PATCH("/keys/:id", adapt(a.updateKey))
	api.DELETE("/keys/:id", adapt(a.deleteKey))
	api.POST("/keys/:id/rotate", adapt(a.rotateKey))
	api.POST("/keys/:id/restore", adapt(a.restoreKey))

	get(api, "/tokens/:id/account", a.getAccount)
	get(api, "/quotas", a.quotas)

	get(api, "/logins", a.listLogins)
	api.POST("/logins", adapt(a.startLogin))
	get(api, "/logins/:id", a.getLogin)
	api.DELETE("/logins/:id", adapt(a.cancelLogin))

	get(api, "/upstreams", a.listUpstreams)
	api.PUT("/upstreams/:name", adapt(a.putUpstream))
	api.DELETE("/upstreams/:name", adapt(a.deleteUpstream))

	get(api, "/routes", a.listRoutes)
	get(api, "/routes/:name", a.getRoute)
	api.PUT("/routes/:name", adapt(a.putRoute))
	api.DELETE("/routes/:name", adapt(a.deleteRoute))

	get(api, "/prices", a.getPrices)
	api.PUT("/prices", adapt(a.putPrices))
	api.POST("/prices/import", adapt(a.importPrices))

	get(api, "/notifications", a.getNotifications)
	api.POST("/notifications/destinations", adapt(a.createDestination))
	api.PATCH("/notifications/destinations/:id", adapt(a.updateDestination))
	api.DELETE("/notifications/destinations/:id", adapt(a.deleteDestination))
	api.POST("/notifications/destinations/:id/test", adapt(a.testDestination))
	api.POST("/notifications/silences", adapt(a.createSilence))
	api.DELETE("/notifications/silences/:id", adapt(a.deleteSilence))

	get(api, "/settings", a.getSettings)
	api.PATCH("/settings", adapt(a.updateSettings))
	api.POST("/settings/reset", adapt(a.resetSettings))
	get(api, "/settings/changes", a.listSettingChanges)

	get(api, "/pages", a.listPages)
	api.PUT("/pages", adapt(a.putPage))
	api.DELETE("/pages", adapt(a.deletePage))

	api.POST("/backup", adapt(a.makeBackup))
	api.POST("/restore", adapt(a.restoreBackup))
	api.POST("/move-in", adapt(a.moveIn))
	get(api, "/move-out", a.moveOut)

	get(api, "/logs", a.queryLogs)
	get(api, "/logs/:id", a.getLog)
	get(api, "/stats", a.stats)
	get(api, "/usage", a.usage)
	get(api, "/fleet", a.fleet)
	api.POST("/alarms/acknowledge", adapt(a.acknowledgeAlarm))
	get(api, "/models", a.models)
	get(api, "/explain", a.explain)
	get(api, "/audit", a.listAudit)
	get(api, "/audit/:id", a.getChange)
	api.POST("/audit/:id/undo", adapt(a.undoChange))
	get(api, "/activity", a.listActivity)
}

// adapt makes gin's kind of handler. A version that is not the one in If-Match has a
// status of its own.
func adapt(handle jsonapi.Handler) gin.HandlerFunc { return jsonapi.Adapt(conditional(handle)) }

func get(router gin.IRouter, path string, handle jsonapi.Handler) {
	jsonapi.Get(router, path, conditional(handle))
}

func conditional(handle jsonapi.Handler) jsonapi.Handler {
	return func(c *gin.Context) error {
		err := handle(c)
		if rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
			c.Status(http.StatusPreconditionFailed)
		}
		return err
	}
}
