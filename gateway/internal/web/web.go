// Package web is the admin site: the pages in which people manage tokens,
// settings and the request log. They are rendered here, from embedded templates,
// and can be read without JavaScript; a little of it keeps them current and sends
// changes to the admin API. Every page but the login and the one for the holder
// of a client key needs a session.
//
// Nothing secret reaches a page: tokens are masked, and the page's scripts keep
// nothing in the browser's storage.
package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/news"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/tokentest"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Tokens are the tokenstore's answers about tokens.
type Tokens interface {
	ListTokens(context.Context, *tokenstorev1.ListTokensRequest, ...grpc.CallOption) (*tokenstorev1.ListTokensResponse, error)
	GetToken(context.Context, *tokenstorev1.GetTokenRequest, ...grpc.CallOption) (*tokenstorev1.GetTokenResponse, error)
	RestoreToken(context.Context, *tokenstorev1.RestoreTokenRequest, ...grpc.CallOption) (*tokenstorev1.RestoreTokenResponse, error)
	ListTransitions(context.Context, *tokenstorev1.ListTransitionsRequest, ...grpc.CallOption) (*tokenstorev1.ListTransitionsResponse, error)
	PreviewUndo(context.Context, *tokenstorev1.PreviewUndoRequest, ...grpc.CallOption) (*tokenstorev1.PreviewUndoResponse, error)
	UndoTransitions(context.Context, *tokenstorev1.UndoTransitionsRequest, ...grpc.CallOption) (*tokenstorev1.UndoTransitionsResponse, error)
	ListTokenAccounts(context.Context, *tokenstorev1.ListTokenAccountsRequest, ...grpc.CallOption) (*tokenstorev1.ListTokenAccountsResponse, error)
	AcknowledgeCause(context.Context, *tokenstorev1.AcknowledgeCauseRequest, ...grpc.CallOption) (*tokenstorev1.AcknowledgeCauseResponse, error)
	SummarizePools(context.Context, *tokenstorev1.SummarizePoolsRequest, ...grpc.CallOption) (*tokenstorev1.SummarizePoolsResponse, error)
}

// Config are the tokenstore's answers about settings, upstreams and routes.
type Config interface {
	GetSettings(context.Context, *tokenstorev1.GetSettingsRequest, ...grpc.CallOption) (*tokenstorev1.GetSettingsResponse, error)
	ListUpstreams(context.Context, *tokenstorev1.ListUpstreamsRequest, ...grpc.CallOption) (*tokenstorev1.ListUpstreamsResponse, error)
	ListRoutes(context.Context, *tokenstorev1.ListRoutesRequest, ...grpc.CallOption) (*tokenstorev1.ListRoutesResponse, error)
	PutRoute(context.Context, *tokenstorev1.PutRouteRequest, ...grpc.CallOption) (*tokenstorev1.PutRouteResponse, error)
	DeleteRoute(context.Context, *tokenstorev1.DeleteRouteRequest, ...grpc.CallOption) (*tokenstorev1.DeleteRouteResponse, error)
}

// RequestLog are the tokenstore's answers about requests.
type RequestLog interface {
	Query(context.Context, *tokenstorev1.QueryRequest, ...grpc.CallOption) (*tokenstorev1.QueryResponse, error)
	Summarize(context.Context, *tokenstorev1.SummarizeRequest, ...grpc.CallOption) (*tokenstorev1.SummarizeResponse, error)
}

// Logins are the tokenstore's answers about logins at upstreams.
type Logins interface {
	GetLogin(context.Context, *tokenstorev1.GetLoginRequest, ...grpc.CallOption) (*tokenstorev1.GetLoginResponse, error)
}

// AuditLog is the tokenstore's record of what admins did.
type AuditLog interface {
	ListAudit(context.Context, *tokenstorev1.ListAuditRequest, ...grpc.CallOption) (*tokenstorev1.ListAuditResponse, error)
	ListActivity(context.Context, *tokenstorev1.ListActivityRequest, ...grpc.CallOption) (*tokenstorev1.ListActivityResponse, error)
	GetUndo(context.Context, *tokenstorev1.GetUndoRequest, ...grpc.CallOption) (*tokenstorev1.GetUndoResponse, error)
}

