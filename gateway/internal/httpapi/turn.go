package httpapi

import (
	"cmp"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqbody"
)

// turn is a conversation's request on its way.
type turn struct {
	api dialect.Dialect
	// came is the body as it came; in has that which stands by itself, where what it goes on with
	// is kept here.
	came []byte
	in   dialect.Incoming
	// request is what the dialect has made of it.
	request *chat.Request
	caller  caller.Caller
	choice  lease.Choice
	// thread is what it has to do with answers that are kept.
	thread thread
	// origin is whose the answer is, once that has begun.
	origin chat.Origin
}

// hear reads what a sender asks, and finds what that goes on with.
func (s *server) hear(c *gin.Context, api dialect.Dialect, sender auth.Sender) (*turn, error) {
	x := exchangeOf(c)
	body, err := reqbody.ReadAll(c.Writer, c.Request, s.bodyLimit(api))
	if err != nil {
		return nil, err
	}
	t := &turn{api: api, came: body, caller: sender.Caller, choice: sender.Choice, in: dialect.Incoming{
		Body: body, Header: c.Request.Header, Query: c.Request.URL.RawQuery, RequestID: x.line.RequestID, Received: x.started,
	}}
	return t, s.follow(c.Request, t, sender)
}

// asks is what a dialect has made of a turn's body.
func (t *turn) asks(c *gin.Context, request *chat.Request) {
	request.Session = cmp.Or(c.GetHeader(sessionHeader), request.Session)
	t.request = request
	exchangeOf(c).asks(request.Model, request.Stream)
}

// sessionHeader says what a request belongs to, for clients that can't say so in the
// body.
const sessionHeader = "X-Session-Id"

// maxModel bounds what a client can write into the log as a model's name, in bytes.
const maxModel = 100

// asks notes what a request is for.
func (x *exchange) asks(model string, stream bool) {
	x.line.Model, x.line.Stream = chat.Cut(model, maxModel), stream
}
