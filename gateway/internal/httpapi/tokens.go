package httpapi

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
)

// TokenCounter says how many tokens a request has that is not sent. Its errors are
// *chat.Error.
type TokenCounter interface {
	CountTokens(ctx context.Context, request *chat.Request, from caller.Caller, choice lease.Choice) (int, error)
}

// countIn makes the handler of a dialect's questions for tokens.
func (s *server) countIn(api dialect.Dialect, counter dialect.TokenCounter) handler {
	return func(c *gin.Context) error {
		sender, err := s.admit(c, api)
		if err != nil {
			return err
		}
		t, err := s.hear(c, api, sender)
		switch {
		case err != nil:
			return err
		case t.thread.pinned: // nobody here knows all that counts
			return s.passOn(c, t, counter.CountPath())
		}
		request, err := counter.DecodeCount(t.in)
		if err != nil {
			return err
		}
		t.asks(c, request)
		tokens, err := s.Tokens.CountTokens(exchangeOf(c).following(c), request, t.caller, t.choice)
		if err != nil {
			return err
		}
		s.writeJSON(c, http.StatusOK, counter.Count(tokens))
		return nil
	}
}