// Prices are the tokenstore's answers about the prices that are set and imported.
type Prices interface {
	GetPrices(context.Context, *tokenstorev1.GetPricesRequest, ...grpc.CallOption) (*tokenstorev1.GetPricesResponse, error)
	PutPrices(context.Context, *tokenstorev1.PutPricesRequest, ...grpc.CallOption) (*tokenstorev1.PutPricesResponse, error)
}

// Deps are what the pages show. The interfaces are met by the generated gRPC
// clients.
type Deps struct {
	jsonapi.Base
	// Logout ends a session. Its error is why other gateways don't know yet.
	Logout func(ctx context.Context, session auth.Session) error
	// LoggedIn is told of each attempt to log in that was judged: granted, refused, or slowed where
	// too many were refused before. nil: nobody is.
	LoggedIn func(result string)
	Tokens   Tokens
	Config   Config
	Logs     RequestLog
	Audit    AuditLog
	Logins   Logins
	Tests    *tokentest.Desk
	Prices   Prices
	// Notifications tell who is told of what is wrong.
	Notifications Notifications
	// News tells whether there is anything new for those who look at pages.
	News News
	// Backups and Uploads serve the page for backups.
	Backups Backups
	Uploads *backup.Uploads
	// TracePage is where a trace can be looked at, by its id; empty where nobody has said. nil:
	// nobody has.
	TracePage func(id string) string
	// Priced tells whether an upstream's model has a price.
	Priced func(upstream, model string) bool
	Leases routing.Leases
	Keys   tokenstorev1.KeyServiceClient
	Usage  tokenstorev1.UsageServiceClient
	// KeyHolder answers whose a client key is that somebody shows as a secret, or why it is not
	// taken. It slows down who shows wrong ones: such an error says when to try again.
	KeyHolder func(r *http.Request, secret string) (*caller.Key, error)
	// Prospects answers how a model's name is served to clients of a dialect. An empty dialect
	// is that of whoever does not say.
	Prospects func(model, dialect string) (routing.Chain, error)
	// Dialects are the names of the APIs that clients speak.
	Dialects []string
	// Fleet answers what all gateways said last; nil while it is not known.
	Fleet func() *tokenstorev1.BeatResponse
	// Degraded tells since when the tokenstore is away and until when requests are
	// served from the reserve all the same; false while neither is so.
	Degraded func() (since, until time.Time, ok bool)
	// Models lists what can be asked for, in order.
	Models func() []chat.Model
	// Listed lists the models that upstreams list, whatever routes there are.
	Listed func() []chat.Model
	// Servable lists those of which an upstream has tokens.
	Servable func() []chat.Model
	// HasAccounts tells whether an upstream tells of the accounts behind its
	// tokens.
	HasAccounts func(upstreamName string) bool
	// HasLogins tells whether people can log in to an upstream in the browser.
	HasLogins func(upstreamName string) bool
	// RoutePrefix is in front of the /v1 routes.
	RoutePrefix string
	// LoginLinks: browsers on this machine may log in by a link of the gate's.
	LoginLinks bool
	Version    string
}

// Site has the admin pages.
type Site struct {
	Deps
	views  views
	upkeep upkeep
	alarms alarmCount
	sparks sparks
	news   *news.Desk
}

// New makes the admin site. Whoever has it closes it before its requests are waited for.
func New(deps Deps) *Site {
	deps.Base = deps.WithDefaults()
	if deps.Fleet == nil {
		deps.Fleet = func() *tokenstorev1.BeatResponse { return nil }
	}
	if deps.Degraded == nil {
		deps.Degraded = func() (since, until time.Time, ok bool) { return since, until, false }
	}
	site := &Site{Deps: deps, views: loadedViews}
	site.news = news.New(site.versions)
	return site
}

