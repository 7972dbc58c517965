// Package httpapi is the gateway's public HTTP port: its routes, and what every
// request has in common (an id, one line in the log, metrics, the error object,
// CORS, limits). It translates between HTTP and a use case that it sees as an
// iterator of events; it knows no upstream, no token and no tokenstore.
package httpapi

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/gateway/internal/idempotency"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/remembered"
	"carousel.internal/gateway/internal/reqbody"
	"carousel.internal/gateway/internal/sse"
	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Relay answers chat requests. The errors that it yields are *chat.Error, and
// the last thing it yields. It is ranged over in the handler's goroutine; when
// the handler stops early, the client is gone. The choice says which token the
// caller asks for.
type Relay interface {
	Chat(ctx context.Context, req *chat.Request, from caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error]
	// Carry is Chat for a request to a side endpoint.
	Carry(ctx context.Context, req *carried.Request, from caller.Caller, choice lease.Choice) iter.Seq2[carried.Piece, error]
}

// Mount adds routes of its own below the public port: the admin API, pages.
type Mount interface {
	Routes(router gin.IRouter)
}

// Deps are what the handlers work with.
type Deps struct {
	Relay Relay
	// Dialects are those that clients may speak; the first is of whoever does not say.
	Dialects []dialect.Dialect
	// Tokens counts those of requests that are not sent; nil: nobody may ask.
	Tokens TokenCounter
	// Answers are those to requests with an idempotency key; nil: keys are ignored.
	Answers *idempotency.Desk
	// Remembered are the answers that clients go on with by their ids; nil: none are kept.
	Remembered *remembered.Desk
	// Models lists what can be asked for, in order.
	Models func() []chat.Model
	// Key returns a client key as it is now; errors are *chat.Error. It is asked for keys that Gate
	// has admitted.
	Key func(ctx context.Context, id string) (*tokenstorev1.GetKeyResponse, error)
	// Standing returns how far a client key's limits are used up, as far as is known here, without
	// blocking. nil: nothing is known of any.
	Standing func(keyID string) []caller.Standing
	// Settings answers the hot settings; nil while they are not known.
	Settings func() *tokenstorev1.Settings
	// Chats counts this gateway's chat requests; nil takes a new one.
	Chats *ChatCount
	// Fleet counts those of all gateways, without blocking; false while the
	// tokenstore does not tell. nil: there is only this one.
	Fleet func() (FleetChats, bool)
	Gate  *auth.Gate
	// Tracer traces what clients ask for below /v1; nil: nothing is traced.
	Tracer  *tracing.Tracer
	Metrics *metrics.Metrics
	Access  *accesslog.Log
	Log     *slog.Logger
	Mounts  []Mount
	// MCP serves agents that look after the pool; nil: there is no such route.
	MCP MCP
	// Unmatched answers a request that no route is for, and returns whether it has; nil:
	// the error object does.
	Unmatched func(c *gin.Context) bool
	Options   Options
}

// Options are fixed for the process's life. Zero values mean the defaults.
type Options struct {
	// RoutePrefix is put in front of the /v1 routes: empty, or `/path`.
	RoutePrefix string
	// CORSOrigins are the origins whose pages may call what is not below /v1; `*`
	// is all.
	CORSOrigins []string
	// Proxies are those whose word on where a request comes from counts.
	Proxies forwarded.Proxies
	Version string
	// BodyLimit bounds a request's body in bytes, also unpacked. Where it was chosen, it
	// holds for each dialect, whatever its clients count on.
	BodyLimit       int64
	BodyLimitChosen bool
	// BodyMemory bounds the memory of all bodies in flight, in bytes. It is no less than
	// one body of the largest size takes.
	BodyMemory int64
	// UploadLimit bounds the body of a request with files in bytes, and UploadDisk what all
	// of those in flight take on disk.
	UploadLimit, UploadDisk int64
	// ReadTimeout bounds the time that a client takes to send a body; what has come of it
	// gives it more.
	ReadTimeout time.Duration
	Stream      sse.Options
}

const (
	defaultBodyLimit   = 16 << 20
	defaultBodyMemory  = 256 << 20
	defaultUploadLimit = 64 << 20
	defaultUploadDisk  = 256 << 20
	defaultReadTimeout = time.Minute
)

type server struct {
	Deps
	started time.Time
	bodies  *reqbody.Budget
	uploads *reqbody.Spooler
	// endpoints are the public paths.
	endpoints []string
	process   metrics.Process
	cpu       cpuMeter
}

// New makes the handler of the public port.
func New(deps Deps) http.Handler {
	if deps.Options.BodyLimit <= 0 {
		deps.Options.BodyLimit = defaultBodyLimit
	}
	if deps.Options.BodyMemory <= 0 {
		deps.Options.BodyMemory = defaultBodyMemory
	}
	if deps.Options.UploadLimit <= 0 {
		deps.Options.UploadLimit = defaultUploadLimit
	}
	if deps.Options.UploadDisk <= 0 {
		deps.Options.UploadDisk = defaultUploadDisk
	}
	if deps.Options.ReadTimeout <= 0 {
		deps.Options.ReadTimeout = defaultReadTimeout
	}
	if deps.Options.Stream.WriteTimeout <= 0 {
		deps.Options.Stream.WriteTimeout = sse.DefaultWriteTimeout
	}
	if deps.Chats == nil {
		deps.Chats = &ChatCount{}
	}
	quietGin()
	s := &server{Deps: deps, started: time.Now(), process: metrics.NewProcess()}
	s.bodies = s.bodyBudget()
	s.uploads = reqbody.NewSpooler("", deps.Options.UploadDisk)
	s.cpu.since = s.started
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.Use(s.observe, s.cors)
	engine.NoRoute(s.notFound)
	engine.NoMethod(s.wrongMethod)
	s.routes(engine)
	return s.arrive(engine)
}

// gin's mode is a global: it is set once, before the first engine is made.
var quietGin = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// settings are as of now: the defaults while the tokenstore has not told them.
func (s *server) settings() *tokenstorev1.Settings {
	if settings := s.Settings(); settings != nil {
		return settings
	}
	return unknownSettings
}

var unknownSettings = &tokenstorev1.Settings{EnableStreamCheck: true, IncludeStopStream: true}
