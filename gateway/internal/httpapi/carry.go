package httpapi

import (
	"cmp"
	"mime"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqbody"
	"carousel.internal/gateway/internal/sse"
)

// carryTo makes the handler of a side endpoint.
func (s *server) carryTo(route *carried.Route) handler {
	return func(c *gin.Context) error { return s.carry(c, route) }
}

// carry passes a request on as it is, and the answer back.
func (s *server) carry(c *gin.Context, route *carried.Route) error {
	api := s.dialectOf(c.Request)
	sender, err := s.admit(c, api)
	if err != nil {
		return err
	}
	defer s.Chats.begin()()
	req, end, err := s.readCarried(c, route)
	if err != nil {
		return err
	}
	defer end()
	return s.deliver(c, api, &passing{request: req, caller: sender.Caller, choice: sender.Choice})
}

// passing is a request that is passed on as it is.
type passing struct {
	request *carried.Request
	caller  caller.Caller
	choice  lease.Choice
	// explain words an error for the client; nil: it is worded.
	explain func(error) error
	// agreed is called when the upstream does what it is asked, before the client hears so; nil:
	// there is nothing to do.
	agreed func() error
}

// deliver passes a request on and the answer back.
func (s *server) deliver(c *gin.Context, api dialect.Dialect, p *passing) error {
	x, req := exchangeOf(c), p.request
	req.ID, req.Created, req.Dialect, req.Query = x.line.RequestID, x.started, api.Name(), c.Request.URL.RawQuery
	req.Session = cmp.Or(c.GetHeader(sessionHeader), req.Session)
	x.asks(req.Model, req.Stream)
	d := &delivery{server: s, c: c, x: x}
	if req.Stream {
		d.out = s.startStream(c)
	}
	defer d.close()
	for piece, err := range s.Relay.Carry(x.following(c), req, p.caller, p.choice) {
		switch {
		case err != nil && p.explain != nil:
			err = p.explain(err)
		case err == nil && piece.Head != nil && p.agreed != nil:
			err = p.agreed()
		}
		if err == nil {
			err = d.take(piece)
		}
		if err != nil {
			return d.fail(err)
		}
	}
	if !d.begun {
		return d.fail(errNothing)
	}
	return nil
}

// readCarried reads a request's body: one of files to disk where it is large, any other
// into memory. The caller calls end when the request has been served.
func (s *server) readCarried(c *gin.Context, route *carried.Route) (req *carried.Request, end func(), err error) {
	limit := s.Options.BodyLimit
	if route.Upload {
		limit = max(limit, s.Options.UploadLimit)
	}
	if !carried.IsForm(c.GetHeader("Content-Type")) {
		body, err := reqbody.ReadAll(c.Writer, c.Request, limit)
		if err != nil {
			return nil, nil, err
		}
		req, err = carried.ReadJSON(route, c.Request.Header, body)
		return req, func() {}, err
	}
	spooled, err := s.uploads.Read(c.Writer, c.Request, limit)
	if err != nil {
		return nil, nil, err
	}
	end = func() { _ = spooled.Close() } // nothing is lost with the file
	req, err = carried.ReadForm(route, c.Request.Header, spooled, spooled.Size)
	if err != nil {
		end()
		return nil, nil, err
	}
	return req, end, nil
}

// delivery writes the answer to a request that was passed on.
type delivery struct {
	*server
	c *gin.Context
	x *exchange
	// out is the answer while it is, or may become, a stream of events; nil: it is none.
	out *sse.Writer
	// begun: the upstream's head has come.
	begun bool
}

func (d *delivery) take(piece carried.Piece) error {
	switch {
	case piece.Head != nil:
		return d.begin(piece.Head)
	case piece.Usage != nil:
		d.x.see(&chat.Event{Usage: piece.Usage})
		return nil
	case d.out != nil:
		d.x.line.Events++
		d.Metrics.StreamEvents.Inc()
		if err := d.out.Raw(piece.Bytes); err != nil {
			return clientGone(err)
		}
		return nil
	}
	d.writeDeadline(d.c.Writer)
	if _, err := d.c.Writer.Write(piece.Bytes); err != nil {
		return clientGone(err)
	}
	d.c.Writer.Flush()
	return nil
}

// begin writes the head. An answer is a stream if the upstream says so, whatever was asked
// for.
func (d *delivery) begin(head *carried.Head) error {
	d.begun, d.x.line.FirstEvent = true, time.Since(d.x.started)
	d.Metrics.Began(d.x.line.Stream, d.x.line.FirstEvent)
	contentType := head.Header.Get("Content-Type")
	media, _, _ := mime.ParseMediaType(contentType)
	stream := media == sse.ContentType
	switch {
	case !stream && d.out != nil && !d.out.GiveUp(): // heartbeats have said that it is one
		return chat.Errorf(chat.UpstreamProtocol, "a stream was asked for, and the upstream answers with %q", chat.Cut(contentType, maxQuoted))
	case !stream:
		d.out = nil
	case d.out == nil:
		d.out = d.startStream(d.c)
	}
	set := d.c.Header
	if d.out != nil {
		set = d.out.SetHeader
	}
	for name, values := range head.Header {
		set(name, values[0])
	}
	if head.FallbackModel != "" {
		set(fallbackHeader, head.FallbackModel)
	}
	if d.out != nil {
		return nil
	}
	if contentType == "" {
		set("Content-Type", "application/octet-stream")
	}
	if head.Length >= 0 {
		set("Content-Length", strconv.FormatInt(head.Length, 10))
	}
	d.c.Writer.Header()["X-Content-Type-Options"] = noSniff
	d.c.Status(head.Status)
	d.c.Writer.WriteHeaderNow()
	return nil
}

// fail ends the answer with an error: as an answer of its own where none has begun, as the
// last event of a stream, and else by ending the connection.
func (d *delivery) fail(err error) error {
	if d.out != nil {
		if !d.out.GiveUp() {
			broken := d.dialectOf(d.c.Request).Error(err, d.x.line.RequestID)
			_ = d.out.Event(broken.Event, broken.JSON, false) // a client that has gone needs no error
		}
		return err
	}
	d.x.cut = d.c.Writer.Written()
	return err
}

func (d *delivery) close() {
	if d.out != nil {
		_ = d.out.Close() // its error is that of a client that has gone
	}
}
