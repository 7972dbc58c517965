package httpapi

import (
	"cmp"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqbody"
)

// turn is a conversation's request on its way.
type turn struct {
	api     dialect.Dialect
	request *chat.Request
	choice  lease.Choice
	// thread is what it has to do with answers that are kept.
	thread thread
	// origin is whose the answer is, once that has begun.
	origin chat.Origin
}

// admit lets in who has sent a request in a dialect. Whoever has no right to ask learns no
// more than that.
func (s *server) admit(c *gin.Context, api dialect.Dialect) (auth.Sender, error) {
	exchangeOf(c).line.Dialect = api.Name()
	return s.Gate.Caller(c.Request, api.KeyHeaders(), s.allowed(), time.Now())
}

// allowed is what the settings let callers do.
func (s *server) allowed() auth.Allowed {
	settings := s.settings()
	return auth.Allowed{OwnTokens: settings.GetEnableOwnTokens(), AliasPinning: settings.GetEnableAliasPinning()}
}

// incoming reads a request's body.
func (s *server) incoming(c *gin.Context, api dialect.Dialect) (dialect.Incoming, error) {
	x := exchangeOf(c)
	body, err := reqbody.ReadAll(c.Writer, c.Request, s.bodyLimit(api))
	return dialect.Incoming{
		Body: body, Header: c.Request.Header, Query: c.Request.URL.RawQuery, RequestID: x.line.RequestID, Received: x.started,
	}, err
}

// sessionHeader says what a request belongs to, for clients that can't say so in the
// body.
const sessionHeader = "X-Session-Id"

// belongs has a request belong to what its sender says beside it.
func belongs(c *gin.Context, request *chat.Request) {
	request.Session = cmp.Or(c.GetHeader(sessionHeader), request.Session)
}

// maxModel bounds what a client can write into the log as a model's name, in bytes.
const maxModel = 100

// asks notes what a request is for.
func (x *exchange) asks(model string, stream bool) {
	x.line.Model, x.line.Stream = chat.Cut(model, maxModel), stream
}
