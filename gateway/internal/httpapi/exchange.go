package httpapi

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/gateway/internal/gather"
	"carousel.internal/gateway/internal/headerlog"
)

// exchange is one request and its answer, for the log.
type exchange struct {
	started time.Time
	line    accesslog.Line
	headers headerlog.Record
	// span is the request's; nil: it is not traced.
	span trace.Span
	// sender is who has sent it; nobody while that is not known, or where no key is needed.
	sender auth.Sender
	// cut ends the connection when all is accounted for, so that the client does not take
	// what it got for the whole.
	cut bool
}

const exchangeKey = "exchange"

// requestIDHeader has the request's id in every answer.
const requestIDHeader = "X-Request-Id"

func exchangeOf(c *gin.Context) *exchange {
	x, _ := c.Get(exchangeKey)
	return x.(*exchange) // observe has put it there
}

// following is the request's context, with which it is served: how that went comes to stand in the
// line of the log. Its headers come to stand in the request log, where it fails.
func (x *exchange) following(c *gin.Context) context.Context {
	x.headers.Client = c.Request.Header
	return headerlog.Following(accesslog.Following(c.Request.Context(), &x.line.Served), &x.headers)
}

// observe is around every request: it names it, renders its error, keeps a panic
// from the process, and counts and logs it when it is over.
func (s *server) observe(c *gin.Context) {
	x := &exchange{started: time.Now()}
	x.line.RequestID = newID()
	c.Header(requestIDHeader, x.line.RequestID)
	if name := s.dialectOf(c.Request).IDHeader(); name != "" {
		c.Header(name, x.line.RequestID) // an upstream's own may take its place
	}
	c.Keys = keys.Get().(map[any]any)
	c.Keys[exchangeKey] = x
	s.beginTrace(c, x)
	s.Metrics.InFlight.Inc()
	defer s.Metrics.InFlight.Dec()
	defer s.recovered(c, x)
	c.Next()
	s.finish(c, x)
	if x.cut {
		panic(http.ErrAbortHandler)
	}
	clear(c.Keys)
	keys.Put(c.Keys)
	c.Keys = nil
}

// keys are the maps in which gin finds exchanges, used again: it would make another for each
// request.
var keys = sync.Pool{New: func() any { return map[any]any{} }}

// finish renders the error if there is one, and accounts for the request.
func (s *server) finish(c *gin.Context, x *exchange) {
	level := slog.LevelInfo
	if last := c.Errors.Last(); last != nil {
		failure := chat.AsError(last.Err)
		s.renderError(c, failure)
		x.cut = x.cut || errors.Is(last.Err, http.ErrAbortHandler)
		level = levelOf(failure.Kind)
		x.line.ErrorKind, x.line.Error = string(failure.Kind), failure.Error()
		s.Metrics.Errors.WithLabelValues(x.line.ErrorKind).Inc()
		s.countRefusal(x, failure)
		if failure.Kind == chat.Canceled {
			s.Metrics.ClientGone.Inc()
		}
	} else if routine(c) {
		level = slog.LevelDebug
	}
	s.account(c, x, level)
}

// countRefusal notes and counts a request that was refused for its key.
func (s *server) countRefusal(x *exchange, failure *chat.Error) {
	reason, key := x.refusedFor(failure)
	if reason == "" {
		return
	}
	s.Metrics.KeyRefusals.WithLabelValues(reason).Inc()
	if key != nil {
		x.line.Caller, x.line.KeyID, x.line.KeyName = string(caller.Client), key.ID, key.Name
	}
}

// routine tells whether a request is one of those that come again and again and say
// nothing of what people do: probes, and what the admin's pages ask for by themselves.
func routine(c *gin.Context) bool {
	if c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead || c.Writer.Status() >= http.StatusBadRequest {
		return false
	}
	switch route := c.FullPath(); {
	case route == "/", strings.HasSuffix(route, helloPath), route == "/health", route == "/favicon.ico", route == "/admin/ping", route == "/admin/events", strings.HasPrefix(route, "/admin/assets/"):
		return true
	default:
		return strings.HasPrefix(route, "/admin") && c.Request.Header.Get("X-Carousel-Poll") != ""
	}
}

// renderError answers with the error object, unless something has been
// answered already. A handler may have chosen a more precise status.
func (s *server) renderError(c *gin.Context, failure *chat.Error) {
	if c.Writer.Written() {
		return
	}
	answer := s.dialectOf(c.Request).Error(failure, exchangeOf(c).line.RequestID)
	status := answer.Status
	if chosen := c.Writer.Status(); chosen != http.StatusOK {
		status = chosen
	}
	for name, values := range answer.Header {
		c.Writer.Header()[name] = values
	}
	if status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	s.writeJSON(c, status, answer.JSON)
}

// maxMethod bounds what a client can write into the log as a method, in bytes.
const maxMethod = 20

