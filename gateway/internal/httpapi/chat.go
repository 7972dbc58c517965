package httpapi

import (
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/gather"
	"carousel.internal/gateway/internal/sse"
)

// converse answers a chat request of a dialect.
func (s *server) converse(c *gin.Context, api dialect.Dialect) error {
	sender, err := s.admit(c, api)
	if err != nil {
		return err
	}
	defer s.Chats.begin()()
	t, err := s.hear(c, api, sender)
	if err != nil {
		return err
	}
	request, err := api.Decode(t.in)
	if err != nil {
		return err
	}
	t.asks(c, request)
	return s.answerOnce(c, api, t.came, request.Stream, func() error {
		if request.Stream {
			return s.stream(c, t)
		}
		return s.collect(c, t, api.Whole(request, s.answerOptions()))
	})
}

// stream answers piece by piece. What is sent before the first event are heartbeats
// alone, after some silence. An error before anything has been sent is an ordinary HTTP
// error; after that it becomes the stream's last event, which says that it is not complete.
func (s *server) stream(c *gin.Context, t *turn) error {
	x := exchangeOf(c)
	begun := c.Writer.Written() // by heartbeats, while the key's first answer was waited for
	out := s.startStream(c)
	defer func() { _ = out.Close() }()
	encoder := t.api.Stream(t.request, s.answerOptions(), out)
	failed := func(err error) error {
		s.breakStream(t.api, encoder, out, err, x.line.RequestID, begun || x.line.Events > 0)
		return err
	}
	for event, err := range s.Relay.Chat(x.following(c), t.request, t.caller, t.choice) {
		if err != nil {
			return failed(t.thread.explain(err))
		}
		if x.line.Events == 0 {
			s.firstEvent(x, t, event, out.SetHeader)
		}
		x.see(&event)
		s.Metrics.StreamEvents.Inc()
		err := encoder.Event(event)
		s.keepAhead(c.Request.Context(), t, encoder)
		if err != nil {
			return clientGone(err)
		}
	}
	if x.line.Events == 0 {
		return failed(errNothing)
	}
	s.keep(c.Request.Context(), t, encoder)
	_ = encoder.Done() // out keeps its error
	if err := out.Close(); err != nil {
		return clientGone(err)
	}
	return nil
}

// startStream begins an answer that is a stream.
func (s *server) startStream(c *gin.Context) *sse.Writer {
	out := sse.Start(c.Writer, s.Options.Stream)
	if connection := gather.Of(c.Request.Context()); connection != nil {
		out.Gather(connection)
	}
	return out
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
func (s *server) collect(c *gin.Context, t *turn, answer dialect.Whole) error {
	x := exchangeOf(c)
	for event, err := range s.Relay.Chat(x.following(c), t.request, t.caller, t.choice) {
		if err != nil {
			return t.thread.explain(err)
		}
		if x.line.Events == 0 {
			s.firstEvent(x, t, event, c.Header)
		}
		x.see(&event)
		answer.Add(event)
	}
	if x.line.Events == 0 {
		return errNothing
	}
	s.keep(c.Request.Context(), t, answer)
	s.writeJSON(c, 200, answer.JSON())
	return nil
}

// fallbackHeader names the model that answers, where it is not the one asked for.
const fallbackHeader = "X-Carousel-Fallback-Model"

func (s *server) firstEvent(x *exchange, t *turn, event chat.Event, setHeader func(name, value string)) {
	if begin := event.Begin; begin != nil {
		t.origin = begin.Origin
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
	s.Metrics.Began(x.line.Stream, x.line.FirstEvent)
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
