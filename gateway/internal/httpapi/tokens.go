package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqbody"
)

// TokenCounter says how many tokens a request has that is not sent. Its errors are
// *chat.Error.
type TokenCounter interface {
	CountTokens(ctx context.Context, request *chat.Request, choice lease.Choice) (int, error)
}

// countIn makes the handler of a dialect's questions for tokens.
func (s *server) countIn(api dialect.Dialect, counter dialect.TokenCounter) handler {
	return func(c *gin.Context) error {
		x := exchangeOf(c)
		x.line.Dialect = api.Name()
		choice, err := s.Gate.Caller(c.Request, api.KeyHeaders(), s.allowed(), time.Now())
		if err != nil {
			return err
		}
		body, err := reqbody.ReadAll(c.Writer, c.Request, s.bodyLimit(api))
		if err != nil {
			return err
		}
		request, err := counter.DecodeCount(dialect.Incoming{
			Body: body, Header: c.Request.Header, Query: c.Request.URL.RawQuery, RequestID: x.line.RequestID, Received: x.started,
		})
		if err != nil {
			return err
		}
		x.line.Model = chat.Cut(request.Model, maxModel)
		tokens, err := s.Tokens.CountTokens(c.Request.Context(), request, choice)
		if err != nil {
			return err
		}
		s.writeJSON(c, http.StatusOK, counter.Count(tokens))
		return nil
	}
}