// Routes lists every page.
func (s *Site) Routes(router gin.IRouter) {
	read := []string{http.MethodGet, http.MethodHead}
	router.Match(read, "/admin/assets/:revision/*name", s.asset)

	router.Match(read, "/favicon.ico", s.icon)

	router.Match(read, holderPath, s.headers, s.holderPage)
	router.POST(holderPath, s.headers, s.holder)

	site := router.Group("/admin", s.headers)
	site.Match(read, "/ping", ping)
	site.Match(read, "/events", s.events)
	site.Match(read, "/login", s.loginPage)
	site.POST("/login", s.login)
	if s.LoginLinks {
		router.Match(read, LoginLinkPath, s.headers, s.locally, s.loginLinkPage)
		router.POST(LoginLinkPath, s.headers, s.locally, s.followLoginLink)
	}
	site.POST("/logout", s.logout)
	site.POST("/preferences", s.preferences)
	site.Match(read, "/logs/tail", s.tail)
	site.Match(read, "/search/hits", s.searchHits)
	site.POST("/alarms/acknowledge", s.acknowledgeAlarm)
	site.POST("/tokens/test", s.testTokens)
	site.Match(read, "/tokens/test", testsAddress)
	site.Match(read, "/tokens/columns", s.chooseTokenColumns)
	site.Match(read, "/logs/columns", s.chooseLogColumns)
	site.POST("/tokens/deleted", s.restoreToken)
	site.POST("/activity/undo", s.undoTransitions)
	site.POST("/routes/edit", s.saveRoute)
	site.POST("/routes/delete", s.deleteRoute)
	site.POST("/prices/edit", s.savePrice)
	site.POST("/prices/remove", s.removePrice)
	site.POST("/prices/import", s.previewPrices)
	site.POST("/prices/apply", s.applyPrices)
	site.POST("/notifications/edit", s.saveDestination)
	site.POST("/notifications/delete", s.deleteDestination)
	site.POST("/notifications/test", s.testDestination)
	site.POST("/notifications/silence", s.createSilence)
	site.POST("/notifications/unsilence", s.deleteSilence)
	site.POST("/backup/make", s.makeBackup)
	site.POST("/backup/plan", s.planRestore)
	site.POST("/backup/apply", s.applyRestore)
	site.POST("/keys/new", s.createKey)
	site.POST("/keys/:id", s.saveKey)
	site.POST("/keys/:id/rotate", s.rotateKey)
	site.POST("/keys/:id/switch", s.switchKey)
	site.POST("/keys/:id/delete", s.deleteKey)
	site.POST("/keys/:id/restore", s.restoreKey)

	for path, page := range map[string]gin.HandlerFunc{
		"":                    func(c *gin.Context) { seeOther(c, "/admin/") },
		"/alarms":             func(c *gin.Context) { seeOther(c, "/admin/") }, // Home has them
		"/":                   s.page(overviewPage),
		"/tokens":             s.page(tokensPage),
		"/tokens/deleted":     s.page(deletedPage),
		"/tokens/:id":         s.page(tokenPage),
		"/tokens/:id/now":     s.page(tokenNowPage),
		"/logins/:id":         s.page(upstreamLoginPage),
		"/keys":               s.page(keysPage),
		"/keys/new":           s.page(newKeyPage),
		"/keys/:id":           s.page(keyPage),
		"/quotas":             s.page(quotasPage),
		"/token-files":        s.page(tokenFilesPage),
		"/move-in":            s.page(moveInPage),
		"/logs":               s.logs(),
		"/logs/:id":           s.page(logEntryPage),
		"/activity":           s.page(activityPage),
		"/activity/undo":      s.page(undoPage),
		"/activity/:id":       s.page(changePage),
		"/usage":              s.page(usePage),
		"/usage/left":         s.page(leftPage),
		"/prices":             s.page(pricesPage),
		"/prices/edit":        s.page(pricePage),
		"/prices/import":      s.page(priceImportPage),
		"/settings":           s.page(settingsPage),
		"/backup":             s.page(backupPage),
		"/pages":              s.page(contentsPage),
		"/upstreams":          s.page(upstreamsPage),
		"/routes":             s.page(routesPage),
		"/routes/edit":        s.page(routePage),
		"/models":             s.page(modelsPage),
		"/why":                s.page(whyPage),
		"/try":                s.page(tryPage),
		"/search":             s.page(searchPage),
		"/kit":                s.page(kitPage),
		"/notifications":      s.page(notificationsPage),
		"/notifications/edit": s.page(destinationPage),
	} {
		site.Match(read, path, page)
	}
}

// BuiltIn are the pages for the addresses that the reference system has them at.
func (s *Site) BuiltIn() map[string]gin.HandlerFunc {
	return map[string]gin.HandlerFunc{
		"/tokeninfo": s.page(tokenFilesPage), "/config": s.page(settingsPage), "/logs": s.logs(),
	}
}
