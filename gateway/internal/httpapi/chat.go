package httpapi

import (
	"cmp"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/reqbody"
	"carousel.internal/gateway/internal/sse"
)

// converse answers a chat request of a dialect.
func (s *server) converse(c *gin.Context, api dialect.Dialect) error {
	x := exchangeOf(c)
	x.line.Dialect = api.Name()
	choice, err := s.Gate.Caller(c.Request, api.KeyHeaders(), s.allowed(), time.Now())
	if err != nil {
		return err
	}
	defer s.Chats.begin()()
	body, err := reqbody.ReadAll(c.Writer, c.Request, s.bodyLimit(api))
	if err != nil {
		return err
	}
	req, err := api.Decode(dialect.Incoming{
		Body: body, Header: c.Request.Header, Query: c.Request.URL.RawQuery, RequestID: x.line.RequestID, Received: x.started,
	})
	if err != nil {
		return err
	}
	req.Session = cmp.Or(c.GetHeader(sessionHeader), req.Session)
	x.line.Model, x.line.Stream = chat.Cut(req.Model, maxModel), req.Stream
	return s.answerOnce(c, api, body, req.Stream, func() error {
		if req.Stream {
			return s.stream(c, api, req, choice, x)
		}
		return s.collect(c, api, req, choice, x)
	})
}

// sessionHeader says what a request belongs to, for clients that can't say so in the
// body.
const sessionHeader = "X-Session-Id"

// allowed is what the settings let callers do.
func (s *server) allowed() auth.Allowed {
	settings := s.settings()
	return auth.Allowed{OwnTokens: settings.GetEnableOwnTokens(), AliasPinning: settings.GetEnableAliasPinning()}
}

// stream answers piece by piece. What is sent before the first event are heartbeats
// alone, after some silence. An error before anything has been sent is an ordinary HTTP
// error; after that it becomes the stream's last event, which says that it is not complete.
func (s *server) stream(c *gin.Context, api dialect.Dialect, req *chat.Request, choice lease.Choice, x *exchange) error {
	begun := c.Writer.Written() // by heartbeats, while the key's first answer was waited for
	out := sse.Start(c.Writer, s.Options.Stream)
	defer func() { _ = out.Close() }()
	encoder := api.Stream(req, s.answerOptions(), out)
	failed := func(err error) error {
		s.breakStream(api, encoder, out, err, x.line.RequestID, begun || x.line.Events > 0)
		return err
	}
	for event, err := range s.Relay.Chat(c.Request.Context(), req, choice) {
		if err != nil {
			return failed(err)
		}
		if x.line.Events == 0 {
			s.firstEvent(x, event, out.SetHeader)
		}
		x.see(&event)
		s.Metrics.StreamEvents.Inc()
		if err := encoder.Event(event); err != nil {
			return clientGone(err)
		}
	}
	if x.line.Events == 0 {
		return failed(errNothing)
	}
	_ = encoder.Done() // out keeps its error
	if err := out.Close(); err != nil {
		return clientGone(err)
	}
	return nil
}

// breakStream ends a stream with an error, unless nothing has been sent of it: then the error
// becomes the answer.
func (s *server) breakStream(api dialect.Dialect, encoder dialect.Stream, out *sse.Writer, err error, requestID string, begun bool) {
	breaker, own := encoder.(dialect.Breaker)
	if own && !begun && breaker.Break(err, requestID, false) {
		return
	}
	if !begun && out.GiveUp() {
		return
	}
	if own {
		breaker.Break(err, requestID, true)
		return
	}
	broken := api.Error(err, requestID)
	_ = out.Event(broken.Event, broken.JSON, false) // a client that has gone needs no error
}

// answerOptions are the settings that shape answers.
func (s *server) answerOptions() dialect.Options {
	return dialect.Options{OmitFinish: !s.settings().GetIncludeStopStream()}
}

// collect answers with the whole stream at once.
func (s *server) collect(c *gin.Context, api dialect.Dialect, req *chat.Request, choice lease.Choice, x *exchange) error {
	answer := api.Whole(req, s.answerOptions())
	for event, err := range s.Relay.Chat(c.Request.Context(), req, choice) {
		if err != nil {
			return err
		}
		if x.line.Events == 0 {
			s.firstEvent(x, event, c.Header)
		}
		x.see(&event)
		answer.Add(event)
	}
	if x.line.Events == 0 {
		return errNothing
	}
	s.writeJSON(c, 200, answer.JSON())
	return nil
}

// fallbackHeader names the model that answers, where it is not the one asked for.
const fallbackHeader = "X-Carousel-Fallback-Model"

func (s *server) firstEvent(x *exchange, event chat.Event, setHeader func(name, value string)) {
	if begin := event.Begin; begin != nil {
		for name, values := range begin.Header {
			for _, value := range values {
				setHeader(name, value)
			}
		}
		if begin.FallbackModel != "" {
			setHeader(fallbackHeader, begin.FallbackModel)
		}
	}
	x.line.FirstEvent = time.Since(x.started)
	s.Metrics.FirstEventSeconds.WithLabelValues(metrics.Bool(x.line.Stream)).Observe(x.line.FirstEvent.Seconds())
}

// see notes what the log says of an answer.
func (x *exchange) see(event *chat.Event) {
	x.line.Events++
	if event.Finish != chat.Unfinished {
		x.line.FinishReason = string(event.Finish)
	}
	if event.Usage != nil {
		usage := event.Usage.Bounded()
		x.line.PromptTokens, x.line.CompletionTokens, x.line.UsageSource = usage.Prompt, usage.Completion, string(usage.Source)
		x.line.CacheReadTokens, x.line.CacheWriteTokens, x.line.CacheWriteHourTokens = usage.CacheRead, usage.CacheWrite, usage.CacheWriteHour
		x.line.ReasoningTokens = usage.Reasoning
	}
}

// errNothing: the relay has promised an event or an error.
var errNothing = chat.Errorf(chat.UpstreamProtocol, "the answer is empty")

func clientGone(err error) error {
	return &chat.Error{Kind: chat.Canceled, Message: "the client is gone", Err: err}
}

// maxModel bounds what a client can write into the log as a model's name, in bytes.
const maxModel = 100