func (s *server) account(c *gin.Context, x *exchange, level slog.Level) {
	line := &x.line
	line.Method, line.Route, line.Status = chat.Cut(c.Request.Method, maxMethod), c.FullPath(), c.Writer.Status()
	if line.Route == "" {
		line.Route = "unmatched" // paths are the clients' to choose: no label, no field
	}
	line.RemoteIP = forwarded.Client(c.Request)
	if line.Caller == "" { // a route of admins, or one that needs no key
		line.Caller = string(s.Gate.Kind(c.Request))
	}
	if line.Caller != "" {
		s.Metrics.Called(line.Caller)
	}
	line.BytesOut = max(int64(c.Writer.Size()), 0)
	line.Duration = time.Since(x.started)
	x.endTrace()
	s.Metrics.Answered(line.Route, line.Status, line.Stream, line.Duration)
	s.Access.Write(level, line)
}

// recovered ends a request whose handler panicked: with a 500 where that is
// still possible, else by cutting the connection, so that the client does not
// take what it got for the whole.
func (s *server) recovered(c *gin.Context, x *exchange) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	s.Log.ErrorContext(c.Request.Context(), "handler panicked",
		"request_id", x.line.RequestID, "route", c.FullPath(), "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	cut := c.Writer.Written()
	_ = c.Error(fmt.Errorf("panic: %v", cause))
	s.finish(c, x)
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// levelOf says who should look at an error of this kind.
func levelOf(kind chat.Kind) slog.Level {
	switch kind {
	case chat.Internal, chat.StoreUnavailable, chat.UpstreamProtocol:
		return slog.LevelError
	case chat.NoTokens, chat.NoTokenAvailable, chat.RateLimited, chat.UpstreamAuth, chat.UpstreamUnavailable,
		chat.OutdatedClient, chat.Timeout,
		chat.TooManyAttempts, chat.Overloaded, chat.ShuttingDown:
		return slog.LevelWarn
	default: // the caller's fault
		return slog.LevelInfo
	}
}

// writeJSON answers with a whole body. A client that does not read it loses its
// connection.
func (s *server) writeJSON(c *gin.Context, status int, body []byte) {
	header := c.Writer.Header()
	header["Content-Type"] = jsonContent
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	header["X-Content-Type-Options"] = noSniff
	// A writer without deadlines (a recorder) is no reason to fail.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(s.Options.Stream.WriteTimeout))
	c.Status(status)
	if connection := gather.Of(c.Request.Context()); connection != nil && len(body) > gather.OnePiece {
		connection.Hold() // net/http releases it when the answer has ended
	}
	_, _ = c.Writer.Write(body) // a client that has gone is noticed by its context
}

var (
	jsonContent = []string{"application/json"}
	noSniff     = []string{"nosniff"}
)

// newID makes a request id: 32 hex digits. It must be unique, not secret.
func newID() string {
	var raw [16]byte
	binary.NativeEndian.PutUint64(raw[:8], rand.Uint64()) //nolint:gosec // unique is enough
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64()) //nolint:gosec // unique is enough
	return hex.EncodeToString(raw[:])
}

// maxQuoted bounds what answers and the log quote of a request's first line, in bytes.
const maxQuoted = 200

func (s *server) notFound(c *gin.Context) {
	if s.Unmatched != nil && s.Unmatched(c) {
		return
	}
	if why := s.bound(c.Request.URL.Path); why != "" {
		_ = c.Error(chat.Errorf(chat.NotFound, "there is no route %s %s, and can't be: %s, and each request here may go to another one; call the upstream itself for that",
			chat.Cut(c.Request.Method, maxQuoted), quoted(c.Request.URL.Path), why))
		return
	}
	hint := "GET /health lists the routes"
	if meant := s.near(c.Request.URL.Path); meant != "" {
		hint = "the right address is " + meant
	}
	_ = c.Error(chat.Errorf(chat.NotFound, "there is no route %s %s; %s", chat.Cut(c.Request.Method, maxQuoted), quoted(c.Request.URL.Path), hint))
}

// bound says why a route below /v1 can't be served by many accounts; empty: it is none
// of those.
func (s *server) bound(path string) string {
	rest, below := strings.CutPrefix(path, s.Options.RoutePrefix+"/v1/")
	if !below {
		return ""
	}
	endpoint, _, _ := strings.Cut(rest, "/")
	return carried.Bound(endpoint)
}

func (s *server) wrongMethod(c *gin.Context) {
	if wantsWebSocket(c.Request) {
		refuseUpgrade(c)
		return
	}
	_ = c.Error(chat.Errorf(chat.MethodNotAllowed, "%s does not take %s but %s",
		quoted(c.Request.URL.Path), chat.Cut(c.Request.Method, maxQuoted), c.Writer.Header().Get("Allow")))
}

// quoted is what may be said of a path, to the client and in the log. Behind these signs a
// client may have put its key, having meant the query.
func quoted(path string) string {
	if at := strings.IndexAny(path, "?;&="); at >= 0 {
		path = path[:at] + "…"
	}
	return chat.Cut(path, maxQuoted)
}
