package httpapi

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
)

// TokenCounter says how many tokens a request has that is not sent. Its errors are
// *chat.Error.
type TokenCounter interface {
	CountTokens(ctx context.Context, request *chat.Request, choice lease.Choice) (int, error)
}

// countIn makes the handler of a dialect's questions for tokens.
func (s *server) countIn(api dialect.Dialect, counter dialect.TokenCounter) handler {
	return func(c *gin.Context) error {
		sender, err := s.admit(c, api)
		if err != nil {
			return err
		}
		in, err := s.incoming(c, api)
		if err != nil {
			return err
		}
		request, err := counter.DecodeCount(in)
		if err != nil {
			return err
		}
		exchangeOf(c).asks(request.Model, false)
		tokens, err := s.Tokens.CountTokens(c.Request.Context(), request, sender.Choice)
		if err != nil {
			return err
		}
		s.writeJSON(c, http.StatusOK, counter.Count(tokens))
		return nil
	}
}
