package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/proto/service/tracing"
)

// beginTrace begins the span of a request of the API, in the trace that its client names if it
// does. Pages, the admin API and probes are not traced. A path that no route is for can hold
// anything, and is not told; nor are queries, addresses and names of clients.
func (s *server) beginTrace(c *gin.Context, x *exchange) {
	route := c.FullPath()
	if !s.Tracer.On() || route == "" || !s.belowV1(c.Request.URL.Path) {
		return
	}
	ctx := tracing.From(c.Request.Context(), c.Request.Header)
	ctx, x.span = s.Tracer.Serve(ctx, c.Request.Method+" "+route,
		attribute.String("http.request.method", c.Request.Method),
		attribute.String("http.route", route),
		attribute.String("url.path", c.Request.URL.Path),
		attribute.String("url.scheme", schemeOf(c.Request)),
		attribute.String("carousel.request.id", x.line.RequestID),
	)
	x.line.TraceID = tracing.ID(ctx)
	c.Request = c.Request.WithContext(ctx)
}

func schemeOf(r *http.Request) string {
	if forwarded.Encrypted(r) {
		return "https"
	}
	return "http"
}

// endTrace ends the span with what the line of the log says, once all is known.
func (x *exchange) endTrace() {
	if x.span == nil {
		return
	}
	line := &x.line
	tell := func(name, value string) {
		if value != "" {
			x.span.SetAttributes(attribute.String(name, value))
		}
	}
	x.span.SetAttributes(attribute.Int("http.response.status_code", line.Status))
	tell("gen_ai.request.model", line.Model)
	tell("gen_ai.response.model", line.Served.Model)
	tell("carousel.upstream", line.Served.Upstream)
	tell("carousel.key.id", line.KeyID)
	if line.FinishReason != "" {
		x.span.SetAttributes(attribute.StringSlice("gen_ai.response.finish_reasons", []string{line.FinishReason}))
	}
	if line.UsageSource != "" {
		x.span.SetAttributes(
			attribute.Int("gen_ai.usage.input_tokens", line.PromptTokens), attribute.Int("gen_ai.usage.output_tokens", line.CompletionTokens))
	}
	switch {
	case line.ErrorKind == "":
	case line.Status >= http.StatusInternalServerError, line.Status < http.StatusBadRequest && line.ErrorKind != string(chat.Canceled):
		tracing.Fail(x.span, line.ErrorKind, "")
	default: // the client's own doing is no error of a server's span
		tell("error.type", line.ErrorKind)
	}
	x.span.End()
	x.span = nil
}
